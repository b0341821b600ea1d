"""Tab-separated tables with a header line; `#` starts a comment line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tomoio.files import new_file


def read_table(
    path: Path | str, *, required: Sequence[str], optional: Sequence[str] | None = None
) -> list[dict[str, str]]:
    """Read a TSV into one dict a row, values stripped; missing optional columns read as "".

    Parameters
    ----------
    path
        Text file, UTF-8. Empty lines and lines that start with ``#`` are skipped.
    required
        Columns that must be there.
    optional
        Columns that may be there; None accepts any further column.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a required column is missing, a column is unknown, or a row has another number of cells.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such table")
    lines = [
        line for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and line[0] != "#"
    ]
    if not lines:
        raise ValueError(f"{path}: empty table; wanted a header line with {', '.join(required)}")
    header, *rows = csv.reader(lines, delimiter="\t")
    header = [name.strip() for name in header]
    _check_header(path, header, required, optional)
    defaults = dict.fromkeys(optional or (), "")
    return [defaults | _row_dict(path, header, row) for row in rows]


def write_table(
    path: Path | str,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    *,
    overwrite: bool = False,
) -> None:
    """Write rows as TSV, whole or not at all; missing cells are empty, floats keep six digits."""
    with (
        new_file(path, overwrite=overwrite) as partial,
        open(partial, "w", newline="", encoding="utf-8") as out,
    ):
        writer = csv.writer(out, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row.get(column, "")) for column in columns] for row in rows)


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _check_header(
    path: Path, header: list[str], required: Sequence[str], optional: Sequence[str] | None
) -> None:
    missing = [name for name in required if name not in header]
    if missing:
        raise ValueError(f"{path}: column {missing[0]!r} is missing; found {', '.join(header)}")
    if optional is not None:
        unknown = [name for name in header if name not in {*required, *optional}]
        if unknown:
            raise ValueError(
                f"{path}: unknown column {unknown[0]!r}; wanted {', '.join([*required, *optional])}"
            )


def _row_dict(path: Path, header: list[str], row: list[str]) -> dict[str, str]:
    if len(row) != len(header):
        raise ValueError(
            f"{path}: row {row[0]!r} has {len(row)} cells; wanted {len(header)}, separated by tabs"
        )
    return {name: cell.strip() for name, cell in zip(header, row, strict=True)}
