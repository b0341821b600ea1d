"""Fourier transforms of points by gridding (a type-1 non-uniform fast Fourier transform).

Points are spread with the "exponential of semicircle" kernel on a grid; the transform of the grid divided by
the transform of the kernel is the transform of the points (Barnett, Magland & af Klinteberg 2019, SIAM J.
Sci. Comput. 41, C479). With four samples and frequencies up to 0.3 cycles per sample the error is below 1e-3.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

KERNEL_WIDTH = 4
_BETA = 2.3 * KERNEL_WIDTH


def kernel_transform(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the transform of the spreading kernel at frequencies in cycles per sample."""
    nodes, weights = np.polynomial.legendre.leggauss(48)
    values = np.exp(_BETA * (np.sqrt(1 - nodes**2) - 1)) * weights
    phases = np.pi * KERNEL_WIDTH * np.multiply.outer(frequencies, nodes)
    return KERNEL_WIDTH / 2 * (np.cos(phases) @ values)


@numba.njit(cache=True, fastmath=True)
def spread(grid: NDArray[np.float32], coordinates: NDArray[np.float64], weights: NDArray[np.float32]) -> None:
    """Add points to a grid in place.

    Parameters
    ----------
    grid
        Shape (channel, z, y, x). Points must keep two samples from its faces.
    coordinates
        Points in samples, shape (point, 3), columns x, y, z.
    weights
        Shape (point, channel).
    """
    kernel = np.empty((3, KERNEL_WIDTH), np.float32)
    first = np.empty(3, np.int64)
    for point in range(coordinates.shape[0]):
        for axis in range(3):
            start = math.ceil(coordinates[point, axis] - KERNEL_WIDTH / 2)
            first[axis] = start
            for tap in range(KERNEL_WIDTH):
                t = (start + tap - coordinates[point, axis]) / (KERNEL_WIDTH / 2)
                kernel[axis, tap] = math.exp(_BETA * (math.sqrt(max(0.0, 1 - t * t)) - 1))
        for channel in range(weights.shape[1]):
            for z in range(KERNEL_WIDTH):
                along_z = weights[point, channel] * kernel[2, z]
                for y in range(KERNEL_WIDTH):
                    along_y = along_z * kernel[1, y]
                    row = grid[channel, first[2] + z, first[1] + y]
                    for x in range(KERNEL_WIDTH):
                        row[first[0] + x] += along_y * kernel[0, x]
