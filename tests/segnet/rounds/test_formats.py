"""Formats of other programs, and layers."""

from __future__ import annotations

import mrcfile
import numpy as np
import pytest
import tifffile

from segnet.rounds.formats import read_any, write_any


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
