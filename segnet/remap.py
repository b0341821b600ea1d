"""Renaming of labels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoio import IGNORE, ClassTable, read_labels, write_labels
from tomoio.labels import as_labels


def label_lookup(mapping: Iterable[tuple[str, str]], classes: ClassTable) -> NDArray[np.uint8]:
    """Return the table (256,) that takes each label to its new one.

    Parameters
    ----------
    mapping
        Pairs (old, new) of class names, label numbers, or ``ignore``. An old number need not be in the table:
        other programs number classes in their own way.
    classes
        The class table; what ``mapping`` does not name stays.

    Raises
    ------
    ValueError
        If a name or a new number is not in the table, or an old one is mapped twice.
    """
    lookup = np.arange(256, dtype=np.uint8)
    seen: set[int] = set()
    for old, new in mapping:
        label = int(old) if _is_number(old) and int(old) <= IGNORE else parse_label(old, classes)
        if label in seen:
            raise ValueError(f"{old}={new}: {old} is mapped twice; wanted one new label for each")
        seen.add(label)
        lookup[label] = parse_label(new, classes)
    return lookup


def parse_label(text: str, classes: ClassTable) -> int:
    """Return the label that a class name, a number or ``ignore`` means; ValueError where there is none."""
    if text in ("ignore", str(IGNORE)):
        return IGNORE
    if _is_number(text):
        return classes.label_of(classes.name_of(int(text)))
    return classes.label_of(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def parse_mapping(items: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return what ``--map OLD=NEW ...`` says as pairs for `label_lookup`."""
    mapping = []
    for item in items:
        old, separator, new = item.partition("=")
        if not (separator and old and new):
            raise ValueError(f"--map {item}: wanted OLD=NEW, as in cofilactin=actin")
        mapping.append((old, new))
    return tuple(mapping)


def remap_file(
    labels: Path | str,
    mapping: Iterable[tuple[str, str]],
    classes: ClassTable,
    output: Path | str,
    *,
    pixel_size_angstrom: float | None = None,
    overwrite: bool = False,
) -> None:
    """Write a label volume with other labels; see `label_lookup` for the mapping and errors.

    ``pixel_size_angstrom`` overrides the header.
    """
    volume = read_labels(labels, pixel_size_angstrom=pixel_size_angstrom)
    write_labels(
        output,
        as_labels(label_lookup(mapping, classes)[volume.data], str(labels), classes),
        volume.pixel_size_angstrom,
        origin_angstrom=volume.origin_angstrom,
        overwrite=overwrite,
    )
