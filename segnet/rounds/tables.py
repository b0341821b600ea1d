"""Change one row of a table that people edit too: nothing else in it moves, and no row is lost."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tomoio import new_file
from tomoio.tables import has_byte_order_mark, is_content, join_row, read_lines, split_row


def put_row(
    path: Path | str, columns: Sequence[str], values: Mapping[str, Any], *, key: str, replace: bool
) -> None:
    """Append a row to a TSV, or put it in the place of the row with the same ``key``.

    Parameters
    ----------
    path
        The table; it is made with ``columns`` where it does not exist or is empty.
    columns
        Columns of a new table. An existing one keeps its own, in its order.
    values
        Cells by column; tabs and line ends in them become spaces.
    key
        Column that identifies a row.
    replace
        Whether an existing row is replaced, or left as it is.
    """
    path = Path(path)
    with _locked(path):
        lines = _stripped_end(read_lines(path)) if path.is_file() else []
        if not any(is_content(line) for line in lines):
            lines.append(join_row(columns))
        header = next(number for number, line in enumerate(lines) if is_content(line))
        names = [name.strip() for name in split_row(lines[header])]
        row = join_row(str(values.get(name, "")).strip() for name in names)
        found = [
            number
            for number, line in enumerate(lines)
            if number > header and is_content(line) and _cell(line, names.index(key)) == str(values[key])
        ]
        if found and not replace:
            return
        lines[found[0] if found else len(lines) :] = [row, *(lines[found[0] + 1 :] if found else [])]
        encoding = "utf-8-sig" if path.is_file() and has_byte_order_mark(path) else "utf-8"
        with new_file(path, overwrite=True) as partial:
            partial.write_text("\n".join(lines) + "\n", encoding=encoding)


def check_writable(path: Path | str) -> None:
    """Raise PermissionError unless a table can be changed, before anything is done that needs its row."""
    path = Path(path)
    folder = next(parent for parent in path.parents if parent.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{path}: cannot be written; wanted a table in a folder that can be changed")


def _stripped_end(lines: list[str]) -> list[str]:
    return lines[:-1] if lines[-1] == "" else lines


def _cell(line: str, position: int) -> str:
    cells = split_row(line)
    return cells[position].strip() if position < len(cells) else ""


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock on the table's folder, so that two commands at a time lose no row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
