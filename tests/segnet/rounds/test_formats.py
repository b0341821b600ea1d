"""Formats of other programs, and layers."""

from __future__ import annotations

import gzip

import mrcfile
import numpy as np
import pytest
import tifffile

from segnet.rounds.formats import apply_layers, parse_layer_name, read_any, read_correction, write_any
from segnet.rounds.nrrd import read_nrrd
from tests.segnet.rounds.conftest import CLASSES
from tomoio import read_class_table

CLASS_TABLE = read_class_table(CLASSES)


@pytest.mark.parametrize("suffix", [".mrc", ".tif", ".nrrd"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_values_and_axes_survive(tmp_path, suffix, dtype):
    data = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(dtype)
    write_any(tmp_path / f"v{suffix}", data, 12.5, origin_angstrom=(1.0, 2.0, 3.0))
    volume = read_any(tmp_path / f"v{suffix}")
    np.testing.assert_array_equal(volume.data, data)
    assert volume.pixel_size_angstrom == pytest.approx(12.5)
    if suffix != ".tif":
        assert volume.origin_angstrom == (1.0, 2.0, 3.0)


def test_nrrd_text_header_and_x_fastest(tmp_path):
    """A file put together by hand after the format's definition: x runs fastest."""
    header = (
        b"NRRD0005\n# made by hand\ntype: short\ndimension: 3\nsizes: 2 3 1\nendian: big\nencoding: raw\n"
    )
    header += b"spacings: 4 4 4\n\n"
    (tmp_path / "hand.nrrd").write_bytes(header + np.arange(6, dtype=">i2").tobytes())
    data, spacing, origin = read_nrrd(tmp_path / "hand.nrrd")
    np.testing.assert_array_equal(data, [[[0, 1], [2, 3], [4, 5]]])
    assert (spacing, origin) == (4.0, None)


def test_nrrd_as_a_segmentation_program_writes_it(tmp_path):
    """Four dimensions of which the first counts layers, gzip, directions with a `none`."""
    header = b"NRRD0004\ntype: unsigned char\ndimension: 4\nspace: left-posterior-superior\nsizes: 1 3 2 2\n"
    header += b"space directions: none (13.3,0,0) (0,13.3,0) (0,0,13.3)\nkinds: vector domain domain domain\n"
    header += b"encoding: gzip\nspace origin: (0,0,0)\n\n"
    (tmp_path / "m.nrrd").write_bytes(header + gzip.compress(bytes(range(12))))
    data, spacing, _ = read_nrrd(tmp_path / "m.nrrd")
    np.testing.assert_array_equal(data, np.arange(12).reshape(2, 2, 3))
    assert spacing == pytest.approx(13.3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG", "not a NRRD file"),
        (b"NRRD0004\ntype: short\nsizes: 2 2 2\nencoding: raw\n\n\0\0", "2 bytes of data; wanted 16"),
        (b"NRRD0004\ntype: short\nsizes: 2 2 2\nencoding: gzip\n\nxx", "damaged or truncated"),
        (b"NRRD0004\ntype: short\nsizes: 2 2\nencoding: raw\n\n" + bytes(8), "wanted three dimensions"),
    ],
)
def test_a_broken_nrrd_is_one_sentence(tmp_path, content, message):
    (tmp_path / "b.nrrd").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_any(tmp_path / "b.nrrd")


def test_headers_that_say_nothing_are_read_as_nothing(tmp_path):
    with mrcfile.new(tmp_path / "a.mrc", np.zeros((2, 3, 4), np.int16)):
        pass
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 3, 4), np.uint8))
    assert read_any(tmp_path / "a.mrc").pixel_size_angstrom is None
    assert read_any(tmp_path / "a.tif").pixel_size_angstrom is None


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("Add_actin.nrrd", ("add", "actin")),
        ("remove-TRiC.tif", ("remove", "tric")),
        ("ignore.mrc", ("ignore", "")),
        ("IgnorePatch.nrrd", ("ignore", "")),
    ],
)
def test_layer_names(name, layer):
    assert parse_layer_name(name, CLASS_TABLE) == layer


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


def test_axes_in_another_order_are_named(tmp_path):
    write_any(tmp_path / "l.tif", np.zeros((4, 3, 2), np.uint8), 10.0)
    with pytest.raises(ValueError, match=r"4×3×2.*wanted 2×3×4.*order x, y, z"):
        read_correction([tmp_path / "l.tif"], np.zeros((2, 3, 4), np.uint8), CLASS_TABLE)
