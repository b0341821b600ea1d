"""Reading atomic coordinates: PDB and mmCIF, gzipped or not, as columns of atoms."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from cts.assembly import Assemblies, assemblies_of_mmcif, assemblies_of_pdb
from cts.pdb_text import check_whole, with_elements
from cts.residues import Kind, guess_element, hydrogens_on, kind_of
from cts.scattering import (
    NUCLEIC_ACID_ANGSTROM3_PER_DA,
    PROTEIN_ANGSTROM3_PER_DA,
    atom_scatterer,
    element_of,
)
from cts.structure import Scatterer, Submodel

PDB_SUFFIXES = (".pdb", ".pdb1", ".ent")
MMCIF_SUFFIXES = (".cif", ".mmcif")
# a bare ion takes the room of a third of a water molecule
_ION_ANGSTROM3 = 10.0
# numbers of hydrogens are rounded to this, so that there are few kinds of scatterers
_HYDROGEN_STEP = 0.05
_ANGSTROM3_PER_DA = {
    Kind.PROTEIN: PROTEIN_ANGSTROM3_PER_DA,
    Kind.NUCLEIC_ACID: NUCLEIC_ACID_ANGSTROM3_PER_DA,
    Kind.OTHER: PROTEIN_ANGSTROM3_PER_DA,
}


@dataclass(frozen=True)
class Atoms:
    """Atoms of one model in columns of one length, water left out.

    Attributes
    ----------
    name
        Name of the model or mmCIF data block.
    positions_angstrom
        Shape (atom, 3), x, y, z.
    elements, names, residue_names, chains, segments, subchains
        Texts, shape (atom,). Subchains are the ``label_asym_id`` of mmCIF.
    residue_numbers, kinds
        Integers; kinds are `Kind` values.
    weights
        Occupancies.
    hydrogens
        Number of hydrogens that the file lacks on each atom.
    in_membrane_frame
        Whether the file marks the planes of a membrane (dummy atoms of OPM), so that z is its normal.
    """

    name: str
    positions_angstrom: NDArray[np.float64]
    elements: NDArray[np.str_]
    names: NDArray[np.str_]
    residue_names: NDArray[np.str_]
    chains: NDArray[np.str_]
    segments: NDArray[np.str_]
    subchains: NDArray[np.str_]
    residue_numbers: NDArray[np.int64]
    kinds: NDArray[np.int64]
    weights: NDArray[np.float64]
    hydrogens: NDArray[np.float64]
    in_membrane_frame: bool

    def __len__(self) -> int:
        return len(self.elements)

    def select(self, mask: NDArray[np.bool_] | NDArray[np.int64], name: str) -> Atoms:
        """Return the atoms where the mask is set, or those of some numbers, under a name."""
        columns = {key: value[mask] for key, value in vars(self).items() if isinstance(value, np.ndarray)}
        return Atoms(**(vars(self) | columns | {"name": name}))

    def of_chains(self, names: Iterable[str]) -> NDArray[np.bool_]:
        """Return which atoms belong to chains (or segments) of these names."""
        wanted = list(names)
        return np.isin(self.chains, wanted) | np.isin(self.segments, wanted)


def read_atoms(path: Path | str, *, assembly: str | None = None) -> tuple[Atoms, ...]:
    """Read the models of a coordinate file: MODEL blocks of PDB, data blocks and models of mmCIF.

    All alternative locations are kept, each with its occupancy; an atom alone with occupancy zero counts
    once. Water is dropped. Elements come from the element column, or where it says nothing from residue and
    atom names.

    Parameters
    ----------
    path
        ``.pdb``, ``.ent``, ``.cif``, ``.mmcif``, each also with ``.gz``.
    assembly
        Biological assembly to expand to.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be parsed, was cut off, has no atoms, lacks the assembly, or names an unknown element.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such structure file")
    try:
        parsed = _parse(path, with_assemblies=assembly is not None)
    except (RuntimeError, ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path}: not readable as a structure ({' '.join(str(error).split())})") from error
    models = []
    for structure, assemblies in parsed:
        for model in structure:
            name = structure.name if len(structure) == 1 else f"{structure.name}_{model.num}"
            atoms = _columns(path, name, model)
            models.append(atoms if assembly is None else _expand(path, atoms, assemblies, assembly))
    models = [atoms for atoms in models if len(atoms)]
    if not models:
        raise ValueError(f"{path}: no atoms; wanted a PDB or mmCIF file with coordinates")
    for atoms in models:
        if not (np.isfinite(atoms.positions_angstrom).all() and np.isfinite(atoms.weights).all()):
            raise ValueError(f"{path}: a coordinate or occupancy is not a finite number")
    return tuple(models)


