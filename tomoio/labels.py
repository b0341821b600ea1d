"""Label volumes and the class table. Labels are uint8 in memory and mode 1 (int16) in files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoio.tables import read_table
from tomoio.volume import Volume, read_volume, write_volume

BACKGROUND = 0
IGNORE = 255
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class LabelClass:
    """One row of classes.tsv: ``label`` 0-254, ``name``, ``colour`` as #rrggbb, ``role`` (free text)."""

    label: int
    name: str
    colour: str
    role: str

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue from 0 to 255."""
        red, green, blue = (int(self.colour[start : start + 2], 16) for start in (1, 3, 5))
        return red, green, blue


@dataclass(frozen=True)
class ClassTable:
    """The classes of a project in the order of their labels."""

    classes: tuple[LabelClass, ...]

    def __iter__(self) -> Iterator[LabelClass]:
        return iter(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.classes)

    @property
    def labels(self) -> tuple[int, ...]:
        return tuple(entry.label for entry in self.classes)

    def label_of(self, name: str) -> int:
        """Return the label of a class name; ValueError names the classes that exist."""
        for entry in self.classes:
            if entry.name == name:
                return entry.label
        raise ValueError(f"unknown class {name!r}; wanted one of {', '.join(self.names)}")

    def name_of(self, label: int) -> str:
        """Return the name of a label; ValueError names the labels that exist."""
        for entry in self.classes:
            if entry.label == label:
                return entry.name
        raise ValueError(f"unknown label {label}; wanted one of {', '.join(map(str, self.labels))}")


def read_class_table(path: Path | str) -> ClassTable:
    """Read classes.tsv (columns label, name, colour, role).

    Raises
    ------
    ValueError
        If a label is not an integer from 0 to 254, a label or name appears twice, a colour is not #rrggbb,
        or label 0 is missing.
    """
    rows = read_table(path, required=("label", "name", "colour", "role"))
    classes = tuple(sorted((_parse_row(path, row) for row in rows), key=lambda entry: entry.label))
    for kind in ("label", "name"):
        values = [str(getattr(entry, kind)) for entry in classes]
        repeated = sorted({value for value in values if values.count(value) > 1})
        if repeated:
            raise ValueError(f"{path}: {kind} {repeated[0]} appears twice; wanted each once")
    if not classes or classes[0].label != BACKGROUND:
        raise ValueError(f"{path}: no class with label 0; wanted the background there")
    return ClassTable(classes)


def _parse_row(path: Path | str, row: dict[str, str]) -> LabelClass:
    if not (row["label"].isascii() and row["label"].isdigit()) or int(row["label"]) >= IGNORE:
        raise ValueError(
            f"{path}: label {row['label']!r}; wanted an integer from 0 to 254 (255 means ignore)"
        )
    if not _COLOUR.fullmatch(row["colour"]):
        raise ValueError(f"{path}: colour {row['colour']!r} of {row['name']}; wanted #rrggbb")
    if not row["name"]:
        raise ValueError(f"{path}: label {row['label']} has no name")
    return LabelClass(int(row["label"]), row["name"], row["colour"], row["role"])


def read_labels(
    path: Path | str, classes: ClassTable | None = None, *, pixel_size_angstrom: float | None = None
) -> Volume:
    """Read a label volume as uint8 (z, y, x).

    Raises
    ------
    ValueError
        If a value is not an integer from 0 to 255 or, where ``classes`` is given, is neither in the table
        nor 255 (ignore); also as `read_volume`.
    """
    volume = read_volume(path, pixel_size_angstrom=pixel_size_angstrom)
    labels = as_labels(volume.data, str(path), classes)
    return Volume(labels, volume.pixel_size_angstrom, volume.origin_angstrom)


def as_labels(data: NDArray[Any], name: str, classes: ClassTable | None = None) -> NDArray[np.uint8]:
    """Check that an array holds labels and return it as uint8. ``name`` stands in the error message."""
    # min and max of a NaN are NaN, which no comparison accepts
    if data.size and not (data.min() >= 0 and data.max() <= IGNORE):
        raise ValueError(f"{name}: values from {data.min()} to {data.max()}; wanted labels from 0 to 255")
    labels = data.astype(np.uint8)
    if not np.issubdtype(data.dtype, np.integer) and not np.array_equal(labels, data):
        raise ValueError(f"{name}: values that are not integers; wanted labels, not a density or probability")
    if classes is not None:
        found = np.flatnonzero(np.bincount(labels.ravel(), minlength=256))
        unknown = sorted(set(found.tolist()) - set(classes.labels) - {IGNORE})
        if unknown:
            raise ValueError(
                f"{name}: label {unknown[0]} is not in the class table; wanted one of "
                f"{', '.join(map(str, classes.labels))} or 255 (ignore)"
            )
    return labels


def write_labels(
    path: Path | str,
    labels: NDArray[Any],
    pixel_size_angstrom: float,
    *,
    origin_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0),
    overwrite: bool = False,
) -> None:
    """Write labels 0-255 (z, y, x) as mode 1 (int16); MRC has no uint8. Errors as `write_volume`."""
    checked = as_labels(labels, str(path))
    write_volume(
        path,
        checked.astype(np.int16),
        pixel_size_angstrom,
        origin_angstrom=origin_angstrom,
        overwrite=overwrite,
    )
