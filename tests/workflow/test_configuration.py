"""What is wrong in the configuration or a table stops the run before any job: one line, exit status 2."""

from __future__ import annotations

import copy
import shutil

import pytest
import yaml

from segnet.dataset import trained_classes
from tests.workflow.project import ROOT, TINY, make_project, planned, snakemake, write_config
from tomoio import read_class_table
from workflow.pipeline_config import load_pipeline, load_tables


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
        (
            "specimen.layers",
            [{"name": "a", "structures": ["ribosom"]}],
            "no structure 'ribosom'",
        ),
        ("specimen.filaments", [{"structure": "ribosome", "count": 1}], "ribosome has placement complex"),
        ("synthetic.seeds", {"synthetic_99": 3}, "synthetic_99; wanted one of synthetic_01, "),
        ("training.merge", {"cofilactine": "actin"}, "unknown class 'cofilactine'"),
        ("rounds.sequence", [{"name": "1.2"}, {"name": "1.1"}], "in rising order"),
        ("rounds.sequence", [{"name": "1.1", "tomograms": ["none"]}], "tomogram none is not in"),
        (
            "tilt_series",
            {"x": {"stack": "x.mrc", "angles": "x.tlt", "reconstruction": {"thickness_angstrom": 900}}},
            "x.mrc: no such file",
        ),
    ],
)
def test_a_wrong_key_is_one_line(project, monkeypatch, key, value, message):
    monkeypatch.chdir(project)
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        load_tables(load_pipeline(_changed(key, value)))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_key_stops_the_run_with_status_2(project):
    write_config(project, _changed("training.epoch", 3))
    done = snakemake(project, "--cores", "2")
    assert done.returncode == 2
    [line] = [line for line in done.stdout.splitlines() if "error" in line]
    assert line.startswith("snakemake: error: configuration: training.epoch: unknown key")
    assert not (project / "results").exists()


def test_an_unknown_class_in_structures_is_named(project, monkeypatch):
    monkeypatch.chdir(project)
    text = (project / "config" / "structures.tsv").read_text().replace("\tribosome", "\tribosom")
    (project / "config" / "wrong.tsv").write_text(text)
    with pytest.raises(ValueError, match="unknown class 'ribosom'"):
        load_tables(load_pipeline(_changed("specimen.structures", "config/wrong.tsv")))


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


def test_the_paper_scale_trains_the_seven_classes_of_the_paper(monkeypatch):
    monkeypatch.chdir(ROOT)
    values = [
        yaml.safe_load((ROOT / "config" / name).read_text()) for name in ("config.yaml", "neuralseg.yaml")
    ]
    pipeline = load_pipeline({**values[0], **values[1]})
    names = trained_classes(read_class_table(pipeline.classes), pipeline.training.merge).names
    assert names == ("background", "membrane", "microtubule", "actin", "cofilactin", "ribosome", "tric")


def test_the_slurm_profile_plans_the_same_jobs(tmp_path):
    project = make_project(tmp_path)
    assert planned(project, "--workflow-profile", "profiles/slurm") == planned(project)
