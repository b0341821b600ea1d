"""The course of a training as a table and, on request, for TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tomoio import new_file


def write_history(folder: Path, history: Sequence[dict[str, Any]]) -> None:
    """Write ``history.csv``: one line an epoch, with the columns of the rows."""
    columns = list(history[0])
    lines = [",".join(columns), *(",".join(_cell(row[name]) for name in columns) for row in history)]
    with new_file(folder / "history.csv", overwrite=True) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def epoch_writer(folder: Path, *, tensorboard: bool) -> Callable[[dict[str, Any]], None]:
    """Return a function that writes a row of the history to TensorBoard, or does nothing."""
    if not tensorboard:
        return lambda row: None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError("tensorboard: not installed; wanted `pip install tensorboard` or false") from error
    writer = SummaryWriter(folder / "tensorboard")

    def write(row: dict[str, Any]) -> None:
        for name in (key for key in row if key not in ("epoch", "step")):
            writer.add_scalar(name, row[name], row["step"])
        writer.flush()

    return write
