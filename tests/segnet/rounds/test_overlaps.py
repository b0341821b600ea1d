"""Corrections that share voxels."""

from __future__ import annotations

from dataclasses import replace

import pytest

from segnet.rounds.corrections import read_corrections
from tests.segnet.rounds.conftest import accept, check


@pytest.fixture
def held_out(project, region):
    """The row of r01, held out."""
    project.crop(region)
    return accept(project, check(project, [], role="hard_negative"), role="held_out").correction


def _overlapping(project, region, **changes):
    """Check a correction of r02, which shares the last slice of r01."""
    project.crop(replace(region, region_id="r02", z_start=15, **changes))
    return check(project, [], "r02", role="hard_negative")


def test_training_and_held_out_regions_share_no_voxel(project, region, held_out):
    checked = _overlapping(project, region)
    with pytest.raises(ValueError, match=r"r02 \(train\) shares 600 voxels with r01 \(held_out\)"):
        accept(project, checked)
    assert read_corrections(project.root / "corrections.tsv") == (held_out,)


def test_a_second_id_of_the_same_file_hides_nothing(project, region, held_out):
    link = project.root / "again.mrc"
    link.symlink_to(project.tomogram.path)
    for path in (project.tomogram.path, link):
        other = replace(project, tomogram=replace(project.tomogram, tomogram_id="cell_2", path=path))
        other.crop(replace(region, region_id="r02", z_start=15, tomogram_id="cell_2"), overwrite=True)
        with pytest.raises(ValueError, match=r"r02 \(train\) shares 600 voxels with r01 \(held_out\)"):
            accept(project, check(project, [], "r02", role="hard_negative"))


def test_a_region_of_another_file_shares_nothing(project, region, held_out):
    copy = project.root / "other.mrc"
    copy.write_bytes(project.tomogram.path.read_bytes())
    other = replace(project, tomogram=replace(project.tomogram, tomogram_id="cell_2", path=copy))
    other.crop(replace(region, region_id="r02", z_start=15, tomogram_id="cell_2"))
    accepted = accept(project, check(project, [], "r02", role="hard_negative"))
    assert not accepted.notes


def test_without_provenance_regions_tsv_says_where_a_correction_lies(project, region, held_out):
    held_out.provenance_path.unlink()
    checked = _overlapping(project, region)
    with pytest.raises(ValueError, match="shares 600 voxels"):
        accept(project, checked)
    (project.root / "regions.tsv").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"provenance\.json: no such file, and regions\.tsv has no r01"
    ):
        accept(project, checked)


def test_the_same_voxels_in_two_roles_are_noted(project, region):
    project.crop(region)
    accept(project, check(project, [], role="hard_negative"), role="hard_negative")
    accepted = accept(project, _overlapping(project, region))
    (note,) = accepted.notes
    assert "r02 (train) shares 600 voxels with r01 (hard_negative)" in note
