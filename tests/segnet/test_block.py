from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segnet.block import make_block
from segnet.config.training import BlockConfig
from segnet.dataset import channel_lookup, read_parts, trained_classes
from segnet.normalisation import Normalisation, write_normalisations
from tests.segnet.phantoms import CLASSES, phantom, write_pair
from tomoio import IGNORE, read_labels, read_manifest, read_volume, write_labels, write_volume
from tomoio.tables import read_table


def test_parts_are_normalised_by_their_own_volume_and_laid_one_on_the_other(tmp_path):
    sources = [write_pair(tmp_path / str(seed), seed) for seed in (1, 2)]
    make_block(sources, tmp_path / "block", BlockConfig(), CLASSES)
    found = read_volume(tmp_path / "block" / "tomogram.mrc").data
    for number, seed in enumerate((1, 2)):
        grey, labels = phantom(seed)
        part = found[12 * number : 12 * (number + 1)]
        np.testing.assert_allclose(part, (grey - grey.mean()) / grey.std(), atol=1e-4)
        stored = read_labels(tmp_path / "block" / "labels.mrc").data[12 * number : 12 * (number + 1)]
        np.testing.assert_array_equal(stored, labels)
    rows = read_table(tmp_path / "block" / "parts.tsv", required=("part", "z_start", "sha256"))
    assert [(row["part"], row["z_start"]) for row in rows] == [("1", "0"), ("2", "12")]
    inputs = {entry["sha256"] for entry in read_manifest(tmp_path / "block" / "manifest.json")["inputs"]}
    assert {row["sha256"] for row in rows} < inputs


def test_smaller_parts_are_filled_up_with_ignored_voxels(tmp_path):
    small = write_pair(tmp_path / "a", 1)
    grey, labels = phantom(2, (8, 60, 50))
    write_volume(tmp_path / "b.mrc", grey, 13)
    write_labels(tmp_path / "b_labels.mrc", labels, 13)
    large = replace(small, tomogram=tmp_path / "b.mrc", labels=tmp_path / "b_labels.mrc")
    make_block([small, large], tmp_path / "block", BlockConfig(), CLASSES)
    stored = read_labels(tmp_path / "block" / "labels.mrc").data
    assert stored.shape == (20, 60, 50)
    assert np.all(stored[:12, 48:] == IGNORE)
    assert np.all(stored[:12, :, 48:] == IGNORE)
    assert [part.image.shape for part in read_parts([tmp_path / "block"], CLASSES, {})] == [
        (12, 48, 48),
        (8, 60, 50),
    ]


def test_a_crop_uses_the_normalisation_of_the_tomogram_that_it_came_from(tmp_path):
    source = write_pair(tmp_path / "a", 1)
    write_normalisations(source.tomogram, [Normalisation(method="zscore", centre=50, spread=4)])
    make_block([source], tmp_path / "block", BlockConfig(), CLASSES)
    found = read_volume(tmp_path / "block" / "tomogram.mrc").data
    np.testing.assert_allclose(found, (phantom(1)[0] - 50) / 4, rtol=1e-5)
    with pytest.raises(ValueError, match=r"normalisation.json: normalisation zscore; wanted robust"):
        make_block([source], tmp_path / "other", BlockConfig(normalisation="robust"), CLASSES)


def test_hard_negatives_are_background_but_for_what_is_ignored(tmp_path):
    source = write_pair(tmp_path / "a", 1, domain="hard_negative")
    labels = phantom(1)[1]
    labels[:, :5] = IGNORE
    write_labels(source.labels, labels, 13, overwrite=True)
    make_block([source], tmp_path / "block", BlockConfig(), CLASSES)
    stored = read_labels(tmp_path / "block" / "labels.mrc").data
    np.testing.assert_array_equal(stored, np.where(labels == IGNORE, IGNORE, 0))


