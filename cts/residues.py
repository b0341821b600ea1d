"""What residues are made of: their kind, their atoms' elements, the hydrogens that files leave out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from functools import cache

import gemmi
import numpy as np
from numpy.typing import NDArray


class Kind(IntEnum):
    """What a residue belongs to; it decides the volume that its atoms displace."""

    PROTEIN = 0
    NUCLEIC_ACID = 1
    OTHER = 2
    WATER = 3
    DUMMY = 4


# names that force fields use and the chemical component dictionary lacks
_PROTEIN_ALIASES = {"HSD", "HSE", "HSP", "HID", "HIE", "HIP", "CYX", "CYM", "ASH", "GLH", "LYN"}
_WATER_ALIASES = {"TIP", "TIP3", "TIP3P", "TIP4", "SOL", "SPC", "T3P", "T4P", "WAT"}
_ION_ALIASES = {"POT": "K", "SOD": "Na", "CLA": "Cl", "CAL": "Ca", "CES": "Cs", "ZN2": "Zn"}
# membrane planes in files of the OPM database
_DUMMY_NAMES = {"DUM"}

_AROMATIC = {"CB": 2, "CD1": 1, "CD2": 1, "CE1": 1, "CE2": 1}
_HISTIDINE = {"CB": 2, "CD2": 1, "CE1": 1, "ND1": 0.5, "NE2": 0.5}
_SIDE_CHAINS: dict[str, dict[str, float]] = {
    "ALA": {"CB": 3},
    "ARG": {"CB": 2, "CG": 2, "CD": 2, "NE": 1, "NH1": 2, "NH2": 2},
    "ASN": {"CB": 2, "ND2": 2},
    "ASP": {"CB": 2},
    "CYS": {"CB": 2, "SG": 1},
    "GLN": {"CB": 2, "CG": 2, "NE2": 2},
    "GLU": {"CB": 2, "CG": 2},
    "GLY": {"CA": 2},
    "HIS": _HISTIDINE,
    "ILE": {"CB": 1, "CG1": 2, "CG2": 3, "CD1": 3, "CD": 3},
    "LEU": {"CB": 2, "CG": 1, "CD1": 3, "CD2": 3},
    "LYS": {"CB": 2, "CG": 2, "CD": 2, "CE": 2, "NZ": 3},
    "MET": {"CB": 2, "CG": 2, "CE": 3},
    "MSE": {"CB": 2, "CG": 2, "CE": 3},
    "PHE": {**_AROMATIC, "CZ": 1},
    "PRO": {"N": 0, "CB": 2, "CG": 2, "CD": 2},
    "SER": {"CB": 2, "OG": 1},
    "THR": {"CB": 1, "OG1": 1, "CG2": 3},
    "TRP": {"CB": 2, "CD1": 1, "NE1": 1, "CE3": 1, "CZ2": 1, "CZ3": 1, "CH2": 1},
    "TYR": {**_AROMATIC, "OH": 1},
    "VAL": {"CB": 1, "CG1": 3, "CG2": 3},
    **dict.fromkeys(("HSD", "HSE", "HSP", "HID", "HIE", "HIP"), _HISTIDINE),
}
_BACKBONE: dict[str, float] = {"N": 1, "CA": 1}
_SUGAR: dict[str, float] = {"C1'": 1, "C2'": 1, "O2'": 1, "C3'": 1, "C4'": 1, "C5'": 2}
_BASES: dict[str, dict[str, float]] = {
    "A": {"C2": 1, "C8": 1, "N6": 2},
    "G": {"C8": 1, "N1": 1, "N2": 2},
    "C": {"C5": 1, "C6": 1, "N4": 2},
    "U": {"C5": 1, "C6": 1, "N3": 1},
    "T": {"C7": 3, "C5M": 3, "C6": 1, "N3": 1},
}
# hydrogens on an atom of a residue that is not listed: organic ligands, lipids, sugars
_MEAN_HYDROGENS = {"C": 1.3, "N": 0.8, "O": 0.2}
# not CA, CD, CO or HG, which are carbons and hydrogens in most ligands
_TWO_LETTER_ATOMS = ("SE", "FE", "ZN", "MG", "MN", "CL", "BR", "NA", "CU", "NI")


@cache
def kind_of(residue_name: str) -> Kind:
    """Return the kind of a residue by its name."""
    entry = gemmi.find_tabulated_residue(residue_name)
    if residue_name in _DUMMY_NAMES:
        return Kind.DUMMY
    if entry.is_water() or residue_name in _WATER_ALIASES:
        return Kind.WATER
    if entry.is_amino_acid() or residue_name in _PROTEIN_ALIASES:
        return Kind.PROTEIN
    return Kind.NUCLEIC_ACID if entry.is_nucleic_acid() else Kind.OTHER


@cache
def guess_element(residue_name: str, atom_name: str) -> str:
    """Return the element of an atom in a file without an element column.

    In amino acids and nucleotides the first letter is the element, so that CA is a carbon; an ion is named as
    its residue; elsewhere the first letter, or the first two where they are a metal or halogen.

    Raises
    ------
    ValueError
        If neither gives an element.
    """
    letters = re.sub(r"^[0-9]+", "", atom_name).upper()
    if residue_name in _ION_ALIASES:
        return _ION_ALIASES[residue_name]
    if residue_name in _DUMMY_NAMES:
        return "X"
    if kind_of(residue_name) != Kind.OTHER:
        return "Se" if letters.startswith("SE") else letters[:1]
    if letters == re.sub(r"[^A-Z]", "", residue_name.upper()) and gemmi.Element(letters).atomic_number:
        return str(gemmi.Element(letters).name)
    symbol = letters[:2] if letters[:2] in _TWO_LETTER_ATOMS else letters[:1]
    if gemmi.Element(symbol).atomic_number:
        return str(gemmi.Element(symbol).name)
    raise ValueError(f"no element column, and atom {atom_name!r} of {residue_name} names none")


def hydrogens_on(
    residue_name: str, atom_names: Sequence[str], elements: Sequence[str]
) -> NDArray[np.float64]:
    """Return the hydrogens that each heavy atom of a residue is bound to, on average.

    Amino acids and nucleotides at neutral pH within a chain (the ends' extra ones are left out); a ligand of
    the component dictionary has its own number spread over its carbons and nitrogens; anything else, the
    average of organic matter.

    Returns
    -------
    ndarray
        Shape (atom,); hydrogens themselves carry none.
    """
    template = _template(residue_name)
    if template is not None:
        return np.array([template.get(name.replace("*", "'"), 0.0) for name in atom_names])
    means = np.array([_MEAN_HYDROGENS.get(element, 0.0) for element in elements])
    listed = gemmi.find_tabulated_residue(residue_name).hydrogen_count
    if listed and means.sum() and len(elements) > 1:
        return means * listed / means.sum()
    return means if len(elements) > 1 else np.zeros(len(elements))


@cache
def _template(residue_name: str) -> dict[str, float] | None:
    kind = kind_of(residue_name)
    if kind == Kind.PROTEIN:
        entry = gemmi.find_tabulated_residue(residue_name)
        parent = residue_name if residue_name in _SIDE_CHAINS else _parent_of(entry)
        return _BACKBONE | _SIDE_CHAINS[parent] if parent in _SIDE_CHAINS else None
    if kind == Kind.NUCLEIC_ACID:
        letter = gemmi.find_tabulated_residue(residue_name).one_letter_code.upper()
        base = _BASES.get(letter, _BASES["U"])
        sugar = {**_SUGAR, "C2'": 2, "O2'": 0} if residue_name.startswith("D") else _SUGAR
        return sugar | base
    return None


def _parent_of(entry: gemmi.ResidueInfo) -> str:
    """Return the three-letter name of the amino acid that a modified one derives from, or nothing."""
    letter = entry.one_letter_code.upper()
    return str(gemmi.expand_one_letter(letter, gemmi.ResidueKind.AA) or "") if letter.isalpha() else ""
