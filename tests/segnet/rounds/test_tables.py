"""Regions, corrections and tomograms: reading, refusing, changing one row."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from segnet.config.rounds import RoundsConfig, round_key
from segnet.rounds.corrections import (
    CORRECTION_COLUMNS,
    Correction,
    held_out_corrections,
    put_correction,
    read_corrections,
    training_corrections,
)
from segnet.rounds.layout import following_round
from segnet.rounds.regions import Region, read_regions, shared_voxels, write_regions
from segnet.rounds.tomograms import read_tomograms
from tomoio.config import parse_config

ROOT = Path(__file__).parents[3]


def _correction(region_id, round_name="1.1", role="train"):
    return Correction(round_name, region_id, role, Path(f"store/{region_id}/labels.mrc"), "ab" * 32)


def test_rounds_are_ordered_by_number_not_by_text():
    names = ["2.1", "1.10", "1.2", "1", "10.1"]
    assert sorted(names, key=round_key) == ["1", "1.2", "1.10", "2.1", "10.1"]


def test_a_round_that_yaml_took_for_a_number_is_refused():
    with pytest.raises(ValueError, match=r"quotes around it.*found 1\.1"):
        parse_config({"sequence": [{"name": 1.1}]}, RoundsConfig, "rounds")


def test_rounds_must_rise():
    with pytest.raises(ValueError, match=r"round 1\.2 after 1\.10"):
        RoundsConfig.model_validate({"sequence": [{"name": "1.10"}, {"name": "1.2"}]})


def test_following_round():
    assert following_round(("1.1", "1.2", "2.1"), "1.2") == "2.1"
    with pytest.raises(ValueError, match=r"no round after 2\.1.*--round"):
        following_round(("1.1", "2.1"), "2.1")


def test_regions_come_back_as_written(tmp_path):
    regions = (
        Region("1.1", "r01", "cell", 0, 1, 2, 3, 4, 5, "actin or microtubule?"),
        Region("1.2", "r02", "cell", 9, 8, 7, 6, 5, 4),
    )
    write_regions(tmp_path / "regions.tsv", regions)
    assert read_regions(tmp_path / "regions.tsv") == regions


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("z_start\t-1", "z_start is '-1'"),
        ("z_start\t²", "z_start is '²'; wanted an integer"),
        ("x_size\t0", "x_size is '0'"),
        ("region_id\ta/b", "'a/b'"),
        ("round\tfoo", r"regions\.tsv: region 'r': round 'foo'; wanted numbers"),
    ],
)
def test_a_region_that_cannot_be_is_refused(tmp_path, cell, message):
    column, value = cell.split("\t")
    good = {"round": "1.1", "region_id": "r", "tomogram_id": "t", "z_start": 0, "y_start": 0, "x_start": 0}
    row = {**good, "z_size": 1, "y_size": 1, "x_size": 1, column: value}
    table = tmp_path / "regions.tsv"
    table.write_text("\t".join(row) + "\n" + "\t".join(map(str, row.values())) + "\n")
    with pytest.raises(ValueError, match=message):
        read_regions(table)


def test_shared_voxels_by_hand():
    one = Region("1", "a", "cell", 0, 0, 0, 4, 10, 10)
    other = Region("1", "b", "cell", 3, 8, 5, 4, 10, 10)
    assert shared_voxels(one, other) == 1 * 2 * 5
    assert shared_voxels(one, Region("1", "c", "cell", 4, 0, 0, 4, 10, 10)) == 0
    assert shared_voxels(one, Region("1", "d", "other", 0, 0, 0, 4, 10, 10)) == 0


def test_training_rows_are_those_up_to_the_round_and_never_held_out():
    rows = [
        _correction("late", "2.1"),
        _correction("b", "1.10"),
        _correction("a", "1.2", "hard_negative"),
        _correction("test", "1.1", "held_out"),
    ]
    assert [row.region_id for row in training_corrections(rows, "1.10")] == ["a", "b"]
    assert training_corrections(rows[::-1], "2.1") == training_corrections(rows, "2.1")
    assert [row.region_id for row in held_out_corrections(rows)] == ["test"]


def test_a_round_that_is_none_is_named_with_its_table_and_row(tmp_path):
    put_correction(tmp_path / "corrections.tsv", _correction("r1", "foo"))
    with pytest.raises(ValueError, match=r"corrections\.tsv: region 'r1': round 'foo'; wanted numbers"):
        read_corrections(tmp_path / "corrections.tsv")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"labels_path": ""},
            r"corrections\.tsv: region 'r1': labels_path is ''; wanted the file of its labels",
        ),
        ({"labels_path": "/"}, r"corrections\.tsv: region 'r1': labels_path is '/'; wanted the file"),
        ({"region_id": "../x"}, r"corrections\.tsv: region '\.\./x'; wanted an id of letters"),
        ({"region_id": ""}, r"corrections\.tsv: region ''; wanted an id of letters"),
    ],
)
def test_a_correction_without_a_usable_id_or_path_is_named(tmp_path, changes, message):
    put_correction(tmp_path / "corrections.tsv", replace(_correction("r1"), **changes))
    with pytest.raises(ValueError, match=message):
        read_corrections(tmp_path / "corrections.tsv")


def test_a_new_row_keeps_every_other_line(tmp_path):
    table = tmp_path / "corrections.tsv"
    header = "\t".join(CORRECTION_COLUMNS)
    table.write_text(f"# mine\n{header}\n# 1.1\told\n")
    put_correction(table, _correction("r1"))
    put_correction(table, _correction("r2"))
    put_correction(table, _correction("r1", "1.2"))
    lines = table.read_text().splitlines()
    assert lines[:3] == ["# mine", header, "# 1.1\told"]
    assert [(row.region_id, row.round) for row in read_corrections(table)] == [("r1", "1.2"), ("r2", "1.1")]


@pytest.mark.parametrize("note", ['"ice, I think', '"ice"', "two  spaces"])
def test_a_note_takes_nothing_of_the_next_row(tmp_path, note):
    table = tmp_path / "corrections.tsv"
    rows = [replace(_correction("r1"), note=note, annotator=note), _correction("r2")]
    for row in rows:
        put_correction(table, row)
    put_correction(table, rows[0])
    assert list(read_corrections(table)) == rows


def test_a_byte_order_mark_stays_where_it_was(tmp_path):
    table = tmp_path / "corrections.tsv"
    table.write_text("\t".join(CORRECTION_COLUMNS) + "\n", encoding="utf-8-sig")
    put_correction(table, _correction("r1"))
    assert table.read_bytes().startswith(b"\xef\xbb\xbfround\t")
    assert read_corrections(table) == (_correction("r1"),)


def test_rows_put_by_two_processes_at_a_time_all_arrive(tmp_path):
    program = (
        "import sys; from tests.segnet.rounds.test_tables import _correction, put_correction\n"
        "[put_correction(sys.argv[1], _correction(f'{sys.argv[2]}{n}')) for n in range(15)]"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "corrections.tsv")]
    running = [subprocess.Popen([*command, name], cwd=ROOT) for name in "ab"]
    assert [process.wait() for process in running] == [0, 0]
    assert len(read_corrections(tmp_path / "corrections.tsv")) == 30


def test_shipped_tables_are_read():
    assert read_regions(ROOT / "config" / "regions.tsv") == ()
    assert isinstance(read_tomograms(ROOT / "config" / "tomograms.tsv"), tuple)
    read_corrections(ROOT / "config" / "corrections.tsv")


def test_contrast_of_a_tomogram_is_dark_or_bright(tmp_path):
    (tmp_path / "t.tsv").write_text("tomogram_id\tpath\tcontrast\na\ta.mrc\tinverted\n")
    with pytest.raises(ValueError, match="'inverted'; wanted dark or bright"):
        read_tomograms(tmp_path / "t.tsv")
