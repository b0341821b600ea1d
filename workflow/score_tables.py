"""Score tables of single tomograms, put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segnet.score import SCORE_COLUMNS
from tomoio.tables import read_table, write_table


def concatenate(tables: Sequence[Path], output: Path) -> None:
    """Write the rows of score tables into one; without any table, a header alone."""
    rows = [row for table in tables for row in read_table(table, required=SCORE_COLUMNS)]
    write_table(output, SCORE_COLUMNS, rows, overwrite=True)
