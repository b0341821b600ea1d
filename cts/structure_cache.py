"""Structures kept as arrays, so that a file is parsed and oriented once."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from cts.config.structures import StructureRow
from cts.structure import Scatterer, Structure, Submodel
from tomoio import new_file, sha256_of

# raised whenever reading or orienting files changes its result
_VERSION = 3
_FOLDER = "read"
_READING_KEYS = (
    "structure_id",
    "placement",
    "twist_deg",
    "rise_angstrom",
    "assembly",
    "chains",
    "conformers",
)


def cache_path(store: Path, source: Path, row: StructureRow) -> Path:
    """Return where the store keeps what a row makes of a file: named by the content and the row's wishes."""
    wishes = {key: getattr(row, key) for key in _READING_KEYS}
    text = json.dumps([_VERSION, sha256_of(source), source.name, wishes], sort_keys=True)
    return store / _FOLDER / f"{row.structure_id}-{hashlib.sha256(text.encode()).hexdigest()[:20]}.npz"


def save(path: Path, structures: tuple[Structure, ...]) -> None:
    """Write structures, whole or not at all."""
    arrays: dict[str, Any] = {}
    for number, structure in enumerate(structures):
        for index, part in enumerate(structure.submodels):
            key = f"{number}_{index}"
            arrays[f"{key}_positions"] = part.positions_angstrom
            arrays[f"{key}_scatterers"] = part.scatterers
            arrays[f"{key}_weights"] = part.multiplicities
    described = [
        {
            "structure_id": structure.structure_id,
            "submodels": [[part.name, part.class_name] for part in structure.submodels],
            "scatterers": [dataclasses.asdict(scatterer) for scatterer in structure.scatterers],
        }
        for structure in structures
    ]
    # handed over open, since numpy would append .npz to the temporary name
    with new_file(path, overwrite=True) as partial, open(partial, "wb") as stream:
        np.savez(stream, description=np.array(json.dumps(described)), **arrays)


def load(path: Path) -> tuple[Structure, ...] | None:
    """Return what `save` wrote, or None where there is nothing, or nothing readable."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            described = json.loads(str(arrays["description"]))
            return tuple(_structure(number, entry, arrays) for number, entry in enumerate(described))
    except (ValueError, KeyError, OSError, zipfile.BadZipFile):
        return None


def _structure(number: int, entry: dict[str, Any], arrays: Any) -> Structure:
    parts = tuple(
        Submodel(
            name,
            class_name,
            arrays[f"{number}_{index}_positions"],
            arrays[f"{number}_{index}_scatterers"],
            arrays[f"{number}_{index}_weights"],
        )
        for index, (name, class_name) in enumerate(entry["submodels"])
    )
    scatterers = tuple(
        Scatterer(
            name=values["name"],
            integrals_volt_angstrom3=tuple(values["integrals_volt_angstrom3"]),
            sigmas_angstrom=tuple(values["sigmas_angstrom"]),
            volume_angstrom3=values["volume_angstrom3"],
            mass_da=values["mass_da"],
        )
        for values in entry["scatterers"]
    )
    return Structure(entry["structure_id"], parts, scatterers)
