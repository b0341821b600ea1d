from __future__ import annotations

import gzip
import itertools

import numpy as np
import pytest

from cts.atoms import read_atoms, to_submodels
from cts.residues import guess_element, hydrogens_on
from cts.structure import Structure
from cts.structures import load_structures

from .structure_samples import (
    REAL,
    alanine,
    blocks_text,
    capsid_mmcif,
    capsid_operators,
    capsid_pdb,
    pdb_line,
    row,
    write,
    write_blocks,
)

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


def _capsid_points():
    return np.round(np.random.default_rng(4).normal(size=(7, 3)) * 8 + [0, 20, 110], 3)


def _all_near(found, wanted):
    distances = np.linalg.norm(found[:, None] - wanted[None], axis=2)
    return len(found) == len(wanted) and distances.min(axis=0).max() < 0.01 > distances.min(axis=1).max()


@pytest.mark.parametrize("kind", ["pdb", "cif"])
def test_capsids_have_sixty_copies(tmp_path, kind):
    points = _capsid_points()
    path = tmp_path / f"capsid.{kind}"
    if kind == "pdb":
        write(path, capsid_pdb(points))
    else:
        path.write_text(capsid_mmcif(points, ["(1-60)"]))
    (structure,) = load_structures([row(f"file:{path}", assembly="1")])["sample"]
    # placed about its centre of mass, which is that of the icosahedron
    wanted = np.concatenate([points @ turn.T for turn in capsid_operators()])
    assert _all_near(structure.submodels[0].positions_angstrom, wanted)


def test_products_of_operations_are_done_from_right_to_left(tmp_path):
    points = _capsid_points()
    path = tmp_path / "capsid.cif"
    expressions = ["(X0)(1-60)", "(1,2)(3-5)", "1,2,5", "(2)(X0)", "(1-60)(7)"]
    path.write_text(capsid_mmcif(points, expressions))
    turns, shift = capsid_operators(), np.array([0, 0, 5.0])
    wanted = {
        "1": [points @ turn.T + shift for turn in turns],
        "2": [points @ (turns[i] @ turns[j]).T for i in (0, 1) for j in (2, 3, 4)],
        "3": [points @ turns[i].T for i in (0, 1, 4)],
        "4": [(points + shift) @ turns[1].T],
        "5": [points @ turn.T for turn in turns],
    }
    for name, copies in wanted.items():
        (atoms,) = read_atoms(path, assembly=name)
        assert _all_near(atoms.positions_angstrom, np.concatenate(copies)), expressions[int(name) - 1]


@pytest.mark.parametrize(
    ("expression", "message"), [("(1-61)", "operation '61'"), ("(1-60", "oper_expression"), ("5,QQ", "'QQ'")]
)
def test_assemblies_that_make_no_sense_are_refused_by_name(tmp_path, expression, message):
    path = tmp_path / "odd.cif"
    path.write_text(capsid_mmcif(_capsid_points(), [expression]))
    with pytest.raises(ValueError, match=rf"odd\.cif: .*{message}"):
        read_atoms(path, assembly="1")


def test_blank_elements_among_given_ones_are_read_by_names(tmp_path):
    # an unusual name with an element column is believed, a blank one is read by residue and name
    ligand = [
        pdb_line("XA", "UNL", (9, 9, 9), element="ZN", number=2, record="HETATM"),
        pdb_line("FE", "HEM", (9, 9, 12), element="", number=3, record="HETATM"),
    ]
    lines = [*alanine(), *ligand]
    lines[1] = lines[1][:76]
    (atoms,) = read_atoms(write(tmp_path / "part.pdb", lines))
    assert atoms.elements.tolist() == ["N", "C", "C", "O", "C", "Zn", "Fe"]
    lines[5] = lines[5][:76]
    with pytest.raises(ValueError, match=r"part\.pdb: .*atom 'XA' of UNL"):
        read_atoms(write(tmp_path / "part.pdb", lines))


def test_entry_name_and_line_number_in_old_files_are_no_elements(tmp_path):
    lines = [f"{line[:72]}1ABC{number:4d}" for number, line in enumerate(alanine(), start=68)]
    (atoms,) = read_atoms(write(tmp_path / "old.pdb", lines))
    assert atoms.elements.tolist() == ["N", "C", "C", "O", "C"]


@pytest.mark.parametrize(
    "change",
    [(" 1 C CA .", " 1 ? CA ."), ("_atom_site.type_symbol\n", ""), (" 1 C CA .", " 1 . CA .")],
)
def test_mmcif_without_elements_is_read_by_names(tmp_path, change):
    text = blocks_text({"sample": 3.0}).replace(*change)
    if "type_symbol" in change[0]:
        text = text.replace(" 1 C CA .", " 1 CA .")
    (tmp_path / "bare.cif").write_text(text)
    (atoms,) = read_atoms(tmp_path / "bare.cif")
    assert atoms.elements.tolist() == ["C"]


def _entry():
    header = ["HEADER    SAMPLE", "SEQRES   1 A    1  ALA", "SEQRES   1 B    1  ALA"]
    return [*header, *alanine(), "TER", *alanine("B", shift=(9, 0, 0)), "TER", "END"]


@pytest.mark.parametrize("columns", [4, 30, 56, 70, 77])
def test_pdb_files_that_were_cut_off_are_refused(tmp_path, columns):
    path = tmp_path / "cut.pdb"
    lines = alanine()
    for whole in (lines, _entry()[:8]):
        path.write_text("\n".join([*whole[:-1], whole[-1][:columns]]))
        with pytest.raises(ValueError, match=r"cut\.pdb: .*cut off"):
            read_atoms(path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (_entry()[:7], "ends within its atoms"),
        (_entry()[:9], "no atoms of chain B"),
        (
            ["MODEL        1", *alanine(), "ENDMDL", "MODEL        2", *alanine()],
            "2 MODEL records",
        ),
    ],
)
def test_pdb_files_that_were_cut_between_lines_are_refused(tmp_path, lines, message):
    (tmp_path / "cut.pdb").write_text("\n".join([*lines, ""]))
    with pytest.raises(ValueError, match=message):
        read_atoms(tmp_path / "cut.pdb")


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_pdb_files_without_end_are_read(tmp_path, end):
    for name, lines in {
        "bare": alanine(),
        "trimmed": [line[:66] for line in alanine()],
        "entry": _entry(),
    }.items():
        (tmp_path / f"{name}.pdb").write_text("\n".join(lines) + end)
        assert len(read_atoms(tmp_path / f"{name}.pdb")[0]) == (10 if name == "entry" else 5)


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
