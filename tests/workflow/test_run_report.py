"""The report of a run."""

from __future__ import annotations

import base64
import re

import mrcfile
import numpy as np
import pytest

from segnet.score import SCORE_COLUMNS
from tests.workflow.project import ROOT
from tomoio import read_class_table, write_labels
from tomoio.tables import write_table
from workflow.run_report import RealCase, ReportInputs, write_report


@pytest.fixture
def report(tmp_path):
    """The report on a tomogram whose header says 1 Å, and on the scores of one and of a hard negative."""
    with mrcfile.new(tmp_path / "cell.mrc") as mrc:
        mrc.set_data(np.random.default_rng(0).normal(size=(16, 24, 32)).astype(np.float32))
        mrc.voxel_size = 1.0
    write_labels(tmp_path / "cell_labels.mrc", np.ones((16, 24, 32), np.uint8), 13.0)
    row = dict.fromkeys(SCORE_COLUMNS, 0.5) | {
        "class": "actin",
        "tomogram_id": "unseen",
        "domain": "synthetic",
    }
    ice = row | {"tomogram_id": "ice", "domain": "hard_negative"}
    write_table(tmp_path / "scores.tsv", SCORE_COLUMNS, [row, ice])
    (tmp_path / "history.csv").write_text("step,loss\n1,0.5\n")
    inputs = ReportInputs(
        synthetic=[],
        real=[RealCase("cell", tmp_path / "cell.mrc", tmp_path / "cell_labels.mrc")],
        history=tmp_path / "history.csv",
        scores=tmp_path / "scores.tsv",
        benchmarks=[],
        configuration={},
        drawn_values={},
    )
    write_report(inputs, read_class_table(ROOT / "config" / "classes.tsv"), tmp_path / "report.html")
    return (tmp_path / "report.html").read_text()


def test_a_tomogram_whose_header_has_no_size_is_drawn(report):
    pictures = re.findall(r"data:image/png;base64,([^\"]+)", report)
    assert len(pictures) == 4  # the tomogram without and with its labels, the training, the Dice
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for picture in pictures)


def test_a_dice_is_shown_where_there_are_classes_only(report):
    assert "<td>unseen</td>" in report
    assert "<td>ice</td>" not in report
