"""The verb accept: what it takes by default, what it inherits, what it says."""

from __future__ import annotations

import getpass
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from segnet.cli import main
from segnet.rounds.corrections import read_corrections
from segnet.rounds.layout import find_crops
from segnet.rounds.regions import read_regions, write_regions
from tests.segnet.rounds.conftest import CLASSES, PIXEL_SIZE
from tomoio import read_labels, write_labels

ROUNDS = 'rounds: {sequence: [{name: "1.1"}, {name: "1.2"}, {name: "1.3"}]}\nspecimen: {}\n'


@pytest.fixture
def cropped(project, region, monkeypatch):
    """The folder of a project that a person works in, with the crop of r01."""
    monkeypatch.chdir(project.root)
    (project.root / "config").mkdir()
    (project.root / "config" / "classes.tsv").write_text(CLASSES.read_text())
    write_regions("config/regions.tsv", [region])
    (project.root / "config" / "tomograms.tsv").write_text("tomogram_id\tpath\ncell_1\tcell.mrc\n")
    (project.root / "config" / "config.yaml").write_text(ROUNDS)
    assert main(["crop", "r01", "--segmentations", "seg"]) == 0
    return project


def _draft(change=lambda labels: None):
    """Save a draft as the editor does; return its labels."""
    labels = read_labels("results/rounds/1.1/to_correct/r01_labels.mrc")
    change(labels.data)
    place = {"origin_angstrom": labels.origin_angstrom, "overwrite": True}
    write_labels("resources/corrections/in_progress/r01_labels.mrc", labels.data, PIXEL_SIZE, **place)
    return labels.data


def _row():
    (row,) = read_corrections("config/corrections.tsv")
    return row


def test_crop_correct_accept_on_the_command_line(cropped, capsys):
    assert main(["correct", "r01", "--oracle", "truth.mrc"]) == 0
    assert main(["accept", "r01", "--dry-run"]) == 0
    assert not (cropped.root / "config" / "corrections.tsv").exists()
    assert main(["accept", "r01", "--annotator", "A. Person"]) == 0
    output = capsys.readouterr().out
    assert "microtubule" in output
    assert "labels from resources/corrections/in_progress/r01_labels.mrc" in output
    assert "for round 1.2 (train)" in output
    assert main(["accept", "r01"]) == 2
    assert "--replace" in capsys.readouterr().err
    assert main(["accept", "r01", "--replace"]) == 0
    assert (_row().region_id, _row().round) == ("r01", "1.2")


def test_replace_keeps_what_is_not_said_anew(cropped, capsys):
    said = ["--role", "held_out", "--round", "1.3", "--annotator", "A. Person", "--note", "hard to tell"]
    _draft(lambda labels: labels[5].fill(3))
    assert main(["accept", "r01", *said]) == 0
    _draft(lambda labels: labels[5].fill(2))
    capsys.readouterr()
    assert main(["accept", "r01", "--replace"]) == 0
    row = _row()
    assert (row.role, row.round, row.annotator, row.note) == ("held_out", "1.3", "A. Person", "hard to tell")
    output = capsys.readouterr().out
    assert "which is kept" in output
    assert "was" not in output


def test_a_changed_role_and_round_are_said(cropped, capsys):
    _draft()
    assert main(["accept", "r01", "--role", "held_out"]) == 0
    assert main(["accept", "r01", "--replace", "--role", "train", "--round", "1.3"]) == 0
    output = capsys.readouterr().out
    assert "role: train; was held_out" in output
    assert "round: 1.3; was 1.2" in output
    assert (_row().role, _row().round) == ("train", "1.3")


def test_a_lost_file_is_not_said_to_be_kept(cropped, capsys):
    _draft()
    assert main(["accept", "r01"]) == 0
    _row().labels_path.unlink()
    capsys.readouterr()
    assert main(["accept", "r01", "--replace"]) == 0
    assert "kept" not in capsys.readouterr().out
    assert _row().labels_path.is_file()


def test_a_hard_negative_keeps_what_the_editor_saved_as_ignored(cropped, capsys):
    def cover(labels):
        labels[5, 3:9].fill(255)

    _draft(cover)
    assert main(["accept", "r01", "--role", "hard_negative"]) == 0
    output = capsys.readouterr().out
    assert "labels from resources/corrections/in_progress/r01_labels.mrc" in output
    assert "voxels with a class become background" in output
    stored = read_labels(_row().labels_path).data
    assert (stored[5, 3:9] == 255).all()
    assert np.count_nonzero(stored == 0) == (6 * 20 - 6) * 30


