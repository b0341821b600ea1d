"""Tables, manifests, generators and the command line's one-line errors."""

from __future__ import annotations

import hashlib
import json

import pytest

from cts.cli import main
from tomoio import new_file, read_manifest, sha256_of, write_manifest
from tomoio.randomness import generator
from tomoio.tables import read_table, write_table


def test_tables_round_trip_without_comments(tmp_path):
    write_table(tmp_path / "t.tsv", ["a", "b"], [{"a": 1.5, "b": "x y"}, {"a": 2}])
    with open(tmp_path / "t.tsv", "a") as out:
        out.write("# 9\tz\n\n")
    rows = read_table(tmp_path / "t.tsv", required=("a",), optional=("b", "c"))
    assert rows == [{"a": "1.5", "b": "x y", "c": ""}, {"a": "2", "b": "", "c": ""}]


def test_table_faults_name_the_column(tmp_path):
    write_table(tmp_path / "t.tsv", ["a", "b"], [])
    with pytest.raises(ValueError, match="column 'z' is missing"):
        read_table(tmp_path / "t.tsv", required=("z",))
    with pytest.raises(ValueError, match="unknown column 'b'"):
        read_table(tmp_path / "t.tsv", required=("a",), optional=())
    with pytest.raises(FileNotFoundError, match=r"u\.tsv: no such table"):
        read_table(tmp_path / "u.tsv", required=("a",))


@pytest.mark.parametrize("text", ['"ice, I think', 'say "actin"', '"quoted"', '"', "two  spaces", "Å"])
def test_any_text_comes_back_and_takes_nothing_of_the_next_row(tmp_path, text):
    rows = [{"a": "1", "b": text, "c": text}, {"a": "2", "b": "x", "c": "y"}]
    write_table(tmp_path / "t.tsv", ["a", "b", "c"], rows)
    assert read_table(tmp_path / "t.tsv", required=("a", "b", "c")) == rows


def test_tabs_and_line_ends_in_a_cell_become_spaces(tmp_path):
    write_table(tmp_path / "t.tsv", ["a", "b"], [{"a": "x\ty", "b": "one\r\ntwo"}])
    assert read_table(tmp_path / "t.tsv", required=("a",)) == [{"a": "x y", "b": "one two"}]


@pytest.mark.parametrize("note", ['"ice, I think', '"ice" on carbon', 'a "b" c'])
def test_marks_that_a_person_typed_are_text_of_their_row(tmp_path, note):
    (tmp_path / "t.tsv").write_text(f"a\tnote\n1\t{note}\n2\tx\n")
    assert [row["note"] for row in read_table(tmp_path / "t.tsv", required=("a",))] == [note, "x"]


def test_a_table_of_excel_is_read(tmp_path):
    (tmp_path / "t.tsv").write_bytes("a\tb\r\n1\tÅ\r\n".encode("utf-8-sig"))
    assert read_table(tmp_path / "t.tsv", required=("a", "b")) == [{"a": "1", "b": "Å"}]
    (tmp_path / "t.tsv").write_bytes("a\tb\n1\tÅ\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"t\.tsv: .* at byte 6; wanted a table in UTF-8"):
        read_table(tmp_path / "t.tsv", required=("a", "b"))


def test_manifest_records_inputs_by_checksum(tmp_path):
    (tmp_path / "in").write_bytes(b"abc")
    write_manifest(
        tmp_path / "m.json", verb="cts model", configuration={"a": 1}, seed=3, inputs=[tmp_path / "in"]
    )
    manifest = read_manifest(tmp_path / "m.json")
    assert manifest["inputs"][0]["sha256"] == hashlib.sha256(b"abc").hexdigest() == sha256_of(tmp_path / "in")
    assert manifest["seed"] == 3
    (tmp_path / "m.json").write_text(json.dumps([1]))
    with pytest.raises(ValueError, match="not a manifest"):
        read_manifest(tmp_path / "m.json")


def test_generators_depend_on_seed_and_names_only():
    first = generator(1, "t1", "model").random(4)
    assert (generator(1, "t1", "model").random(4) == first).all()
    for other in (generator(2, "t1", "model"), generator(1, "t2", "model"), generator(1, "t1model")):
        assert (other.random(4) != first).all()


def test_user_errors_are_one_line_and_status_2(tmp_path, capsys):
    status = main(["model", str(tmp_path / "none.yaml"), "-o", str(tmp_path / "out"), "--seed", "1"])
    printed = capsys.readouterr().err
    assert status == 2
    assert "none.yaml" in printed
    assert printed.strip().count("\n") == 0
    assert not (tmp_path / "out").exists()


def test_a_failed_file_leaves_no_folder_but_those_with_something_in_them(tmp_path):
    def fail_to_write(path, neighbour=None):
        with new_file(path) as partial:
            partial.write_text("half")
            if neighbour:
                path.with_name(neighbour).write_text("another's")
            raise RuntimeError

    (tmp_path / "old").mkdir()
    with pytest.raises(RuntimeError):
        fail_to_write(tmp_path / "old" / "new" / "deep" / "a.txt")
    assert [path.name for path in tmp_path.rglob("*")] == ["old"]
    with pytest.raises(RuntimeError):
        fail_to_write(tmp_path / "kept" / "a.txt", neighbour="b.txt")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["b.txt"]
