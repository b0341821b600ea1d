"""Crops of proposed regions: which network labelled them, and what someone edited."""

from __future__ import annotations

import numpy as np
import pytest

from segnet.config.rounds import CropConfig
from segnet.rounds.crop import read_crop_record
from segnet.rounds.regions import Region, write_regions
from segnet.rounds.tomograms import TomogramRow
from tomoio import sha256_of, write_labels, write_volume
from workflow.crops import crop_proposals


@pytest.mark.parametrize(("model", "expected"), [("", "round"), ("own", "own")])
def test_a_crop_names_the_network_that_labelled_its_tomogram(tmp_path, monkeypatch, model, expected):
    monkeypatch.chdir(tmp_path)
    for name in ("round", "own"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.safetensors").write_text(name)
    noise = np.random.default_rng(0).normal(size=(6, 20, 20)).astype(np.float32)
    write_volume(tmp_path / "cell.mrc", noise, 13.0)
    write_labels(tmp_path / "seg" / "cell_labels.mrc", np.ones(noise.shape, np.uint8), 13.0)
    write_regions(tmp_path / "regions.tsv", [Region("1.1", "r01", "cell", 1, 2, 3, 4, 5, 6)])
    row = TomogramRow("cell", tmp_path / "cell.mrc", model=model)
    done = tmp_path / "crops" / "crops.txt"
    crop_proposals(tmp_path / "regions.tsv", [row], tmp_path / "seg", tmp_path / "round", CropConfig(), done)
    stated = read_crop_record(tmp_path / "crops" / "r01.json").model
    assert stated.endswith(f"{expected}@{sha256_of(tmp_path / expected / 'weights.safetensors')[:12]}")