def test_a_hard_negative_without_work_says_so(cropped, capsys):
    assert main(["accept", "r01", "--role", "hard_negative"]) == 0
    assert "no labels; all of it is background" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["foo", "9.9", "../../escaped"])
def test_a_round_that_the_configuration_lacks_is_refused(cropped, capsys, name):
    _draft()
    assert main(["accept", "r01", "--round", name]) == 2
    message = capsys.readouterr().err
    assert f"round '{name}' is not in config/config.yaml; wanted one of 1.1, 1.2, 1.3" in message
    assert not (cropped.root / "config" / "corrections.tsv").exists()
    assert not (cropped.root / "resources" / "corrections" / name).exists()


def test_the_rounds_of_another_configuration(cropped):
    (cropped.root / "other.yaml").write_text('rounds: {sequence: [{name: "1.1"}, {name: "7.1"}]}\n')
    _draft()
    assert main(["accept", "r01", "--config", "other.yaml"]) == 0
    assert _row().round == "7.1"


def test_a_user_without_a_name_is_asked_for_one(cropped, capsys, monkeypatch):
    def nameless():
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nameless)
    _draft()
    assert main(["accept", "r01"]) == 2
    assert "wanted one with --annotator" in capsys.readouterr().err
    assert main(["accept", "r01", "--annotator", "A. Person"]) == 0


def test_the_end_of_input_is_no_agreement(cropped, capsys, monkeypatch):
    _draft()
    assert main(["accept", "r01"]) == 0

    def closed(_):
        raise EOFError

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", closed)
    assert main(["accept", "r01"]) == 2
    assert "accepted already" in capsys.readouterr().err


def test_a_region_that_left_the_proposals_is_known_by_its_crop(cropped, capsys):
    before = read_labels("results/rounds/1.1/to_correct/r01_labels.mrc").data
    write_regions("config/regions.tsv", [], overwrite=True)
    assert main(["crop", "r01", "--segmentations", "seg", "--overwrite"]) == 0
    np.testing.assert_array_equal(read_labels("results/rounds/1.1/to_correct/r01_labels.mrc").data, before)
    assert main(["crop", "r02", "--segmentations", "seg"]) == 2
    assert "no region 'r02'" in capsys.readouterr().err


def _age(path, seconds):
    """Let a file be older than it is."""
    when = os.stat(path).st_mtime - seconds
    os.utime(path, (when, when))


def test_a_note_alone_keeps_what_a_hard_negative_ignores(cropped, capsys):
    mask = np.zeros(read_labels("results/rounds/1.1/to_correct/r01_labels.mrc").data.shape, np.uint8)
    mask[5, 3:9] = 1
    write_labels("ignore.mrc", mask, PIXEL_SIZE)
    assert main(["accept", "r01", "ignore.mrc", "--role", "hard_negative"]) == 0
    before = _row()
    capsys.readouterr()
    assert main(["accept", "r01", "--replace", "--note", "typo fixed"]) == 0
    assert f"labels from {before.labels_path}" in capsys.readouterr().out
    assert (_row().role, _row().note, _row().sha256) == ("hard_negative", "typo fixed", before.sha256)
    assert (read_labels(_row().labels_path).data[5, 3:9] == 255).all()


def test_work_older_than_what_was_accepted_is_not_used(cropped, capsys):
    _draft(lambda labels: labels[5].fill(3))
    draft = Path("resources/corrections/in_progress/r01_labels.mrc")
    _age(draft, 60)
    assert main(["accept", "r01"]) == 0
    write_labels("other.mrc", np.where(read_labels(draft).data == 255, 255, 2).astype(np.uint8), PIXEL_SIZE)
    assert main(["accept", "r01", "other.mrc", "--replace"]) == 0
    before = _row()
    capsys.readouterr()
    assert main(["accept", "r01", "--replace", "--annotator", "Z"]) == 0
    assert f"note: {draft} is older and is not used" in capsys.readouterr().out
    assert (_row().annotator, _row().sha256) == ("Z", before.sha256)


def test_work_newer_than_what_was_accepted_is_used(cropped, capsys):
    _draft()
    assert main(["accept", "r01"]) == 0
    before = _row()
    _age(before.labels_path, 60)
    _draft(lambda labels: labels[5].fill(3))
    capsys.readouterr()
    assert main(["accept", "r01", "--replace"]) == 0
    assert f"note: {before.labels_path} is older and is not used" in capsys.readouterr().out
    assert (read_labels(_row().labels_path).data[5] == 3).all()


