"""NRRD volumes, as MITK, 3D Slicer and Amira exchange them: one file, raw or gzip, three dimensions."""

from __future__ import annotations

import gzip
import re
import zlib
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
_NAMES = {"i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16", "f4": "float"}


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


def read_nrrd(
    path: Path | str,
) -> tuple[NDArray[Any], float | None, tuple[float, float, float] | None]:
    """Read a NRRD volume: array (z, y, x), voxel size or None where none is stated, origin (x, y, z) or None.

    Raises
    ------
    ValueError
        If the file is not NRRD, keeps its data in another file, has an encoding other than raw or gzip, is
        truncated, or is not three-dimensional.
    """
    header, body = _split(Path(path))
    sizes = [int(size) for size in header["sizes"].split()]
    dtype = _dtype(path, header)
    flat = _decode(path, header.get("encoding", "raw"), body)
    wanted = int(np.prod(sizes)) * dtype.itemsize
    if len(flat) < wanted:
        raise ValueError(f"{path}: {len(flat)} bytes of data; wanted {wanted} for sizes {sizes}")
    data = np.frombuffer(flat[:wanted], dtype=dtype).reshape(sizes[::-1])
    # MITK stores one group of labels as a fourth axis of length one
    data = data.reshape([size for size in data.shape if size > 1]) if data.ndim == 4 else data
    if data.ndim != 3:
        raise ValueError(f"{path}: sizes {sizes}; wanted three dimensions x y z")
    return data.astype(dtype.newbyteorder("=")), _spacing(path, header), _origin(header)


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
    return [float(number) for number in re.findall(r"[-+0-9.eE]+", text)]


def _spacing(path: Path | str, header: dict[str, str]) -> float | None:
    if "space directions" in header:
        vectors = re.findall(r"\(([^)]*)\)", header["space directions"])
        steps = [float(np.linalg.norm(_numbers(vector))) for vector in vectors]
    else:
        steps = [value for value in _numbers(header.get("spacings", "")) if np.isfinite(value)]
    steps = [step for step in steps if step > 0][:3]
    if not steps:
        return None
    if max(steps) / min(steps) > 1.001:
        raise ValueError(f"{path}: voxel size {steps} differs between axes; wanted cubic voxels")
    return steps[0]


def _origin(header: dict[str, str]) -> tuple[float, float, float] | None:
    values = _numbers(header.get("space origin", ""))[:3]
    return (values[0], values[1], values[2]) if len(values) == 3 else None
