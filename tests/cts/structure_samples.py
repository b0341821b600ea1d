"""Small structures written out for the tests of reading and rendering them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

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


def capsid_operators():
    """Return the sixty rotations of an icosahedron, (60, 3, 3)."""
    return Rotation.create_group("I").as_matrix()


def capsid_mmcif(points, expressions: list[str]) -> str:
    """Return mmCIF with Cα atoms and an assembly for each expression; operations 1-60 and the shift X0."""
    operations = [(str(i + 1), turn, np.zeros(3)) for i, turn in enumerate(capsid_operators())]
    operations += [("X0", np.eye(3), np.array([0, 0, 5.0]))]
    matrix = [f"_pdbx_struct_oper_list.matrix[{i}][{j}]" for i in (1, 2, 3) for j in (1, 2, 3)]
    vector = [f"_pdbx_struct_oper_list.vector[{i}]" for i in (1, 2, 3)]
    lines = ["data_CAPSID", "loop_"]
    lines += [f"_pdbx_struct_assembly_gen.{n}" for n in ("assembly_id", "oper_expression", "asym_id_list")]
    lines += [f"{number} '{text}' A" for number, text in enumerate(expressions, start=1)]
    lines += ["loop_", "_pdbx_struct_oper_list.id", *matrix, *vector]
    lines += [
        f"{name} " + " ".join(f"{value:.9f}" for value in (*turn.ravel(), *shift))
        for name, turn, shift in operations
    ]
    columns = (
        "group_PDB id type_symbol label_atom_id label_alt_id label_comp_id label_asym_id label_seq_id "
        "Cartn_x Cartn_y Cartn_z occupancy B_iso_or_equiv auth_seq_id auth_asym_id"
    )
    lines += ["loop_", *(f"_atom_site.{name}" for name in columns.split())]
    lines += [
        f"ATOM {i} C CA . ALA A {i} {x:.3f} {y:.3f} {z:.3f} 1 0 {i} P"
        for i, (x, y, z) in enumerate(points, start=1)
    ]
    return "\n".join([*lines, ""])


def capsid_pdb(points) -> list[str]:
    """Return PDB lines with Cα atoms of chain A and sixty BIOMT operators."""
    lines = ["REMARK 350 BIOMOLECULE: 1", "REMARK 350 APPLY THE FOLLOWING TO CHAINS: A"]
    for copy, turn in enumerate(capsid_operators(), start=1):
        for number, values in enumerate(turn, start=1):
            cells = "".join(f"{value:10.6f}" for value in values)
            lines.append(f"REMARK 350   BIOMT{number} {copy:3d}{cells}{0:15.5f}")
    return lines + [
        pdb_line("CA", "ALA", xyz, element="C", number=number) for number, xyz in enumerate(points, start=1)
    ]
