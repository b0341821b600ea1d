from __future__ import annotations

import math

import numpy as np
import pytest

from segnet.cli import main
from segnet.config.segmentation import ScoringConfig
from segnet.score import SCORE_COLUMNS, score, score_files
from tests.segnet.phantoms import CLASSES, phantom
from tomoio import IGNORE, write_labels
from tomoio.tables import read_table


def test_each_class_gets_the_scores_that_suit_it():
    truth = phantom(1)[1]
    rows, matrix = score(truth, truth, 13.0, CLASSES, ScoringConfig())
    table = {row["class"]: row for row in rows}
    assert table["membrane"]["surface_dice"] == table["membrane"]["centreline_dice"] == 1
    assert math.isnan(table["membrane"]["object_f1"])
    assert table["ribosome"]["object_f1"] == table["ribosome"]["dice"] == 1
    assert math.isnan(table["ribosome"]["surface_dice"])
    assert all(math.isnan(table["tric"][name]) for name in ("dice", "precision", "recall", "object_f1"))
    assert matrix.sum() == truth.size


def test_ignored_truth_does_not_count():
    truth = phantom(1)[1]
    predicted = truth.copy()
    predicted[:, 30:] = 6
    truth[:, 30:] = IGNORE
    rows, _ = score(predicted, truth, 13.0, CLASSES, ScoringConfig())
    assert [row["dice"] for row in rows[:3]] == [1, 1, 1]
    assert rows[2]["object_f1"] == 1
    assert math.isnan(rows[3]["dice"])


def test_merged_classes_are_counted_as_one():
    truth = phantom(1)[1]
    predicted = np.where(truth == 5, 6, truth).astype(np.uint8)
    rows, matrix = score(predicted, truth, 13.0, CLASSES, ScoringConfig(), {"tric": "ribosome"})
    assert [row["class"] for row in rows] == ["background", "membrane", "ribosome"]
    assert rows[2]["dice"] == 1
    assert matrix.shape == (3, 3)


def test_files_are_scored_into_the_table_of_the_design(tmp_path):
    truth = phantom(1)[1]
    write_labels(tmp_path / "a.mrc", truth, 13)
    named = {"round_name": "1.1", "domain": "synthetic", "tomogram_id": "unseen"}
    score_files(
        *(tmp_path / "a.mrc", tmp_path / "a.mrc", CLASSES, ScoringConfig()),
        output=tmp_path / "scores.tsv",
        confusion=tmp_path / "confusion.tsv",
        **named,
    )
    rows = read_table(tmp_path / "scores.tsv", required=SCORE_COLUMNS)
    assert list(rows[0])[:7] == ["round", "domain", "tomogram_id", "class", "dice", "precision", "recall"]
    assert (rows[0]["round"], rows[0]["domain"], rows[0]["tomogram_id"]) == ("1.1", "synthetic", "unseen")
    assert rows[3]["dice"] == "nan"
    counts = read_table(tmp_path / "confusion.tsv", required=("truth", *CLASSES.names))
    assert int(counts[1]["membrane"]) == np.sum(truth == 1)
    write_labels(tmp_path / "b.mrc", truth[1:], 13)
    with pytest.raises(ValueError, match=r"b.mrc has \(11, 48, 48\); wanted one grid"):
        score_files(tmp_path / "a.mrc", tmp_path / "b.mrc", CLASSES, ScoringConfig())


def test_the_verb_prints_the_table(tmp_path, capsys):
    table = tmp_path / "classes.tsv"
    lines = [f"{c.label}\t{c.name}\t{c.colour}\t{c.role}\n" for c in CLASSES]
    table.write_text("label\tname\tcolour\trole\n" + "".join(lines))
    write_labels(tmp_path / "a.mrc", phantom(1)[1], 13)
    path = str(tmp_path / "a.mrc")
    assert main(["score", path, path, "--classes", str(table), "--merge", "tric=ribosome"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split()[:4] == ["class", "dice", "precision", "recall"]
    assert printed[3].split()[:2] == ["ribosome", "1.000"]
    assert main(["score", path, path, "--classes", str(table), "--merge", "tric"]) == 2
    assert "wanted OLD=NEW" in capsys.readouterr().err


def test_what_is_wrong_with_files_is_said_before_a_table_is_written(tmp_path, capsys):
    labels = phantom(1)[1]
    write_labels(tmp_path / "a.mrc", labels, 13)
    write_labels(tmp_path / "b.mrc", labels, 10)
    rows = "".join(f"{c.label}\t{c.name}\t{c.colour}\t{c.role}\n" for c in CLASSES)
    (tmp_path / "classes.tsv").write_text("label\tname\tcolour\trole\n" + rows)
    (tmp_path / "there.tsv").write_text("mine")

    def refused(prediction: str, *options: str) -> str:
        arguments = ["score", str(tmp_path / prediction), str(tmp_path / "a.mrc"), *options]
        assert main([*arguments, "--classes", str(tmp_path / "classes.tsv")]) == 2
        return capsys.readouterr().err

    out, there = str(tmp_path / "out.tsv"), str(tmp_path / "there.tsv")
    assert "b.mrc: voxel size 10 Å" in refused("b.mrc", "-o", out)
    assert "there.tsv: exists already" in refused("a.mrc", "-o", out, "--confusion", there)
    assert "out.tsv: asked for both tables" in refused("a.mrc", "-o", out, "--confusion", out)
    assert "tric goes to ribosome already" in refused("a.mrc", "--merge", "tric=ribosome", "tric=membrane")
    assert not (tmp_path / "out.tsv").exists()
    same = ["score", str(tmp_path / "b.mrc"), str(tmp_path / "a.mrc"), "--pixel-size-angstrom", "13"]
    assert main([*same, "--classes", str(tmp_path / "classes.tsv"), "-o", out]) == 0
