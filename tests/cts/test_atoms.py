from __future__ import annotations

import gzip
import itertools

import numpy as np
import pytest

from cts.atoms import read_atoms, to_submodels
from cts.residues import guess_element, hydrogens_on
from cts.structure import Structure

from .structure_samples import REAL, alanine, pdb_line, write, write_blocks

real = pytest.mark.skipif(not REAL.is_dir(), reason="real structures are not at hand")


def _structure(models):
    parts, scatterers = to_submodels(models, ["ribosome"] * len(models))
    return Structure("x", parts, scatterers)


def _mean_inner_potential(structure):
    volts = np.array([sum(kind.integrals_volt_angstrom3) for kind in structure.scatterers])
    volumes = np.array([kind.volume_angstrom3 for kind in structure.scatterers])
    weights = sum(
        np.bincount(part.scatterers, part.multiplicities, minlength=len(volts))
        for part in structure.submodels
    )
    return weights @ volts / (weights @ volumes)


def test_reads_an_alanine_with_its_hydrogens(tmp_path):
    (atoms,) = read_atoms(write(tmp_path / "ala.pdb", alanine()))
    assert atoms.elements.tolist() == ["N", "C", "C", "O", "C"]
    assert atoms.hydrogens.tolist() == [1, 1, 0, 0, 3]
    # C3H5NO
    assert _structure([atoms]).mass_da == pytest.approx(71.08, abs=0.02)


def test_alternative_locations_count_by_occupancy(tmp_path):
    lines = alanine()
    lines[-1] = pdb_line("CB", "ALA", (2, -0.8, 1.2), element="C", altloc="A", occupancy=0.7)
    lines.append(pdb_line("CB", "ALA", (2, -0.8, -1.2), element="C", altloc="B", occupancy=0.3))
    (atoms,) = read_atoms(write(tmp_path / "alt.pdb", lines))
    assert len(atoms) == 6
    assert atoms.weights[-2:].tolist() == pytest.approx([0.7, 0.3])
    assert _structure([atoms]).mass_da == pytest.approx(71.08, abs=0.02)


def test_occupancy_zero_throughout_means_there(tmp_path):
    lines = [line[:54] + "  0.00" + line[60:] for line in alanine()]
    (atoms,) = read_atoms(write(tmp_path / "zero.pdb", lines))
    assert atoms.weights.tolist() == [1.0] * 5


def test_partial_occupancy_of_a_ligand_is_kept(tmp_path):
    ion = pdb_line("MG", "MG", (9, 9, 9), element="MG", number=2, occupancy=0.4, record="HETATM")
    (atoms,) = read_atoms(write(tmp_path / "ion.pdb", [*alanine(), ion]))
    assert atoms.elements[-1] == "Mg"
    assert atoms.weights[-1] == pytest.approx(0.4)


def test_file_without_elements_is_read_by_residue_and_name(tmp_path):
    ions = [
        pdb_line("CA", "CA", (9, 9, 9), element="", number=2, record="HETATM"),
        pdb_line("CLA", "CLA", (12, 9, 9), element="", number=3, record="HETATM"),
    ]
    lines = [line[:76] for line in [*alanine(), *ions]]
    # left-adjusted names, as molecular dynamics writes them: CA looks like calcium by its columns
    lines = [line[:12] + line[12:16].strip().ljust(4) + line[16:] for line in lines]
    (atoms,) = read_atoms(write(tmp_path / "bare.pdb", lines))
    assert atoms.elements.tolist() == ["N", "C", "C", "O", "C", "Ca", "Cl"]


@pytest.mark.parametrize(
    ("residue", "atom", "element"),
    [("GLY", "CA", "C"), ("GLY", "1HA", "H"), ("MSE", "SE", "Se"), ("HEM", "FE", "Fe"), ("SOD", "SOD", "Na")],
)
def test_elements_from_names(residue, atom, element):
    assert guess_element(residue, atom) == element


@pytest.mark.parametrize(
    ("residue", "count"),
    # molecular formulas of residues within a chain at neutral pH
    [
        ("GLY", 3),
        ("ALA", 5),
        ("LYS", 13),
        ("ASP", 4),
        ("TRP", 10),
        ("PRO", 7),
        ("A", 11),
        ("G", 11),
        ("DT", 12),
    ],
)
def test_hydrogens_of_residues(residue, count):
    names = (
        "N CA C O CB CG CG1 CG2 CD CD1 CD2 NE NE1 NE2 CE CE1 CE2 CE3 CZ CZ2 CZ3 CH2 NZ OH OG OG1 SG"
        if len(residue) == 3
        else "P OP1 O5' C5' C4' C3' C2' C1' O2' N1 C2 N2 N3 C4 N4 C5 C6 N6 C7 C8 N9"
    ).split()
    assert hydrogens_on(residue, names, [name[0] for name in names]).sum() == count


