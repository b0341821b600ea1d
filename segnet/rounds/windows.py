"""Candidate windows of a tomogram, and sums over all of them from one integral image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class WindowGrid:
    """Windows of one size on the grid of cubes of a tomogram.

    ``starts`` (window, 3) and ``size`` (3) are voxels (z, y, x); the same in cubes decides the sums.
    """

    starts: NDArray[np.int64]
    size: tuple[int, int, int]
    cube_starts: NDArray[np.int64]
    cube_stops: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)


def window_grid(
    shape: tuple[int, int, int], size: tuple[int, int, int], binning: int, stride_fraction: float
) -> WindowGrid:
    """Lay windows over a tomogram, the last ones flush with its far ends.

    Parameters
    ----------
    shape
        Shape (z, y, x) of the tomogram in voxels.
    size
        Wanted size of a window; one that is larger than the tomogram becomes as large.
    binning
        Voxels per side of a cube.
    stride_fraction
        Step as a fraction of the size; at least one cube.
    """
    fitted = [min(length, wanted) for length, wanted in zip(shape, size, strict=True)]
    axes = [
        _axis_starts(length, wanted, binning, stride_fraction)
        for length, wanted in zip(shape, fitted, strict=True)
    ]
    starts = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    cube_starts = starts // binning
    cube_stops = -(-(starts + fitted) // binning)
    return WindowGrid(starts, (fitted[0], fitted[1], fitted[2]), cube_starts, cube_stops)


def box_grid(start: tuple[int, int, int], size: tuple[int, int, int], binning: int) -> WindowGrid:
    """Return the grid of one window."""
    low = np.array([start], dtype=np.int64)
    high = low + np.array(size, dtype=np.int64)
    return WindowGrid(low, size, low // binning, -(-high // binning))


def _axis_starts(length: int, size: int, binning: int, stride_fraction: float) -> NDArray[np.int64]:
    step = max(binning, round(size * stride_fraction / binning) * binning)
    regular = np.arange(0, length - size + 1, step)
    return np.unique(np.append(regular, length - size))


def window_sums(cubes: NDArray[Any], grid: WindowGrid) -> NDArray[np.float64]:
    """Sum a map (..., z, y, x) over every window; returns (..., window)."""
    lead = cubes.shape[:-3]
    flat = cubes.reshape(-1, *cubes.shape[-3:])
    return np.stack([_sum_one(one, grid) for one in flat]).reshape(*lead, len(grid))


def _sum_one(cubes: NDArray[Any], grid: WindowGrid) -> NDArray[np.float64]:
    integral = np.zeros(np.add(cubes.shape, 1))
    integral[1:, 1:, 1:] = cubes.cumsum(0, dtype=np.float64).cumsum(1).cumsum(2)
    total = np.zeros(len(grid))
    for corner in np.ndindex(2, 2, 2):
        z, y, x = np.where(np.array(corner) == 1, grid.cube_stops, grid.cube_starts).T
        total += (-1.0) ** (3 - sum(corner)) * integral[z, y, x]
    return total


def overlap_fractions(
    grid: WindowGrid, start: tuple[int, int, int], size: tuple[int, int, int]
) -> NDArray[np.float64]:
    """Return which part of each window lies in a box; 1 where the box is inside the window or the reverse."""
    low = np.maximum(grid.starts, start)
    high = np.minimum(grid.starts + grid.size, np.add(start, size))
    shared = np.clip(high - low, 0, None).prod(axis=1)
    return shared / min(np.prod(grid.size), np.prod(size))
