"""Small structures written out for the tests of reading and rendering them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cts.config.structures import StructureRow

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "structures"


def pdb_line(
    name: str,
    residue: str,
    position,
    *,
    element: str,
    number: int = 1,
    chain: str = "A",
    altloc: str = " ",
    occupancy: float = 1.0,
    record: str = "ATOM  ",
) -> str:
    """Return one ATOM record in the columns of the PDB format."""
    x, y, z = position
    padded = f" {name:<3}" if len(name) < 4 else name
    return (
        f"{record}{1:>5} {padded}{altloc}{residue:>3} {chain}{number:>4}    {x:8.3f}{y:8.3f}{z:8.3f}"
        f"{occupancy:6.2f}{0:6.2f}          {element:>2}"
    )


def alanine(chain: str = "A", number: int = 1, shift=(0.0, 0.0, 0.0)) -> list[str]:
    """Return the heavy atoms of an alanine."""
    atoms = {
        "N": (0, 0, 0),
        "CA": (1.46, 0, 0),
        "C": (2.0, 1.4, 0),
        "O": (1.3, 2.4, 0),
        "CB": (2.0, -0.8, 1.2),
    }
    return [
        pdb_line(name, "ALA", np.add(xyz, shift), element=name[0], chain=chain, number=number)
        for name, xyz in atoms.items()
    ]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join([*lines, "END", ""]))
    return path


def row(source: str, **values) -> StructureRow:
    """Return a row of structures.tsv with defaults for what a test does not care about."""
    defaults = {
        "structure_id": "sample",
        "source": source,
        "class": ("ribosome",),
        "role": "target",
        "size": "large",
        "placement": "single",
    }
    return StructureRow.model_validate(defaults | values)


def helix_of_units(twist_deg: float, rise: float, units: int, seed: int = 0):
    """Return the Cα positions of the units of a helix about z, shape (unit, residue, 3)."""
    rng = np.random.default_rng(seed)
    unit = rng.normal(size=(30, 3)) * 10 + [20, 5, 0]
    turned = []
    for k in range(units):
        angle = np.radians(twist_deg * k)
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        turned.append(unit @ turn.T + [0, 0, rise * k])
    return np.array(turned)


def blocks_text(blocks: dict[str, float]) -> str:
    """Return mmCIF with a data block for each name, holding one atom at a given x."""
    columns = (
        "group_PDB id type_symbol label_atom_id label_alt_id label_comp_id label_asym_id label_entity_id "
        "label_seq_id pdbx_PDB_ins_code Cartn_x Cartn_y Cartn_z occupancy B_iso_or_equiv "
        "auth_seq_id auth_asym_id"
    )
    header = "loop_\n" + "".join(f"_atom_site.{name}\n" for name in columns.split())
    atom = "ATOM 1 C CA . ALA A 1 1 ? {x} 0 0 1 0 1 A\n"
    return "".join(f"data_{name}\n{header}{atom.format(x=x)}" for name, x in blocks.items())


def write_blocks(path: Path, blocks: dict[str, float]) -> Path:
    path.write_text(blocks_text(blocks))
    return path