def test_parts_outside_the_pixel_sizes_are_rescaled_with_their_labels(tmp_path):
    source = write_pair(tmp_path / "a", 1, 10.0)
    make_block([source], tmp_path / "block", BlockConfig(pixel_size_range_angstrom=(12, 14)), CLASSES)
    block = read_volume(tmp_path / "block" / "tomogram.mrc")
    assert block.data.shape == (10, 40, 40)
    assert block.pixel_size_angstrom == 12
    labels = read_labels(tmp_path / "block" / "labels.mrc").data
    assert block.data[labels > 0].mean() < -1  # labels still lie on the dark voxels
    assert block.data[labels == 0].mean() > 0


def test_bright_protein_is_turned_dark(tmp_path):
    source = write_pair(tmp_path / "a", 1)
    write_volume(source.tomogram, -phantom(1)[0], 13, overwrite=True)
    make_block([replace(source, contrast="bright")], tmp_path / "block", BlockConfig(), CLASSES)
    found = read_volume(tmp_path / "block" / "tomogram.mrc").data
    assert found[phantom(1)[1] > 0].mean() < -1


def test_wrong_input_is_named(tmp_path):
    source = write_pair(tmp_path / "a", 1)
    write_labels(tmp_path / "short.mrc", phantom(1)[1][:-1], 13)
    with pytest.raises(ValueError, match=r"short.mrc: shape \(11, 48, 48\).*\(12, 48, 48\)"):
        make_block([replace(source, labels=tmp_path / "short.mrc")], tmp_path / "b", BlockConfig(), CLASSES)
    write_labels(tmp_path / "odd.mrc", np.full((12, 48, 48), 77), 13)
    with pytest.raises(ValueError, match=r"odd.mrc: label 77 is not in the class table"):
        make_block([replace(source, labels=tmp_path / "odd.mrc")], tmp_path / "b", BlockConfig(), CLASSES)
    with pytest.raises(ValueError, match="domain 'unreal'; wanted one of synthetic"):
        make_block([replace(source, domain="unreal")], tmp_path / "b", BlockConfig(), CLASSES)
    assert not (tmp_path / "b" / "tomogram.mrc").exists()


def test_merged_classes_share_a_channel():
    lookup = channel_lookup(CLASSES, {"tric": "ribosome", "membrane": "background"})
    assert trained_classes(CLASSES, {"tric": "ribosome"}).names == ("background", "membrane", "ribosome")
    assert [int(lookup[label]) for label in (0, 1, 5, 6, 255, 99)] == [0, 0, 1, 1, IGNORE, IGNORE]
    with pytest.raises(ValueError, match="unknown class 'actin'"):
        channel_lookup(CLASSES, {"actin": "background"})
    with pytest.raises(ValueError, match="merged itself"):
        trained_classes(CLASSES, {"tric": "ribosome", "ribosome": "background"})


@pytest.mark.parametrize("method", ["zscore", "robust"])
@pytest.mark.parametrize("carried", [False, True])
def test_a_value_that_is_not_finite_is_refused_however_the_tomogram_is_normalised(tmp_path, method, carried):
    source = write_pair(tmp_path / "a", 1)
    grey = np.tile(phantom(1)[0], (1, 4, 4))  # so large that the robust choice takes every second voxel only
    grey[3, 5, 7] = np.nan
    write_volume(source.tomogram, grey, 13, overwrite=True)
    write_labels(source.labels, np.zeros(grey.shape, np.uint8), 13, overwrite=True)
    if carried:
        write_normalisations(source.tomogram, [Normalisation(method=method, centre=50, spread=4)])
    with pytest.raises(ValueError, match=r"tomogram.mrc: values that are not finite"):
        make_block([source], tmp_path / "block", BlockConfig(normalisation=method), CLASSES)
    assert not (tmp_path / "block").exists()


def test_a_block_never_replaces_what_it_is_made_of(tmp_path):
    source = write_pair(tmp_path / "a", 1)
    before = source.tomogram.read_bytes()
    with pytest.raises(
        ValueError, match=r"tomogram.mrc: is what the block is made of; wanted another folder"
    ):
        make_block([source], tmp_path / "a", BlockConfig(), CLASSES, overwrite=True)
    assert source.tomogram.read_bytes() == before
