"""The store of accepted corrections: nothing is overwritten, damage is mended, a refusal leaves nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.segnet.rounds.conftest import PIXEL_SIZE, accept, check, paint
from tomoio import read_labels, sha256_of, write_labels


def _painted(project, region):
    record = project.crop(region)
    return check(project, [paint(project, record, lambda labels: labels[5].fill(3))])


def test_the_provenance_holds_the_checksums_of_all_files_and_names_the_folder(project, region):
    folder = accept(project, _painted(project, region)).correction.labels_path.parent
    provenance = json.loads((folder / "provenance.json").read_text())
    for kind, name in (("labels", "labels.mrc"), ("image", "image.mrc")):
        assert provenance[f"{kind}_sha256"] == sha256_of(folder / name)
    assert provenance["normalisation_sha256"] == sha256_of(folder / "image.normalisation.json")
    assert sha256_of(folder / "provenance.json").startswith(folder.name)


@pytest.mark.parametrize("said", [{"role": "held_out"}, {"note": "by hand"}, {"annotator": "B. Person"}])
def test_the_same_labels_said_otherwise_leave_the_earlier_provenance(project, region, said):
    checked = _painted(project, region)
    first = accept(project, checked).correction
    before = first.provenance_path.read_bytes()
    again = accept(project, checked, replace=True, **said)
    assert first.provenance_path.read_bytes() == before
    assert again.correction.provenance_path != first.provenance_path
    assert json.loads(again.correction.provenance_path.read_text())[next(iter(said))] in said.values()


@pytest.mark.parametrize("name", ["labels.mrc", "image.mrc", "image.normalisation.json"])
def test_a_lost_file_comes_back_with_the_same_correction(project, region, name):
    checked = _painted(project, region)
    first = accept(project, checked).correction
    lost = first.labels_path.with_name(name)
    before = lost.read_bytes()
    lost.unlink()
    assert accept(project, checked, replace=True).correction == first
    assert lost.read_bytes() == before


def test_an_altered_file_is_replaced_and_kept(project, region):
    checked = _painted(project, region)
    first = accept(project, checked).correction
    altered = np.where(read_labels(first.labels_path).data == 255, 255, 4)
    write_labels(first.labels_path, altered, PIXEL_SIZE, overwrite=True)
    accept(project, checked, replace=True)
    assert sha256_of(first.labels_path) == first.sha256
    (aside,) = first.labels_path.parent.parent.glob("*-damaged-1")
    np.testing.assert_array_equal(read_labels(aside / "labels.mrc").data, altered)


def _stored(project):
    return [path for path in (project.root / "store").rglob("*") if path.is_file()]


def test_a_failed_acceptance_leaves_nothing_and_says_where(project, region, monkeypatch):
    checked = _painted(project, region)

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("segnet.rounds.store.write_volume", fail)
    with pytest.raises(OSError, match=r"store/1\.2/r01: .*No space left on device; nothing was stored"):
        accept(project, checked)
    assert not _stored(project)
    assert not (project.root / "corrections.tsv").exists()


def test_another_box_under_the_same_id_is_refused_before_anything_is_stored(project, region):
    checked = _painted(project, region)
    (project.root / "regions.tsv").write_text(
        "round\tregion_id\ttomogram_id\tz_start\ty_start\tx_start\tz_size\ty_size\tx_size\n"
        "1.1\tr01\tcell_1\t0\t0\t0\t6\t20\t30\n"
    )
    with pytest.raises(ValueError, match=r"r01 is \(6, 20, 30\) voxels at \(0, 0, 0\) of cell_1; wanted"):
        accept(project, checked)
    assert not _stored(project)
    assert not (project.root / "corrections.tsv").exists()


@pytest.mark.parametrize("name", ["corrections.tsv", "regions.tsv"])
def test_a_table_that_cannot_be_written_is_refused_before_anything_is_stored(project, region, name):
    checked = _painted(project, region)
    (project.root / name).mkdir()
    with pytest.raises(PermissionError, match=rf"{name}: cannot be written"):
        accept(project, checked)
    assert not _stored(project)
    assert not [path for path in project.root.glob("*.tsv") if path.is_file()]


@pytest.mark.parametrize("name", ["foo", "../../escaped", ""])
def test_a_round_that_is_none_is_refused_before_anything_is_stored(project, region, name):
    checked = _painted(project, region)
    with pytest.raises(ValueError, match=r"wanted numbers separated by dots"):
        accept(project, checked, round_name=name)
    assert not _stored(project)
    assert not (project.root / "regions.tsv").exists()
