"""Parallel-beam projection of a volume tilted about y, and its exact adjoint.

A point (x, z), measured from the centre of the volume, falls on the detector at ``x' = x cosθ + z sinθ``
and lies at the height ``z' = z cosθ - x sinθ`` towards the source. Each voxel is a square whose shadow, a
trapezoid of area one, is shared out among the detector pixels that it covers (the area-weighted, or
distance-driven, model of De Man & Basu, Phys. Med. Biol. 49 (2004) 2463). So a uniform slab projects to a
uniform image at every angle, and nothing is lost or counted twice in either direction.

Volumes are (z, y, x) outside this module. The kernels work on blocks of rows, (z, x, y), because y is the
axis along which neighbours share every weight. A block is worked on by one thread, so results do not depend
on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from tomoio import VolumeReader

_BLOCK_ROWS = 208  # rows of y worked on together, at most: they share the computation of the weights
_READ_BYTES = 64_000_000

Floats = NDArray[np.float32]
Doubles = NDArray[np.floating[Any]]  # double precision, as numpy's own functions declare it


@njit(cache=True, inline="always")
def _shadow(u: float, outer: float, inner: float, height: float) -> float:
    """Integral from minus infinity to u of a trapezoid of area one, centred on 0."""
    if u <= -outer:
        return 0.0
    if u >= outer:
        return 1.0
    if u < -inner:
        return 0.5 * height * (u + outer) ** 2 / (outer - inner)
    if u > inner:
        return 1.0 - 0.5 * height * (outer - u) ** 2 / (outer - inner)
    return 0.5 + height * u


@njit(cache=True, inline="always")
def _mirrored(index: int, length: int) -> int:
    """Fold an index into a row that continues by mirroring at its faces."""
    if 0 <= index < length:
        return index
    index = index % (2 * length)
    return index if index < length else 2 * length - 1 - index


@njit(cache=True, inline="always")
def _footprint(cosine: float, sine: float) -> tuple[float, float, float]:
    widest = max(abs(cosine), abs(sine))
    narrowest = min(abs(cosine), abs(sine))
    return 0.5 * (widest + narrowest), 0.5 * (widest - narrowest), 1.0 / widest


@njit(cache=True, inline="always")
def _weights(
    start: int, stop: int, position: float, outer: float, inner: float, height: float
) -> tuple[float, float, float]:
    """Return the shares of pixels start, start + 1, start + 2 in a shadow; none reaches further than that."""
    first = _shadow(start + 0.5 - position, outer, inner, height)
    if stop == start:
        return 1.0, 0.0, 0.0
    if stop == start + 1:
        return first, 1.0 - first, 0.0
    second = _shadow(start + 1.5 - position, outer, inner, height)
    return first, second - first, 1.0 - second


@njit(cache=True, inline="always")
def _spread(
    plane: Floats,
    column: int,
    weights: tuple[float, float, float],
    share: float,
    images: Floats,
    slab: int,
    start: int,
) -> None:
    """Add one column of a plane (x, y) to pixels ``start`` and up of a slab's image, (slab, x', y).

    Inside the image one loop fills two or three pixels, so that each voxel is loaded once.
    """
    first = np.float32(share * weights[0])
    second = np.float32(share * weights[1])
    third = np.float32(share * weights[2])
    width, ny = images.shape[1], images.shape[2]
    if start >= 0 and start + 2 < width:
        if third == 0.0:
            for y in range(ny):
                images[slab, start, y] += first * plane[column, y]
                images[slab, start + 1, y] += second * plane[column, y]
        else:
            for y in range(ny):
                images[slab, start, y] += first * plane[column, y]
                images[slab, start + 1, y] += second * plane[column, y]
                images[slab, start + 2, y] += third * plane[column, y]
    else:
        for offset, weight in enumerate((first, second, third)):
            if 0 <= start + offset < width:
                for y in range(ny):
                    images[slab, start + offset, y] += weight * plane[column, y]


@njit(cache=True, parallel=True)
def _project(
    blocks: Floats,
    cosines: Doubles,
    sines: Doubles,
    mirror: bool,
    first_height: float,
    slab_voxels: float,
    out: Floats,
) -> None:
    """Add the shadows of ``blocks`` (block, z, x, y) to ``out`` (block, angle, slab, x', y)."""
    n_blocks, nz, nx, _ = blocks.shape
    n_slabs, width = out.shape[2], out.shape[3]
    for block in prange(n_blocks):
        for zi in range(nz):
            plane = blocks[block, zi]
            z = zi - 0.5 * (nz - 1)
            for angle in range(cosines.size):  # while the plane is in the processor's cache
                images = out[block, angle]
                cosine, sine = cosines[angle], sines[angle]
                outer, inner, height = _footprint(cosine, sine)
                middle = z * sine + 0.5 * (width - 1)
                x_first, x_last = 0, nx - 1
                if mirror:
                    x_first = math.floor((-1.5 - middle) / cosine + 0.5 * (nx - 1))
                    x_last = math.ceil((width + 0.5 - middle) / cosine + 0.5 * (nx - 1))
                for xe in range(x_first, x_last + 1):
                    x = xe - 0.5 * (nx - 1)
                    position = x * cosine + middle
                    start = math.floor(position - outer + 0.5)
                    stop = math.floor(position + outer + 0.5)
                    if stop < 0 or start >= width:
                        continue
                    xi = _mirrored(xe, nx) if mirror else xe
                    slab, share = 0, 0.0
                    if n_slabs > 1:
                        depth = (z * cosine - x * sine - first_height) / slab_voxels
                        depth = min(max(depth, 0.0), n_slabs - 1.0)
                        slab = min(int(depth), n_slabs - 2)
                        share = depth - slab
                    weights = _weights(start, stop, position, outer, inner, height)
                    _spread(plane, xi, weights, 1.0 - share, images, slab, start)
                    if share > 0.0:
                        _spread(plane, xi, weights, share, images, slab + 1, start)


@njit(cache=True, parallel=True)
def _back_project(shadows: Floats, cosines: Doubles, sines: Doubles, out: Floats) -> None:
    """Set ``out`` (block, z, x, y) to the sum of ``shadows`` (block, angle, x', y) along all rays."""
    n_blocks, nz, nx, ny = out.shape
    width = shadows.shape[2]
    for block in prange(n_blocks):
        for zi in range(nz):
            z = zi - 0.5 * (nz - 1)
            for xi in range(nx):
                x = xi - 0.5 * (nx - 1)
                total = np.zeros(ny, np.float32)
                for angle in range(cosines.size):
                    cosine, sine = cosines[angle], sines[angle]
                    outer, inner, height = _footprint(cosine, sine)
                    position = x * cosine + z * sine + 0.5 * (width - 1)
                    start = math.floor(position - outer + 0.5)
                    stop = math.floor(position + outer + 0.5)
                    if stop < 0 or start >= width:
                        continue
                    below = _shadow(start - 0.5 - position, outer, inner, height)
                    for pixel in range(start, stop + 1):
                        above = _shadow(pixel + 0.5 - position, outer, inner, height)
                        weight = np.float32(above - below)
                        below = above
                        if pixel < 0 or pixel >= width or weight == 0.0:
                            continue
                        for y in range(ny):
                            total[y] += weight * shadows[block, angle, pixel, y]
                for y in range(ny):
                    out[block, zi, xi, y] = total[y]


@dataclass(frozen=True)
class RowBlocks:
    """A volume cut along y for the kernels: ``data`` (block, z, x, y), the last block padded with zeros."""

    data: Floats
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Slabs:
    """A specimen cut by height: centre of the lowest slab and distance between slabs, both in voxels."""

    first_height: float
    spacing: float
    count: int


ONE_SLAB = Slabs(0.0, 1.0, 1)


def cut_rows(volume: Floats) -> RowBlocks:
    """Cut a volume (z, y, x) in memory into blocks of rows."""
    blocks = _empty_blocks(volume.shape[0], volume.shape[1], volume.shape[2])
    _fill_blocks(blocks, 0, volume)
    return RowBlocks(blocks, (volume.shape[0], volume.shape[1], volume.shape[2]))


def read_rows(reader: VolumeReader) -> RowBlocks:
    """Cut a volume in a file into blocks of rows, a few slices at a time."""
    nz, ny, nx = reader.header.shape
    blocks = _empty_blocks(nz, ny, nx)
    slices = max(1, _READ_BYTES // (ny * nx * 4))
    for start in range(0, nz, slices):
        _fill_blocks(blocks, start, reader.read(start, min(nz, start + slices)))
    return RowBlocks(blocks, (nz, ny, nx))


def rows_per_block(ny: int) -> int:
    """Return the height of equal blocks, a multiple of eight (one vector register of float32).

    There is at least one block for each thread; rows do not depend on each other, nor on how they are cut.
    """
    n_blocks = max(-(-ny // _BLOCK_ROWS), numba.get_num_threads())
    return (-(-ny // n_blocks) + 7) // 8 * 8


def _empty_blocks(depth: int, ny: int, nx: int) -> Floats:
    rows = rows_per_block(ny)
    blocks = np.empty((-(-ny // rows), depth, nx, rows), np.float32)
    blocks[-1, :, :, ny - (len(blocks) - 1) * rows :] = 0
    return blocks


def _fill_blocks(blocks: Floats, start: int, slices: NDArray[np.generic]) -> None:
    rows, ny = blocks.shape[3], slices.shape[1]
    for block, first in zip(blocks, range(0, ny, rows), strict=True):
        part = slices[:, first : first + rows]
        block[start : start + len(slices), :, : part.shape[1]] = part.swapaxes(1, 2)


def _join_rows(blocks: Floats, ny: int) -> Floats:
    """Turn (block, ..., x, y) into (..., y, x)."""
    joined = np.moveaxis(blocks, 0, -3)  # (..., block, x, y)
    joined = np.swapaxes(joined, -1, -2)  # (..., block, y, x)
    return np.ascontiguousarray(joined.reshape(*joined.shape[:-3], -1, joined.shape[-1])[..., :ny, :])


def project(
    specimen: RowBlocks,
    angles_deg: Sequence[float] | Doubles,
    *,
    width: int | None = None,
    mirror: bool = False,
    slabs: Slabs = ONE_SLAB,
) -> Floats:
    """Project a volume.

    Parameters
    ----------
    specimen
        Volume in blocks.
    angles_deg
        Tilt angles, degrees.
    width
        Detector pixels along x; as many as the volume has voxels where not given. Both are centred.
    mirror
        Continue the volume beyond its faces in x by mirroring, as far as the detector sees. Without it
        there is nothing beside the volume. Needs angles between -90 and 90 degrees.
    slabs
        Cut the volume by height (towards the source, as tilted); each voxel is shared by the two nearest
        slabs in proportion.

    Returns
    -------
    Array of shape (angle, slab, y, x'): sums along rays in units of the voxel edge.
    """
    radians = np.deg2rad(np.asarray(angles_deg, np.float64))
    blocks = specimen.data
    width = blocks.shape[2] if width is None else width
    out = np.zeros((blocks.shape[0], radians.size, slabs.count, width, blocks.shape[3]), np.float32)
    _project(blocks, np.cos(radians), np.sin(radians), mirror, slabs.first_height, slabs.spacing, out)
    return _join_rows(out, specimen.shape[1])


def back_project(
    images: Floats, angles_deg: Sequence[float] | Doubles, depth: int, width: int | None = None
) -> Floats:
    """Sum images along their rays into a volume: the adjoint of `project` without mirroring.

    Parameters
    ----------
    images
        Array (angle, y, x').
    angles_deg
        Tilt angles, degrees.
    depth, width
        Voxels of the volume along z and x; width as the images where not given.

    Returns
    -------
    Volume (z, y, x).
    """
    volume = np.empty((depth, images.shape[1], width or images.shape[2]), np.float32)
    for start, rows in back_project_rows(cut_rows(images), angles_deg, depth, width):
        volume[:, start : start + rows.shape[1]] = rows
    return volume


def load_kernels() -> None:
    """Compile the kernels, or load them where they are compiled, so that later timings are their own."""
    nothing = cut_rows(np.zeros((1, 1, 1), np.float32))
    back_project(project(nothing, [0.0])[:, 0], [0.0], 1)


def back_project_rows(
    images: RowBlocks,
    angles_deg: Sequence[float] | Doubles,
    depth: int,
    width: int | None = None,
) -> Iterator[tuple[int, Floats]]:
    """Back-project a few rows at a time; yield the first row and the rows, (z, y, x). See `back_project`."""
    radians = np.deg2rad(np.asarray(angles_deg, np.float64))
    n_blocks, _, nx, rows = images.data.shape
    ny = images.shape[1]
    together = numba.get_num_threads()
    for first in range(0, n_blocks, together):
        shadows = images.data[first : first + together]
        out = np.empty((len(shadows), depth, width or nx, rows), np.float32)
        _back_project(shadows, np.cos(radians), np.sin(radians), out)
        for offset, block in enumerate(out):
            start = (first + offset) * rows
            yield start, block.swapaxes(1, 2)[:, : min(rows, ny - start)]
