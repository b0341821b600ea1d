"""Formats of other programs, and layers."""

from __future__ import annotations

import gzip

import mrcfile
import numpy as np
import pytest
import tifffile

from segnet.rounds.formats import read_any, write_any
from segnet.rounds.nrrd import read_nrrd


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


def test_voxels_of_an_mrc_file_are_cubic(tmp_path):
    with mrcfile.new(tmp_path / "a.mrc", np.zeros((2, 3, 4), np.int16)) as mrc:
        mrc.voxel_size = (13.0, 13.0, 26.0)
    with pytest.raises(ValueError, match=r"13 × 13 × 26 Å differs between axes; wanted cubic"):
        read_any(tmp_path / "a.mrc")


@pytest.mark.parametrize(
    ("unit", "spacing", "angstroms"),
    [("nm", 1.33, 13.3), ("micron", 0.00133, 13.3), ("angstrom", 13.3, 13.3), ("pixel", 1.0, None)],
)
def test_units_of_a_tiff_file(tmp_path, unit, spacing, angstroms):
    data = np.zeros((2, 3, 4), np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif", data, imagej=True, metadata={"axes": "ZYX", "spacing": spacing, "unit": unit}
    )
    found = read_any(tmp_path / "a.tif").pixel_size_angstrom
    assert found == (None if angstroms is None else pytest.approx(angstroms))
