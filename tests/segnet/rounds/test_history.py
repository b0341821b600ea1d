"""The history of rounds, and the page of a round."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest

from segnet.rounds.accept import accept_correction, check_correction
from segnet.rounds.corrections import read_corrections
from segnet.rounds.history import dice_changes, format_history, read_dice, read_history
from segnet.rounds.regions import Region, write_regions
from segnet.rounds.report import write_round_report
from tests.segnet.rounds.conftest import PIXEL_SIZE
from tomoio import write_labels
from tomoio.tables import write_table


def _train(project, name, dice):
    """Leave the traces of a trained round."""
    folder = project.root / "rounds" / name
    (folder / "model").mkdir(parents=True)
    parts = [{"domain": "synthetic"}, {"domain": "synthetic"}, {"domain": "real"}]
    (folder / "model" / "model.json").write_text(json.dumps({"data": parts, "steps": 200}))
    (folder / "model" / "manifest.json").write_text(json.dumps({"timings_s": {"training": 90.0}}))
    rows = [
        {"domain": "real", "tomogram_id": "held", "class": name, "dice": value}
        for name, value in dice.items()
    ]
    write_table(folder / "scores.tsv", ("domain", "tomogram_id", "class", "dice"), rows)
    labels = np.random.default_rng(len(name)).integers(0, 9, size=project.labels.shape)
    write_labels(folder / "segmentations" / "cell_labels.mrc", labels, PIXEL_SIZE)


@pytest.fixture
def rounds(project, region):
    project.crop(region)
    checked = check_correction(project.root / "crops", "r01", [], project.classes, role="hard_negative")
    tables = project.root / "corrections.tsv", project.root / "regions.tsv"
    settings = {"round_name": "1.2", "role": "hard_negative", "annotator": "A. Person", "note": "<ice>"}
    accept_correction(checked, *tables, project.root / "store", **settings)
    _train(project, "1.1", {"background": 0.99, "actin": 0.4, "tric": 0.2, "gold": math.nan})
    _train(project, "1.2", {"background": 0.99, "actin": 0.6, "tric": 0.1})
    return project


def test_history_of_two_rounds(rounds):
    first, second = read_history(rounds.root / "rounds", read_corrections(rounds.root / "corrections.tsv"))
    assert (first.name, first.added, first.corrected_voxels) == ("1.1", (), 0)
    assert (second.name, [row.region_id for row in second.added]) == ("1.2", ["r01"])
    assert second.corrected_voxels == 6 * 20 * 30
    assert first.mean_dice("real") == pytest.approx(0.3)  # background and absent classes left out
    assert math.isnan(first.mean_dice("synthetic"))
    table = format_history([first, second])
    assert re.search(r"1\.2 .*1 real \+ 2 synthetic .*3,600 +200 +1\.5 +0\.350", table)


def test_dice_is_averaged_over_tomograms(tmp_path):
    rows = [
        {"domain": "real", "tomogram_id": t, "class": "actin", "dice": d} for t, d in [("a", 0.2), ("b", 0.6)]
    ]
    write_table(tmp_path / "scores.tsv", ("domain", "tomogram_id", "class", "dice"), rows)
    assert read_dice(tmp_path / "scores.tsv")["real"]["actin"] == pytest.approx(0.4)


def test_the_greatest_loss_comes_first():
    changes = dice_changes(
        {"real": {"a": 0.5, "b": 0.5, "gone": 1.0}}, {"real": {"a": 0.9, "b": 0.2, "new": 0.1}}
    )
    assert [(entry.name, round(entry.change, 6)) for entry in changes] == [("b", -0.3), ("a", 0.4)]


def test_the_page_of_a_round_is_whole_and_stands_alone(rounds):
    proposed = Region("1.2", "1.2-abcde", "cell_1", 0, 0, 0, 4, 8, 8, "actin <in> doubt")
    write_regions(rounds.root / "rounds" / "1.2" / "regions.tsv", [proposed])
    page = rounds.root / "report.html"
    corrections = read_corrections(rounds.root / "corrections.tsv")
    write_round_report(
        page, "1.2", rounds.root / "rounds", [rounds.tomogram], rounds.classes, corrections, purpose="ice"
    )
    text = page.read_text()
    for words in ("What was added", "Better and worse", "Before and after", "Regions proposed next"):
        assert words in text
    assert "actin &lt;in&gt; doubt" in text
    assert "&lt;ice&gt;" in text
    assert "-0.100" in text
    assert "+0.200" in text
    assert text.count("data:image/png;base64,") == 2  # the chart, and the region that was added
    assert not re.search(r"(src|href)='(?!data:)", text)


def test_a_round_that_was_not_trained_is_named(rounds):
    with pytest.raises(ValueError, match=r"no trained round 2\.1; wanted one of 1\.1, 1\.2"):
        write_round_report(rounds.root / "r.html", "2.1", rounds.root / "rounds", [], rounds.classes, [])
