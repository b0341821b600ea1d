"""The editor, driven on a virtual display."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from segnet.cli import main
from segnet.rounds.crop import read_seed_labels
from segnet.rounds.editor import Draft, check_display, ignore_context, load_content, save_draft
from segnet.rounds.layout import draft_path, find_draft
from tests.segnet.rounds.conftest import CLASSES, ORIGIN, PIXEL_SIZE
from tomoio import IGNORE, read_labels, write_labels

ROOT = Path(__file__).parents[3]
DRIVER = Path(__file__).with_name("drive_editor.py")


def test_work_that_was_saved_is_opened_again(project, region):
    record = project.crop(region)
    draft = draft_path(project.root / "store", "r01")
    seed = read_seed_labels(project.root / "crops", record)
    painted = seed.copy()
    painted[5] = 3
    save_draft(draft, painted, record)
    assert find_draft(project.root / "store", "r01") == draft
    np.testing.assert_array_equal(
        load_content(project.root / "crops", "r01", draft, from_network=False).labels, painted
    )
    np.testing.assert_array_equal(
        load_content(project.root / "crops", "r01", draft, from_network=True).labels, seed
    )
    saved = read_labels(draft)
    np.testing.assert_allclose(saved.origin_angstrom, record.origin_angstrom, rtol=1e-6)


def test_work_on_another_crop_is_not_mixed_in(project, region):
    record = project.crop(region)
    draft = draft_path(project.root / "store", "r01")
    save_draft(draft, np.zeros((2, 3, 4), np.uint8), record)
    with pytest.raises(ValueError, match=r"shape \(2, 3, 4\); wanted \(12, 20, 30\)"):
        load_content(project.root / "crops", "r01", draft, from_network=False)


def test_an_earlier_draft_is_kept_once(project, region):
    """By the first save of new work only, or the backup would be what was saved a minute ago."""
    record = project.crop(region)
    draft = draft_path(project.root / "store", "r01")
    seed = read_seed_labels(project.root / "crops", record)
    save_draft(draft, np.full_like(seed, 2), record)
    work = Draft(draft, record, seed, keep_earlier=True)
    assert not work.lacks(seed)
    for label in (3, 4):
        work.save(np.full_like(seed, label))
    assert (read_labels(draft).data == 4).all()
    assert (read_labels(draft.with_name("r01_labels_earlier.mrc")).data == 2).all()
    assert find_draft(project.root / "store", "r01") == draft
    assert not work.lacks(np.full_like(seed, 4))
    assert work.lacks(seed)


@pytest.mark.parametrize("context", [0, 3])
def test_context_is_ignored_and_the_rest_left(project, region, context):
    record = project.crop(region, context_slices=context)
    labels = np.full(record.shape, 2, np.uint8)
    assert ignore_context(labels, record) == (context > 0)
    assert (labels[record.core] == 2).all()
    assert (labels == IGNORE).sum() == 2 * context * 20 * 30
    assert not ignore_context(labels, record)


@pytest.mark.parametrize(
    ("environment", "platform"),
    [
        ({"DISPLAY": ":0"}, "linux"),
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ""}, "linux"),
        ({"QT_QPA_PLATFORM": "offscreen"}, "linux"),
        ({}, "darwin"),
    ],
)
def test_a_display_is_enough(environment, platform):
    check_display(environment, platform)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there has a display a name")
def test_without_a_display_one_line_says_what_to_do(project, region, monkeypatch, capsys):
    project.crop(region)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    crops, store = str(project.root / "crops"), str(project.root / "store")
    assert main(["correct", "r01", "--crops", crops, "--store", store, "--classes", str(CLASSES)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("segnet correct: error: no display")
    assert "ssh -X" in line
    assert "section 5" in line


def drive(deed: str, project, *options: str) -> tuple[dict[str, dict], dict[str, np.ndarray], str]:
    """Let `drive_editor.py` correct crop r01; return what it saw and the labels by step, and the output."""
    folder = Path(os.environ.get("NEURALSEG_SCREENSHOTS", project.root)) / deed
    folder.mkdir(parents=True)
    places = {"--crops": project.root / "crops", "--store": project.root / "store", "--classes": CLASSES}
    arguments = ["r01", *(str(part) for place in places.items() for part in place), *options]
    command = [sys.executable, str(DRIVER), deed, str(folder), *arguments]
    settings = {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "QT_QPA_PLATFORM": "xcb",
        "NAPARI_CONFIG": str(folder / "napari.yaml"),  # not the person's own settings
    }
    finished = subprocess.run(
        ["xvfb-run", "-a", "-s", "-screen 0 1400x900x24", *command],
        timeout=300,
        cwd=ROOT,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert "Traceback" not in finished.stdout, finished.stdout
    seen = json.loads((folder / "seen.json").read_text())
    return seen, {step: np.load(folder / f"{step}.npy") for step in seen}, finished.stdout


@pytest.fixture
def pieces(project, region):
    """A crop of 12 slices, 3 of context at each end, with a column of actin through all and a ball of it."""
    labels = np.zeros_like(project.labels)
    y, x = region.y_start, region.x_start
    labels[:, y + 10 : y + 15, x + 4 : x + 9] = 3
    labels[9:12, y + 10 : y + 15, x + 20 : x + 25] = 3
    place = {"pixel_size_angstrom": PIXEL_SIZE, "origin_angstrom": ORIGIN}
    write_labels(project.root / "seg" / "cell_labels.mrc", labels, overwrite=True, **place)
    return project.crop(region)


@pytest.mark.gui
def test_work_by_keys_and_mouse_is_on_disk_when_the_window_is_closed(project, pieces):
    draft = draft_path(project.root / "store", "r01")
    earlier = np.full(pieces.shape, 2, np.uint8)
    save_draft(draft, earlier, pieces)
    seen, labels, printed = drive("work", project, "--from-network")
    middle = pieces.shape[0] // 2
    column = labels["opened"] == 3
    column[:, :, 15:] = False

    stroke = labels["painted"] != labels["opened"]
    assert set(np.nonzero(stroke)[0]) == {middle}
    assert (labels["painted"][stroke] == 6).all()
    assert stroke.sum() > 10
    assert "unsaved" not in seen["opened"]["text"]
    assert "unsaved changes" in seen["painted"]["text"]
    assert "unsaved" not in seen["saved"]["text"]
    assert "r01: saved" in seen["saved"]["text"]

    assert (seen["took the bucket"]["mode"], seen["took the bucket"]["label"]) == ("fill", 5)
    assert seen["took the bucket"]["dimensions"] == 3
    assert column.sum() == 6 * 5 * 5
    np.testing.assert_array_equal(labels["filled"], np.where(column, 5, labels["saved"]))
    assert (labels["filled"][[0, 1, 2, -3, -2, -1]] == IGNORE).all()
    assert "unsaved changes" in seen["filled"]["text"]
    np.testing.assert_array_equal(labels["undone"], labels["saved"])
    assert "r01: saved" in seen["undone"]["text"]
    np.testing.assert_array_equal(labels["redone"], labels["filled"])
    assert "unsaved changes" in seen["redone"]["text"]
    assert "r01: saved" in seen["saved by Ctrl-S"]["text"]

    assert seen["painted again"]["dimensions"] == 2
    second = labels["painted again"] != labels["redone"]
    assert set(np.nonzero(second)[0]) == {middle}
    assert (labels["painted again"][second] == IGNORE).all()
    np.testing.assert_array_equal(read_labels(draft).data, labels["painted again"])
    assert "closed with unsaved changes" in printed

    backup = draft.with_name("r01_labels_earlier.mrc")
    assert str(backup) in printed
    np.testing.assert_array_equal(read_labels(backup).data, earlier)


@pytest.mark.gui
def test_keys_change_what_is_seen_and_chosen_and_nothing_else(project, pieces):
    draft = draft_path(project.root / "store", "r01")
    seen, labels, printed = drive("look", project)
    look = ("labels visible", "outline", "uncertainty visible")
    assert [seen["toggled"][name] for name in look] == [False, 1, True]
    assert [seen["toggled back"][name] for name in look] == [True, 0, False]
    chosen = [seen[step]["label"] for step in ("ignored", "after the last", "before the first")]
    assert chosen == [IGNORE, 0, IGNORE]
    assert (seen["polygon"]["mode"], seen["polygon"]["dimensions"]) == ("polygon", 2)
    assert seen["brush that a person made three-dimensional"]["dimensions"] == 3
    assert (seen["painted context"]["mode"], seen["painted context"]["label"]) == ("paint", 8)
    assert seen["painted context"]["text"] == "r01: S saves\nslice 9 is context: painting has no effect"
    np.testing.assert_array_equal(labels["painted context"], labels["opened"])
    assert not draft.exists()
    assert "nothing was saved" in printed


@pytest.mark.gui
def test_context_stays_ignored_where_a_fill_starts_from_ignored_voxels(project, pieces):
    draft = draft_path(project.root / "store", "r01")
    painted = read_seed_labels(project.root / "crops", pieces).copy()
    painted[3:9, 10:15, 4:9] = IGNORE
    save_draft(draft, painted, pieces)
    seen, labels, printed = drive("fill_from_ignored", project)
    wanted = painted.copy()
    wanted[3:9, 10:15, 4:9] = 1
    np.testing.assert_array_equal(labels["filled"], wanted)
    np.testing.assert_array_equal(labels["undone"], painted)
    np.testing.assert_array_equal(labels["redone"], wanted)
    assert "unsaved" not in seen["undone"]["text"]
    assert "closed with unsaved changes" in printed  # Qt tells Python of Ctrl-C, or closes the window for it
    np.testing.assert_array_equal(read_labels(draft).data, wanted)
