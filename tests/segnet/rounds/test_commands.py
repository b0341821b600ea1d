"""The verbs crop and propose: what they take by default and what they refuse."""

from __future__ import annotations

import pytest

from segnet.cli import main
from segnet.rounds.crop import read_crop_record
from segnet.rounds.regions import read_regions, write_regions
from tests.segnet.rounds.conftest import CLASSES

CONFIG = """rounds:
  sequence: [{name: "1.1"}]
  crop: {size_voxels: [6, 20, 20], context_slices: 2}
  proposal: {n_regions: 2, binning: 2}
specimen: {}
"""


@pytest.fixture
def folder(project, region, monkeypatch):
    monkeypatch.chdir(project.root)
    (project.root / "config").mkdir()
    (project.root / "config" / "classes.tsv").write_text(CLASSES.read_text())
    (project.root / "config" / "tomograms.tsv").write_text("tomogram_id\tpath\ncell_1\tcell.mrc\n")
    write_regions("config/regions.tsv", [region])
    for name in ("1.1", "q"):
        model = project.root / name / "model"
        model.mkdir(parents=True)
        (model / "model.json").write_text("{}")
    return project.root


def _context(folder, *arguments):
    assert main(["crop", "r01", "--segmentations", "seg", "--overwrite", *arguments]) == 0
    return read_crop_record(folder / "results/rounds/1.1/to_correct/r01.json").context_before


def test_crop_takes_the_project_s_own_configuration(folder):
    assert _context(folder) == 5
    (folder / "config" / "config.yaml").write_text(CONFIG)
    assert _context(folder) == 2
    assert _context(folder, "--context", "1") == 1
    (folder / "other.yaml").write_text(CONFIG.replace("context_slices: 2", "context_slices: 3"))
    assert _context(folder, "--config", "other.yaml") == 3


def test_a_crop_names_the_network_that_labelled_its_tomogram(folder):
    for model in (folder / "results/rounds/1.1/model", folder / "q/model"):
        model.mkdir(parents=True, exist_ok=True)
        (model / "weights.safetensors").write_text(str(model))
    _context(folder)
    record = folder / "results/rounds/1.1/to_correct/r01.json"
    assert read_crop_record(record).model.startswith("results/rounds/1.1/model@")
    (folder / "config" / "tomograms.tsv").write_text("tomogram_id\tpath\tmodel\ncell_1\tcell.mrc\tq/model\n")
    _context(folder)
    assert read_crop_record(record).model.startswith("q/model@")


def test_a_configuration_that_was_named_must_be_there(folder, capsys):
    assert main(["crop", "r01", "--config", "none.yaml"]) == 2
    assert "none.yaml: no such configuration file" in capsys.readouterr().err


def _propose(model, *arguments):
    return main(["propose", model, "seg", "-o", "out.tsv", "--no-pictures", *arguments])


def test_propose_takes_the_project_s_own_configuration(folder):
    (folder / "config" / "config.yaml").write_text(CONFIG)
    assert _propose("1.1/model") == 0
    regions = read_regions("out.tsv")
    assert [(region.round, region.size) for region in regions] == [("1.1", (6, 20, 20))] * 2


def test_propose_refuses_what_is_no_network_or_no_round(folder, capsys):
    assert _propose("1.1") == 2
    assert "is no round" in capsys.readouterr().err
    assert _propose("nope", "--round", "1.1") == 2
    assert "nope/model.json: no such file; wanted a model folder" in capsys.readouterr().err
    assert _propose("q/model") == 2
    assert "q/model: the folder above it is no round" in capsys.readouterr().err
    assert _propose("q/model", "--round", "q") == 2
    assert "round 'q'; wanted numbers" in capsys.readouterr().err
    assert not (folder / "out.tsv").exists()
    assert _propose("q/model", "--round", "1.1", "--size", "6", "20", "20", "-n", "1") == 0
