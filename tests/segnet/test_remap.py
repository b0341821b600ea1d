from __future__ import annotations

import numpy as np
import pytest

from segnet.cli import main
from segnet.remap import label_lookup
from tests.segnet.phantoms import CLASSES
from tomoio import read_labels, write_labels


def test_names_numbers_and_ignore_are_understood():
    lookup = label_lookup([("tric", "ribosome"), ("1", "0"), ("ribosome", "ignore")], CLASSES)
    assert [int(lookup[label]) for label in (0, 1, 5, 6, 255)] == [0, 0, 255, 5, 255]
    assert label_lookup([("200", "tric")], CLASSES)[200] == 6


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("actin", "0")], "unknown class 'actin'"),
        ([("9", "12")], "unknown label 12"),
        ([("256", "0")], "unknown label 256"),
        ([("tric", "0"), ("6", "1")], "6 is mapped twice"),
    ],
)
def test_unknown_and_repeated_labels_are_refused(pairs, message):
    with pytest.raises(ValueError, match=message):
        label_lookup(pairs, CLASSES)


def test_the_verb_keeps_grid_and_origin(tmp_path, capsys):
    table = tmp_path / "classes.tsv"
    table.write_text("label\tname\tcolour\trole\n0\tbackground\t#000000\tx\n3\tactin\t#009e73\tfilament\n")
    labels = np.zeros((2, 3, 4), np.uint8)
    labels[0, 0, :2] = 3, 255
    write_labels(tmp_path / "in.mrc", labels, 12.5, origin_angstrom=(1, 2, 3))
    arguments = ["remap", str(tmp_path / "in.mrc"), "--classes", str(table), "-o", str(tmp_path / "out.mrc")]
    assert main([*arguments, "--map", "actin=background", "ignore=actin"]) == 0
    found = read_labels(tmp_path / "out.mrc")
    assert found.data[0, 0, :2].tolist() == [0, 3]
    assert (found.pixel_size_angstrom, found.origin_angstrom) == (12.5, (1, 2, 3))
    assert main([*arguments, "--map", "actin"]) == 2
    assert "wanted OLD=NEW" in capsys.readouterr().err


def test_a_number_that_stays_unknown_is_refused(tmp_path, capsys):
    table = tmp_path / "classes.tsv"
    table.write_text("label\tname\tcolour\trole\n0\tbackground\t#000000\tx\n3\tactin\t#009e73\tfilament\n")
    write_labels(tmp_path / "in.mrc", np.arange(24).reshape(2, 3, 4) % 3, 12.5)
    arguments = ["remap", str(tmp_path / "in.mrc"), "--classes", str(table), "-o", str(tmp_path / "out.mrc")]
    assert main([*arguments, "--map", "1=actin"]) == 2
    assert "in.mrc: label 2 is not in the class table" in capsys.readouterr().err
    assert main([*arguments, "--map", "1=actin", "2=ignore"]) == 0
    assert set(np.unique(read_labels(tmp_path / "out.mrc").data)) == {0, 3, 255}
