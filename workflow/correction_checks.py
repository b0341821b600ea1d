"""What must hold of corrections before any job starts: files are there, no voxel is trained and scored on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from segnet.rounds.class_numbers import check_class_names, renamed_labels
from segnet.rounds.corrections import Correction, stored_files
from segnet.rounds.crop import read_crop_record
from segnet.rounds.overlaps import check_overlap, place_of
from tomoio import ClassTable, read_labels


def check_accepted(table: Path, corrections: Sequence[Correction], classes: ClassTable) -> None:
    """Check the rows of corrections.tsv against what is stored.

    Raises
    ------
    FileNotFoundError
        If a file of a correction is missing.
    ValueError
        If a label has another name now than when it was accepted, or a held-out region shares voxels with
        one that is trained on.
    """
    for row in corrections:
        for path in stored_files(row):
            if not path.is_file():
                raise FileNotFoundError(f"{table}: {row.region_id}: {path}: no such file")
        _check_class_names(table, row, classes)
    places = [place_of(row) for row in corrections]
    for one, other in itertools.combinations(places, 2):
        try:
            check_overlap(one, other)
        except ValueError as error:
            raise ValueError(f"{table}: {error}") from error


def _check_class_names(table: Path, row: Correction, classes: ClassTable) -> None:
    renamed = renamed_labels(read_crop_record(row.provenance_path).class_labels, classes)
    if not renamed:
        return  # labels are read only where they might matter: this runs in each job
    name = f"{table}: {row.region_id}: {row.labels_path}"
    advice = (
        "say what the numbers mean with "
        f"segnet accept {row.region_id} {row.labels_path} --replace --map OLD=NEW"
    )
    check_class_names(name, read_labels(row.labels_path).data, renamed, advice)
