"""What is wrong in the configuration or a table stops the run before any job: one line, exit status 2."""

from __future__ import annotations

import copy
import shutil

import pytest

from tests.workflow.project import ROOT, TINY, make_project, planned, snakemake, write_config


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("project"))


def _changed(path, value):
    values = copy.deepcopy(TINY)
    *parents, last = path.split(".")
    section = values
    for name in parents:
        section = section.setdefault(name, {})
    section[last] = value
    return values


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("training.epoch", 3, "training.epoch: unknown key; wanted one of recipe, "),
        ("simulation.optics.defocus_um", -5, "positive = underfocus"),
        ("specimen.structures", "config/none.tsv", "config/none.tsv: no such table"),
        ("synthetic.seeds", {"synthetic_99": 3}, "synthetic_99; wanted one of synthetic_01, "),
        ("training.merge", {"cofilactine": "actin"}, "unknown class 'cofilactine'"),
        (
            "tilt_series",
            {"x": {"stack": "x.mrc", "angles": "x.tlt", "reconstruction": {"thickness_angstrom": 900}}},
            "x.mrc: no such file",
        ),
    ],
)
def test_a_wrong_key_is_one_line_and_status_2(project, key, value, message):
    write_config(project, _changed(key, value))
    done = snakemake(project, "--cores", "2")
    assert done.returncode == 2
    [line] = [line for line in done.stdout.splitlines() if "error" in line]
    assert message in line
    assert not (project / "results").exists()


def test_an_unknown_class_in_structures_is_named(project):
    write_config(project, _changed("specimen.structures", "config/wrong.tsv"))
    text = (project / "config" / "structures.tsv").read_text().replace("\tribosome", "\tribosom")
    (project / "config" / "wrong.tsv").write_text(text)
    done = snakemake(project, "--cores", "2")
    assert done.returncode == 2
    assert "unknown class 'ribosom'" in done.stdout


def test_the_default_and_the_paper_scale_plan(tmp_path):
    project = make_project(tmp_path)
    shutil.copytree(ROOT / "config", project / "config", dirs_exist_ok=True)
    jobs = planned(project)
    assert jobs["fetch_EMPIAR_10499"] == jobs["reconstruct_TS_01"] == jobs["train"] == 1
    assert jobs["model_tomogram"] == jobs["simulate_tomogram"] == 5
    jobs = planned(project, "--configfile", "config/neuralseg.yaml")
    assert jobs["model_tomogram"] == jobs["simulate_tomogram"] == 12
    assert jobs["train"] == 9
    assert planned(project, "experiment_dose")["dose_train"] == 3


def test_the_slurm_profile_plans_the_same_jobs(tmp_path):
    project = make_project(tmp_path)
    assert planned(project, "--workflow-profile", "profiles/slurm") == planned(project)
