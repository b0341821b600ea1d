"""The editor, driven on a virtual display."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from segnet.rounds.crop import read_seed_labels
from segnet.rounds.editor import load_content, save_draft
from segnet.rounds.layout import draft_path, find_draft
from tomoio import read_labels

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


@pytest.mark.gui
def test_brush_fill_undo_and_save_on_a_virtual_display(project, region):
    """Real key strokes and a real stroke of the brush in a window of its own process."""
    record = project.crop(region)
    draft = draft_path(project.root / "store", "r01")
    picture = Path(os.environ.get("NEURALSEG_SCREENSHOT", project.root / "editor.png"))
    command = [sys.executable, str(DRIVER), str(project.root / "crops"), "r01", str(draft), str(picture)]
    subprocess.run(
        ["xvfb-run", "-a", "-s", "-screen 0 1400x900x24", *command],
        check=True,
        timeout=300,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "LIBGL_ALWAYS_SOFTWARE": "1", "QT_QPA_PLATFORM": "xcb"},
    )
    seed = read_seed_labels(project.root / "crops", record)
    saved = read_labels(draft).data
    changed = saved != seed
    assert set(np.unique(np.nonzero(changed)[0])) == {record.shape[0] // 2}
    assert (saved[changed] == 6).all()
    assert changed.sum() > 10
    assert picture.stat().st_size > 10_000
