"""From a structure file to structures in the frames that placing them needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cts.atoms import MMCIF_SUFFIXES, PDB_SUFFIXES, Atoms, read_atoms, to_submodels
from cts.config.structures import StructureRow
from cts.maps import MAP_SUFFIXES, read_map
from cts.orientation import (
    Frame,
    filament_frame,
    membrane_frame,
    repeat_unit,
    tubulin_frame,
    unmoved,
)
from cts.residues import Kind
from cts.scattering import element_of
from cts.structure import Structure, Submodel

# placements that need a direction: maps have z along it, through the middle of their box
_UPRIGHT = ("filament", "microtubule", "membrane")
# a submodel of this name only marks the origin, as in files made for CTS
_ORIGIN_MARK = "origin"


def suffix_of(path: Path) -> str:
    """Return the suffix of a file in lower case, that of the compressed file where it ends in .gz."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    return suffixes[-1] if suffixes else ""


def is_structure_file(path: Path) -> bool:
    """Whether a file's name ends as those of structures do."""
    return suffix_of(path) in (*PDB_SUFFIXES, *MMCIF_SUFFIXES, *MAP_SUFFIXES)


def read_structure_file(path: Path, row: StructureRow) -> tuple[Structure, ...]:
    """Read a file as a row of structures.tsv asks; returns its conformers.

    Submodels are the MODEL blocks, the mmCIF data blocks, or the groups of chains that the row lists. A
    submodel whose name contains ``origin`` marks the origin by its mean and is left out.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read, lacks the chains or assembly, or cannot be oriented.
    """
    if suffix_of(path) in MAP_SUFFIXES:
        _refuse_for_maps(path, row)
        return (read_map(path, row.structure_id, as_it_lies=row.placement in _UPRIGHT),)
    models = read_atoms(path, assembly=row.assembly)
    groups = [(model,) for model in models] if row.conformers == ("models",) else [models]
    try:
        return tuple(_structure(group, row) for group in groups)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _refuse_for_maps(path: Path, row: StructureRow) -> None:
    """Refuse wishes that only a file with atoms can meet."""
    wishes = {"assembly": row.assembly, "chains": row.chains}
    wishes["conformers: models"] = "models" if row.conformers == ("models",) else None
    for name, value in wishes.items():
        if value is not None:
            raise ValueError(f"{path}: {name} is given for a map; wanted a file with atoms, or no {name}")


def _structure(models: Sequence[Atoms], row: StructureRow) -> Structure:
    marks = [model for model in models if _ORIGIN_MARK in model.name.lower()]
    whole = [model for model in models if _ORIGIN_MARK not in model.name.lower()]
    if not whole:
        raise ValueError("only submodels that mark the origin; wanted atoms to place")
    chains = row.chains or _repeat_unit(whole, row) or _dimer(whole, row)
    parts = [_chains(whole, names) for names in chains] if chains else whole
    frame = _frame(whole, parts, row, chains)
    if marks:
        frame = Frame(frame.rotation, np.concatenate([m.positions_angstrom for m in marks]).mean(axis=0))
    submodels, scatterers = to_submodels(parts, [""] * len(parts))
    return Structure(row.structure_id, tuple(_moved(part, frame) for part in submodels), scatterers)


def _repeat_unit(whole: Sequence[Atoms], row: StructureRow) -> tuple[tuple[str, ...], ...]:
    """Return the chains of a filament's repeat unit where one model holds several units, otherwise none."""
    if row.placement != "filament" or len(whole) > 1:
        return ()
    return repeat_unit(whole[0], row.twist_deg or 0.0, row.rise_angstrom or 0.0)


def _dimer(whole: Sequence[Atoms], row: StructureRow) -> tuple[tuple[str, ...], ...]:
    """Return the two protein chains of a microtubule's dimer where the row does not name them."""
    if row.placement != "microtubule":
        return ()
    names = dict.fromkeys(whole[0].chains[whole[0].kinds == Kind.PROTEIN].tolist())
    return (tuple(names),)


def _frame(
    whole: Sequence[Atoms], parts: Sequence[Atoms], row: StructureRow, chains: tuple[tuple[str, ...], ...]
) -> Frame:
    if row.placement == "filament":
        if not chains:
            return unmoved()
        return filament_frame(whole[0], chains[0][0], row.twist_deg or 0.0, row.rise_angstrom or 0.0)
    if row.placement == "membrane":
        return membrane_frame(_together(parts))
    centre = _centre_of_mass(parts)
    names = [name for group in chains for name in group]
    if row.placement == "microtubule":
        if len(names) != 2:
            raise ValueError(
                f"chains {', '.join(names) or 'none'} for a microtubule; wanted the two of a dimer, α then β"
            )
        return tubulin_frame(whole[0], names[0], names[1], centre)
    return Frame(np.eye(3), centre)


def _chains(models: Sequence[Atoms], names: Sequence[str]) -> Atoms:
    """Return the atoms of some chains of the first model as a submodel."""
    atoms = models[0]
    missing = [name for name in names if not atoms.of_chains([name]).any()]
    if missing:
        found = sorted({*atoms.chains.tolist(), *atoms.segments.tolist()} - {""})
        raise ValueError(f"no chain {missing[0]!r}; found {', '.join(found)}")
    return atoms.select(atoms.of_chains(names), name="_".join(names))


def _together(parts: Sequence[Atoms]) -> Atoms:
    """Return the atoms of all parts as one."""
    columns = {
        key: np.concatenate([getattr(part, key) for part in parts])
        for key, value in vars(parts[0]).items()
        if isinstance(value, np.ndarray)
    }
    return Atoms(**(vars(parts[0]) | columns))


def _centre_of_mass(parts: Sequence[Atoms]) -> NDArray[np.float64]:
    atoms = _together(parts)
    masses = {symbol: element_of(symbol).weight for symbol in np.unique(atoms.elements).tolist()}
    weights = np.array([masses[symbol] for symbol in atoms.elements.tolist()])
    weights = (weights + atoms.hydrogens * element_of("H").weight) * atoms.weights
    return np.asarray(weights @ atoms.positions_angstrom / weights.sum())


def _moved(part: Submodel, frame: Frame) -> Submodel:
    return Submodel(
        part.name, part.class_name, frame.apply(part.positions_angstrom), part.scatterers, part.weights
    )
