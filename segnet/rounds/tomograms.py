"""tomograms.tsv: the tomograms of a project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segnet.rounds.regions import SAFE_NAME
from tomoio.tables import read_table

TOMOGRAM_COLUMNS = (
    "tomogram_id",
    "path",
    "pixel_size_angstrom",
    "contrast",
    "group",
    "model",
    "source",
    "licence",
)


@dataclass(frozen=True)
class TomogramRow:
    """One row of tomograms.tsv; ``pixel_size_angstrom`` None means that the header is right."""

    tomogram_id: str
    path: Path
    pixel_size_angstrom: float | None = None
    contrast: str = "dark"
    group: str = ""
    model: str = ""
    source: str = ""
    licence: str = ""


def read_tomograms(path: Path | str) -> tuple[TomogramRow, ...]:
    """Read tomograms.tsv; empty cells take the defaults of `TomogramRow`.

    Raises
    ------
    FileNotFoundError
        If there is no such table.
    ValueError
        If an id cannot be part of a file's name or appears twice, the contrast is neither dark nor bright, or
        a pixel size is not positive.
    """
    rows = read_table(path, required=TOMOGRAM_COLUMNS[:2], optional=TOMOGRAM_COLUMNS[2:])
    tomograms = tuple(_parse_row(path, row) for row in rows)
    ids = [row.tomogram_id for row in tomograms]
    for name in ids:
        if ids.count(name) > 1:
            raise ValueError(f"{path}: tomogram {name} appears twice; wanted each id once")
    return tomograms


def _parse_row(table: Path | str, row: dict[str, str]) -> TomogramRow:
    name = f"{table}: tomogram {row['tomogram_id']}"
    if not SAFE_NAME.fullmatch(row["tomogram_id"]):
        raise ValueError(
            f"{table}: tomogram_id {row['tomogram_id']!r}; wanted letters, digits, dots, dashes and "
            "underscores, the first a letter or digit"
        )
    contrast = row["contrast"] or "dark"
    if contrast not in ("dark", "bright"):
        raise ValueError(f"{name}: contrast {contrast!r}; wanted dark or bright (how protein looks)")
    return TomogramRow(
        row["tomogram_id"],
        Path(row["path"]),
        _parse_pixel_size(name, row["pixel_size_angstrom"]),
        contrast,
        row["group"],
        row["model"],
        row["source"],
        row["licence"],
    )


def _parse_pixel_size(name: str, cell: str) -> float | None:
    if not cell:
        return None
    try:
        size = float(cell)
    except ValueError:
        size = 0.0
    if not 0 < size < 1000:
        raise ValueError(f"{name}: pixel_size_angstrom {cell!r}; wanted a positive number, or nothing")
    return size


def find_tomogram(tomograms: Sequence[TomogramRow], tomogram_id: str, table: Path | str) -> TomogramRow:
    """Return the row of a tomogram; ValueError names those that exist."""
    for row in tomograms:
        if row.tomogram_id == tomogram_id:
            return row
    known = ", ".join(row.tomogram_id for row in tomograms) or "none"
    raise ValueError(f"{table}: no tomogram {tomogram_id!r}; wanted one of: {known}")


def segmentation_file(folder: Path | str, tomogram: TomogramRow, kind: str) -> Path | None:
    """Return ``{stem}_{kind}.mrc`` of a tomogram in a segmentations folder, or None.

    The stem is the tomogram's id or, as `segnet segment` names its files, that of its path.
    """
    for stem in (tomogram.tomogram_id, tomogram.path.stem):
        candidate = Path(folder) / f"{stem}_{kind}.mrc"
        if candidate.is_file():
            return candidate
    return None


def labelling_model(tomogram: TomogramRow, round_model: Path | str) -> Path:
    """Return the folder of the network that labels a tomogram: its row's own, or else that of the round."""
    return Path(tomogram.model or round_model)
