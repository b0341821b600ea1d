"""Wrong input to the command lines: one line that names what is wrong, exit status 2, nothing written."""

from __future__ import annotations

import mrcfile
import numpy as np
import pytest

import cts.cli
import segnet.cli
from tomoio import write_labels, write_volume

CLASSES = "label\tname\tcolour\trole\n0\tbackground\t#000000\tx\n1\tmembrane\t#56b4e9\tmembrane\n"
STRUCTURES = "structure_id\tsource\tclass\trole\tsize\tplacement\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "classes.tsv").write_text(CLASSES)
    noise = np.random.default_rng(0).normal(size=(4, 8, 8)).astype(np.float32)
    write_volume(tmp_path / "tomogram.mrc", noise, 13.0)
    write_labels(tmp_path / "labels.mrc", np.zeros((4, 8, 8), np.uint8), 13.0)
    return tmp_path


def _refused(capsys, program, *arguments):
    """Run a command line that must fail, and return its one line."""
    status = program.main([str(argument) for argument in arguments])
    printed = capsys.readouterr().err.strip().splitlines()
    assert status == 2
    [line] = [line for line in printed if "error:" in line]
    assert line == printed[-1]
    return line


def _block(capsys, pair):
    return _refused(capsys, segnet.cli, "block", "-o", "block", "--classes", "classes.tsv", pair)


def test_misspelt_key(folder, capsys):
    (folder / "c.yaml").write_text("shape_voxel: [8, 8, 8]\n")
    line = _refused(
        capsys, cts.cli, "model", "c.yaml", "-o", "out", "--seed", "1", "--classes", "classes.tsv"
    )
    assert (
        "c.yaml: shape_voxel: unknown key; wanted one of structures, pixel_size_angstrom, shape_voxels"
        in line
    )
    assert not (folder / "out").exists()


def test_unknown_class(folder, capsys):
    (folder / "s.tsv").write_text(STRUCTURES + "a\tbuiltin:tric\ttrick\ttarget\tlarge\tsingle\n")
    (folder / "c.yaml").write_text("structures: s.tsv\nshape_voxels: [16, 32, 32]\n")
    line = _refused(
        capsys, cts.cli, "model", "c.yaml", "-o", "out", "--seed", "1", "--classes", "classes.tsv"
    )
    assert "unknown class 'trick'; wanted one of background, membrane" in line
    assert not (folder / "out").exists()


def test_missing_file(folder, capsys):
    assert "none.mrc: no such file" in _block(capsys, "none.mrc:labels.mrc")
    assert not (folder / "block").exists()


def test_negative_defocus(folder, capsys):
    write_volume(folder / "model" / "model.mrc", np.ones((8, 8, 8), np.float32), 13.0)
    (folder / "c.yaml").write_text("optics: {defocus_um: -5}\n")
    line = _refused(capsys, cts.cli, "simulate", "model", "c.yaml", "-o", "out", "--seed", "1")
    assert "optics.defocus_um: negative defocus" in line
    assert "positive = underfocus" in line
    assert not (folder / "out").exists()


@pytest.mark.parametrize("size", [0, 1])
def test_voxel_size_that_was_never_set(folder, capsys, size):
    with mrcfile.new(folder / "unset.mrc") as mrc:
        mrc.set_data(np.ones((4, 8, 8), np.float32))
        mrc.voxel_size = size
    assert f"unset.mrc: voxel size {size} × {size} × {size} Å" in _block(capsys, "unset.mrc:labels.mrc")


def test_tomogram_and_labels_of_different_shape(folder, capsys):
    write_labels(folder / "other.mrc", np.zeros((4, 8, 9), np.uint8), 13.0)
    line = _block(capsys, "tomogram.mrc:other.mrc")
    assert "other.mrc" in line
    assert "9" in line
    assert not (folder / "block").exists()


def test_label_outside_the_table(folder, capsys):
    write_labels(folder / "other.mrc", np.full((4, 8, 8), 7, np.uint8), 13.0)
    line = _block(capsys, "tomogram.mrc:other.mrc")
    assert "other.mrc: label 7 is not in the class table" in line
    assert not list((folder / "block").glob("*"))


def test_truncated_volume(folder, capsys):
    whole = (folder / "labels.mrc").read_bytes()
    (folder / "cut.mrc").write_bytes(whole[:-10])
    line = _refused(capsys, segnet.cli, "score", "cut.mrc", "labels.mrc", "--classes", "classes.tsv")
    assert "cut.mrc: not a readable MRC file or truncated" in line


def test_structure_file_without_atoms(folder, capsys):
    (folder / "empty.pdb").write_text("HEADER    NOTHING\nEND\n")
    (folder / "s.tsv").write_text(STRUCTURES + "a\tfile:empty.pdb\tbackground\ttarget\tlarge\tsingle\n")
    (folder / "c.yaml").write_text("structures: s.tsv\nshape_voxels: [16, 32, 32]\n")
    line = _refused(
        capsys, cts.cli, "model", "c.yaml", "-o", "out", "--seed", "1", "--classes", "classes.tsv"
    )
    assert "empty.pdb" in line
    assert "atom" in line
    assert not (folder / "out").exists()
