"""What must hold of corrections before any job starts: files are there, no voxel is trained and scored on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from segnet.rounds.corrections import Correction, stored_files
from segnet.rounds.overlaps import check_overlap, place_of


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
    places = [place_of(row) for row in corrections]
    for one, other in itertools.combinations(places, 2):
        try:
            check_overlap(one, other)
        except ValueError as error:
            raise ValueError(f"{table}: {error}") from error
