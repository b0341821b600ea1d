"""The whole workflow, tiny: it runs, does nothing the second time, and reruns only what depends on a change."""

from __future__ import annotations

import copy
import json
import os

import pytest

from tests.workflow.project import TINY, make_project, planned, snakemake, write_config
from tomoio import read_labels, read_volume
from tomoio.tables import read_table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = make_project(tmp_path_factory.mktemp("project"))
    done = snakemake(folder, "--cores", "2")
    assert done.returncode == 0, done.stdout[-4000:]
    return folder


def test_every_promised_file_is_there_and_on_one_grid(project):
    results = project / "results"
    tomogram = read_volume(results / "synthetic/unseen_01/simulation/tomogram.mrc")
    truth = read_labels(results / "synthetic/unseen_01/model/atlas.mrc")
    prediction = read_labels(results / "rounds/1.1/segmentations/unseen_01_labels.mrc")
    assert tomogram.data.shape == truth.data.shape == prediction.data.shape
    assert tomogram.pixel_size_angstrom == pytest.approx(truth.pixel_size_angstrom)
    rows = read_table(results / "rounds/1.1/scores.tsv", required=("round", "domain", "tomogram_id", "class", "dice"))
    assert {row["round"] for row in rows} == {"1.1"}
    report = (results / "report.html").read_text()
    assert "data:image/png;base64," in report
    assert "http://" not in report
    assert "https://" not in report


def test_tomograms_differ_in_what_they_drew(project):
    manifests = [
        json.loads((project / f"results/synthetic/synthetic_0{i}/model/manifest.json").read_text()) for i in (1, 2)
    ]
    sizes = {manifest["configuration"]["pixel_size_angstrom"] for manifest in manifests}
    assert len(sizes) == 2


def test_a_second_run_does_nothing(project):
    assert planned(project) == {}


def test_one_seed_reruns_only_what_depends_on_it(project):
    values = copy.deepcopy(TINY)
    values["synthetic"]["seeds"] = {"synthetic_02": 77}
    write_config(project, values)
    jobs = planned(project)
    write_config(project, TINY)
    assert jobs["model_tomogram"] == jobs["simulate_tomogram"] == jobs["block"] == 1
    assert jobs["train"] == 2


def test_the_training_seed_reruns_training_only(project):
    values = copy.deepcopy(TINY)
    values["training_seed"] = 5
    write_config(project, values)
    jobs = planned(project)
    write_config(project, TINY)
    assert not {"model_tomogram", "simulate_tomogram", "block"} & set(jobs)
    assert jobs["train"] == 2


def test_a_touched_but_identical_file_reruns_nothing(project):
    for path in project.glob("results/synthetic/*/model/*.mrc"):
        os.utime(path)
    assert planned(project) == {}
