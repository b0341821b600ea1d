"""What a change in the configuration or a table makes anew, and what it leaves as it is."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from tests.workflow.project import (
    TINY,
    accept,
    make_project,
    planned,
    pretend_run,
    snakemake,
    write_config,
    write_tomograms,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = make_project(tmp_path_factory.mktemp("project"))
    write_tomograms(folder, ["cell_a"])
    pretend_run(folder)
    assert planned(folder) == {}
    return folder


@pytest.fixture
def config(project):
    """The configuration to change; the tables and it are put back afterwards."""
    tables = {path: path.read_bytes() for path in (project / "config").iterdir()}
    yield copy.deepcopy(TINY)
    for path, content in tables.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


def _planned_rounds(project: Path) -> set[str]:
    """Return the rounds in which a dry run would make anything."""
    summary = snakemake(project, "--summary").stdout.splitlines()
    files = [line.split("\t") for line in summary if line.startswith("results/rounds/")]
    return {cells[0].split("/")[2] for cells in files if cells[-1] != "no update"}


def test_a_new_round_leaves_the_earlier_ones_as_they_are(project, config):
    config["rounds"]["sequence"].append({"name": "1.3"})
    write_config(project, config)
    assert _planned_rounds(project) == {"1.3"}
    assert planned(project)["propose"] == planned(project)["crop"] == 1


def test_another_purpose_writes_that_round_s_page_only(project, config):
    config["rounds"]["sequence"][0]["purpose"] = "first of all"
    write_config(project, config)
    jobs = planned(project)
    assert jobs.pop("report") == jobs.pop("round_report") == 1
    assert jobs == {}


def test_a_correction_for_the_second_round_leaves_the_first_as_it_is(project, config):
    accept(project, "mine", "cell_a", 2, "--round", "1.2")
    assert _planned_rounds(project) == {"1.2"}


def test_a_held_out_correction_is_scored_in_every_round_and_ranks_none_before_its_own(project, config):
    accept(project, "scored", "cell_a", 2, "--round", "1.2", "--role", "held_out")
    jobs = planned(project)
    assert jobs["segment_correction"] == jobs["score_correction"] == jobs["round_report"] == 2
    assert jobs["propose"] == 1
    assert "train" not in jobs


def test_a_hard_negative_is_scored_in_rounds_that_are_not_trained_on_it_too(project, config):
    accept(project, "ice", "cell_a", 2, "--round", "1.2", "--role", "hard_negative")
    jobs = planned(project)
    assert jobs["segment_correction"] == jobs["score_correction"] == 2
    assert jobs["train"] == 1


def test_another_colour_draws_anew_and_computes_nothing(project, config):
    table = project / "config" / "classes.tsv"
    table.write_text(table.read_text().replace("#e69f00", "#e69f01"))
    assert set(planned(project)) == {"propose", "crop", "quantify", "round_report", "report"}


def test_another_name_of_a_class_trains_again(project, config):
    table = project / "config" / "classes.tsv"
    table.write_text(table.read_text().replace("gold", "fiducial"))
    assert {"model_tomogram", "train", "score_unseen"} <= set(planned(project))


@pytest.mark.parametrize("name", ["image.normalisation.json", "provenance.json"])
def test_a_round_is_trained_again_where_what_is_said_of_a_crop_changed(tmp_path, name):
    project = make_project(tmp_path)
    write_tomograms(project, ["cell_a"])
    accept(project, "mine", "cell_a", 2, "--round", "1.2")
    pretend_run(project)
    [path] = project.glob(f"resources/corrections/1.2/mine/*/{name}")
    path.write_text(path.read_text() + "\n")
    assert planned(project)["corrections_block"] == 1


def test_a_network_of_a_later_round_is_compared_with_that_of_the_earlier(project):
    log = snakemake(project, "--dry-run", "--cores", "2", "--forcerun", "segment").stdout
    assert "results/rounds/1.1/segmentations/cell_a_labels.mrc" in _reason(log, "after round 1.2")
    assert "results/rounds/1.1/segmentations/cell_a_labels.mrc" in _reason(log, "after round 1.1")
    assert "results/rounds/1.2/segmentations/cell_a_labels.mrc" not in _reason(log, "after round 1.1")


def _reason(log: str, job: str) -> str:
    lines = log.splitlines()
    start = next(i for i, line in enumerate(lines) if "Ranking regions" in line and job in line)
    return lines[start + 1]
