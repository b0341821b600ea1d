"""Layers over the network's labels, and label volumes of other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segnet.remap import label_lookup
from segnet.rounds.layers import apply_layers, check_segments, combine, is_layer, parse_layer_name
from tests.segnet.rounds.conftest import CLASSES
from tomoio import ClassTable, LabelClass, read_class_table

CLASS_TABLE = read_class_table(CLASSES)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("Add_actin.nrrd", ("add", "actin")),
        ("remove-TRiC.tif", ("remove", "tric")),
        ("ignore.mrc", ("ignore", "")),
        ("IgnorePatch.nrrd", ("ignore", "")),
        ("IGNORE_ice.nrrd", ("ignore", "")),
        ("ignoredirt.tif", ("ignore", "")),
    ],
)
def test_layer_names(name, layer):
    assert parse_layer_name(name, CLASS_TABLE) == layer


def test_classes_with_capitals_have_layers():
    table = ClassTable((*CLASS_TABLE, LabelClass(20, "TRiC2", "#000000", "x")))
    for name in ("add_TRiC2.mrc", "add_tric2.mrc", "Add TRIC2.mrc", "AddTric2.mrc"):
        assert parse_layer_name(name, table) == ("add", "TRiC2")
        assert is_layer(name, table)


def test_a_name_in_two_cases_must_be_written_as_it_is():
    table = ClassTable((*CLASS_TABLE, LabelClass(20, "TRiC", "#000000", "x")))
    assert parse_layer_name("add_TRiC.mrc", table) == ("add", "TRiC")
    assert parse_layer_name("add_tric.mrc", table) == ("add", "tric")
    with pytest.raises(ValueError, match="layer of class 'TRIC'"):
        parse_layer_name("add_TRIC.mrc", table)


@pytest.mark.parametrize(
    "name",
    [
        "additional fixes.nrrd",
        "removed.tif",
        "addenda.mrc",
        "labels.mrc",
        "ignored_parts.mrc",
        "IGNORED.mrc",
        "IgnoredIce.mrc",
    ],
)
def test_words_that_begin_like_a_layer_are_label_volumes(name):
    assert not is_layer(name, CLASS_TABLE)


def test_a_layer_of_an_unknown_class_names_those_that_exist():
    with pytest.raises(ValueError, match=r"'lipid'; wanted one of background, membrane"):
        parse_layer_name("add_lipid.nrrd", CLASS_TABLE)


def test_layers_remove_then_add_then_ignore():
    labels = np.array([3, 3, 2, 0, 5], dtype=np.uint8)
    layers = {
        ("add", "actin"): np.array([0, 1, 1, 0, 0], bool),
        ("remove", "actin"): np.array([1, 1, 1, 0, 0], bool),
        ("ignore", ""): np.array([0, 0, 0, 0, 1], bool),
    }
    np.testing.assert_array_equal(apply_layers(labels, layers, CLASS_TABLE), [0, 3, 3, 0, 255])


def test_two_classes_in_one_voxel_are_refused():
    mask = np.array([1, 1, 0], bool)
    layers = {("add", "actin"): mask, ("add", "membrane"): ~mask | mask}
    with pytest.raises(ValueError, match="add_actin and add_membrane share 2 voxels"):
        apply_layers(np.zeros(3, np.uint8), layers, CLASS_TABLE)


def test_layers_of_one_class_from_two_folders_count_together():
    masks = np.array([[1, 0, 0, 0], [0, 0, 7, 0]])
    paths = [Path("monday/add_actin.mrc"), Path("tuesday/Add_Actin.nrrd")]
    found = combine(paths, list(masks), np.zeros(4, np.uint8), CLASS_TABLE)
    np.testing.assert_array_equal(found, [3, 0, 3, 0])


def test_a_label_volume_and_a_layer_are_refused():
    paths = [Path("labels.mrc"), Path("add_actin.mrc")]
    with pytest.raises(ValueError, match="several label volumes"):
        combine(paths, [np.zeros(4, np.uint8)] * 2, np.zeros(4, np.uint8), CLASS_TABLE)


def test_a_segment_named_after_a_class_has_its_label():
    same = np.arange(256, dtype=np.uint8)
    check_segments(Path("s.seg.nrrd"), {"Actin": 3, "Segment_2": 1, "mine": 9}, same, CLASS_TABLE)
    with pytest.raises(ValueError, match=r"'Actin' has label 1; wanted 3 .*--map 1=actin"):
        check_segments(Path("s.seg.nrrd"), {"Actin": 1}, same, CLASS_TABLE)
    check_segments(Path("s.seg.nrrd"), {"Actin": 1}, label_lookup([("1", "actin")], CLASS_TABLE), CLASS_TABLE)
