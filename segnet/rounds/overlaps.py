"""Voxels that two corrections share: never one that trains and one that is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from segnet.rounds.corrections import Correction
from segnet.rounds.crop import CropRecord, read_crop_record
from segnet.rounds.regions import Region, shared_voxels


def check_overlaps(
    record: CropRecord, role: str, rows: Sequence[Correction], regions: Sequence[Region]
) -> tuple[str, ...]:
    """Compare the place of a correction with those of all others.

    Parameters
    ----------
    record
        Record of the crop.
    role
        What it is to be.
    rows
        All other rows of corrections.tsv.
    regions
        Rows of regions.tsv: they say where a correction lies whose provenance is lost.

    Returns
    -------
    A note for each correction that trains on the same voxels in another role.

    Raises
    ------
    FileNotFoundError
        If it is unknown where a correction lies.
    ValueError
        If a voxel would both train networks and score them.
    """
    notes = []
    for row in rows:
        shared = shared_voxels(record.region, _region_of(row, record, regions))
        if not shared or row.role == role:
            continue
        text = (
            f"region {record.region_id} ({role}) shares {shared} voxels with {row.region_id} "
            f"({row.role}) of tomogram {record.tomogram_id}"
        )
        if "held_out" in (row.role, role):
            raise ValueError(f"{text}; wanted none between training and held out")
        notes.append(f"{text}: networks are told two things about them")
    return tuple(notes)


def _region_of(row: Correction, record: CropRecord, regions: Sequence[Region]) -> Region:
    """Return the region of a correction; one of the same file gets the same tomogram id."""
    if row.provenance_path.is_file():
        other = read_crop_record(row.provenance_path)
        same = Path(other.tomogram_path).resolve() == Path(record.tomogram_path).resolve()
        return replace(other.region, tomogram_id=record.tomogram_id) if same else other.region
    for region in regions:
        if region.region_id == row.region_id:
            return region
    raise FileNotFoundError(
        f"{row.provenance_path}: no such file, and regions.tsv has no {row.region_id}; wanted one, to "
        f"see whether {record.region_id} shares voxels with it (or no such row in corrections.tsv)"
    )