def to_submodels(
    models: Sequence[Atoms], class_names: Sequence[str]
) -> tuple[tuple[Submodel, ...], tuple[Scatterer, ...]]:
    """Turn atoms into submodels over one table of scatterers.

    Hydrogens that a file lacks are part of the atom that they are bound to ("C+3H").
    """
    table: dict[tuple[str, int, float], int] = {}
    parts = []
    for atoms, class_name in zip(models, class_names, strict=True):
        hydrogens = np.round(atoms.hydrogens / _HYDROGEN_STEP) * _HYDROGEN_STEP
        keys = zip(atoms.elements.tolist(), atoms.kinds.tolist(), hydrogens.tolist(), strict=True)
        indices = [table.setdefault(key, len(table)) for key in keys]
        parts.append(
            Submodel(
                name=atoms.name,
                class_name=class_name,
                positions_angstrom=atoms.positions_angstrom,
                scatterers=np.array(indices, dtype=np.int32),
                weights=atoms.weights,
            )
        )
    return tuple(parts), tuple(_scatterer(*key) for key in table)


def _scatterer(element: str, kind: int, hydrogens: float) -> Scatterer:
    symbol = element_of(element)
    per_da = _ION_ANGSTROM3 / symbol.weight if symbol.is_metal else _ANGSTROM3_PER_DA[Kind(kind)]
    return atom_scatterer(element, angstrom3_per_da=per_da, hydrogens=hydrogens)


def _parse(path: Path, *, with_assemblies: bool) -> list[tuple[gemmi.Structure, Assemblies]]:
    """Return the structures in a file, each with its assemblies where they are wanted."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in MMCIF_SUFFIXES:
        blocks = [block for block in gemmi.cif.read(str(path)) if block.find_loop("_atom_site.Cartn_x")]
        return [
            (_structure_of(block), assemblies_of_mmcif(block) if with_assemblies else {}) for block in blocks
        ]
    if suffix in PDB_SUFFIXES:
        opener = gzip.open if path.suffix.lower() == ".gz" else open
        with opener(path, "rt", encoding="latin-1", newline="") as stream:
            text = stream.read()
        check_whole(text)
        structure = gemmi.read_pdb_string(with_elements(text))
        structure.name = path.name.split(".")[0]
        return [(structure, assemblies_of_pdb(structure))]
    raise ValueError(
        f"suffix {suffix!r}; wanted {', '.join(PDB_SUFFIXES + MMCIF_SUFFIXES)}, or these with .gz"
    )


def _structure_of(block: gemmi.cif.Block) -> gemmi.Structure:
    """Return the structure in an mmCIF block; what its element column leaves open is filled in."""
    sites = block.find_loop("_atom_site.Cartn_x").get_loop()
    if "_atom_site.type_symbol" not in sites.tags:
        sites.add_columns(["_atom_site.type_symbol"], "?")
    for site in block.find("_atom_site.", ["type_symbol", "label_comp_id", "label_atom_id"]):
        if site[0] in ("?", "."):
            site[0] = guess_element(site.str(1), site.str(2))
    structure = gemmi.make_structure_from_block(block)
    structure.name = block.name
    return structure


def _expand(path: Path, atoms: Atoms, assemblies: Assemblies, name: str) -> Atoms:
    """Return the copies of a model's chains that make up an assembly."""
    if name not in assemblies:
        known = ", ".join(assemblies) or "none"
        raise ValueError(f"{path}: no assembly {name!r}; the file has {known}")
    rows, positions = [], []
    for generator in assemblies[name]:
        own = np.flatnonzero(np.isin(getattr(atoms, generator.column), generator.chains))
        for operation in generator.operations:
            rows.append(own)
            positions.append(atoms.positions_angstrom[own] @ operation.rotation.T + operation.shift_angstrom)
    if not rows:
        raise ValueError(f"{path}: assembly {name!r} has no operations")
    copies = atoms.select(np.concatenate(rows), atoms.name)
    return dataclasses.replace(copies, positions_angstrom=np.concatenate(positions))


