"""Loading the structures that a table lists."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from cts.config.structures import StructureRow
from cts.library import BUILTIN
from cts.structure import Structure


def load_structures(
    rows: Iterable[StructureRow], store: Path | None = None
) -> dict[str, tuple[Structure, ...]]:
    """Load structures, each with its conformers.

    Parameters
    ----------
    rows
        Rows of structures.tsv.
    store
        Folder that keeps downloads and what was read from files, so that it is read once.

    Returns
    -------
    dict
        Structure id to conformers (mostly one), in the order of the rows.

    Raises
    ------
    ValueError
        If a source is unknown or cannot be read as a structure, or the number of classes is wrong.
    FileNotFoundError
        If a file is missing.
    """
    return {row.structure_id: (_load(row),) for row in rows}


def _load(row: StructureRow) -> Structure:
    _, _, name = row.source.partition(":")
    if name not in BUILTIN:
        raise ValueError(
            f"{row.structure_id}: no built-in structure {name!r}; wanted one of {', '.join(BUILTIN)}"
        )
    return with_classes(row, BUILTIN[name]())


def with_classes(row: StructureRow, structure: Structure) -> Structure:
    """Return a structure named and labelled as its row says."""
    classes = row.classes if len(row.classes) > 1 else row.classes * len(structure.submodels)
    if len(classes) != len(structure.submodels):
        raise ValueError(
            f"{row.structure_id}: {len(classes)} classes for {len(structure.submodels)} submodels; "
            "wanted one for all or one for each"
        )
    parts = tuple(
        dataclasses.replace(part, class_name=name)
        for part, name in zip(structure.submodels, classes, strict=True)
    )
    return dataclasses.replace(structure, structure_id=row.structure_id, submodels=parts)
