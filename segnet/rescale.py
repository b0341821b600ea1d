"""Change of pixel size, one axis at a time, without aliasing; labels by nearest neighbour.

Both grids share their centre, (N-1)/2 on every axis, and keep exact pixel sizes: the new length is the
old one divided by the ratio of pixel sizes and rounded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


def rescaled_length(length: int, ratio: float) -> int:
    """Return the number of samples after ``ratio`` = new pixel size / old pixel size; at least 1."""
    return max(1, round(length / ratio))


def positions_in_old_grid(length: int, ratio: float) -> NDArray[np.float64]:
    """Return the coordinate in the old grid of each sample of the new one, shape (new length,)."""
    new_length = rescaled_length(length, ratio)
    centred = np.arange(new_length, dtype=np.float64) - (new_length - 1) / 2
    return centred * ratio + (length - 1) / 2


def resampling_matrix(length: int, ratio: float) -> sparse.csr_array:
    """Return the matrix (new length, length), float32, that resamples one axis.

    Keys' cubic convolution kernel (a = -0.5; IEEE Trans. ASSP 29, 1153, 1981), widened by ``ratio`` where
    the new pixels are larger, so that it also removes what they cannot hold. Samples beyond an edge count
    as the edge sample; each row sums to 1.
    """
    centres = positions_in_old_grid(length, ratio)
    width = max(ratio, 1.0)
    taps = np.arange(int(np.ceil(4 * width)) + 1)
    columns = np.floor(centres - 2 * width).astype(int)[:, None] + taps
    weights = _keys_cubic((columns - centres[:, None]) / width)
    weights /= weights.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(len(centres)), len(taps))
    entries = (weights.astype(np.float32).ravel(), (rows, np.clip(columns, 0, length - 1).ravel()))
    return sparse.csr_array(sparse.coo_array(entries, shape=(len(centres), length)))


def _keys_cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def nearest_indices(length: int, ratio: float, new_length: int | None = None) -> NDArray[np.intp]:
    """Return for each sample of the new grid the nearest one of the old grid.

    ``new_length`` is given on the way back, where rounding would not find the length that there was.
    """
    count = rescaled_length(length, ratio) if new_length is None else new_length
    positions = (np.arange(count) - (count - 1) / 2) * ratio + (length - 1) / 2
    return np.clip(np.floor(positions + 0.5), 0, length - 1).astype(np.intp)


def rescale_labels(
    labels: NDArray[Any], ratio: float, new_shape: tuple[int, ...] | None = None
) -> NDArray[Any]:
    """Return labels (z, y, x) on a grid whose pixels are ``ratio`` times as large, by nearest neighbour."""
    shape = new_shape or tuple(rescaled_length(length, ratio) for length in labels.shape)
    indices = [nearest_indices(length, ratio, new) for length, new in zip(labels.shape, shape, strict=True)]
    return labels[np.ix_(*indices)]


class PlaneRescaler:
    """Resamples images (y, x) of one shape; the matrices are made once."""

    def __init__(self, shape: tuple[int, int], ratio: float) -> None:
        self._rows = resampling_matrix(shape[0], ratio)
        self._columns = resampling_matrix(shape[1], ratio)

    def __call__(self, image: NDArray[Any]) -> NDArray[np.float32]:
        tall = self._rows @ image.astype(np.float32, copy=False)
        return np.ascontiguousarray((self._columns @ tall.T).T)
