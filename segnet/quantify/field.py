"""A smooth field from filament labels: one at the centre line of a solid filament, falling towards its wall.

The field is worked out in bricks that hold labels, on a grid no finer than needed; the arrays between are
never touched, so that neither time nor memory grows with empty volume.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from segnet.config.quantification import FilamentConfig
from segnet.quantify.objects import Runs
from segnet.quantify.smoothing import smoothed

_BRICK = 48
_GRID_POINTS_PER_RADIUS = 4.0
_SMOOTHING = 0.45  # sigma of the field, in filament radii: touching neighbours stay two ridges
_WALL_SMOOTHING = 0.15  # sigma that closes the pores of a wall, in radii
_WALL_LEVEL = 0.12
_LARGEST_FACTOR = 6  # 6³ voxels still fit a byte
_LUMEN_DIRECTIONS = 10  # of 13 lines through a voxel, how many must meet wall on both sides
_LUMEN_SLACK = 1.5  # oblique lines through a tube are longer than its inner diameter
FULL = 255  # the field is stored as a share of 255


@dataclass(frozen=True)
class Field:
    """Field on a grid of ``factor`` voxels a step.

    Attributes
    ----------
    values
        (z, y, x) uint8, 255 deep inside.
    factor
        Voxels a grid step; the centre of grid point i is at voxel ``(i + 0.5) * factor - 0.5``.
    radius
        Filament radius in grid steps.
    bricks
        Corners of the bricks that hold labels (n, 3).
    """

    values: NDArray[np.uint8]
    factor: int
    radius: float
    bricks: NDArray[np.int64]

    def to_voxels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert grid coordinates to voxel coordinates."""
        return (points + 0.5) * self.factor - 0.5


def filament_field(runs: Runs, config: FilamentConfig, voxel_nm: float) -> Field:
    """Turn the runs of a filament's classes into a field.

    Parameters
    ----------
    runs
        Runs of the filament's classes only.
    config
        Outer and inner diameter.
    voxel_nm
        Voxel size, nm.
    """
    radius_voxels = config.diameter_nm / 2 / voxel_nm
    factor = min(max(1, int(radius_voxels / _GRID_POINTS_PER_RADIUS)), _LARGEST_FACTOR)
    counts = coarse_counts(runs, factor)
    radius = radius_voxels / factor
    sigma = _SMOOTHING * radius
    lumen = config.lumen_diameter_nm / voxel_nm / factor
    halo = int(np.ceil(3 * sigma + (lumen * _LUMEN_SLACK if lumen > 2 else 0))) + 1
    corners = _labelled_bricks(runs, factor, int(np.ceil(3 * sigma)) + 1, counts.shape)
    values = np.zeros(counts.shape, np.uint8)
    full = np.float32(factor**3)
    for corner in corners:
        block, inner = _with_halo(counts, corner, halo)
        share = block.astype(np.float32) / full
        if lumen > 2:
            everywhere = tuple(slice(0, n) for n in share.shape)
            wall = smoothed(share, _WALL_SMOOTHING * radius, everywhere) >= _WALL_LEVEL
            share = (wall | _lumen(wall, int(np.ceil(lumen * _LUMEN_SLACK)))).astype(np.float32)
        smooth = smoothed(share, sigma, inner, truncate=3.0)
        target = tuple(slice(c, c + n) for c, n in zip(corner, smooth.shape, strict=True))
        values[target] = np.rint(smooth * FULL)
    return Field(values, factor, radius, corners)