def test_unknown_element_is_an_error_that_names_it(tmp_path):
    odd = pdb_line("Q1", "UNL", (9, 9, 9), element="QQ", number=2, record="HETATM")
    with pytest.raises(ValueError, match=r"odd\.pdb: atom Q1 of residue UNL"):
        read_atoms(write(tmp_path / "odd.pdb", [*alanine(), odd]))


@pytest.mark.parametrize("text", ["", "REMARK nothing here\nEND\n"])
def test_pdb_without_atoms_is_refused(tmp_path, text):
    path = tmp_path / "empty.pdb"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"empty\.pdb: no atoms"):
        read_atoms(path)


def test_missing_file_and_truncated_gzip(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.pdb"):
        read_atoms(tmp_path / "none.pdb")
    packed = gzip.compress("\n".join(alanine() * 50).encode())
    (tmp_path / "cut.pdb.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(ValueError, match=r"cut\.pdb\.gz"):
        read_atoms(tmp_path / "cut.pdb.gz")


def test_models_and_data_blocks_are_submodels(tmp_path):
    lines = ["MODEL        1", *alanine(), "ENDMDL", "MODEL        2", *alanine(shift=(10, 0, 0)), "ENDMDL"]
    assert len(read_atoms(write(tmp_path / "two.pdb", lines))) == 2
    path = write_blocks(tmp_path / "blocks.cif", {"actin": 0.0, "cofilin": 20.0})
    models = read_atoms(path)
    assert [atoms.name for atoms in models] == ["actin", "cofilin"]
    assert models[1].positions_angstrom[0, 0] == 20


def test_unknown_assembly_names_those_there_are(tmp_path):
    with pytest.raises(ValueError, match="no assembly '9'; the file has none"):
        read_atoms(write(tmp_path / "ala.pdb", alanine()), assembly="9")


@real
def test_adenylate_kinase_has_its_mass_and_no_calcium():
    models = read_atoms(REAL / "1ake_adk.pdb.gz")
    assert _structure(models).mass_da == pytest.approx(23_600, rel=0.02)
    assert set(models[0].elements.tolist()) == {"H", "C", "N", "O", "S"}


@real
@pytest.mark.parametrize(
    ("name", "copies", "chains"), [("1a6d_thermosome", 16, 2), ("1bxn", 16, 8), ("3cf3", 6, 3)]
)
def test_assemblies_expand(name, copies, chains):
    path = REAL / f"{name}.pdb.gz"
    assert len(read_atoms(path, assembly="1")[0]) == len(read_atoms(path)[0]) * copies // chains


@real
def test_a_structure_without_its_hydrogens_gives_the_same_potential():
    (whole,) = read_atoms(REAL / "cofilactin_18mer_hocky_0ns.pdb.gz")
    explicit = whole.select(whole.of_chains(["A11", "C11"]), "with")
    assert (explicit.elements == "H").sum() > 3000
    bare = explicit.select(explicit.elements != "H", "without")
    expected = [
        hydrogens_on(str(name), bare.names[chosen].tolist(), bare.elements[chosen].tolist())
        for name, chosen in _residues(bare)
    ]
    bare = type(bare)(**(vars(bare) | {"hydrogens": np.concatenate(expected)}))
    first, second = _structure([explicit]), _structure([bare])
    assert second.mass_da == pytest.approx(first.mass_da, rel=0.02)
    assert _mean_inner_potential(second) == pytest.approx(_mean_inner_potential(first), rel=0.02)


def _residues(atoms):
    labels = list(zip(atoms.segments.tolist(), atoms.residue_numbers.tolist(), strict=True))
    starts = [0, *[i for i in range(1, len(labels)) if labels[i] != labels[i - 1]], len(labels)]
    return [(atoms.residue_names[a], slice(a, b)) for a, b in itertools.pairwise(starts)]


@real
@pytest.mark.parametrize("name", ["1s3x.pdb.gz", "2xhe.cif.gz", "1mnf_groel.pdb.gz"])
def test_protein_has_its_mean_inner_potential(name):
    assert 7.5 <= _mean_inner_potential(_structure(read_atoms(REAL / name))) <= 8.5


@real
def test_nucleosome_lies_between_protein_and_nucleic_acid():
    (atoms,) = read_atoms(REAL / "5gt0_nucleosome.pdb.gz")
    nucleic = _structure([atoms.select(atoms.kinds == 1, "dna")])
    assert 9.0 <= _mean_inner_potential(nucleic) <= 10.0


@pytest.mark.parametrize("text", ["     nan", "     inf"])
def test_coordinates_that_are_no_numbers_are_refused_by_file(tmp_path, text):
    lines = alanine()
    lines[-1] = lines[-1][:30] + text + lines[-1][38:]
    with pytest.raises(ValueError, match=r"ala\.pdb: a coordinate or occupancy is not a finite number"):
        read_atoms(write(tmp_path / "ala.pdb", lines))
