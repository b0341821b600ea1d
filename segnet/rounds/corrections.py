"""corrections.tsv: what people corrected, and which round it belongs to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from segnet.config.rounds import round_key
from segnet.normalisation import read_normalisation, sidecar_path
from segnet.rounds.crop import folder_name, read_crop_record
from segnet.rounds.regions import Region, check_region_id, check_round, read_regions
from segnet.rounds.tables import put_row
from tomoio import sha256_of
from tomoio.tables import read_table

CORRECTION_COLUMNS = (
    "round",
    "region_id",
    "role",
    "labels_path",
    "sha256",
    "seeded_by",
    "annotator",
    "note",
)
ROLES = ("train", "held_out", "hard_negative")


@dataclass(frozen=True)
class Correction:
    """One row of corrections.tsv.

    ``labels_path`` lies beside its image and provenance (`image_path`, `provenance_path`); ``sha256`` is that
    of the labels; ``seeded_by`` names the network whose labels were corrected.
    """

    round: str
    region_id: str
    role: str
    labels_path: Path
    sha256: str
    seeded_by: str = ""
    annotator: str = ""
    note: str = ""

    @property
    def image_path(self) -> Path:
        return self.labels_path.with_name("image.mrc")

    @property
    def provenance_path(self) -> Path:
        return self.labels_path.with_name("provenance.json")


def read_corrections(path: Path | str) -> tuple[Correction, ...]:
    """Read corrections.tsv; a file that holds only its header is no corrections.

    Raises
    ------
    FileNotFoundError
        If there is no such table.
    ValueError
        If a column is missing or unknown, an id, role, round or path is not one, or a region appears twice.
    """
    rows = read_table(path, required=CORRECTION_COLUMNS[:5], optional=CORRECTION_COLUMNS[5:])
    corrections = tuple(_parse_row(path, row) for row in rows)
    ids = [row.region_id for row in corrections]
    for name in ids:
        if ids.count(name) > 1:
            raise ValueError(f"{path}: region {name} appears twice; wanted one correction of each region")
    return corrections


def _parse_row(path: Path | str, row: dict[str, str]) -> Correction:
    if row["role"] not in ROLES:
        raise ValueError(
            f"{path}: role {row['role']!r} of {row['region_id']}; wanted one of {', '.join(ROLES)}"
        )
    name = f"{path}: region {row['region_id']!r}"
    check_region_id(name, row["region_id"])
    check_round(name, row["round"])
    if not Path(row["labels_path"]).name:
        raise ValueError(f"{name}: labels_path is {row['labels_path']!r}; wanted the file of its labels")
    return Correction(
        round=row["round"],
        region_id=row["region_id"],
        role=row["role"],
        labels_path=Path(row["labels_path"]),
        sha256=row["sha256"],
        seeded_by=row["seeded_by"],
        annotator=row["annotator"],
        note=row["note"],
    )


def training_corrections(corrections: Iterable[Correction], round_name: str) -> tuple[Correction, ...]:
    """Return the rows that train the network of a round: its own and all earlier ones, never held out.

    They are ordered by round and region, so that the order of rows in the table changes nothing.
    """
    last = round_key(round_name)
    chosen = [row for row in corrections if row.role != "held_out" and round_key(row.round) <= last]
    return tuple(sorted(chosen, key=lambda row: (round_key(row.round), row.region_id)))


def held_out_corrections(corrections: Iterable[Correction]) -> tuple[Correction, ...]:
    """Return the rows that no round trains on and each round is scored on, whatever round they name."""
    return tuple(sorted((row for row in corrections if row.role == "held_out"), key=lambda r: r.region_id))


def check_corrections(corrections: Iterable[Correction]) -> None:
    """Raise unless labels, image and normalisation of each stored correction are those that were accepted.

    Raises
    ------
    FileNotFoundError
        If one of the files is missing.
    ValueError
        If a checksum is not that of the table (labels), of the provenance (image) or of the folder's name
        (provenance), or the normalisation is not that of the tomogram in the provenance, which also holds
        its contrast.
    """
    for row in corrections:
        for path in stored_files(row):
            if not path.is_file():
                raise FileNotFoundError(f"{path}: no such file; it belongs to correction {row.region_id}")
        record = read_crop_record(row.provenance_path)
        _check_sum(row.labels_path, row.sha256, row.region_id)
        provenance = json.loads(row.provenance_path.read_text(encoding="utf-8"))
        if "normalisation_sha256" in provenance:  # earlier versions named the folder by labels and image
            _check_provenance(row)
        _check_sum(row.image_path, str(provenance.get("image_sha256")), row.region_id)
        for wanted in record.normalisations:
            found = read_normalisation(row.image_path, wanted.method)
            if found != wanted:
                raise ValueError(
                    f"{sidecar_path(row.image_path)}: {found}; wanted {wanted} as {row.provenance_path} says "
                    f"of the tomogram; bring both files back from a backup"
                )


def stored_files(row: Correction) -> tuple[Path, ...]:
    """Return all files of a correction: labels, image, its normalisation, provenance."""
    return row.labels_path, row.image_path, sidecar_path(row.image_path), row.provenance_path


def _check_provenance(row: Correction) -> None:
    name, found = row.provenance_path.parent.name, folder_name(row.provenance_path)
    if found != name:
        raise ValueError(
            f"{row.provenance_path}: checksum {found}…; wanted {name}…, the name of its folder, as accepted "
            f"for {row.region_id}; bring it back from a backup, or run segnet accept {row.region_id} "
            f"{row.labels_path} --replace"
        )


def _check_sum(path: Path, wanted: str, region_id: str) -> None:
    found = sha256_of(path)
    if found != wanted:
        raise ValueError(
            f"{path}: checksum {found[:12]}…; wanted {wanted[:12]}… as accepted for {region_id}; bring it "
            f"back from a backup, or accept labels anew with segnet accept {region_id} LABELS --replace"
        )


def find_correction(corrections: Sequence[Correction], region_id: str) -> Correction | None:
    """Return the correction of a region, or None."""
    return next((row for row in corrections if row.region_id == region_id), None)


def put_correction(path: Path | str, correction: Correction) -> None:
    """Add a row to corrections.tsv, or replace that of the same region, in one step.

    All other lines, comments included, stay as they are. A table that does not exist is made.
    """
    put_row(path, CORRECTION_COLUMNS, asdict(correction), key="region_id", replace=True)


def corrected_regions(regions_table: Path | str, corrections_table: Path | str) -> tuple[Region, ...]:
    """Return the regions that have a correction; none where a table does not exist."""
    if not (Path(regions_table).is_file() and Path(corrections_table).is_file()):
        return ()
    accepted = {row.region_id for row in read_corrections(corrections_table)}
    return tuple(region for region in read_regions(regions_table) if region.region_id in accepted)
