"""Loading the structures that a table lists."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from cts.config.structures import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, DownloadConfig, StructureRow
from cts.download import fetch_entry
from cts.library import BUILTIN
from cts.structure import Structure
from cts.structure_cache import cache_path, load, save
from cts.structure_files import read_structure_file
from tomoio.tables import write_table


def load_structures(
    rows: Iterable[StructureRow], store: Path | None = None, download: DownloadConfig | None = None
) -> dict[str, tuple[Structure, ...]]:
    """Load structures, each with its conformers.

    Parameters
    ----------
    rows
        Rows of structures.tsv.
    store
        Folder that keeps downloads and what was read from files, so that both happen once. Without it files
        are read each time, and ``pdb:`` sources are refused.
    download
        Where ``pdb:`` sources come from.

    Returns
    -------
    dict
        Structure id to conformers (mostly one), in the order of the rows. Each has the classes of its row.

    Raises
    ------
    ValueError
        If a source is unknown or cannot be read as a structure, or the number of classes is wrong.
    FileNotFoundError
        If a file or an entry is missing.
    OSError
        If a download fails.
    """
    settings = download or DownloadConfig()
    progress = tqdm(list(rows), desc="structures", unit="", delay=2, leave=False, disable=None)
    return {row.structure_id: _load(row, store, settings) for row in progress}


def check_sources(rows: Iterable[StructureRow]) -> None:
    """Check without reading them that built-in names and files exist.

    Raises
    ------
    ValueError, FileNotFoundError
        As `load_structures`.
    """
    for row in rows:
        for source in sources_of(row):
            kind, _, name = source.partition(":")
            if kind == "builtin" and name not in BUILTIN:
                raise ValueError(
                    f"{row.structure_id}: no built-in structure {name!r}; wanted one of {', '.join(BUILTIN)}"
                )
            if kind == "file" and not Path(name).is_file():
                raise FileNotFoundError(f"{row.structure_id}: {name}: no such structure file")


def write_structure_table(path: Path, rows: Iterable[StructureRow], *, overwrite: bool = False) -> None:
    """Write rows as structures.tsv, in the columns that `read_structure_table` reads."""
    columns = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)
    cells = [row.model_dump(by_alias=True, exclude_none=True) for row in rows]
    for row in cells:
        row["class"] = ",".join(row["class"])
        if "chains" in row:
            row["chains"] = ";".join(",".join(group) for group in row["chains"])
        if "conformers" in row:
            row["conformers"] = ",".join(row["conformers"])
        if "length_nm" in row:
            row["length_nm"] = "-".join(f"{value:g}" for value in row["length_nm"])
    write_table(path, columns, cells, overwrite=overwrite)


def sources_of(row: StructureRow) -> tuple[str, ...]:
    """Return the sources of a structure: one, or one for each conformer."""
    if row.conformers is None or row.conformers == ("models",):
        return (row.source,)
    return (row.source, *row.conformers)


def _load(row: StructureRow, store: Path | None, download: DownloadConfig) -> tuple[Structure, ...]:
    check_sources([row])
    conformers = [
        structure for source in sources_of(row) for structure in _load_source(source, row, store, download)
    ]
    return tuple(with_classes(row, structure) for structure in conformers)


def _load_source(
    source: str, row: StructureRow, store: Path | None, download: DownloadConfig
) -> tuple[Structure, ...]:
    kind, _, name = source.partition(":")
    if kind == "builtin":
        return (BUILTIN[name](),)
    if kind == "file":
        return _read(Path(name), row, store)
    if store is None:
        raise ValueError(f"{row.structure_id}: {source} needs a store to download to; none was given")
    return _read(fetch_entry(name, store, download), row, store)


def _read(path: Path, row: StructureRow, store: Path | None) -> tuple[Structure, ...]:
    if store is None:
        return read_structure_file(path, row)
    kept = cache_path(store, path, row)
    structures = load(kept)
    if structures is None:
        structures = read_structure_file(path, row)
        save(kept, structures)
    return structures


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
