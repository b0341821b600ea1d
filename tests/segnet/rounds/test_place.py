"""Files of other programs: the same crop, the same way round, with or without context."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from segnet.rounds.formats import write_any
from segnet.rounds.place import describe_turn
from tests.segnet.rounds.conftest import ORIGIN, PIXEL_SIZE, accept, check
from tomoio import read_labels, write_labels, write_volume

CORNER = tuple(np.array(ORIGIN) + np.array([8, 5, 10]) * PIXEL_SIZE)  # of r01 without context


def _truth(project):
    return read_labels(project.truth).data[10:16, 5:25, 8:38]


@pytest.mark.parametrize("suffix", [".mrc", ".tif", ".nrrd"])
def test_labels_without_context_slices_are_taken(project, region, suffix):
    record = project.crop(region)
    path = project.root / f"mine{suffix}"
    write_any(path, _truth(project), PIXEL_SIZE, origin_angstrom=CORNER)
    checked = check(project, [path])
    np.testing.assert_array_equal(checked.labels[record.core], _truth(project))
    assert (np.delete(checked.labels, np.arange(3, 9), axis=0) == 255).all()
    assert any(f"mine{suffix} has no context slices" in note for note in checked.notes)
    assert not any("painted" in note for note in checked.notes)
    accept(project, checked)


def test_the_origin_of_labels_without_context_is_that_of_their_first_slice(project, region):
    record = project.crop(region)
    write_any(project.root / "m.mrc", _truth(project), PIXEL_SIZE, origin_angstrom=record.origin_angstrom)
    with pytest.raises(ValueError, match="this is not region r01"):
        check(project, [project.root / "m.mrc"])


def test_a_layer_without_context_slices_changes_the_labelled_slices(project, region):
    record = project.crop(region)
    layer = np.zeros(record.size_voxels, np.uint8)
    layer[2, :4] = 1
    write_any(project.root / "add_actin.nrrd", layer, PIXEL_SIZE, origin_angstrom=CORNER)
    checked = check(project, [project.root / "add_actin.nrrd"])
    seed = read_labels(project.root / "crops" / "r01_labels.mrc").data
    seed[5, :4] = 3
    np.testing.assert_array_equal(checked.labels, seed)


def test_labels_that_are_no_integers_are_refused_without_context_too(project, region):
    project.crop(region)
    write_any(project.root / "m.mrc", _truth(project) + np.float32(0.5), PIXEL_SIZE, origin_angstrom=CORNER)
    with pytest.raises(ValueError, match="not integers"):
        check(project, [project.root / "m.mrc"])


@pytest.mark.parametrize(("shape", "hint"), [((30, 20, 12), "order x, y, z"), ((5, 20, 30), "without them")])
def test_another_shape_is_refused(project, region, shape, hint):
    project.crop(region)
    write_any(project.root / "m.tif", np.zeros(shape, np.uint8), PIXEL_SIZE)
    with pytest.raises(ValueError, match=rf"wanted 12×20×30 as in the crop.*or 6×20×30 .*{hint}"):
        check(project, [project.root / "m.tif"])


def test_signed_bytes_mean_what_they_were(project, region):
    record = project.crop(region)
    labels = np.where(np.arange(record.shape[0])[:, None, None] == 5, 255, np.zeros(record.shape, np.uint8))
    write_volume(project.root / "m.mrc", labels.astype(np.uint8).view(np.int8), PIXEL_SIZE)
    checked = check(project, [project.root / "m.mrc"])
    assert (checked.labels[5] == 255).all()
    assert not checked.labels[6].any()
    assert any("signed bytes" in note for note in checked.notes)


def test_numbers_of_another_program_are_mapped(project, region):
    record = project.crop(region)
    labels = np.full(record.shape, 12, np.uint8)
    labels[5] = 200
    write_any(project.root / "m.tif", labels, PIXEL_SIZE)
    with pytest.raises(ValueError, match="label 12 is not in the class table"):
        check(project, [project.root / "m.tif"])
    checked = check(project, [project.root / "m.tif"], mapping=[("12", "actin"), ("200", "ignore")])
    assert (checked.labels[4] == 3).all()
    assert (checked.labels[5] == 255).all()


def test_a_mapping_of_layers_is_refused(project, region):
    record = project.crop(region)
    write_any(project.root / "ignore.tif", np.zeros(record.shape, np.uint8), PIXEL_SIZE)
    with pytest.raises(ValueError, match="a layer, whose name gives its class"):
        check(project, [project.root / "ignore.tif"], mapping=[("12", "actin")])


def _objects():
    labels = np.zeros((6, 24, 24), np.uint8)
    labels[1:3, 2:9, 1:14], labels[3:6, 12:22, 4:7] = 1, 5
    return labels


@pytest.mark.parametrize(
    ("turn", "names"),
    [
        (lambda labels: labels.transpose(0, 2, 1), "x and y exchanged"),
        (lambda labels: labels[::-1], "z mirrored"),
        (lambda labels: labels[:, :, ::-1], "x mirrored"),
        (lambda labels: np.rot90(labels, axes=(1, 2)), "x and y exchanged, [xy] mirrored"),
    ],
)
def test_turned_labels_are_noticed(turn, names):
    seed = _objects()
    corrected = seed.copy()
    corrected[4, 2:6, 2:6] = 3
    assert describe_turn(corrected, seed) is None
    assert re.match(f"with {names} the labels agree", describe_turn(turn(corrected), seed))


def test_a_correction_of_everything_is_not_taken_for_a_turned_one():
    """A network that was wrong everywhere fits no better the other way round."""
    one, other = np.random.default_rng(1).integers(0, 5, (2, 6, 24, 24), np.uint8)
    assert describe_turn(one, other) is None
    assert describe_turn(_objects(), np.zeros_like(_objects())) is None


def test_accept_notes_turned_labels(project, region):
    square = replace(region, y_size=20, x_size=20)
    record = project.crop(square)
    labels = read_labels(project.root / "crops" / "r01_labels.mrc").data
    turned = np.ascontiguousarray(labels[:, ::-1])
    write_labels(project.root / "m.mrc", turned, PIXEL_SIZE, origin_angstrom=record.origin_angstrom)
    (note,) = check(project, [project.root / "m.mrc"]).notes
    assert "with y mirrored the labels agree with the network's in 100%" in note
