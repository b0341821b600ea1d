"""Sampling a rotated cubic spline on a voxel grid: the inner loop of every placement."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Stamp:
    """A structure on the voxel grid of a model.

    Attributes
    ----------
    potential_volt
        Potential in vacuum, float32, shape (submodel, z, y, x), V.
    occupancy
        Fraction of each voxel that is excluded from the solvent, float32, same shape, not negative.
    corner
        Index (z, y, x) of the first voxel relative to the voxel in which the structure's origin lies.
    """

    potential_volt: NDArray[np.float32]
    occupancy: NDArray[np.float32]
    corner: tuple[int, int, int]


def sample_box(
    grid_shape: tuple[int, ...],
    samples_per_voxel: int,
    rotation: NDArray[np.float64],
    subvoxel_zyx: NDArray[np.float64],
    radius_voxels: float,
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return the corner and size (z, y, x) of the voxels that a rotated grid reaches within a radius."""
    # a cubic spline needs one more sample on either side
    half_zyx = ((np.array(grid_shape) - 1) / 2 - 1) / samples_per_voxel
    reach = np.minimum((np.abs(rotation) @ half_zyx[::-1])[::-1], radius_voxels)
    low = np.ceil(subvoxel_zyx - reach).astype(int).tolist()
    high = np.floor(subvoxel_zyx + reach).astype(int).tolist()
    z, y, x = (last - first + 1 for first, last in zip(low, high, strict=True))
    return (low[0], low[1], low[2]), (z, y, x)


@numba.njit(cache=True, fastmath=True, inline="always")
def _clip(start: float, step: float, low: float, high: float, first: int, last: int) -> tuple[int, int]:
    """Narrow the integers first..last-1 to those i with low <= start + step * i <= high."""
    if abs(step) < 1e-12:
        if start < low or start > high:
            return first, first
        return first, last
    a = (low - start) / step
    b = (high - start) / step
    if a > b:
        a, b = b, a
    return max(first, math.ceil(a)), min(last, math.floor(b) + 1)


@numba.njit(cache=True, fastmath=True, inline="always")
def _weights(fraction: float) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Return the four cubic B-spline weights at a fraction of the sampling."""
    t = np.float32(fraction)
    s = np.float32(1) - t
    first = s * s * s * np.float32(1 / 6)
    last = t * t * t * np.float32(1 / 6)
    second = np.float32(2 / 3) - np.float32(0.5) * t * t * (np.float32(2) - t)
    return first, second, np.float32(1) - first - second - last, last


@numba.njit(cache=True, fastmath=True, inline="always")
def _evaluate(
    flat: NDArray[np.float32],
    row: int,
    plane: int,
    position: tuple[float, float, float],
    along_x: NDArray[np.float32],
) -> tuple[np.float32, np.float32]:
    """Return potential and excluded volume at a position in samples along x, y, z.

    ``along_x`` (2, 8) is room for the weights of the eight neighbours in memory: four samples, each a
    potential (first row; zero in the other) and an excluded volume (second row).
    """
    i, j, k = int(position[0]), int(position[1]), int(position[2])
    wx, wy, wz = _weights(position[0] - i), _weights(position[1] - j), _weights(position[2] - k)
    for sample in range(4):
        along_x[0, 2 * sample] = wx[sample]
        along_x[1, 2 * sample + 1] = wx[sample]
    # unsigned: numba would test every signed index for being negative
    base = np.uintp((k - 1) * plane + (j - 1) * row + 2 * (i - 1))
    potential = occupancy = np.float32(0)
    # the inner loops are unrolled and the outer one, without branches or stores, becomes one vector of eight
    for neighbour in range(8):
        line = np.float32(0)
        for c in range(4):
            for b in range(4):
                line += wz[c] * wy[b] * flat[base + np.uintp(c * plane + b * row + neighbour)]
        potential += along_x[0, neighbour] * line
        occupancy += along_x[1, neighbour] * line
    return potential, occupancy


@numba.njit(cache=True, fastmath=True)
def sample_spline(
    coefficients: NDArray[np.float32],
    samples_per_voxel: int,
    rotation: NDArray[np.float64],
    first_zyx: NDArray[np.float64],
    values: NDArray[np.float32],
) -> None:
    """Sample a rotated spline on voxels, in place.

    Parameters
    ----------
    coefficients
        Shape (submodel, z, y, x, 2): potential and excluded volume.
    samples_per_voxel
        Samples of the spline per voxel.
    rotation
        Takes the reference onto the particle, xyz columns.
    first_zyx
        Centre of the first voxel relative to the structure's origin, voxels.
    values
        Output, zero where the spline does not reach, shape (2, submodel, z, y, x). The excluded volume is cut
        at zero from below.
    """
    parts, nz, ny, nx, _ = coefficients.shape
    row = 2 * nx
    plane = row * ny
    # reference = rotationᵀ · position, here in samples
    turn = samples_per_voxel * rotation
    middle = ((nx - 1) / 2, (ny - 1) / 2, (nz - 1) / 2)
    along_x = np.zeros((2, 8), np.float32)
    for part in range(parts):
        flat = coefficients[part].ravel()
        for z in range(values.shape[2]):
            pz = first_zyx[0] + z
            for y in range(values.shape[3]):
                py = first_zyx[1] + y
                px = first_zyx[2]
                u = turn[0, 0] * px + turn[1, 0] * py + turn[2, 0] * pz + middle[0]
                v = turn[0, 1] * px + turn[1, 1] * py + turn[2, 1] * pz + middle[1]
                w = turn[0, 2] * px + turn[1, 2] * py + turn[2, 2] * pz + middle[2]
                begin, end = _clip(u, turn[0, 0], 1.0, nx - 2.001, 0, values.shape[4])
                begin, end = _clip(v, turn[0, 1], 1.0, ny - 2.001, begin, end)
                begin, end = _clip(w, turn[0, 2], 1.0, nz - 2.001, begin, end)
                for x in range(begin, end):
                    position = (u + turn[0, 0] * x, v + turn[0, 1] * x, w + turn[0, 2] * x)
                    potential, occupancy = _evaluate(flat, row, plane, position, along_x)
                    values[0, part, z, y, x] = potential
                    values[1, part, z, y, x] = occupancy
