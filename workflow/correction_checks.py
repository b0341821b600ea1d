"""What must hold of corrections before any job starts: files are there, no voxel is trained and scored on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from segnet.rounds.corrections import Correction, stored_files
from segnet.rounds.crop import read_crop_record
from segnet.rounds.regions import Region, shared_voxels


def check_accepted(table: Path, corrections: Sequence[Correction]) -> None:
    """Check the rows of corrections.tsv against what is stored.

    Raises
    ------
    FileNotFoundError
        If a file of a correction is missing.
    ValueError
        If a held-out region shares voxels with one that is trained on.
    """
    for row in corrections:
        for path in stored_files(row):
            if not path.is_file():
                raise FileNotFoundError(f"{table}: {row.region_id}: {path}: no such file")
    boxes = [(row, _box(row)) for row in corrections]
    for (one, one_box), (other, other_box) in itertools.combinations(boxes, 2):
        shared = shared_voxels(one_box, other_box)
        if shared and (one.role == "held_out") != (other.role == "held_out"):
            raise ValueError(
                f"{table}: {one.region_id} ({one.role}) shares {shared} voxels with {other.region_id} "
                f"({other.role}); wanted none between training and held out"
            )


def _box(row: Correction) -> Region:
    """Return the region of a correction, its tomogram named by its file: two ids may name one file."""
    record = read_crop_record(row.provenance_path)
    return replace(record.region, tomogram_id=str(Path(record.tomogram_path).resolve()))
