from __future__ import annotations

from pathlib import Path

import pytest

from cts.cli import main
from cts.config.structures import read_structure_table
from cts.structure_import import import_folder, parse_cts_name
from tomoio import read_class_table

from .structure_samples import alanine, write, write_blocks


@pytest.mark.parametrize(
    ("name", "ids", "placement", "distractor"),
    [
        ("kinase__hub__CaMK2_5u6y.complex.vesicle.pdb", ("kinase", "hub", "CaMK2_5u6y"), "complex", False),
        ("ribo__ribo__4ug0_4v6x.group.cif.gz", ("ribo", "ribo", "4ug0_4v6x"), "single", False),
        ("6lfm_gprotein.distract.membrane.pdb", ("fix_6lfm_gprotein",), "membrane", True),
        ("5LQX.mrc", ("fix_5LQX",), "single", False),
        ("myDistractor.pdb", ("myDistractor",), "single", True),
        ("a-b.memplex.pdb1", ("a_b",), "membrane", False),
    ],
)
def test_cts_names(name, ids, placement, distractor):
    parsed = parse_cts_name(name)
    assert parsed.class_ids == tuple(i if not i[0].isdigit() else f"fix_{i}" for i in ids)
    assert (parsed.placement, parsed.is_distractor) == (placement, distractor)


def test_folder_becomes_a_table(tmp_path, capsys):
    folder = tmp_path / "cts"
    folder.mkdir()
    two = ["MODEL        1", *alanine(), "ENDMDL", "MODEL        2", *alanine(shift=(9, 0, 0)), "ENDMDL"]
    write(folder / "ribo__4ug0.pdb", alanine())
    write(folder / "act__cof__3j0s.complex.pdb", two)
    write(folder / "thing.distract.cytosol.pdb", alanine())
    write_blocks(folder / "x__y.assembly.cif", {"actin_1": 0.0, "cofilactin_1": 20.0})
    (folder / "old.mat").write_bytes(b"")
    table = tmp_path / "structures.tsv"
    status = main(
        ["structures", "import", str(folder), "-o", str(table)]
        + [text for pair in ("ribo=ribosome", "act=actin", "cof=cofilactin") for text in ("--class", pair)]
    )
    assert status == 0
    printed = capsys.readouterr().out
    assert "4 structures" in printed
    assert "cofilactin" not in printed
    classes = read_class_table(Path(__file__).parents[2] / "config" / "classes.tsv")
    rows = {r.structure_id: r for r in read_structure_table(table, classes)}
    assert rows["ribo__4ug0"].classes == ("ribosome",)
    assert rows["act__cof__3j0s.complex"].classes == ("actin", "cofilactin")
    assert rows["act__cof__3j0s.complex"].placement == "complex"
    assert rows["thing.distract.cytosol"].role == "distractor"
    assert rows["thing.distract.cytosol"].placement == "cytosol"
    assert rows["x__y.assembly"].classes == ("actin", "cofilactin")
    assert all(r.size == "small" for r in rows.values())


def test_what_a_user_must_decide_after_an_import_is_told(tmp_path, capsys, caplog):
    folder = tmp_path / "cts"
    folder.mkdir()
    write(folder / "kinase.complex.vesicle.pdb", alanine())
    assert main(["structures", "import", str(folder), "-o", str(tmp_path / "t.tsv")]) == 0
    assert "not in config/classes.tsv: kinase" in capsys.readouterr().out
    assert "flags complex and vesicle: a structure has one placement, complex was taken" in caplog.text


def test_folder_without_structures_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no structure files"):
        import_folder(tmp_path, {})
    with pytest.raises(FileNotFoundError, match="no such folder"):
        import_folder(tmp_path / "none", {})


def test_command_line_lists_and_refuses(tmp_path, capsys):
    table = tmp_path / "t.tsv"
    header = "structure_id\tsource\tclass\trole\tsize\tplacement\n"
    table.write_text(header + "tric\tbuiltin:tric\ttric\ttarget\tlarge\tsingle\n")
    assert main(["structures", "list", str(table)]) == 0
    assert "tric\t960\t" in capsys.readouterr().out
    table.write_text(header + "tric\tbuiltin:trick\ttric\ttarget\tlarge\tsingle\n")
    assert main(["structures", "list", str(table)]) == 2
    assert "no built-in structure 'trick'" in capsys.readouterr().err
    (tmp_path / "e.pdb").write_text("END\n")
    table.write_text(header + f"x\tfile:{tmp_path / 'e.pdb'}\ttric\ttarget\tlarge\tsingle\n")
    assert main(["structures", "fetch", str(table), "--store", str(tmp_path / "s")]) == 2
    assert capsys.readouterr().err.strip().endswith("no atoms; wanted a PDB or mmCIF file with coordinates")
