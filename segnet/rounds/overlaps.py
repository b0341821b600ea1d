"""Voxels that two corrections share: never one that trains and one that is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segnet.rounds.corrections import Correction
from segnet.rounds.crop import CropRecord, read_crop_record
from segnet.rounds.regions import Region, shared_voxels


@dataclass(frozen=True)
class Place:
    """Where a correction lies and what it is for; ``tomogram`` is None where the file is not known."""

    role: str
    region: Region
    tomogram: Path | None


def place_of_crop(record: CropRecord, role: str) -> Place:
    """Return the place of a crop that is to be corrected for a role."""
    return Place(role, record.region, Path(record.tomogram_path).resolve())


def place_of(row: Correction, regions: Sequence[Region] = ()) -> Place:
    """Return the place of a correction from its provenance or, where that is lost, from regions.tsv.

    Raises
    ------
    FileNotFoundError
        If neither says where it lies.
    """
    if row.provenance_path.is_file():
        return place_of_crop(read_crop_record(row.provenance_path), row.role)
    for region in regions:
        if region.region_id == row.region_id:
            return Place(row.role, region, None)
    raise FileNotFoundError(
        f"{row.provenance_path}: no such file, and regions.tsv has no {row.region_id}; wanted one, to "
        "see which voxels it shares with others (or no such row in corrections.tsv)"
    )


def check_overlap(one: Place, other: Place) -> str | None:
    """Return a note where two corrections in different roles train on the same voxels.

    Raises
    ------
    ValueError
        If a voxel would both train networks and score them.
    """
    is_same_file = one.tomogram is not None and one.tomogram == other.tomogram
    named_alike = replace(other.region, tomogram_id=one.region.tomogram_id)  # two ids may name one file
    shared = shared_voxels(one.region, named_alike if is_same_file else other.region)
    if not shared or one.role == other.role:
        return None
    text = (
        f"region {one.region.region_id} ({one.role}) shares {shared} voxels with {other.region.region_id} "
        f"({other.role}) of tomogram {one.region.tomogram_id}"
    )
    if "held_out" in (one.role, other.role):
        raise ValueError(f"{text}; wanted none between training and held out")
    return f"{text}: networks are told two things about them"
