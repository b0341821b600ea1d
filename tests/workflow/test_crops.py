"""Crops of proposed regions: which network labelled them, and what someone edited."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from segnet.config.rounds import CropConfig
from segnet.rounds.class_numbers import class_numbers
from segnet.rounds.crop import read_crop_record
from segnet.rounds.propose import labelling_classes
from segnet.rounds.regions import Region, write_regions
from segnet.rounds.tomograms import TomogramRow
from tests.workflow.project import ROOT
from tomoio import read_class_table, sha256_of, write_labels, write_volume
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
    table = tmp_path / "regions.tsv"
    classes = read_class_table(ROOT / "config" / "classes.tsv")
    crop_proposals(table, [row], tmp_path / "seg", tmp_path / "round", classes, CropConfig(), done)
    record = read_crop_record(tmp_path / "crops" / "r01.json")
    assert record.class_labels == {entry.name: entry.label for entry in classes}
    assert record.model.endswith(f"{expected}@{sha256_of(tmp_path / expected / 'weights.safetensors')[:12]}")


def test_a_crop_names_the_classes_that_its_network_knew(tmp_path):
    classes = read_class_table(ROOT / "config" / "classes.tsv")
    assert labelling_classes(tmp_path, classes) == classes
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(ValueError, match=r"model\.json: not the card of a network"):
        labelling_classes(tmp_path, classes)
    known = [asdict(entry) for entry in (*classes.classes[:5], replace(classes.classes[5], name="70s"))]
    (tmp_path / "model.json").write_text(json.dumps({"classes": known}))
    assert class_numbers(labelling_classes(tmp_path, classes))["70s"] == classes.classes[5].label
