"""Corrections as training data: the grey values of the whole tomogram, the labels of the person."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segnet.block import make_block
from segnet.config.training import BlockConfig
from segnet.rounds.training_data import block_sources
from tests.segnet.rounds.conftest import accept_uncorrected
from tomoio import read_labels, read_volume
from tomoio.tables import read_table


@pytest.mark.parametrize(("contrast", "sign"), [("dark", 1), ("bright", -1)])
@pytest.mark.parametrize(("role", "domain"), [("train", "real"), ("hard_negative", "hard_negative")])
def test_a_block_of_corrections_sees_the_tomogram_as_it_is(project, region, contrast, sign, role, domain):
    project = replace(project, tomogram=replace(project.tomogram, contrast=contrast))
    block = project.root / "block"
    make_block(
        block_sources([accept_uncorrected(project, region, role)]), block, BlockConfig(), project.classes
    )
    whole = project.image.astype(float)
    expected = sign * (whole[7:19, 5:25, 8:38] - whole.mean()) / whole.std()
    np.testing.assert_allclose(read_volume(block / "tomogram.mrc").data, expected, atol=1e-5)
    labels = read_labels(block / "labels.mrc").data
    assert (labels[:3] == 255).all()
    truth = np.zeros((6, 20, 30)) if role == "hard_negative" else project.labels[10:16, 5:25, 8:38]
    np.testing.assert_array_equal(labels[3:9], truth)
    (part,) = read_table(block / "parts.tsv", required=("part", "domain"))
    assert (part["part"], part["domain"]) == ("r01", domain)


def test_corrections_follow_a_robust_normalisation(project, region):
    block = project.root / "block"
    make_block(
        block_sources([accept_uncorrected(project, region)]),
        block,
        BlockConfig(normalisation="robust"),
        project.classes,
    )
    whole = project.image.astype(float)
    centre = np.median(whole)
    expected = (whole[7:19, 5:25, 8:38] - centre) / (1.4826 * np.median(np.abs(whole - centre)))
    np.testing.assert_allclose(read_volume(block / "tomogram.mrc").data, expected, atol=1e-5)
