from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cts.structures
from cts.config.structures import read_structure_table
from cts.library import BUILTIN
from cts.potential import render, stamp
from cts.structures import check_sources, load_structures, write_structure_table
from tomoio import read_class_table

from .structure_samples import REAL, alanine, pdb_line, row, write, write_blocks

CONFIG = Path(__file__).parents[2] / "config"
CLASSES = read_class_table(CONFIG / "classes.tsv")
COLUMNS = (
    "structure_id source class role size placement twist_deg rise_angstrom persistence_length_um length_nm"
)
HEADER = "\t".join(COLUMNS.split()) + "\n"


@pytest.mark.parametrize("name", ["structures.tsv", "structures-paper.tsv"])
def test_tables_of_the_project_are_readable(name):
    rows = read_structure_table(CONFIG / name, CLASSES)
    assert {"actin", "cofilactin", "microtubule", "ribosome", "tric"} <= {
        name for r in rows for name in r.classes
    }


def test_built_in_library_is_as_large_as_promised():
    rows = read_structure_table(CONFIG / "structures.tsv", CLASSES)
    structures = load_structures(rows)
    masses = [
        structures[r.structure_id][0].mass_da
        for r in rows
        if r.role == "distractor" and r.placement == "single"
    ]
    assert len(masses) >= 20
    assert all(29_000 <= mass <= 1_500_000 for mass in masses)
    assert sum(mass > 200_000 for mass in masses) >= 10
    assert any(r.placement == "membrane" for r in rows)


@pytest.mark.parametrize(
    ("name", "mass", "submodels"),
    [
        ("actin", 41_800, 1),
        ("cofilactin", 60_300, 2),
        ("tubulin_dimer", 97_000, 1),
        ("ribosome_80s", 4_280_000, 2),
        ("tric", 960_000, 1),
        ("apoferritin", 480_000, 1),
    ],
)
def test_built_in_masses_and_potentials(name, mass, submodels):
    structure = BUILTIN[name]()
    assert structure.mass_da == pytest.approx(mass, rel=0.01)
    assert len(structure.submodels) == submodels
    volumes = np.array([kind.volume_angstrom3 for kind in structure.scatterers])
    volts = np.array([kind.integrals_volt_angstrom3[0] for kind in structure.scatterers])
    counts = sum(np.bincount(part.scatterers, minlength=len(volts)) for part in structure.submodels)
    potential = counts @ volts / (counts @ volumes)
    low, high = (8.2, 9.3) if name == "ribosome_80s" else (7.5, 8.5)
    assert low < potential < high


def test_tric_has_eightfold_rings_and_a_closed_cavity():
    rendered = render(BUILTIN["tric"](), 6.0)
    here, turned = (stamp(rendered, _about_z(angle), (0, 0, 0)).potential_volt[0] for angle in (0, 45))
    shape = np.minimum(here.shape, turned.shape)
    a, b = (
        grid[tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(grid.shape, shape, strict=True))]
        for grid in (here, turned)
    )
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.98
    middle = np.array(here.shape) // 2
    assert abs(here[middle[0] + 5, middle[1], middle[2]]) < 1.0


def test_apoferritin_is_hollow():
    occupancy = stamp(render(BUILTIN["apoferritin"](), 6.0), np.eye(3), (0, 0, 0)).occupancy[0]
    middle = np.array(occupancy.shape) // 2
    assert occupancy[tuple(middle)] < 0.1
    assert occupancy[middle[0], middle[1], middle[2] + 8] > 0.8


def _about_z(angle_deg):
    cos, sin = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a\tbuiltin:actin\tactn\ttarget\tlarge\tsingle", "a: unknown class 'actn'"),
        ("a\tftp:x\tactin\ttarget\tlarge\tsingle", "wanted builtin:NAME"),
        ("a\tbuiltin:actin\tactin\ttarget\tlarge\tsingel", "placement"),
        ("a\tbuiltin:actin\tactin\ttarget\tlarge\tfilament", "needs twist_deg"),
        ("a\tbuiltin:actin\tactin\ttarget\tlarge\tfilament\t-166\t-28\t10\t1-2", "rise_angstrom"),
        ("a\tbuiltin:actin\tactin\ttarget\tlarge\tfilament\t-166\t28\t10\t9-2", "length_nm"),
        (
            "a\tbuiltin:actin\tactin\ttarget\tlarge\tsingle\na\tbuiltin:tric\ttric\ttarget\tlarge\tsingle",
            "appears twice",
        ),
    ],
)
def test_wrong_rows_are_named(tmp_path, line, message):
    cells = "\n".join(text + "\t" * (9 - text.count("\t")) for text in line.split("\n"))
    (tmp_path / "t.tsv").write_text(HEADER + cells + "\n")
    with pytest.raises(ValueError, match=message) as error:
        read_structure_table(tmp_path / "t.tsv", CLASSES)
    assert "t.tsv" in str(error.value)
    assert "\n" not in str(error.value)


def test_written_table_reads_back(tmp_path):
    rows = read_structure_table(CONFIG / "structures-paper.tsv", CLASSES)
    write_structure_table(tmp_path / "t.tsv", rows)
    assert read_structure_table(tmp_path / "t.tsv", CLASSES) == rows


