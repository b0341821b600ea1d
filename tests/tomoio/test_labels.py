"""Label volumes are int16 in files, uint8 in memory, and hold only what the class table names."""

from __future__ import annotations

import mrcfile
import numpy as np
import pytest

from tomoio import LabelClass, read_class_table, read_labels, write_labels, write_volume

TABLE = "label\tname\tcolour\trole\n1\tmembrane\t#56b4e9\tx\n0\tbackground\t#000000\tx\n"


@pytest.fixture
def classes(tmp_path):
    (tmp_path / "classes.tsv").write_text(TABLE)
    return read_class_table(tmp_path / "classes.tsv")


def test_table_is_sorted_and_looked_up_both_ways(classes):
    assert classes.names == ("background", "membrane")
    assert classes.label_of("membrane") == 1
    assert classes.name_of(1) == "membrane"
    with pytest.raises(ValueError, match="unknown class 'membrain'; wanted one of background, membrane"):
        classes.label_of("membrain")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("255\tx\t#000000\tx", "integer from 0 to 254"),
        ("²\tx\t#000000\tx", "label '²'; wanted an integer from 0 to 254"),
        ("1\tx\t#000000\tx", "label 1 appears twice"),
        ("2\tmembrane\t#000000\tx", "name membrane appears twice"),
        ("2\tx\tred\tx", "wanted #rrggbb"),
        ("2\tx\t#000000", "has 3 cells; wanted 4"),
    ],
)
def test_wrong_rows_are_named(tmp_path, row, message):
    (tmp_path / "c.tsv").write_text(TABLE + row + "\n")
    with pytest.raises(ValueError, match=message):
        read_class_table(tmp_path / "c.tsv")


def test_labels_round_trip_as_mode_1(tmp_path, classes):
    labels = np.array([0, 1, 255, 1], np.uint8).reshape(1, 2, 2)
    write_labels(tmp_path / "l.mrc", labels, 10)
    assert mrcfile.open(tmp_path / "l.mrc").header.mode == 1
    read = read_labels(tmp_path / "l.mrc", classes)
    assert read.data.dtype == np.uint8
    assert np.array_equal(read.data, labels)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.0, 0.5, 1.0, 1.0], "not integers"),
        ([-1.0, 0, 0, 0], "from -1"),
        ([256.0, 0, 0, 0], "to 256"),
        ([np.nan, 0, 0, 0], "wanted labels"),
        ([7.0, 0, 0, 0], "label 7 is not in the class table"),
    ],
)
def test_what_is_no_label_is_refused(tmp_path, classes, values, message):
    write_volume(tmp_path / "l.mrc", np.array(values, np.float32).reshape(1, 2, 2), 10)
    with pytest.raises(ValueError, match=message):
        read_labels(tmp_path / "l.mrc", classes)


def test_a_colour_is_read_as_red_green_blue():
    assert LabelClass(1, "actin", "#ff8001", "filament").rgb == (255, 128, 1)
