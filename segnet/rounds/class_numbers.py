"""What the numbers in stored labels mean: a class table that changed must not give them other names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoio import BACKGROUND, ClassTable


def class_numbers(classes: ClassTable) -> dict[str, int]:
    """Return the label of each class by its name, as records of crops and corrections hold them."""
    return {entry.name: entry.label for entry in classes}


def renamed_labels(recorded: Mapping[str, int] | None, classes: ClassTable) -> dict[int, tuple[str, str]]:
    """Return label: (name in the record, name in the table) of labels that have another name now.

    Background is always 0, whatever its name. A record of an earlier version, None, names no labels.
    """
    names = {entry.label: entry.name for entry in classes}
    return {
        label: (name, names.get(label, "no class"))
        for name, label in (recorded or {}).items()
        if label != BACKGROUND and names.get(label) != name
    }


def check_class_names(
    name: str, labels: NDArray[Any], renamed: Mapping[int, tuple[str, str]], advice: str
) -> None:
    """Raise ValueError if a volume holds a label that has another name now.

    Parameters
    ----------
    name
        Starts the message.
    labels
        Label volume of any shape.
    renamed
        What `renamed_labels` found.
    advice
        Ends the message: what to do.
    """
    for label, (before, now) in renamed.items():
        if np.any(labels == label):
            raise ValueError(
                f"{name}: label {label} was {before} and is {now} in the class table; wanted one meaning; "
                f"put the table back, or {advice}"
            )
