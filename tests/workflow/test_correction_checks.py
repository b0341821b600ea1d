"""Tables and stored files that do not fit together stop the run before any job."""

from __future__ import annotations

import json

import pytest

from tests.workflow.project import TINY, accept, make_project, segnet, write_tomograms
from workflow.pipeline_config import load_pipeline, load_tables


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Two overlapping corrections of one tomogram, the second under another id of the tomogram."""
    folder = make_project(tmp_path_factory.mktemp("project"))
    write_tomograms(folder, ["cell_a"])
    table = folder / "config" / "tomograms.tsv"
    table.write_text(table.read_text() + "cell_a_again\treal/cell_a.mrc\t13\n")
    accept(folder, "mine", "cell_a", 2, "--round", "1.2")
    accept(folder, "twin", "cell_a_again", 4, "--round", "1.2")
    return folder


def _refused(project, monkeypatch, **settings) -> str:
    monkeypatch.chdir(project)
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        load_tables(load_pipeline({**TINY, **settings}))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_was_accepted_is_taken(project, monkeypatch):
    monkeypatch.chdir(project)
    assert len(load_tables(load_pipeline(TINY)).corrections) == 2


@pytest.mark.parametrize("name", ["labels.mrc", "image.mrc", "image.normalisation.json", "provenance.json"])
def test_a_stored_file_that_is_gone_is_named(project, monkeypatch, name):
    [path] = project.glob(f"resources/corrections/1.2/mine/*/{name}")
    moved = path.rename(path.with_name("elsewhere"))
    message = _refused(project, monkeypatch)
    moved.rename(path)
    assert message.startswith("config/corrections.tsv: mine: resources/corrections/1.2/mine/")
    assert message.endswith(f"/{name}: no such file")


def test_a_role_edited_by_hand_never_scores_what_is_trained_on(project, monkeypatch):
    table = project / "config" / "corrections.tsv"
    before = table.read_text()
    table.write_text(before.replace("twin\ttrain", "twin\theld_out"))
    message = _refused(project, monkeypatch)
    table.write_text(before)
    assert f"mine (train) shares {2 * 24 * 24} voxels with twin (held_out)" in message


def _rename_class(project, old, new):
    for name in ("classes", "structures"):
        table = project / "config" / f"{name}.tsv"
        assert f"\t{old}\t" in table.read_text()
        table.write_text(table.read_text().replace(f"\t{old}\t", f"\t{new}\t"))


@pytest.fixture
def with_tric(tmp_path):
    """A project whose only correction is TRiC throughout."""
    folder = make_project(tmp_path)
    write_tomograms(folder, ["cell_a"])
    accept(folder, "mine", "cell_a", 2, "--round", "1.2", "--map", "0=tric")
    return folder


def test_labels_of_a_class_that_has_another_name_now_are_refused(with_tric, monkeypatch):
    _rename_class(with_tric, "tric", "chaperonin")
    message = _refused(with_tric, monkeypatch)
    assert message.startswith("config/corrections.tsv: mine: resources/corrections/1.2/mine/")
    assert "was tric and is chaperonin in the class table" in message
    assert "--replace --map OLD=NEW" in message


def test_what_the_refusal_of_renamed_classes_says_mends_it(with_tric, monkeypatch):
    _rename_class(with_tric, "tric", "chaperonin")
    [labels] = with_tric.glob("resources/corrections/1.2/mine/*/labels.mrc")
    arguments = ("accept", "mine", str(labels), "--crops", "crops", "--replace")
    refused = segnet(with_tric, *arguments)
    assert refused.returncode == 2
    assert "was tric and is chaperonin" in refused.stdout
    number = json.loads(labels.with_name("provenance.json").read_text())["crop"]["class_labels"]["tric"]
    done = segnet(with_tric, *arguments, "--map", f"{number}=chaperonin")
    assert done.returncode == 0, done.stdout
    monkeypatch.chdir(with_tric)
    assert len(load_tables(load_pipeline(TINY)).corrections) == 1


def test_other_names_of_classes_that_a_correction_does_not_hold_are_taken(with_tric, monkeypatch):
    _rename_class(with_tric, "actin", "f_actin")
    monkeypatch.chdir(with_tric)
    assert len(load_tables(load_pipeline(TINY)).corrections) == 1


def test_a_correction_without_names_of_classes_stays_usable(with_tric, monkeypatch):
    [path] = with_tric.glob("resources/corrections/1.2/mine/*/provenance.json")
    values = json.loads(path.read_text())
    del values["crop"]["class_labels"]
    path.write_text(json.dumps(values))
    _rename_class(with_tric, "tric", "chaperonin")
    monkeypatch.chdir(with_tric)
    assert len(load_tables(load_pipeline(TINY)).corrections) == 1


def test_a_box_other_than_that_of_the_regions_is_refused(project, monkeypatch):
    """The check that keeps training and held-out voxels apart would look at the wrong ones."""
    [path] = project.glob("resources/corrections/1.2/mine/*/provenance.json")
    before = path.read_text()
    values = json.loads(before)
    values["crop"]["start_voxels"][0] = 9
    path.write_text(json.dumps(values))
    message = _refused(project, monkeypatch)
    path.write_text(before)
    assert message.startswith("config/regions.tsv: region mine is (4, 24, 24) voxels at (2, 0, 0) of cell_a;")
    assert f"wanted (4, 24, 24) at (9, 0, 0) of cell_a as in {path.relative_to(project)};" in message


def test_a_normalisation_that_a_correction_lacks_is_named_with_the_way_out(project, monkeypatch):
    """Earlier versions measured mean and standard deviation only."""
    [path] = project.glob("resources/corrections/1.2/twin/*/provenance.json")
    before = path.read_text()
    values = json.loads(before)
    del values["crop"]["tomogram_median"], values["crop"]["tomogram_robust_deviation"]
    path.write_text(json.dumps(values))
    monkeypatch.chdir(project)
    assert len(load_tables(load_pipeline(TINY)).corrections) == 2
    message = _refused(project, monkeypatch, blocks={"normalisation": "robust"})
    path.write_text(before)
    assert message.startswith("config/corrections.tsv: twin: resources/corrections/1.2/twin/")
    assert "normalisation zscore; wanted robust as blocks.normalisation says" in message
    labels = path.with_name("labels.mrc").relative_to(project)
    assert message.endswith(f"segnet crop twin --overwrite and segnet accept twin {labels} --replace")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("my cell\treal/cell_a.mrc\t", "tomogram_id 'my cell'; wanted letters, digits"),
        ("a/b\treal/cell_a.mrc\t", "tomogram_id 'a/b'; wanted letters"),
        ("\treal/cell_a.mrc\t", "tomogram_id ''; wanted letters"),
        ("other\treal/cell_a.mrc\tnone/model", "other: none/model/model.json: no such file"),
    ],
)
def test_a_tomogram_that_no_rule_could_segment_is_named(project, monkeypatch, row, message):
    table = project / "config" / "tomograms.tsv"
    before = table.read_text()
    table.write_text(f"tomogram_id\tpath\tmodel\n{row}\n")
    found = _refused(project, monkeypatch)
    table.write_text(before)
    assert found.startswith("config/tomograms.tsv: ")
    assert message in found


def test_the_network_of_a_round_need_not_be_there_yet(project, monkeypatch):
    table = project / "config" / "tomograms.tsv"
    before = table.read_text()
    table.write_text("tomogram_id\tpath\tmodel\ncell_a\treal/cell_a.mrc\tresults/rounds/1.1/model\n")
    monkeypatch.chdir(project)
    tables = load_tables(load_pipeline(TINY))
    table.write_text(before)
    assert tables.tomograms[0].model == "results/rounds/1.1/model"