def test_a_changed_role_needs_no_labels(cropped):
    write_labels("mine.mrc", read_labels("results/rounds/1.1/to_correct/r01_labels.mrc").data, PIXEL_SIZE)
    assert main(["accept", "r01", "mine.mrc"]) == 0
    before = _row()
    assert main(["accept", "r01", "--replace", "--role", "held_out"]) == 0
    assert (_row().role, _row().sha256) == ("held_out", before.sha256)


def test_what_is_left_of_a_hard_negative_makes_no_training_labels(cropped, capsys):
    assert main(["accept", "r01", "--role", "hard_negative"]) == 0
    assert main(["accept", "r01", "--replace", "--role", "train"]) == 2
    assert "no corrected labels" in capsys.readouterr().err
    _draft(lambda labels: labels[5].fill(3))
    _age("resources/corrections/in_progress/r01_labels.mrc", 60)
    assert main(["accept", "r01", "--replace", "--role", "train"]) == 0
    assert (read_labels(_row().labels_path).data[5] == 3).all()


def test_accepted_labels_that_are_lost_are_not_replaced_by_background(cropped, capsys):
    assert main(["accept", "r01", "--role", "hard_negative"]) == 0
    _row().labels_path.unlink()
    assert main(["accept", "r01", "--replace", "--note", "typo"]) == 2
    assert f"{_row().labels_path}: no such file; it belongs to correction r01" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        "r01 --role held_out L.mrc",
        "--role held_out r01 L.mrc",
        "r01 --dry-run --role held_out L.mrc",
        "r01 --map 2=actin L.mrc",
        "r01 --map 2=actin --map 3=microtubule L.mrc",
        "r01 L.mrc --map 2=actin 3=microtubule",
        "--map 2=actin L.mrc --role held_out r01",
    ],
)
def test_labels_stand_before_or_after_options(cropped, capsys, arguments):
    labels = read_labels("results/rounds/1.1/to_correct/r01_labels.mrc").data
    write_labels("L.mrc", labels, PIXEL_SIZE)
    assert main(["accept", *arguments.split()]) == 0
    assert "labels from L.mrc\n" in capsys.readouterr().out
    if "--dry-run" not in arguments:
        wanted = 3 if "2=actin" in arguments else 2
        assert (read_labels(_row().labels_path).data[labels == 2] == wanted).all()


def test_layers_stand_on_both_sides_of_an_option(cropped, capsys):
    mask = np.ones((6, 20, 30), np.uint8)
    for name in ("ignore.mrc", "add_actin.mrc"):
        write_labels(name, mask, PIXEL_SIZE)
    assert main(["accept", "r01", "ignore.mrc", "--note", "both", "add_actin.mrc"]) == 0
    assert "labels from ignore.mrc, add_actin.mrc\n" in capsys.readouterr().out


def test_a_map_of_no_labels_is_refused(cropped, capsys):
    assert main(["accept", "r01", "--role", "hard_negative", "--map", "1=ignore"]) == 2
    assert "--map 1=ignore: no labels whose numbers it could name; wanted LABELS" in capsys.readouterr().err
    assert not Path("config/corrections.tsv").exists()


@pytest.mark.parametrize(
    "arguments", [["--rolle", "train"], ["L.mrc", "--map", "actin"], ["L.mrc", "--map", "1=actin", "2"]]
)
def test_a_misspelt_option_is_refused(cropped, arguments):
    write_labels("L.mrc", _draft(), PIXEL_SIZE)
    try:
        status = main(["accept", "r01", *arguments])
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2


@pytest.mark.parametrize("name", ["0_backup", "1.0 copy", "01.x"])
def test_only_folders_of_rounds_hold_crops_and_proposals(cropped, name):
    stray = cropped.root / "results" / "rounds" / name
    shutil.copytree(cropped.root / "results" / "rounds" / "1.1", stray)
    (stray / "to_correct" / "r01.json").write_text("{}")
    (stray / "regions.tsv").write_text("damaged\n")
    _draft()
    assert main(["accept", "r01"]) == 0
    write_regions("results/rounds/1.1/regions.tsv", read_regions("config/regions.tsv"))
    write_regions("config/regions.tsv", [], overwrite=True)
    assert main(["crop", "r01", "--segmentations", "seg", "--overwrite"]) == 0


def test_the_crop_of_the_earlier_round_is_the_one_whose_number_is_lower(tmp_path):
    for name in ("1.10", "1.9"):
        (tmp_path / name / "to_correct").mkdir(parents=True)
        (tmp_path / name / "to_correct" / "r01.json").write_text("{}")
    assert find_crops(tmp_path, "r01") == tmp_path / "1.9" / "to_correct"
