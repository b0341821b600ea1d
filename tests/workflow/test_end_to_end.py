"""The whole workflow, tiny: it runs, and then reruns only what depends on a change."""

from __future__ import annotations

import copy
import json
import os

import numpy as np
import pytest

from tests.workflow.project import (
    TINY,
    accept,
    make_project,
    planned,
    segnet,
    snakemake,
    write_config,
    write_tomograms,
)
from tomoio import read_labels, read_volume, write_labels
from tomoio.tables import read_table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = make_project(tmp_path_factory.mktemp("project"))
    write_tomograms(folder, ["cell_a"])
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
    rows = read_table(
        results / "rounds/1.1/scores.tsv", required=("round", "domain", "tomogram_id", "class", "dice")
    )
    assert {row["round"] for row in rows} == {"1.1"}
    report = (results / "report.html").read_text()
    assert "data:image/png;base64," in report
    assert "http://" not in report
    assert "https://" not in report


def test_tomograms_differ_in_what_they_drew(project):
    manifests = [
        json.loads((project / f"results/synthetic/synthetic_0{i}/model/manifest.json").read_text())
        for i in (1, 2)
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


def test_two_new_tomograms_are_segmented_without_training(project):
    write_tomograms(project, ["cell_a", "cell_b", "cell_c"])
    jobs = planned(project)
    write_tomograms(project, ["cell_a"])
    assert jobs["segment"] == 4  # two in each of two rounds
    assert not {"train", "block", "model_tomogram", "simulate_tomogram"} & set(jobs)


def test_crops_are_scored_with_the_contrast_they_were_cut_with(project):
    """Also where their tomogram is listed no more."""
    tables = {path: path.read_bytes() for path in (project / "config").glob("*.tsv")}
    tomograms = project / "config" / "tomograms.tsv"
    tomograms.write_text(
        "tomogram_id\tpath\tpixel_size_angstrom\tcontrast\ngone\treal/cell_a.mrc\t13\tbright\n"
    )
    accept(project, "scored", "gone", 1, "--round", "1.2", "--role", "held_out")
    accept(project, "ice", "gone", 9, "--round", "1.2", "--role", "hard_negative")
    tomograms.write_bytes(tables[tomograms])
    done = snakemake(project, "--cores", "2", "results/rounds/1.1/scores.tsv")
    for path, content in tables.items():
        path.write_bytes(content)
    assert done.returncode == 0, done.stdout[-4000:]
    for name in ("held_out/scored", "hard_negative/ice"):
        manifest = json.loads((project / f"results/rounds/1.1/{name}_manifest.json").read_text())
        assert manifest["configuration"]["contrast"] == "bright"
    scores = read_table(project / "results/rounds/1.1/scores.tsv", required=("domain", "tomogram_id"))
    assert {(row["domain"], row["tomogram_id"]) for row in scores} == {
        ("synthetic", "unseen_01"),
        ("real", "scored"),
        ("hard_negative", "ice"),
    }


def _table(project):
    return project / "config" / "corrections.tsv"


@pytest.fixture(scope="module")
def corrected(project):
    """The project after one correction of what round 1.1 found was accepted and round 1.2 trained again."""
    region = (project / "results/rounds/1.1/to_correct/crops.txt").read_text().split()[0]
    labels = f"results/rounds/1.1/to_correct/{region}_labels.mrc"
    done = segnet(project, "accept", region, labels, "--annotator", "tester")
    assert done.returncode == 0, done.stdout
    jobs = planned(project)
    assert jobs["corrections_block"] == jobs["train"] == 1
    done = snakemake(project, "--cores", "2")
    assert done.returncode == 0, done.stdout[-4000:]
    assert planned(project) == {}
    return project


def test_a_new_correction_trains_the_later_round_only(corrected):
    cards = [
        json.loads((corrected / f"results/rounds/{name}/model/model.json").read_text())
        for name in ("1.1", "1.2")
    ]
    domains = [{part["domain"] for part in card["data"]} for card in cards]
    assert domains == [{"synthetic"}, {"synthetic", "real"}]


def test_a_touched_correction_reruns_nothing(corrected):
    for path in corrected.glob("resources/corrections/**/*.mrc"):
        os.utime(path)
    assert planned(corrected) == {}


def test_a_late_row_for_an_early_round_trains_both(corrected):
    before = _table(corrected).read_text()
    region = (corrected / "results/rounds/1.1/to_correct/crops.txt").read_text().split()[1]
    labels = f"results/rounds/1.1/to_correct/{region}_labels.mrc"
    done = segnet(corrected, "accept", region, labels, "--round", "1.1")
    assert done.returncode == 0, done.stdout
    jobs = planned(corrected)
    _table(corrected).write_text(before)
    assert jobs["corrections_block"] == jobs["train"] == 2


def test_a_removed_row_trains_its_round_again(corrected):
    before = _table(corrected).read_text()
    kept = [line for line in before.splitlines() if not line.startswith("1.2\t")]
    _table(corrected).write_text("\n".join(kept) + "\n")
    jobs = planned(corrected)
    _table(corrected).write_text(before)
    assert jobs["train"] == 1
    assert "corrections_block" not in jobs


def test_an_interrupted_training_goes_on_from_its_checkpoint(corrected):
    model = corrected / "results/rounds/1.2/model"
    weights = (model / "weights.safetensors").read_bytes()
    for name in ("weights.safetensors", "model.json", "history.csv"):
        (model / name).unlink()
    done = snakemake(corrected, "--cores", "2", "results/rounds/1.2/model/model.json")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "resumed after step" in (corrected / "logs/rounds/1.2/train.log").read_text()
    assert (model / "weights.safetensors").read_bytes() == weights


def test_a_changed_correction_trains_its_round_again(corrected):
    [row] = [row for row in read_table(_table(corrected), required=("round",)) if row["round"] == "1.2"]
    labels = read_labels(corrected / row["labels_path"])
    changed = np.where(labels.data == 255, 255, 1)
    write_labels(
        corrected / "changed.mrc", changed, labels.pixel_size_angstrom, origin_angstrom=labels.origin_angstrom
    )
    done = segnet(corrected, "accept", row["region_id"], "changed.mrc", "--replace")
    assert done.returncode == 0, done.stdout
    jobs = planned(corrected)
    assert jobs["corrections_block"] == jobs["train"] == 1
