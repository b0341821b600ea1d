"""NRRD volumes, as MITK, 3D Slicer and Amira exchange them: one file, raw or gzip, three dimensions."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoio import new_file

_DTYPES = {
    "int8": "i1",
    "signed char": "i1",
    "int8_t": "i1",
    "uint8": "u1",
    "unsigned char": "u1",
    "uchar": "u1",
    "uint8_t": "u1",
    "int16": "i2",
    "short": "i2",
    "int16_t": "i2",
    "signed short": "i2",
    "uint16": "u2",
    "unsigned short": "u2",
    "ushort": "u2",
    "uint16_t": "u2",
    "int": "i4",
    "int32": "i4",
    "signed int": "i4",
    "int32_t": "i4",
    "uint": "u4",
    "uint32": "u4",
    "unsigned int": "u4",
    "uint32_t": "u4",
    "float": "f4",
    "double": "f8",
}
_SPACES = {
    "lps": "left-posterior-superior",
    "ras": "right-anterior-superior",
    "las": "left-anterior-superior",
}
_SENSES = {"left": 1, "posterior": 1, "superior": 1, "right": -1, "anterior": -1, "inferior": -1}
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_SEGMENT_NAME = re.compile(r"segment(\d+)_name")
_TURN_TOLERANCE = 1e-3
_NAMES = {"i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16", "f4": "float"}


@dataclass(frozen=True)
class NrrdVolume:
    """What a file holds: ``data`` (z, y, x), voxel size and origin (x, y, z) or None where none is stated.

    ``segments`` are the labels of segments by their names, as 3D Slicer writes them.
    """

    data: NDArray[Any]
    pixel_size: float | None
    origin: tuple[float, float, float] | None
    segments: Mapping[str, int]


def write_nrrd(
    path: Path | str,
    data: NDArray[Any],
    pixel_size_angstrom: float,
    *,
    origin_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0),
    overwrite: bool = False,
) -> None:
    """Write an array (z, y, x) as gzip NRRD; lengths are written in Å, origin (x, y, z)."""
    name = _NAMES.get(data.dtype.str[1:])
    if name is None:
        raise ValueError(
            f"{path}: cannot store {data.dtype} as NRRD; wanted int8, uint8, int16, uint16, float32"
        )
    step = f"{pixel_size_angstrom:.6g}"
    header = [
        "NRRD0004",
        f"type: {name}",
        "dimension: 3",
        "space: left-posterior-superior",
        "sizes: " + " ".join(str(size) for size in data.shape[::-1]),
        f"space directions: ({step},0,0) (0,{step},0) (0,0,{step})",
        "kinds: domain domain domain",
        "endian: little",
        "encoding: gzip",
        "space origin: (" + ",".join(f"{value:.9g}" for value in origin_angstrom) + ")",
    ]
    body = gzip.compress(data.astype(data.dtype.newbyteorder("<")).tobytes(), compresslevel=4, mtime=0)
    with new_file(path, overwrite=overwrite) as partial:
        partial.write_bytes("\n".join(header).encode() + b"\n\n" + body)


def read_nrrd(path: Path | str) -> NrrdVolume:
    """Read a NRRD volume.

    Its axes are brought into our sense: x to the left, y to the back, z up, which is how `write_nrrd` writes
    them. A program may store the same place as right-anterior-superior, with mirrored axes.

    Raises
    ------
    ValueError
        If the file is not NRRD, keeps its data in another file, has an encoding other than raw or gzip, is
        truncated, is not three-dimensional, or has axes that were turned or have no length.
    """
    header, body = _split(Path(path))
    sizes = _sizes(path, header)
    dtype = _dtype(path, header)
    flat = _decode(path, header.get("encoding", "raw"), body)
    wanted = math.prod(sizes) * dtype.itemsize
    if len(flat) < wanted:
        raise ValueError(f"{path}: {len(flat)} bytes of data; wanted {wanted} for sizes {sizes}")
    data = np.frombuffer(flat[:wanted], dtype=dtype).reshape(sizes[::-1])
    # MITK stores one group of labels as a fourth axis of length one
    data = data.reshape([size for size in data.shape if size > 1]) if data.ndim == 4 else data
    if data.ndim != 3:
        raise ValueError(f"{path}: sizes {sizes}; wanted three dimensions x y z")
    data = data.astype(dtype.newbyteorder("="))
    return _in_our_axes(path, header, data)


def _sizes(path: Path | str, header: dict[str, str]) -> list[int]:
    words = header["sizes"].split()
    if not all(word.isascii() and word.isdigit() and int(word) > 0 for word in words):
        raise ValueError(f"{path}: sizes {header['sizes']!r}; wanted positive integers x y z")
    return [int(word) for word in words]


def _split(path: Path) -> tuple[dict[str, str], bytes]:
    head, separator, body = path.read_bytes().partition(b"\n\n")
    if b"\r\n\r\n" in head + separator:
        head, separator, body = path.read_bytes().partition(b"\r\n\r\n")
    if not head.startswith(b"NRRD") or not separator:
        raise ValueError(f"{path}: not a NRRD file with its data inside; wanted .nrrd, not .nhdr")
    lines = head.decode("latin-1").splitlines()[1:]
    pairs = [line.partition(":") for line in lines if not line.startswith("#")]
    header = {key.strip().lower(): value.strip() for key, _, value in pairs}
    if {"data file", "datafile"} & header.keys() or "sizes" not in header:
        raise ValueError(f"{path}: its data are in another file; wanted one .nrrd file")
    return header, body


def _dtype(path: Path | str, header: dict[str, str]) -> np.dtype[Any]:
    code = _DTYPES.get(header.get("type", "").lower())
    if code is None:
        raise ValueError(f"{path}: type {header.get('type')!r}; wanted integers or floats")
    return np.dtype((">" if header.get("endian", "little") == "big" else "<") + code)


def _decode(path: Path | str, encoding: str, body: bytes) -> bytes:
    if encoding == "raw":
        return body
    if encoding not in ("gzip", "gz"):
        raise ValueError(f"{path}: encoding {encoding!r}; wanted raw or gzip")
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: damaged or truncated data ({error})") from error


def _numbers(text: str) -> list[float]:
    return [float(number) for number in _NUMBER.findall(text)]


def _in_our_axes(path: Path | str, header: dict[str, str], data: NDArray[Any]) -> NrrdVolume:
    """Mirror axes that run against ours, so that voxel (0, 0, 0) is the one at the origin."""
    signs = _space_signs(header)
    stored = _numbers(header.get("space origin", ""))[:3]
    origin = np.array(stored) * signs if len(stored) == 3 else None
    directions = _directions(path, header)
    if directions is None:
        return NrrdVolume(data, _spacing(path, header), _as_origin(origin), _segments(header))
    directions = directions * signs
    steps = np.diagonal(directions)
    if np.abs(directions - np.diag(steps)).max() > _TURN_TOLERANCE * np.abs(steps).max():
        raise ValueError(
            f"{path}: space directions {header['space directions']}; wanted axes along x, y and z: "
            "the volume was turned, export it as the crop lies"
        )
    _refuse_unequal(path, np.abs(steps).tolist())
    for axis in np.flatnonzero(steps < 0):
        data = np.flip(data, 2 - int(axis))
        if origin is not None:
            origin[axis] += (data.shape[2 - axis] - 1) * steps[axis]
    return NrrdVolume(np.ascontiguousarray(data), float(abs(steps[0])), _as_origin(origin), _segments(header))


def _space_signs(header: dict[str, str]) -> NDArray[np.float64]:
    """Return what takes the axes of a space to left, posterior, superior; unnamed spaces are taken so."""
    space = header.get("space", "").lower()
    senses = [_SENSES.get(word) for word in _SPACES.get(space, space).split("-")[:3]]
    return np.array([1.0, 1.0, 1.0] if None in senses or len(senses) != 3 else senses, dtype=float)


def _directions(path: Path | str, header: dict[str, str]) -> NDArray[np.float64] | None:
    """Return the vectors of the three axes as rows; None where they are not stated."""
    stated = header.get("space directions", "")
    vectors = [_numbers(vector) for vector in re.findall(r"\(([^)]*)\)", stated)]
    usable = [vector for vector in vectors if len(vector) == 3 and any(vector) and np.isfinite(vector).all()]
    if vectors and len(usable) != 3:
        raise ValueError(
            f"{path}: space directions {stated!r}; wanted three numbers, not all 0, for each axis"
        )
    return np.array(usable) if usable else None


def _spacing(path: Path | str, header: dict[str, str]) -> float | None:
    steps = [step for step in _numbers(header.get("spacings", "")) if step > 0][:3]
    _refuse_unequal(path, steps)
    return steps[0] if steps else None


def _refuse_unequal(path: Path | str, steps: list[float]) -> None:
    if steps and max(steps) > 1.001 * min(steps):
        raise ValueError(f"{path}: voxel size {steps} differs between axes; wanted cubic voxels")


def _as_origin(values: NDArray[np.float64] | None) -> tuple[float, float, float] | None:
    return None if values is None else (float(values[0]), float(values[1]), float(values[2]))


def _segments(header: dict[str, str]) -> dict[str, int]:
    """Return the labels of the segments of 3D Slicer by their names."""
    segments = {}
    for key, value in header.items():
        match = _SEGMENT_NAME.fullmatch(key)
        label = header.get(f"segment{match[1]}_labelvalue", "").lstrip("=") if match else ""
        if label.isascii() and label.isdigit():
            segments[value.lstrip("=")] = int(label)
    return segments
