"""What must hold of corrections before any job starts: files are there, no voxel is trained and scored on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from segnet.rounds.class_numbers import check_class_names, renamed_labels
from segnet.rounds.corrections import Correction, stored_files
from segnet.rounds.crop import CropRecord, read_crop_record
from segnet.rounds.overlaps import check_overlap, place_of_crop
from segnet.rounds.regions import Region, check_same_box
from tomoio import ClassTable, read_labels


def check_accepted(
    table: Path,
    corrections: Sequence[Correction],
    *,
    classes: ClassTable,
    regions_table: Path,
    regions: Sequence[Region],
    normalisation: str,
) -> None:
    """Check the rows of corrections.tsv against what is stored.

    Parameters
    ----------
    table
        corrections.tsv; starts the messages.
    corrections
        Its rows.
    classes
        The class table that networks are trained with.
    regions_table, regions
        regions.tsv, for the messages, and its rows.
    normalisation
        Method that networks are trained with; of each crop it must be known.

    Raises
    ------
    FileNotFoundError
        If a file of a correction is missing.
    ValueError
        If a label has another name now than when it was accepted, the normalisation of a crop is not known,
        a region has another box, or a held-out region shares voxels with one that is trained on.
    """
    places = []
    for row in corrections:
        for path in stored_files(row):
            if not path.is_file():
                raise FileNotFoundError(f"{table}: {row.region_id}: {path}: no such file")
        record = read_crop_record(row.provenance_path)
        _check_box(row, record, regions_table, regions)
        _check_class_names(table, row, record, classes)
        _check_normalisation(table, row, record, normalisation)
        places.append(place_of_crop(record, row.role))
    for one, other in itertools.combinations(places, 2):
        try:
            check_overlap(one, other)
        except ValueError as error:
            raise ValueError(f"{table}: {error}") from error


def _check_box(row: Correction, record: CropRecord, regions_table: Path, regions: Sequence[Region]) -> None:
    """Refuse a box other than that of regions.tsv: by it training and held-out voxels are kept apart."""
    try:
        check_same_box(regions_table, regions, record.region)
    except ValueError as error:
        raise ValueError(
            f"{error} as in {row.provenance_path}; bring back from a backup the one that was edited"
        ) from error


def _check_class_names(table: Path, row: Correction, record: CropRecord, classes: ClassTable) -> None:
    renamed = renamed_labels(record.class_labels, classes)
    if not renamed:
        return  # labels are read only where they might matter: this runs in each job
    name = f"{table}: {row.region_id}: {row.labels_path}"
    advice = (
        "say what the numbers mean with "
        f"segnet accept {row.region_id} {row.labels_path} --replace --map OLD=NEW"
    )
    check_class_names(name, read_labels(row.labels_path).data, renamed, advice)


def _check_normalisation(table: Path, row: Correction, record: CropRecord, wanted: str) -> None:
    found = [one.method for one in record.normalisations]
    if wanted not in found:
        raise ValueError(
            f"{table}: {row.region_id}: {row.provenance_path}: normalisation {', '.join(found)}; wanted "
            f"{wanted} as blocks.normalisation says; measure it with segnet crop {row.region_id} "
            f"--overwrite and segnet accept {row.region_id} {row.labels_path} --replace"
        )