def test_unknown_names_and_missing_files_are_found_without_reading():
    with pytest.raises(ValueError, match="no built-in structure 'actn'"):
        check_sources([row("builtin:actn")])
    with pytest.raises(FileNotFoundError, match=r"sample: none\.pdb"):
        check_sources([row("file:none.pdb")])
    with pytest.raises(ValueError, match="needs a store"):
        load_structures([row("pdb:6T1Y")])


def test_one_class_stands_for_all_submodels_and_wrong_numbers_are_refused():
    (structure,) = load_structures([row("builtin:cofilactin", **{"class": ("actin",)})])["sample"]
    assert [part.class_name for part in structure.submodels] == ["actin", "actin"]
    (structure,) = load_structures([row("builtin:cofilactin", **{"class": ("actin", "cofilactin")})])[
        "sample"
    ]
    assert [part.class_name for part in structure.submodels] == ["actin", "cofilactin"]
    with pytest.raises(ValueError, match="3 classes for 2 submodels"):
        load_structures([row("builtin:cofilactin", **{"class": ("actin",) * 3})])


def test_chains_make_submodels_about_the_centre_of_mass(tmp_path):
    path = write(
        tmp_path / "abc.pdb",
        [*alanine("A"), *alanine("B", shift=(30, 0, 0)), *alanine("C", shift=(0, 99, 0))],
    )
    (structure,) = load_structures([row(f"file:{path}", chains=(("A",), ("B",)))])["sample"]
    assert [part.name for part in structure.submodels] == ["A", "B"]
    means = [part.positions_angstrom[:, 0].mean() for part in structure.submodels]
    assert means[1] - means[0] == pytest.approx(30)
    assert abs(sum(means)) < 1
    with pytest.raises(ValueError, match=r"abc\.pdb: no chain 'Z'; found A, B, C"):
        load_structures([row(f"file:{path}", chains=(("Z",),))])


def test_models_are_submodels_or_conformers(tmp_path):
    lines = ["MODEL        1", *alanine(), "ENDMDL", "MODEL        2", *alanine(shift=(10, 0, 0)), "ENDMDL"]
    path = write(tmp_path / "two.pdb", lines)
    assert [len(s.submodels) for s in load_structures([row(f"file:{path}")])["sample"]] == [2]
    conformers = load_structures([row(f"file:{path}", conformers=("models",))])["sample"]
    assert [len(s.submodels) for s in conformers] == [1, 1]
    more = load_structures(
        [row("builtin:hsp90", conformers=("builtin:hsp70", f"file:{path}"), **{"class": ("tric",)})]
    )
    assert len(more["sample"]) == 3
    with pytest.raises(ValueError, match="conformer 'hsp70'"):
        row("builtin:hsp90", conformers=("hsp70",))


def test_a_submodel_called_origin_marks_the_origin(tmp_path):
    path = write_blocks(tmp_path / "marked.cif", {"actin": 7.0, "origin_1": 4.0})
    (structure,) = load_structures([row(f"file:{path}")])["sample"]
    assert len(structure.submodels) == 1
    assert structure.submodels[0].positions_angstrom[0, 0] == pytest.approx(3.0)


def test_files_are_read_once_and_again_when_they_change(tmp_path, monkeypatch):
    path = write(tmp_path / "ala.pdb", alanine())
    wanted = row(f"file:{path}")
    (first,) = load_structures([wanted], tmp_path / "store")["sample"]
    monkeypatch.setattr(cts.structures, "read_structure_file", lambda *_: pytest.fail("was read again"))
    (second,) = load_structures([wanted], tmp_path / "store")["sample"]
    np.testing.assert_array_equal(
        first.submodels[0].positions_angstrom, second.submodels[0].positions_angstrom
    )
    assert first.scatterers == second.scatterers
    monkeypatch.undo()
    write(path, [*alanine(), pdb_line("ZN", "ZN", (9, 9, 9), element="ZN", number=2, record="HETATM")])
    (third,) = load_structures([wanted], tmp_path / "store")["sample"]
    assert third.mass_da > second.mass_da + 60
    for kept in (tmp_path / "store" / "read").iterdir():
        kept.write_bytes(kept.read_bytes()[:100])
    (fourth,) = load_structures([wanted], tmp_path / "store")["sample"]
    assert fourth.mass_da == third.mass_da


@pytest.mark.skipif(not REAL.is_dir(), reason="real structures are not at hand")
def test_thermosome_is_a_sixteen_mer():
    (structure,) = load_structures([row(f"file:{REAL / '1a6d_thermosome.pdb.gz'}", assembly="1")])["sample"]
    assert structure.mass_da == pytest.approx(866_000, rel=0.02)
    assert 80 < structure.radius_angstrom < 100


@pytest.mark.parametrize(
    ("chains", "message"), [((("A",), ()), "an empty group"), ((("A",), ("A",)), "twice")]
)
def test_groups_of_chains_are_whole_and_disjoint(chains, message):
    with pytest.raises(ValueError, match=message):
        row("file:abc.pdb", chains=chains)
