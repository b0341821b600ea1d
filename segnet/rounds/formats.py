"""Crops in the formats of other programs, and corrections back: MRC, TIFF, NRRD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
from numpy.typing import NDArray

from segnet.rounds.nrrd import read_nrrd, write_nrrd
from tomoio import new_file, read_volume, write_volume

SUFFIXES = {"mrc": ".mrc", "tiff": ".tif", "nrrd": ".nrrd"}
_FORMAT_OF_SUFFIX = {
    ".mrc": "mrc",
    ".map": "mrc",
    ".rec": "mrc",
    ".st": "mrc",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".nrrd": "nrrd",
}
_ANGSTROMS = {  # units that ImageJ and its kin write; \u00B5 stands as these six characters in a file
    **dict.fromkeys(("angstrom", "angstroms", "ångström", "å"), 1.0),
    **dict.fromkeys(("nm", "nanometer", "nanometre", "nanometers", "nanometres"), 10.0),
    **dict.fromkeys(("um", "µm", "μm", r"\u00b5m", "micron", "microns"), 1e4),
}


@dataclass(frozen=True)
class AnyVolume:
    """A volume of another program: ``data`` (z, y, x); what its header does not state is None.

    ``segments`` are the labels of segments by their names, where a program (3D Slicer) writes them.
    """

    data: NDArray[Any]
    pixel_size_angstrom: float | None
    origin_angstrom: tuple[float, float, float] | None
    segments: Mapping[str, int] = field(default_factory=dict)


def format_of(path: Path | str) -> str:
    """Return mrc, tiff or nrrd by a file's suffix; ValueError names the suffixes that are known."""
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMAT_OF_SUFFIX:
        raise ValueError(f"{path}: unknown format {suffix!r}; wanted one of {', '.join(_FORMAT_OF_SUFFIX)}")
    return _FORMAT_OF_SUFFIX[suffix]


def write_any(
    path: Path | str,
    data: NDArray[Any],
    pixel_size_angstrom: float,
    *,
    origin_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0),
    overwrite: bool = False,
) -> None:
    """Write a volume (z, y, x) in the format of its suffix; MRC has no uint8 and takes it as int16."""
    kind = format_of(path)
    if kind == "nrrd":
        write_nrrd(path, data, pixel_size_angstrom, origin_angstrom=origin_angstrom, overwrite=overwrite)
    elif kind == "tiff":
        _write_tiff(Path(path), data, pixel_size_angstrom, overwrite)
    else:
        stored = data.astype(np.int16) if data.dtype == np.uint8 else data
        write_volume(path, stored, pixel_size_angstrom, origin_angstrom=origin_angstrom, overwrite=overwrite)


def _write_tiff(path: Path, data: NDArray[Any], pixel_size_angstrom: float, overwrite: bool) -> None:
    import tifffile

    with new_file(path, overwrite=overwrite) as partial:
        tifffile.imwrite(
            partial,
            data,
            photometric="minisblack",
            imagej=data.dtype.str[1:] in ("u1", "u2", "f4"),
            resolution=(1 / pixel_size_angstrom, 1 / pixel_size_angstrom),
            metadata={"axes": "ZYX", "spacing": pixel_size_angstrom, "unit": "angstrom"},
        )


def read_any(path: Path | str) -> AnyVolume:
    """Read MRC, TIFF or NRRD.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the format is unknown or the file is damaged or not three-dimensional.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    kind = format_of(path)
    if kind == "nrrd":
        found = read_nrrd(path)
        return AnyVolume(found.data, found.pixel_size, found.origin, found.segments)
    if kind == "tiff":
        return _read_tiff(path)
    return _read_mrc(path)


def _read_mrc(path: Path) -> AnyVolume:
    # the size is judged by the caller: programs that drop it are common, and the crop knows it
    volume = read_volume(path, pixel_size_angstrom=1.0)
    return AnyVolume(volume.data, stated_voxel_size(path), volume.origin_angstrom)


def stated_voxel_size(path: Path | str) -> float | None:
    """Return the voxel size in Å in the header of an MRC file; None where it is 0 or 1, which none ever is.

    Raises
    ------
    ValueError
        If the voxels are not cubic.
    """
    with mrcfile.open(path, header_only=True) as mrc:
        sizes = [float(mrc.voxel_size[axis]) for axis in "xyz"]
    if not all(size > 0 and size != 1 for size in sizes):
        return None
    if max(sizes) / min(sizes) > 1.001:
        listed = " × ".join(f"{size:g}" for size in sizes)
        raise ValueError(f"{path}: voxel size {listed} Å differs between axes; wanted cubic voxels")
    return sizes[0]


def _read_tiff(path: Path) -> AnyVolume:
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            data = np.squeeze(tiff.asarray())
            described = tiff.imagej_metadata or (tiff.shaped_metadata and tiff.shaped_metadata[0]) or {}
    except (tifffile.TiffFileError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: not a readable TIFF file ({error})") from error
    if data.ndim != 3:
        raise ValueError(f"{path}: pages of shape {data.shape}; wanted one grey image for each z slice")
    return AnyVolume(data, _tiff_spacing(described), None)


def _tiff_spacing(described: Mapping[str, Any]) -> float | None:
    """Return the spacing in Å of an ImageJ description; None where it has none, or no unit of length."""
    angstroms = _ANGSTROMS.get(str(described.get("unit", "")).strip().lower())
    spacing = described.get("spacing")
    return float(spacing) * angstroms if spacing and angstroms else None