def _columns(path: Path, name: str, model: gemmi.Model) -> Atoms:
    rows: list[tuple[object, ...]] = []
    positions: list[list[float]] = []
    in_membrane_frame = False
    for chain in model:
        for residue in chain:
            kind = kind_of(residue.name)
            in_membrane_frame |= kind == Kind.DUMMY
            if kind in (Kind.WATER, Kind.DUMMY):
                continue
            elements = [_element(path, residue.name, atom) for atom in residue]
            missing = _missing_hydrogens(residue, elements)
            weights = _occupancies(residue)
            for atom, element, weight, riders in zip(residue, elements, weights, missing, strict=True):
                chains = (chain.name, residue.segment, residue.subchain)
                place = (residue.name, *chains, residue.seqid.num, int(kind))
                rows.append((element, atom.name, *place, weight, riders))
                positions.append(atom.pos.tolist())
    columns = list(zip(*rows, strict=True)) or [()] * 10
    return Atoms(
        name=name,
        positions_angstrom=np.array(positions, dtype=np.float64).reshape(-1, 3),
        elements=np.array(columns[0], dtype=np.str_),
        names=np.array(columns[1], dtype=np.str_),
        residue_names=np.array(columns[2], dtype=np.str_),
        chains=np.array(columns[3], dtype=np.str_),
        segments=np.array(columns[4], dtype=np.str_),
        subchains=np.array(columns[5], dtype=np.str_),
        residue_numbers=np.array(columns[6], dtype=np.int64),
        kinds=np.array(columns[7], dtype=np.int64),
        weights=np.array(columns[8], dtype=np.float64),
        hydrogens=np.array(columns[9], dtype=np.float64),
        in_membrane_frame=in_membrane_frame,
    )


def _element(path: Path, residue_name: str, atom: gemmi.Atom) -> str:
    try:
        symbol = atom.element.name
        # deuterium scatters electrons as hydrogen does
        return "H" if symbol == "D" else str(element_of(symbol).name)
    except ValueError as error:
        raise ValueError(f"{path}: atom {atom.name} of residue {residue_name}: {error}") from None


def _occupancies(residue: gemmi.Residue) -> list[float]:
    """Return how often each atom is there; alternative locations of one atom add up to at most one."""
    totals: dict[str, float] = {}
    counts: dict[str, int] = {}
    for atom in residue:
        totals[atom.name] = totals.get(atom.name, 0.0) + atom.occ
        counts[atom.name] = counts.get(atom.name, 0) + 1
    return [
        atom.occ / max(totals[atom.name], 1.0) if totals[atom.name] > 0 else 1 / counts[atom.name]
        for atom in residue
    ]


def _missing_hydrogens(residue: gemmi.Residue, elements: list[str]) -> NDArray[np.float64]:
    """Return the hydrogens that ride on each atom of a residue: those it should have less those it has."""
    expected = hydrogens_on(residue.name, [atom.name for atom in residue], elements)
    present = sum(element == "H" for element in elements)
    if not present:
        return expected
    total = float(expected.sum())
    return expected * (max(total - present, 0.0) / total) if total else expected
