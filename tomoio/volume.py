"""MRC volumes and image stacks: arrays are (z, y, x), lengths Å, and a voxel size is always there."""

from __future__ import annotations

import math
import mmap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import mrcfile
import numpy as np
from numpy.typing import NDArray

from tomoio.files import new_file

_IMOD_STAMP = 1146047817  # https://bio3d.colorado.edu/imod/doc/mrc_format.txt, bytes 153-156
_IMOD_SIGNED_BYTES = 1
_MODE_OF_DTYPE = {"i1": 0, "i2": 1, "f4": 2, "u2": 6, "f2": 12}


@dataclass(frozen=True)
class VolumeHeader:
    """What an MRC header says: ``shape`` (z, y, x), ``dtype`` in memory, voxel size and origin (x, y, z)."""

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    pixel_size_angstrom: float
    origin_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Volume:
    """A volume in memory: ``data`` (z, y, x), voxel size in Å, origin (x, y, z) in Å."""

    data: NDArray[Any]
    pixel_size_angstrom: float
    origin_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0)


class VolumeReader:
    """An open MRC file whose slices are read on demand. Use as a context manager.

    Parameters
    ----------
    path
        MRC file of mode 0, 1, 2, 6 or 12, either byte order.
    pixel_size_angstrom
        Overrides the header. Without it a header that says 0 or 1 Å is refused.
    stack
        True for an image stack, of which only x and y have a pixel size.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a readable MRC file, is truncated, is not three-dimensional, or has no usable
        voxel size. The message names the file, what was found and what was wanted.
    """

    def __init__(
        self, path: Path | str, *, pixel_size_angstrom: float | None = None, stack: bool = False
    ) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"{self.path}: no such file")
        self._mrc = _open_mrc(self.path)
        try:
            self.header = _describe(self.path, self._mrc, pixel_size_angstrom, stack)
        except ValueError:
            self._mrc.close()
            raise

    def __enter__(self) -> VolumeReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mrc.close()

    def read(self, z_start: int = 0, z_stop: int | None = None) -> NDArray[Any]:
        """Return slices ``z_start`` to ``z_stop`` as a native-endian copy (z, y, x)."""
        data = self._mrc.data
        if data.ndim == 2:
            data = data[np.newaxis]
        block = np.asarray(data[z_start:z_stop])
        if block.dtype == np.int8 and self.header.dtype == np.uint8:
            copy: NDArray[Any] = _imod_bytes(block, self._mrc)
        else:
            copy = block.astype(self.header.dtype.newbyteorder("="), copy=True)
        _release_pages(self._mrc.data)
        return copy


def _release_pages(data: Any) -> None:
    """Give back the memory of what was read from a mapped file: it counts as the process's own."""
    pages = getattr(data, "_mmap", None)
    if pages is not None and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)


def read_header(
    path: Path | str, *, pixel_size_angstrom: float | None = None, stack: bool = False
) -> VolumeHeader:
    """Read and check an MRC header without its data. See `VolumeReader` for arguments and errors."""
    with VolumeReader(path, pixel_size_angstrom=pixel_size_angstrom, stack=stack) as reader:
        return reader.header


def read_volume(path: Path | str, *, pixel_size_angstrom: float | None = None) -> Volume:
    """Read a whole MRC volume. See `VolumeReader` for arguments and errors."""
    with VolumeReader(path, pixel_size_angstrom=pixel_size_angstrom) as reader:
        return Volume(reader.read(), reader.header.pixel_size_angstrom, reader.header.origin_angstrom)


def read_stack(path: Path | str, *, pixel_size_angstrom: float | None = None) -> Volume:
    """Read a whole image stack (image, y, x). See `VolumeReader` for arguments and errors."""
    with VolumeReader(path, pixel_size_angstrom=pixel_size_angstrom, stack=True) as reader:
        return Volume(reader.read(), reader.header.pixel_size_angstrom, reader.header.origin_angstrom)


def write_volume(
    path: Path | str,
    data: NDArray[Any],
    pixel_size_angstrom: float,
    *,
    origin_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0),
    overwrite: bool = False,
) -> None:
    """Write a volume (z, y, x) of dtype int8, int16, uint16, float16 or float32, whole or not at all.

    Raises
    ------
    ValueError
        If the dtype has no MRC mode, the array is not three-dimensional, or the voxel size is not positive.
    FileExistsError
        If ``path`` exists and ``overwrite`` is not set.
    """
    shape = (data.shape[0], data.shape[1], data.shape[2]) if data.ndim == 3 else _refuse_shape(path, data)
    with create_volume(
        path, shape, data.dtype, pixel_size_angstrom, origin_angstrom=origin_angstrom, overwrite=overwrite
    ) as target:
        target[:] = data


def write_stack(
    path: Path | str, images: NDArray[Any], pixel_size_angstrom: float, *, overwrite: bool = False
) -> None:
    """Write an image stack (image, y, x), whole or not at all. Errors as `write_volume`."""
    shape = (
        (images.shape[0], images.shape[1], images.shape[2])
        if images.ndim == 3
        else _refuse_shape(path, images)
    )
    with create_volume(
        path, shape, images.dtype, pixel_size_angstrom, stack=True, overwrite=overwrite
    ) as target:
        target[:] = images


