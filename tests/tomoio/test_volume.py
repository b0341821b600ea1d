"""The MRC contract: axis order, voxel sizes, modes, byte orders, IMOD's bytes, whole files only."""

from __future__ import annotations

import mrcfile
import numpy as np
import pytest

from tomoio import (
    VolumeReader,
    create_volume,
    read_header,
    read_stack,
    read_volume,
    write_stack,
    write_volume,
)


@pytest.fixture
def ramp():
    return np.arange(3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5)


def test_axes_voxel_size_and_origin_survive(tmp_path, ramp):
    write_volume(tmp_path / "a.mrc", ramp, 13.48, origin_angstrom=(10.0, 20.0, -30.0))
    volume = read_volume(tmp_path / "a.mrc")
    assert volume.data.shape == (3, 4, 5)
    assert np.array_equal(volume.data, ramp)
    assert volume.pixel_size_angstrom == pytest.approx(13.48)
    assert volume.origin_angstrom == (10.0, 20.0, -30.0)
    header = mrcfile.open(tmp_path / "a.mrc").header
    assert (header.nx, header.ny, header.nz, header.ispg) == (5, 4, 3, 1)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float16, np.float32])
def test_modes_round_trip(tmp_path, dtype):
    data = np.arange(24, dtype=dtype).reshape(2, 3, 4)
    write_volume(tmp_path / "a.mrc", data, 10)
    read = read_volume(tmp_path / "a.mrc").data
    assert read.dtype == dtype
    assert np.array_equal(read, data)


def test_unstorable_dtype_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="cannot store int64"):
        write_volume(tmp_path / "a.mrc", np.zeros((2, 2, 2), np.int64), 10)
    assert not list(tmp_path.iterdir())


def test_big_endian_becomes_native(tmp_path, ramp):
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(ramp.astype(">f4"))
        mrc.voxel_size = 7.0
    read = read_volume(tmp_path / "a.mrc").data
    assert read.dtype.isnative
    assert np.array_equal(read, ramp)


@pytest.mark.parametrize(
    ("flags", "stored", "meant"),
    [(1, [-128, -127, 0, 127], [0, 1, 128, 255]), (0, [0, 1, -128, -1], [0, 1, 128, 255])],
)
def test_imod_bytes_are_unsigned(tmp_path, flags, stored, meant):
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(np.array(stored, np.int8).reshape(1, 2, 2))
        mrc.set_volume()
        mrc.voxel_size = 7.0
        extra = bytearray(mrc.header.extra2.tobytes())
        extra[40:48] = np.array([1146047817, flags], "<i4").tobytes()
        mrc.header.extra2 = np.frombuffer(bytes(extra), mrc.header.extra2.dtype)[0]
    assert read_header(tmp_path / "a.mrc").dtype == np.uint8
    assert read_volume(tmp_path / "a.mrc").data.ravel().tolist() == meant


@pytest.mark.parametrize("size", [0, 1])
def test_unset_voxel_size_is_refused_unless_overridden(tmp_path, ramp, size):
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(ramp)
        mrc.voxel_size = size
    with pytest.raises(ValueError, match=r"a\.mrc: voxel size .* wanted the true one"):
        read_volume(tmp_path / "a.mrc")
    assert read_volume(tmp_path / "a.mrc", pixel_size_angstrom=12.5).pixel_size_angstrom == 12.5


def test_unequal_voxels_are_refused_but_a_stack_needs_only_x_and_y(tmp_path, ramp):
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(ramp)
        mrc.voxel_size = (10, 10, 4)
    with pytest.raises(ValueError, match="cubic voxels"):
        read_volume(tmp_path / "a.mrc")
    assert read_stack(tmp_path / "a.mrc").pixel_size_angstrom == 10


def test_truncated_file_is_named(tmp_path, ramp):
    write_volume(tmp_path / "a.mrc", ramp, 10)
    whole = (tmp_path / "a.mrc").read_bytes()
    for length in (len(whole) - 8, 1000, 0):
        (tmp_path / "cut.mrc").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut\.mrc: not a readable MRC file or truncated"):
            read_volume(tmp_path / "cut.mrc")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.mrc: no such file"):
        read_volume(tmp_path / "none.mrc")


def test_nothing_is_overwritten_unasked_and_nothing_half_written(tmp_path, ramp):
    write_volume(tmp_path / "a.mrc", ramp, 10)
    with pytest.raises(FileExistsError, match="exists already"):
        write_volume(tmp_path / "a.mrc", ramp + 1, 10)
    with (
        pytest.raises(RuntimeError, match="power cut"),
        create_volume(tmp_path / "a.mrc", ramp.shape, np.float32, 10, overwrite=True),
    ):
        raise RuntimeError("power cut")
    assert np.array_equal(read_volume(tmp_path / "a.mrc").data, ramp)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mrc"]


def test_same_input_same_bytes(tmp_path, ramp):
    write_volume(tmp_path / "a.mrc", ramp, 10)
    write_volume(tmp_path / "b.mrc", ramp, 10)
    assert (tmp_path / "a.mrc").read_bytes() == (tmp_path / "b.mrc").read_bytes()


def test_slices_can_be_read_alone(tmp_path, ramp):
    write_volume(tmp_path / "a.mrc", ramp, 10)
    with VolumeReader(tmp_path / "a.mrc") as reader:
        assert np.array_equal(reader.read(1, 2), ramp[1:2])


def test_stack_is_an_image_stack(tmp_path, ramp):
    write_stack(tmp_path / "a.mrc", ramp, 10)
    assert mrcfile.open(tmp_path / "a.mrc").is_image_stack()
