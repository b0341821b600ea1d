"""What a crop holds, and where it says that it belongs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from segnet.rounds.crop import read_crop_record, read_seed_labels
from segnet.rounds.formats import read_any
from segnet.rounds.regions import Region
from tests.segnet.rounds.conftest import ORIGIN, PIXEL_SIZE
from tomoio import read_labels, read_volume


def test_image_and_labels_have_one_shape_and_context_is_ignored(project, region):
    record = project.crop(region)
    image = read_volume(project.root / "crops" / "r01_image.mrc")
    labels = read_labels(project.root / "crops" / "r01_labels.mrc")
    box = np.s_[7:19, 5:25, 8:38]
    np.testing.assert_array_equal(image.data, project.image[box])
    assert labels.data.shape == image.data.shape == record.shape == (12, 20, 30)
    assert (labels.data[:3] == 255).all()
    assert (labels.data[-3:] == 255).all()
    np.testing.assert_array_equal(labels.data[3:9], project.labels[10:16, 5:25, 8:38])


def test_voxel_size_and_origin_place_the_crop_in_the_tomogram(project, region):
    project.crop(region)
    image = read_volume(project.root / "crops" / "r01_image.mrc")
    assert image.pixel_size_angstrom == PIXEL_SIZE
    corner_xyz = np.array([8, 5, 10 - 3])  # the context slices are part of the file
    np.testing.assert_allclose(image.origin_angstrom, np.array(ORIGIN) + corner_xyz * PIXEL_SIZE, rtol=1e-5)


def test_the_record_has_the_statistics_of_the_whole_tomogram(project, region):
    project.crop(region)
    record = read_crop_record(project.root / "crops" / "r01.json")
    assert record.tomogram_mean == pytest.approx(project.image.mean(dtype=float), abs=1e-6)
    assert record.tomogram_standard_deviation == pytest.approx(project.image.std(dtype=float), abs=1e-6)
    assert record.region == replace(region, reason="unsure of actin")


def test_context_ends_where_the_tomogram_ends(project):
    record = project.crop(Region("1.1", "edge", "cell_1", 1, 0, 0, 28, 10, 10))
    assert (record.context_before, record.context_after, record.shape[0]) == (1, 1, 30)


def test_a_region_outside_the_tomogram_is_refused(project):
    with pytest.raises(ValueError, match=r"y from 30 to 50; wanted at most 40"):
        project.crop(Region("1.1", "r02", "cell_1", 0, 30, 0, 5, 20, 10))
    assert not (project.root / "crops").exists() or not any((project.root / "crops").iterdir())


def test_without_a_segmentation_labels_start_empty(project, region):
    bare = replace(project, segmentations=project.root / "nothing")
    record = bare.crop(region)
    assert record.model == ""
    assert not read_labels(project.root / "crops" / "r01_labels.mrc").data[record.core].any()


def test_a_crop_is_not_overwritten(project, region):
    project.crop(region)
    with pytest.raises(FileExistsError, match="exists already"):
        project.crop(region)


@pytest.mark.parametrize("kind", ["mrc", "tiff", "nrrd"])
def test_each_format_holds_the_same_crop(project, region, kind):
    record = project.crop(region, format=kind)
    image = read_any(project.root / "crops" / record.image_file)
    np.testing.assert_array_equal(image.data, project.image[7:19, 5:25, 8:38])
    assert image.pixel_size_angstrom == pytest.approx(PIXEL_SIZE)
    labels = read_seed_labels(project.root / "crops", record)
    np.testing.assert_array_equal(labels[record.core], project.labels[10:16, 5:25, 8:38])


def test_labels_that_were_edited_in_place_are_noticed(project, region):
    record = project.crop(region, format="nrrd")
    path = project.root / "crops" / record.labels_file
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ValueError, match="changed since it was cut"):
        read_seed_labels(project.root / "crops", record)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("tomogram_mean", "grey", r"tomogram_mean: Input should be a valid number"),
        ("context_before", 2.5, r"context_before: .*integer"),
        ("start_voxels", [1, 2], r"start_voxels\.2: Field required"),
        ("colour", "red", r"colour: Unexpected keyword argument"),
        ("round", None, r"round: .*string"),
    ],
)
def test_a_record_that_was_edited_wrongly_names_the_key(project, region, key, value, message):
    project.crop(region)
    path = project.root / "crops" / "r01.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(ValueError, match=rf"r01\.json: not the record of a crop \({message}"):
        read_crop_record(path)


@pytest.mark.parametrize("text", ["[]", "{", "3"])
def test_what_is_no_record_is_said_to_be_none(tmp_path, text):
    (tmp_path / "r01.json").write_text(text)
    with pytest.raises(ValueError, match=r"r01\.json: not the record of a crop"):
        read_crop_record(tmp_path / "r01.json")


def test_a_record_of_an_earlier_version_is_read(project, region):
    record = project.crop(region)
    path = project.root / "crops" / "r01.json"
    values = json.loads(path.read_text())
    del values["tomogram_median"], values["tomogram_robust_deviation"]
    path.write_text(json.dumps(values))
    earlier = replace(record, tomogram_median=None, tomogram_robust_deviation=None)
    assert read_crop_record(path) == earlier


def test_a_lost_provenance_is_not_called_a_crop(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"provenance\.json: no such file; it belongs to an accepted"):
        read_crop_record(tmp_path / "provenance.json")
    with pytest.raises(FileNotFoundError, match=r"r01\.json: .*segnet crop r01"):
        read_crop_record(tmp_path / "r01.json")