@contextmanager
def create_volume(
    path: Path | str,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any] | type,
    pixel_size_angstrom: float,
    *,
    origin_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0),
    stack: bool = False,
    overwrite: bool = False,
) -> Iterator[NDArray[Any]]:
    """Yield a writable memory map (z, y, x); the file appears under its name when the block succeeds."""
    mode = _MODE_OF_DTYPE.get(np.dtype(dtype).newbyteorder("<").str[1:])
    if mode is None:
        raise ValueError(
            f"{path}: cannot store {np.dtype(dtype)}; wanted one of int8, int16, uint16, float16, float32"
        )
    if not (math.isfinite(pixel_size_angstrom) and pixel_size_angstrom > 0):
        raise ValueError(f"{path}: voxel size {pixel_size_angstrom} Å; wanted a positive number")
    with (
        new_file(path, overwrite=overwrite) as partial,
        mrcfile.new_mmap(partial, shape=shape, mrc_mode=mode) as mrc,
    ):
        mrc.set_image_stack() if stack else mrc.set_volume()
        mrc.voxel_size = pixel_size_angstrom
        mrc.header.origin.x, mrc.header.origin.y, mrc.header.origin.z = origin_angstrom
        _drop_timestamp(mrc)
        yield mrc.data
        _write_statistics(mrc)


def _write_statistics(mrc: Any) -> None:
    """Put extremes, mean and deviation into the header, slice by slice: mrcfile's own makes two copies."""
    least, greatest, total, squares = math.inf, -math.inf, 0.0, 0.0
    for part in mrc.data:
        least, greatest = min(least, float(part.min())), max(greatest, float(part.max()))
        total += float(part.sum(dtype=np.float64))
        squares += float(np.square(part, dtype=np.float64).sum())
    mean = total / mrc.data.size
    mrc.header.dmin, mrc.header.dmax, mrc.header.dmean = least, greatest, mean
    mrc.header.rms = math.sqrt(max(squares / mrc.data.size - mean**2, 0.0))


def _drop_timestamp(mrc: Any) -> None:
    """Replace mrcfile's "Created by ... date" label: same input, same bytes."""
    mrc.header.label[0] = b"neuralseg"
    mrc.header.nlabl = 1


def _refuse_shape(path: Path | str, data: NDArray[Any]) -> tuple[int, int, int]:
    raise ValueError(f"{path}: array of shape {data.shape}; wanted three dimensions (z, y, x)")


def _open_mrc(path: Path) -> Any:
    compressed = path.suffix in {".gz", ".bz2"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # mrcfile warns and raises for the same fault
            return mrcfile.open(path) if compressed else mrcfile.mmap(path, mode="r")
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path}: not a readable MRC file or truncated ({error})") from error


def _describe(path: Path, mrc: Any, pixel_size_angstrom: float | None, stack: bool) -> VolumeHeader:
    data = mrc.data
    if data is None or data.ndim not in (2, 3) or np.iscomplexobj(data):
        found = "no data" if data is None else f"{data.ndim} dimensions of {data.dtype}"
        raise ValueError(f"{path}: {found}; wanted a real volume (z, y, x)")
    shape = data.shape if data.ndim == 3 else (1, *data.shape)
    dtype = data.dtype.newbyteorder("=")
    if data.dtype == np.int8 and _imod_flags(mrc) is not None:
        dtype = np.dtype(np.uint8)
    origin = tuple(float(mrc.header.origin[axis]) for axis in "xyz")
    return VolumeHeader(
        (int(shape[0]), int(shape[1]), int(shape[2])),
        dtype,
        _pixel_size(path, mrc, pixel_size_angstrom, stack),
        (origin[0], origin[1], origin[2]),
    )


def _pixel_size(path: Path, mrc: Any, override: float | None, stack: bool) -> float:
    if override is not None:
        if not (math.isfinite(override) and override > 0):
            raise ValueError(f"{path}: pixel size {override} Å asked for; wanted a positive number")
        return float(override)
    axes = "xy" if stack or mrc.data.ndim == 2 else "xyz"
    sizes = [float(mrc.voxel_size[axis]) for axis in axes]
    if not all(math.isfinite(size) and size > 0 and size != 1 for size in sizes):
        raise ValueError(
            f"{path}: voxel size {_listed(sizes)} Å in the header, which means that none was set; "
            "wanted the true one: give it with --pixel-size-angstrom (tables: pixel_size_angstrom)"
        )
    if max(sizes) / min(sizes) > 1.001:
        raise ValueError(f"{path}: voxel size {_listed(sizes)} Å differs between axes; wanted cubic voxels")
    return round(sum(sizes) / len(sizes), 6)


def _listed(sizes: list[float]) -> str:
    return " × ".join(f"{size:g}" for size in sizes)


def _imod_flags(mrc: Any) -> int | None:
    """Return IMOD's flags, or None where IMOD did not write the file."""
    order = mrc.header.nx.dtype.byteorder.replace("|", "=")
    stamp, flags = np.frombuffer(mrc.header.extra2.tobytes()[40:48], dtype=np.dtype("i4").newbyteorder(order))
    return int(flags) if stamp == _IMOD_STAMP else None


def _imod_bytes(block: NDArray[np.int8], mrc: Any) -> NDArray[np.uint8]:
    """Undo IMOD's storage of 0-255: signed bytes are shifted by 128, unsigned ones are only mislabelled."""
    raw = block.view(np.uint8)
    signed = (_imod_flags(mrc) or 0) & _IMOD_SIGNED_BYTES
    return raw ^ np.uint8(128) if signed else raw.copy()
