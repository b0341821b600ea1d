"""Accepting corrections: what is checked, what is shown, what is stored, what is never lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segnet.rounds.accept import count_changes
from segnet.rounds.corrections import check_corrections, read_corrections
from segnet.rounds.formats import write_any
from segnet.rounds.oracle import correct_from_truth
from segnet.rounds.regions import read_regions
from tests.segnet.rounds.conftest import PIXEL_SIZE, accept, check, paint
from tomoio import ClassTable, read_labels, read_volume, sha256_of, write_labels


def test_a_correction_is_stored_with_its_provenance(project, region):
    record = project.crop(region)
    painted = paint(project, record, lambda labels: labels[5].fill(3))
    accepted = accept(project, check(project, [painted])).correction
    assert read_corrections(project.root / "corrections.tsv") == (accepted,)
    assert (accepted.round, accepted.role, accepted.seeded_by) == ("1.2", "train", "net")
    assert accepted.sha256 == sha256_of(accepted.labels_path)
    np.testing.assert_array_equal(
        read_labels(accepted.labels_path).data, read_labels(project.root / "painted.mrc").data
    )
    image = read_volume(accepted.image_path)
    np.testing.assert_array_equal(image.data, project.image[7:19, 5:25, 8:38])
    np.testing.assert_allclose(image.origin_angstrom, record.origin_angstrom, rtol=1e-6)
    provenance = json.loads(accepted.provenance_path.read_text())
    assert provenance["crop"]["tomogram_id"] == "cell_1"
    assert provenance["annotator"] == "A. Person"
    assert read_regions(project.root / "regions.tsv")[0].size == (6, 20, 30)


def test_changes_by_class_counted_by_hand(project):
    before = np.array([0, 0, 3, 3, 2, 255], dtype=np.uint8)
    after = np.array([0, 3, 3, 2, 2, 0], dtype=np.uint8)
    changes = {
        c.name: (c.before, c.after, c.added, c.removed) for c in count_changes(before, after, project.classes)
    }
    assert changes == {
        "background": (2, 2, 1, 1),
        "actin": (2, 2, 1, 1),
        "microtubule": (1, 2, 1, 0),
        "ignore": (1, 0, 0, 1),
    }


def test_painted_context_is_named_and_stays_ignored(project, region):
    record = project.crop(region)

    def scribble(labels):
        labels[1, 4, 4] = 3
        labels[11].fill(0)

    checked = check(project, [paint(project, record, scribble)])
    assert any("context slices 1, 11 of the crop" in note for note in checked.notes)
    assert (checked.labels[:3] == 255).all()
    assert (checked.labels[9:] == 255).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pixel_size": 10.0}, r"voxel size 10 Å; wanted 13\.3 Å"),
        ({"origin": (0.0, 0.0, 500.0)}, "this is not region r01"),
        ({"change": lambda labels: labels[4].fill(77)}, "label 77 is not in the class table"),
    ],
)
def test_a_correction_of_something_else_is_refused(project, region, settings, message):
    painted = paint(project, project.crop(region), **settings)
    with pytest.raises(ValueError, match=message):
        check(project, [painted])


def test_a_lost_voxel_size_and_origin_are_noted_and_restored(project, region):
    record = project.crop(region)
    painted = paint(project, record, lambda labels: labels[5].fill(3), pixel_size=1.0, origin=(0, 0, 0))
    checked = check(project, [painted])
    assert len([note for note in checked.notes if "states no" in note]) == 2
    stored = read_labels(accept(project, checked).correction.labels_path)
    assert stored.pixel_size_angstrom == PIXEL_SIZE
    np.testing.assert_allclose(stored.origin_angstrom, record.origin_angstrom, rtol=1e-6)


def test_a_second_acceptance_needs_replace_and_keeps_the_first(project, region):
    record = project.crop(region)
    first = accept(project, check(project, [paint(project, record, lambda a: a[5].fill(3))])).correction
    kept = first.labels_path.read_bytes()
    checked = check(project, [paint(project, record, lambda a: a[5].fill(2))])
    with pytest.raises(FileExistsError, match=r"accepted already.*--replace"):
        accept(project, checked)
    again = accept(project, checked, replace=True)
    assert again.replaced == first
    assert first.labels_path.read_bytes() == kept
    assert read_corrections(project.root / "corrections.tsv") == (again.correction,)
    assert again.correction.labels_path != first.labels_path


def test_the_same_correction_again_is_the_same_file(project, region):
    record = project.crop(region)
    checked = check(project, [paint(project, record, lambda a: a[5].fill(3))])
    first = accept(project, checked).correction
    before = first.labels_path.stat().st_mtime_ns
    assert accept(project, checked, replace=True).correction == first
    assert first.labels_path.stat().st_mtime_ns == before


def test_layers_over_the_networks_labels(project, region):
    record = project.crop(region)
    layer = np.zeros(record.shape, np.uint8)
    layer[5, :4] = 1
    write_any(project.root / "add_actin.nrrd", layer, PIXEL_SIZE)
    checked = check(project, [project.root / "add_actin.nrrd"])
    seed = read_labels(project.root / "crops" / "r01_labels.mrc").data
    np.testing.assert_array_equal(checked.labels, np.where(layer == 1, 3, seed))


def test_a_hard_negative_is_background_for_all_classes_but_what_is_ignored(project, region):
    record = project.crop(region)
    layer = np.zeros(record.shape, np.uint8)
    layer[5, 0] = 1
    write_any(project.root / "ignore.tif", layer, PIXEL_SIZE)
    assert not check(project, [], role="hard_negative").labels[record.core].any()
    checked = check(project, [project.root / "ignore.tif"], role="hard_negative")
    np.testing.assert_array_equal(checked.labels[record.core] == 255, layer[record.core] == 1)


def test_a_stored_file_that_was_changed_is_noticed(project, region):
    project.crop(region)
    accepted = accept(project, check(project, [], role="hard_negative")).correction
    check_corrections([accepted])
    labels = read_labels(accepted.labels_path).data
    labels[5, 0, 0] = 4
    write_labels(accepted.labels_path, labels, PIXEL_SIZE, overwrite=True)
    with pytest.raises(ValueError, match=r"wanted .* as accepted for r01"):
        check_corrections([accepted])


@pytest.mark.parametrize("role", ["train", "held_out", "hard_negative"])
def test_labels_that_are_ignored_throughout_are_noted(project, region, role):
    record = project.crop(region)
    checked = check(project, [paint(project, record, lambda labels: labels.fill(255))], role=role)
    assert any("all voxels are 255 (ignore)" in note for note in checked.notes)

    def all_but_one(labels):
        labels.fill(255)
        labels[5, 0, 0] = 3

    checked = check(project, [paint(project, record, all_but_one)], role=role)
    assert not any("all voxels" in note for note in checked.notes)


def test_the_oracle_corrects_to_the_truth(project, region):
    record = project.crop(region)
    correct_from_truth(project.root / "crops", "r01", project.truth, project.root / "draft.mrc")
    checked = check(project, [project.root / "draft.mrc"])
    truth = read_labels(project.truth).data[10:16, 5:25, 8:38]
    np.testing.assert_array_equal(checked.labels[record.core], truth)
    assert not checked.notes


def test_the_oracle_takes_no_truth_of_another_voxel_size(project, region):
    project.crop(region)
    truth = read_labels(project.truth).data
    for size, other in ((26.6, True), (1.0, False), (PIXEL_SIZE, False)):
        write_labels(project.root / "other.mrc", truth, size, overwrite=True)
        arguments = project.root / "crops", "r01", project.root / "other.mrc", project.root / f"{size}.mrc"
        if other:
            with pytest.raises(ValueError, match=r"other\.mrc: voxel size 26\.6 Å; wanted 13\.3 Å"):
                correct_from_truth(*arguments)
        else:
            correct_from_truth(*arguments)
        assert arguments[-1].exists() != other


def test_the_oracle_takes_no_truth_of_another_shape(project, region):
    record = project.crop(region)
    part = project.root / "part.mrc"
    write_labels(part, read_labels(project.truth).data[:, :30], PIXEL_SIZE)
    arguments = project.root / "crops", "r01", part, project.root / "draft.mrc"
    with pytest.raises(
        ValueError, match=r"part\.mrc: shape \(30, 30, 50\) .*; wanted \(30, 40, 50\) as in .*cell"
    ):
        correct_from_truth(*arguments)
    Path(record.tomogram_path).unlink()  # what the shape should be is not known then
    correct_from_truth(*arguments)


def _renumbered(project, **numbers):
    """Return the project with other labels of some classes in its table."""
    rows = [replace(row, label=numbers.get(row.name, row.label)) for row in project.classes]
    return replace(project, classes=ClassTable(tuple(sorted(rows, key=lambda row: row.label))))


def test_a_crop_whose_classes_have_other_numbers_now_is_refused(project, region):
    record = project.crop(region)
    tric, membrane = project.classes.label_of("tric"), project.classes.label_of("membrane")
    swapped = _renumbered(project, tric=membrane, membrane=tric)
    painted = paint(project, record, lambda labels: labels[5].fill(0))
    with pytest.raises(ValueError, match=r"r01_labels\.mrc: label \d was .* segnet crop r01 --overwrite"):
        check(swapped, [painted])
    assert check(swapped, [], role="hard_negative").record.class_labels["tric"] == membrane


def test_painted_classes_that_have_other_numbers_now_want_a_map(project, region):
    project.labels[:] = 0
    write_labels(project.segmentations / "cell_labels.mrc", project.labels, PIXEL_SIZE, overwrite=True)
    record = project.crop(region)
    tric, membrane = project.classes.label_of("tric"), project.classes.label_of("membrane")
    swapped = _renumbered(project, tric=membrane, membrane=tric)
    painted = paint(project, record, lambda labels: labels[5].fill(tric))
    with pytest.raises(ValueError, match=rf"label {tric} was tric and is membrane .*--map OLD=NEW"):
        check(swapped, [painted])
    checked = check(swapped, [painted], mapping=[(str(tric), "tric")])
    assert (checked.labels[5] == membrane).all()


def test_a_crop_without_names_of_classes_stays_usable(project, region):
    record = replace(project, classes=None).crop(region)
    assert record.class_labels is None
    assert check(project, [paint(project, record)]).record.class_labels is not None
