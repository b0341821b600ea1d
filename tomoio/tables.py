"""Tab-separated tables with a header line; `#` starts a comment line."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tomoio.files import new_file

_LINE_ENDS = re.compile(r"[\t\n\r]+")


def read_table(
    path: Path | str, *, required: Sequence[str], optional: Sequence[str] | None = None
) -> list[dict[str, str]]:
    """Read a TSV into one dict a row, values stripped; missing optional columns read as "".

    Parameters
    ----------
    path
        Text file, UTF-8 with or without a byte order mark (Excel writes one). A row is one line; empty lines
        and lines that start with ``#`` are skipped.
    required
        Columns that must be there.
    optional
        Columns that may be there; None accepts any further column.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a required column is missing, a column is unknown, a row has another number of cells, or the file
        is not UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such table")
    lines = [line for line in read_lines(path) if is_content(line)]
    if not lines:
        raise ValueError(f"{path}: empty table; wanted a header line with {', '.join(required)}")
    header, *rows = map(split_row, lines)
    header = [name.strip() for name in header]
    _check_header(path, header, required, optional)
    defaults = dict.fromkeys(optional or (), "")
    return [defaults | _row_dict(path, header, row) for row in rows]


def read_lines(path: Path | str) -> list[str]:
    """Return the lines of a table without its byte order mark; ValueError if the file is not UTF-8."""
    try:
        return Path(path).read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: {error.reason} at byte {error.start}; wanted a table in UTF-8") from error


def has_byte_order_mark(path: Path | str) -> bool:
    """Return whether a table starts as Excel's UTF-8 does: a table that is changed keeps its mark."""
    with open(path, "rb") as stream:
        return stream.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8


def is_content(line: str) -> bool:
    """Return whether a line of a table is its header or a row: neither empty nor a comment."""
    return bool(line.strip()) and not line.startswith("#")


def split_row(line: str) -> list[str]:
    """Return the cells of one line.

    A line is read alone, so that a lone quotation mark can never take in the line after it. Where the marks
    of a line do not match, as in a note typed by hand, they are characters like any other.
    """
    try:
        (cells,) = csv.reader([line], delimiter="\t", strict=True)
    except csv.Error:
        return line.split("\t")
    return cells


def join_row(cells: Iterable[Any]) -> str:
    """Return one line that `split_row` takes apart again; tabs and line ends in cells become spaces."""
    line = io.StringIO()
    csv.writer(line, delimiter="\t", lineterminator="").writerow(map(_cell, cells))
    return line.getvalue()


def write_table(
    path: Path | str,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    *,
    overwrite: bool = False,
) -> None:
    """Write rows as TSV, whole or not at all; missing cells are empty, floats keep six digits."""
    lines = [join_row(columns), *(join_row(row.get(column, "") for column in columns) for row in rows)]
    with new_file(path, overwrite=overwrite) as partial:
        partial.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="")


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else _LINE_ENDS.sub(" ", str(value))


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
