from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cts.atoms import read_atoms
from cts.orientation import filament_frame, membrane_frame, repeat_unit
from cts.structures import load_structures

from .structure_samples import REAL, alanine, helix_of_units, pdb_line, row, write

real = pytest.mark.skipif(not REAL.is_dir(), reason="real structures are not at hand")
NAMES = "ABCDEFGHIJ"


def _helix_file(path, twist, rise):
    """Write a helix with its axis somewhere in space; return the file."""
    turn = Rotation.from_euler("xyz", [40, 25, 70], degrees=True)
    lines = [
        pdb_line(
            "CA",
            "ALA",
            np.add(turn.apply(position), [30, -20, 10]),
            element="C",
            chain=NAMES[unit],
            number=residue + 1,
        )
        for unit, positions in enumerate(helix_of_units(twist, rise, len(NAMES)))
        for residue, position in enumerate(positions)
    ]
    return write(path, lines)


@pytest.mark.parametrize("twist", [-166.65, 26.0])
def test_unit_of_a_helix_is_laid_about_z(tmp_path, twist):
    (atoms,) = read_atoms(_helix_file(tmp_path / "helix.pdb", twist, 28.1))
    frame = filament_frame(atoms, "D", twist, 28.1)
    here, following = (frame.apply(atoms.positions_angstrom[atoms.of_chains([name])]) for name in "DE")
    angle = np.radians(twist)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    np.testing.assert_allclose(here @ turn.T + [0, 0, 28.1], following, atol=0.02)
    assert here.mean(axis=0)[2] == pytest.approx(0, abs=1e-6)


def test_helix_of_the_other_hand_is_refused(tmp_path):
    (atoms,) = read_atoms(_helix_file(tmp_path / "helix.pdb", -150.0, 28.1))
    with pytest.raises(ValueError, match=r"nearest copy is -150\.0 degrees and 28\.1 Å away; wanted 150"):
        filament_frame(atoms, "D", 150.0, 28.1)
    with pytest.raises(ValueError, match="has no Cα atoms"):
        filament_frame(atoms, "Z", -150.0, 28.1)


def test_repeat_unit_is_found_in_the_middle(tmp_path):
    (atoms,) = read_atoms(_helix_file(tmp_path / "helix.pdb", -166.65, 28.1))
    assert repeat_unit(atoms, -166.65, 28.1)[0][0] in "DEFG"
    (alone,) = read_atoms(write(tmp_path / "one.pdb", alanine()))
    assert repeat_unit(alone, -166.65, 28.1) == ()


def _belted_cylinder(path):
    """Write residues on a cylinder along a tilted axis: leucine in a belt of 30 Å, aspartate elsewhere."""
    turn = Rotation.from_euler("xyz", [50, -30, 10], degrees=True)
    lines = []
    for z in np.arange(-45, 60, 5.0):
        for step in range(12):
            angle = 2 * np.pi * step / 12 + z
            name = "LEU" if abs(z) <= 15 else ("LYS" if -25 < z < 0 else "ASP")
            position = np.add(turn.apply([15 * np.cos(angle), 15 * np.sin(angle), z]), [5, 6, 7])
            lines.append(pdb_line("CA", name, position, element="C", number=len(lines) + 1))
    return write(path, lines), turn.apply([0, 0, 1.0])


def test_membrane_protein_is_set_upright_with_lysines_inside(tmp_path):
    path, axis = _belted_cylinder(tmp_path / "belt.pdb")
    frame = membrane_frame(read_atoms(path)[0])
    assert frame.rotation[2] @ axis > np.cos(np.radians(12))
    assert (frame.origin_angstrom - [5, 6, 7]) @ axis == pytest.approx(0, abs=3)


def test_frame_of_opm_files_is_kept(tmp_path):
    dummy = pdb_line("N", "DUM", (0, 0, 15), element="N", number=9, record="HETATM")
    (atoms,) = read_atoms(write(tmp_path / "opm.pdb", [*alanine(shift=(3, 4, 5)), dummy]))
    np.testing.assert_array_equal(membrane_frame(atoms).rotation, np.eye(3))
    assert len(atoms) == 5


@real
@pytest.mark.slow
def test_actin_of_6bno_repeats_itself():
    source = f"file:{REAL / '6BNO_actin15mer.pdb.gz'}"
    helix = {
        "twist_deg": -166.65,
        "rise_angstrom": 28.1,
        "persistence_length_um": 10,
        "length_nm": (100, 200),
    }
    (unit,) = load_structures([row(source, placement="filament", **helix)])["sample"]
    assert unit.mass_da == pytest.approx(40_800, rel=0.02)
    centre = unit.submodels[0].positions_angstrom.mean(axis=0)
    assert np.hypot(*centre[:2]) == pytest.approx(15.8, abs=0.5)
    assert abs(centre[2]) < 1


@real
def test_tubulin_dimer_stands_along_the_protofilament():
    source = f"file:{REAL / '5ij0.cif.gz'}"
    values = {
        "rise_angstrom": 82,
        "persistence_length_um": 2000,
        "length_nm": (300, 900),
        "chains": (("A",), ("B",)),
    }
    (dimer,) = load_structures([row(source, placement="microtubule", **values)])["sample"]
    low, high = (part.positions_angstrom.mean(axis=0) for part in dimer.submodels)
    assert high[2] - low[2] == pytest.approx(41, abs=2)
    spans = np.ptp(np.concatenate([part.positions_angstrom for part in dimer.submodels]), axis=0)
    # the radius is the long side of a monomer, the circumference the short one
    assert spans[0] > spans[1]


@real
def test_a_dimer_is_found_among_the_chains_of_a_file_or_asked_for():
    values = {"rise_angstrom": 82, "persistence_length_um": 2000, "length_nm": (300, 900)}
    source = f"file:{REAL / '5ij0.cif.gz'}"
    found, named = (
        load_structures([row(source, placement="microtubule", **values, **more)])["sample"][0]
        for more in ({}, {"chains": (("A", "B"),)})
    )
    np.testing.assert_array_equal(
        found.submodels[0].positions_angstrom, named.submodels[0].positions_angstrom
    )
    rubisco = f"file:{REAL / '1bxn.pdb.gz'}"
    with pytest.raises(ValueError, match=r"1bxn.*chains A, .* for a microtubule; wanted the two of a dimer"):
        load_structures([row(rubisco, placement="microtubule", **values)])


@real
@pytest.mark.slow
def test_channel_has_its_large_subunit_outside():
    (channel,) = load_structures([row(f"file:{REAL / '5gjv.pdb.gz'}", placement="membrane")])["sample"]
    heights = np.concatenate([part.positions_angstrom[:, 2] for part in channel.submodels])
    # α2δ reaches some 100 Å out of the membrane (Wu et al. 2016), the cytosolic part less far in
    assert heights.max() > 80
    assert heights.min() > -90