def coarse_counts(runs: Runs, factor: int) -> NDArray[np.uint8]:
    """Count labelled voxels in cubes of ``factor`` voxels (at most 6, so that a count fits a byte)."""
    shape = tuple(-(-n // factor) for n in runs.shape)
    counts = np.zeros(shape, np.uint8)
    _add_runs(counts, runs.rows, runs.start, runs.stop, runs.shape[1], factor)
    return counts


@numba.njit(cache=True, nogil=True)
def _add_runs(counts: Any, rows: Any, start: Any, stop: Any, ny: int, factor: int) -> None:
    for i in range(rows.size):
        z, y = (rows[i] // ny) // factor, (rows[i] % ny) // factor
        for x in range(start[i], stop[i]):
            counts[z, y, x // factor] += 1


def _labelled_bricks(runs: Runs, factor: int, reach: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return corners of the bricks within ``reach`` grid steps of a label."""
    flags = np.zeros(tuple(-(-n // _BRICK) for n in shape), bool)
    _flag_bricks(flags, runs.rows, runs.start, runs.stop, runs.shape[1], factor, reach, _BRICK)
    return np.argwhere(flags) * _BRICK


@numba.njit(cache=True, nogil=True)
def _flag_bricks(
    flags: Any, rows: Any, start: Any, stop: Any, ny: int, factor: int, reach: int, brick: int
) -> None:
    bz, by, bx = flags.shape
    for i in range(rows.size):
        z, y = (rows[i] // ny) // factor, (rows[i] % ny) // factor
        x0, x1 = start[i] // factor, (stop[i] - 1) // factor
        for kz in range(max(z - reach, 0) // brick, min((z + reach) // brick, bz - 1) + 1):
            for ky in range(max(y - reach, 0) // brick, min((y + reach) // brick, by - 1) + 1):
                for kx in range(max(x0 - reach, 0) // brick, min((x1 + reach) // brick, bx - 1) + 1):
                    flags[kz, ky, kx] = True


def _with_halo(
    array: NDArray[Any], corner: NDArray[np.int64], halo: int
) -> tuple[NDArray[Any], tuple[slice, ...]]:
    """Return a brick with its halo, cut at the volume's faces, and where the brick lies in it."""
    low = np.maximum(corner - halo, 0)
    stop = np.minimum(corner + _BRICK, array.shape)
    high = np.minimum(stop + halo, array.shape)
    block = array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return block, tuple(slice(a, b) for a, b in zip(corner - low, stop - low, strict=True))


_LINES = np.array(
    [(dz, dy, dx) for dz in (-1, 0, 1) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dz, dy, dx) > (0, 0, 0)]
)


def _lumen(wall: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Return the voxels inside a tube: nearly every line through them meets wall on both sides.

    The end of the block, which is a face of the volume, counts as wall.
    """
    longest = np.floor((reach + 2) / np.sqrt((_LINES**2).sum(axis=1))).astype(np.int64)
    hits = np.zeros(wall.shape, np.uint8)
    ahead, back = np.empty(wall.shape, np.uint8), np.empty(wall.shape, np.uint8)
    for (dz, dy, dx), most in zip(_LINES, longest, strict=True):
        _steps_to_wall(wall, ahead, dz, dy, dx, reach)
        _steps_to_wall(wall, back, -dz, -dy, -dx, reach)
        _count_hits(hits, ahead, back, reach, most)
    return ~wall & (hits >= _LUMEN_DIRECTIONS)


@numba.njit(cache=True, nogil=True)
def _steps_to_wall(wall: Any, steps: Any, dz: int, dy: int, dx: int, reach: int) -> None:
    """Write the steps from each voxel to the wall along a line; ``reach`` + 1 where it is farther."""
    nz, ny, nx = wall.shape
    far = np.uint8(reach + 1)
    for i in range(nz):
        z = nz - 1 - i if dz > 0 else i
        for j in range(ny):
            y = ny - 1 - j if dy > 0 else j
            row = steps[z, y]
            if not (0 <= z + dz < nz and 0 <= y + dy < ny):
                row[:] = 1
                continue
            next_wall, next_steps = wall[z + dz, y + dy], steps[z + dz, y + dy]
            if dx > 0:
                row[nx - 1] = 1
                for x in range(nx - 2, -1, -1):
                    row[x] = 1 if next_wall[x + 1] else next_steps[x + 1] + (next_steps[x + 1] < far)
            elif dx < 0:
                row[0] = 1
                for x in range(1, nx):
                    row[x] = 1 if next_wall[x - 1] else next_steps[x - 1] + (next_steps[x - 1] < far)
            else:
                for x in range(nx):
                    row[x] = 1 if next_wall[x] else next_steps[x] + (next_steps[x] < far)


@numba.njit(cache=True, nogil=True)
def _count_hits(hits: Any, ahead: Any, back: Any, reach: int, most: int) -> None:
    """Count a line where it meets wall on both sides, at most ``most`` steps apart."""
    hits_flat, ahead_flat, back_flat = hits.ravel(), ahead.ravel(), back.ravel()
    for i in range(hits_flat.size):
        a, b = ahead_flat[i], back_flat[i]
        hits_flat[i] += a <= reach and b <= reach and a + b <= most


def ridge_points(field: Field, minimum: int) -> NDArray[np.int64]:
    """Return grid points on ridges (n, 3), highest first: few of their 26 neighbours are higher."""
    found: list[NDArray[np.int64]] = []
    for block, offset in _bricks_with_rim(field):
        found.append(_ridge_points(block, minimum) + offset)
    points = np.concatenate(found) if found else np.zeros((0, 3), np.int64)
    height = field.values[tuple(points.T)]
    return points[np.argsort(FULL - height.astype(np.int16), kind="stable")]


def _bricks_with_rim(field: Field) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    for corner in field.bricks:
        low = corner - 1
        high = np.minimum(corner + _BRICK, field.values.shape) + 1
        inner_low, inner_high = np.maximum(low, 0), np.minimum(high, field.values.shape)
        block = field.values[tuple(slice(a, b) for a, b in zip(inner_low, inner_high, strict=True))]
        pad = [(a - b, c - d) for a, b, c, d in zip(inner_low, low, high, inner_high, strict=True)]
        yield np.pad(block, pad), low


@numba.njit(cache=True, nogil=True)
def _ridge_points(block: Any, minimum: int) -> Any:
    nz, ny, nx = block.shape
    points = np.empty((block.size, 3), np.int64)
    n = 0
    for z in range(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                value = block[z, y, x]
                if value < minimum:
                    continue
                higher = 0
                for dz in range(-1, 2):
                    for dy in range(-1, 2):
                        for dx in range(-1, 2):
                            higher += block[z + dz, y + dy, x + dx] > value
                if higher <= 4:
                    points[n] = z, y, x
                    n += 1
    return points[:n]
