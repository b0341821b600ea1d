"""Gaussian smoothing of a box out of a sparse block: empty rows are passed over, the halo is not smoothed."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray


def smoothed(
    block: NDArray[np.float32], sigma: float, inner: tuple[slice, ...], truncate: float = 4.0
) -> NDArray[np.float32]:
    """Return ``scipy.ndimage.gaussian_filter(block, sigma, mode="nearest", truncate=truncate)[inner]``.

    Parameters
    ----------
    block
        (z, y, x), not negative.
    sigma
        In voxels.
    inner
        Box that is wanted, with start and stop.
    truncate
        Where the Gaussian ends, in sigma.
    """
    reach = int(truncate * sigma + 0.5)
    weights = np.exp(-0.5 / sigma**2 * np.arange(reach + 1) ** 2)
    weights /= weights[0] + 2 * weights[1:].sum()
    low, high = (np.array([getattr(part, end) for part in inner]) for end in ("start", "stop"))
    high = np.maximum(low, high)  # an empty box is an empty slice, as in numpy
    result: NDArray[np.float32] = _smoothed(np.ascontiguousarray(block), weights, low, high)
    return result


@numba.njit(cache=True, nogil=True)
def _smoothed(block: Any, weights: Any, low: Any, high: Any) -> Any:
    along_z = _along_rows(block, weights, low[0], high[0])
    # the second pass runs over the same rows with y and z exchanged
    along_y = _along_rows(along_z.transpose(1, 0, 2), weights, low[1], high[1])
    out = np.empty((high[0] - low[0], high[1] - low[1], high[2] - low[2]), np.float32)
    nx, reach = block.shape[2], weights.size - 1
    line = np.empty(nx + 2 * reach)
    total = np.empty(high[2] - low[2])
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            row = along_y[y, z]
            if not row.any():
                out[z, y] = 0
                continue
            line[:reach], line[reach : reach + nx], line[reach + nx :] = row[0], row, row[nx - 1]
            first = reach + low[2]
            for x in range(total.size):
                total[x] = line[first + x] * weights[0]
            for k in range(reach, 0, -1):
                for x in range(total.size):
                    total[x] += (line[first + x - k] + line[first + x + k]) * weights[k]
            for x in range(total.size):
                out[z, y, x] = total[x]
    return out


@numba.njit(cache=True, nogil=True)
def _along_rows(block: Any, weights: Any, low: int, high: int) -> Any:
    """Smooth along the first axis, all x of a row at once."""
    n, rows, nx = block.shape
    out = np.zeros((high - low, rows, nx), np.float32)
    filled = np.zeros((n, rows), np.bool_)
    for i in range(n):
        for j in range(rows):
            filled[i, j] = block[i, j].any()
    total = np.empty(nx)
    for i in range(low, high):
        for j in range(rows):
            total[:] = 0
            empty = not filled[i, j]
            if not empty:
                for x in range(nx):
                    total[x] = block[i, j, x] * weights[0]
            for k in range(weights.size - 1, 0, -1):
                a, b = max(i - k, 0), min(i + k, n - 1)
                if filled[a, j] or filled[b, j]:
                    empty = False
                    for x in range(nx):
                        total[x] += (np.float64(block[a, j, x]) + np.float64(block[b, j, x])) * weights[k]
            if not empty:
                for x in range(nx):
                    out[i - low, j, x] = total[x]
    return out
