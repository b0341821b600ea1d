"""The history of rounds, and the page of a round."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from segnet.cli import main
from segnet.rounds.accept import accept_correction, check_correction
from segnet.rounds.comparisons import MOST_PICTURES, compare_regions
from segnet.rounds.corrections import read_corrections
from segnet.rounds.history import dice_changes, format_history, read_dice, read_history
from segnet.rounds.regions import Region, write_regions
from segnet.rounds.report import write_round_report
from tests.segnet.rounds.conftest import PIXEL_SIZE
from tomoio import write_labels
from tomoio.tables import write_table

SCORES = ("domain", "tomogram_id", "class", "dice", "predicted_voxels")


def _train(project, name, dice, corrections=(), called=()):
    """Leave the traces of a trained round; ``called``: voxels of the hard negative r01 by class."""
    folder = project.root / "rounds" / name
    (folder / "model").mkdir(parents=True)
    parts = [{"domain": "synthetic"}, {"domain": "synthetic"}, *map(_part, corrections)]
    network = {"slices": 11, "levels": 5, "base_width": 16, "norm": "batch"}
    card = {"data": parts, "steps": 200, "network": network}
    (folder / "model" / "model.json").write_text(json.dumps(card))
    (folder / "model" / "manifest.json").write_text(json.dumps({"timings_s": {"training": 90.0}}))
    rows = [
        {"domain": "real", "tomogram_id": "held", "class": name, "dice": value}
        for name, value in dice.items()
    ]
    rows += [
        {
            "domain": "hard_negative",
            "tomogram_id": "r01",
            "class": name,
            "dice": 0.0,
            "predicted_voxels": voxels,
        }
        for name, voxels in dict(called).items()
    ]
    write_table(folder / "scores.tsv", SCORES, rows)
    labels = np.random.default_rng(len(name)).integers(0, 9, size=project.labels.shape)
    write_labels(folder / "segmentations" / "cell_labels.mrc", labels, PIXEL_SIZE)


def _part(row):
    """Return the part of a block that a correction becomes."""
    domain = "hard_negative" if row.role == "hard_negative" else "real"
    return {
        "part": row.region_id,
        "domain": domain,
        "labels": str(row.labels_path),
        "labels_sha256": row.sha256,
    }


def _accept(project, region, **settings):
    project.crop(region)
    checked = check_correction(
        project.root / "crops", region.region_id, [], project.classes, role="hard_negative"
    )
    tables = project.root / "corrections.tsv", project.root / "regions.tsv"
    settings = {"round_name": "1.2", "role": "hard_negative", "annotator": "A. Person"} | settings
    return accept_correction(checked, *tables, project.root / "store", **settings).correction


@pytest.fixture
def rounds(project, region):
    row = _accept(project, region, note="<ice>")
    dice = {"background": 0.99, "actin": 0.4, "tric": 0.2, "membrane": 0.5, "gold": math.nan}
    _train(project, "1.1", dice, called={"background": 900, "actin": 60, "tric": 40})
    dice = {"background": 0.99, "actin": 0.6, "tric": 0.1, "carbon": 0.3}
    _train(project, "1.2", dice, [row], called={"background": 990, "actin": 10})
    return project


def test_history_of_two_rounds(rounds):
    first, second = read_history(rounds.root / "rounds", read_corrections(rounds.root / "corrections.tsv"))
    assert (first.name, first.added, first.corrected_voxels) == ("1.1", (), 0)
    assert (second.name, [row.region_id for row in second.added]) == ("1.2", ["r01"])
    assert second.corrected_voxels == 6 * 20 * 30
    assert first.mean_dice("real") == pytest.approx(1.1 / 3)  # background and absent classes left out
    assert math.isnan(first.mean_dice("synthetic"))
    table = format_history([first, second])
    line = (
        r"1\.2  16 channels, 5 levels, 11 slices  1 hard_negative \+ 2 synthetic .*3,600 +200 +1\.5 +0\.333"
    )
    assert re.search(line, table)
    assert "Dice hard_negative" not in table  # there is no class in them whose Dice would mean anything


def test_how_much_of_a_hard_negative_is_called_some_class(rounds):
    first, second = read_history(rounds.root / "rounds", read_corrections(rounds.root / "corrections.tsv"))
    assert first.called_share(is_trained_on=False) == pytest.approx(0.1)
    assert math.isnan(first.called_share(is_trained_on=True))
    assert second.called_share(is_trained_on=True) == pytest.approx(0.01)
    before, after = format_history([first, second]).splitlines()[1:]
    assert before.endswith("10.00%")
    assert after.endswith("1.00% (trained on)")


def test_a_correction_that_no_network_has_seen_is_not_counted_but_named(rounds, region, capsys):
    """The table runs ahead of the networks until the workflow has run."""
    _accept(rounds, replace(region, region_id="r02", z_start=17))
    corrections = read_corrections(rounds.root / "corrections.tsv")
    _, second = read_history(rounds.root / "rounds", corrections)
    assert [row.region_id for row in second.added] == ["r01"]
    assert [row.region_id for row in second.waiting] == ["r02"]
    assert second.corrected_voxels == 6 * 20 * 30
    arguments = ["--rounds", str(rounds.root / "rounds")]
    assert main(["rounds", *arguments, "--corrections", str(rounds.root / "corrections.tsv")]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "no network has seen r02 yet (hard_negative, for round 1.2)"


def test_a_correction_that_left_the_table_still_counts_where_it_was_trained_on(rounds):
    _, second = read_history(rounds.root / "rounds", [])
    assert [(row.region_id, row.role) for row in second.added] == [("r01", "hard_negative")]
    assert second.corrected_voxels == 6 * 20 * 30


def test_folders_that_are_no_rounds_are_passed_over(rounds):
    kept = rounds.root / "rounds" / "1.1_old" / "model"
    kept.mkdir(parents=True)
    (kept / "model.json").write_text("{}")
    assert [entry.name for entry in read_history(rounds.root / "rounds", [])] == ["1.1", "1.2"]


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
    both, single = changes[:2], changes[2:]
    assert [(entry.name, round(entry.change, 6)) for entry in both] == [("b", -0.3), ("a", 0.4)]
    assert [(entry.name, math.isnan(entry.before)) for entry in single] == [("gone", False), ("new", True)]


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
    assert "<td>actin</td><td>0.400</td><td>0.600</td></tr>" in text  # the numbers of the chart
    assert "<td>carbon</td><td></td><td>0.300</td><td>new</td>" in text
    assert "<td>membrane</td><td>0.500</td><td></td><td>gone</td>" in text
    assert "<td>r01</td><td>10.00%</td><td>1.00% *</td>" in text
    assert not re.search(r"(src|href)='(?!data:)", text)


def test_a_round_that_was_not_trained_is_named(rounds):
    with pytest.raises(ValueError, match=r"no trained round 2\.1; wanted one of 1\.1, 1\.2"):
        write_round_report(rounds.root / "r.html", "2.1", rounds.root / "rounds", [], rounds.classes, [])


def test_added_regions_are_drawn_first_and_what_is_left_out_is_named(rounds, region):
    """Nine tomograms are listed before the one that was corrected."""
    others = [replace(rounds.tomogram, tomogram_id=f"other_{n}") for n in range(9)]
    corrections = read_corrections(rounds.root / "corrections.tsv")
    history = read_history(rounds.root / "rounds", corrections)
    found = compare_regions(history, rounds.root / "rounds", [*others, rounds.tomogram], rounds.classes)
    assert [title for title, _ in found.drawn][:2] == [
        "r01, slice 13 of cell_1",
        "centre, slice 15 of other_0",
    ]
    assert len(found.drawn) == MOST_PICTURES
    assert found.left_out == ("centre, slice 15 of other_7", "centre, slice 15 of other_8")
    titles = [axis.get_title() for axis in found.drawn[0][1].axes]
    assert titles == ["image", "round 1.1", "round 1.2", "declared empty by a person"]


def test_an_added_region_that_cannot_be_compared_is_named(rounds):
    corrections = read_corrections(rounds.root / "corrections.tsv")
    history = read_history(rounds.root / "rounds", corrections)
    found = compare_regions(history, rounds.root / "rounds", [], rounds.classes)
    assert (found.drawn, found.left_out) == ((), ("r01",))


def _refused(rounds):
    with pytest.raises(ValueError, match=str(rounds.root)) as caught:
        read_history(rounds.root / "rounds", [])
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("model.json", "{", "not JSON (Expecting property name"),
        ("model.json", "[]", "configuration: Input should be a valid dictionary"),
        ("model.json", '{"steps": "many"}', "steps: Input should be a valid integer"),
        ("model.json", '{"data": [{"part": "a"}]}', "data: part 1 has no domain; wanted what segnet train"),
        (
            "model.json",
            '{"data": [{"domain": "synthetic"}, {"domain": "real", "part": "a", "labels": "l"}]}',
            "data: part 2 has no labels_sha256; wanted what segnet train writes",
        ),
        ("manifest.json", '{"timings_s": {"training": "long"}}', "timings_s.training: Input should be"),
    ],
)
def test_a_broken_file_of_a_network_is_named(rounds, name, text, message):
    path = rounds.root / "rounds" / "1.2" / "model" / name
    path.write_text(text)
    assert _refused(rounds).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("domain", "column", "cell"),
    [
        ("real", "dice", "high"),
        ("hard_negative", "predicted_voxels", "1.5"),
        ("hard_negative", "predicted_voxels", ""),
    ],
)
def test_a_broken_score_is_named(rounds, domain, column, cell):
    path = rounds.root / "rounds" / "1.2" / "scores.tsv"
    row = {"domain": domain, "tomogram_id": "t1", "class": "actin", "dice": 0, "predicted_voxels": 1}
    write_table(path, SCORES, [{**row, column: cell}], overwrite=True)
    assert _refused(rounds).startswith(f"{path}: {column} {cell!r} of actin in t1; wanted a number")


def test_scores_without_a_column_of_voxels_are_named(rounds):
    path = rounds.root / "rounds" / "1.2" / "scores.tsv"
    row = {"domain": "hard_negative", "tomogram_id": "t1", "class": "actin", "dice": 0}
    write_table(path, SCORES[:-1], [row], overwrite=True)
    assert _refused(rounds).startswith(f"{path}: predicted_voxels '' of actin in t1; wanted a number")
