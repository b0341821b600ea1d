"""Bring raw images into register: rotate and shift by cubic interpolation, bin by Fourier cropping."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from scipy.fft import irfft2, rfft2

from cts.projection import Doubles, Floats

_FADE = 24.0  # pixels over which an image fades into its mean beyond its edges: no step for the ramp filter
_MARGIN = 16  # pixels of mirrored image on each side, which take the seam of the periodic transform


@njit(cache=True, inline="always")
def _cubic(t: float) -> tuple[float, float, float, float]:
    """Weights of four neighbours at a fraction t past the second (Keys 1981, a = -1/2)."""
    return (
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )


@njit(cache=True)
def _sample(image: Floats, inverse: Doubles, shift: Doubles, mean: float, out: Floats) -> None:
    ny, nx = image.shape
    height, width = out.shape
    for row in range(height):
        y = row - 0.5 * (height - 1) - shift[1]
        for column in range(width):
            x = column - 0.5 * (width - 1) - shift[0]
            u = inverse[0, 0] * x + inverse[0, 1] * y + 0.5 * (nx - 1)
            v = inverse[1, 0] * x + inverse[1, 1] * y + 0.5 * (ny - 1)
            left, low = math.floor(u), math.floor(v)
            across, up = _cubic(u - left), _cubic(v - low)
            total = 0.0
            for i in range(4):
                line = min(max(low - 1 + i, 0), ny - 1)
                part = 0.0
                for j in range(4):
                    part += across[j] * image[line, min(max(left - 1 + j, 0), nx - 1)]
                total += up[i] * part
            outside = max(max(-u, u - (nx - 1)), max(-v, v - (ny - 1)))
            share = min(max(outside / _FADE, 0.0), 1.0)
            out[row, column] = (1.0 - share) * total + share * mean


def align_image(image: Floats, matrix: Doubles, shift_px: Doubles) -> Floats:
    """Return the aligned image: x_aligned = matrix (x_raw - centre) + shift, centre to centre.

    Beyond the raw image's edges its edge pixels fade into its mean. Where the matrix turns by more than
    45 degrees the result is as wide as the raw image is high.
    """
    if np.array_equal(matrix, np.eye(2)) and not np.any(shift_px):
        return image
    out = np.empty(aligned_shape((image.shape[0], image.shape[1]), matrix), np.float32)
    mean = float(image.mean(dtype=np.float64))
    _sample(image, np.linalg.inv(matrix), np.asarray(shift_px, np.float64), mean, out)
    return out


def aligned_shape(shape: tuple[int, int], matrix: Doubles) -> tuple[int, int]:
    """Return rows and columns of an aligned image: swapped where it is turned by more than 45 degrees."""
    turned = abs(matrix[1, 0]) > abs(matrix[0, 0])
    return (shape[1], shape[0]) if turned else shape


def binned_length(length: int, factor: float) -> int:
    """Return how many whole binned pixels fit into a length."""
    return max(1, int(length / factor + 1e-6))


def bin_image(image: Floats, factor: float) -> Floats:
    """Bin an image by cropping its Fourier transform; the factor need not be whole.

    The result has the same centre and mean. Rows and columns are first mirrored out to lengths that the
    factor divides.
    """
    if factor == 1:
        return image
    lengths = [_divisible_length(n, factor) for n in image.shape]
    margins = [(_MARGIN, m - n - _MARGIN) for n, m in zip(image.shape, lengths, strict=True)]
    padded = np.pad(image, margins, mode="symmetric")
    spectrum = rfft2(padded)
    kept = [round(n / factor) for n in lengths]
    rows = np.fft.fftfreq(kept[0], 1 / kept[0]).astype(int)
    cropped = spectrum[rows][:, : kept[1] // 2 + 1]
    # Sample at the centres of the binned pixels: shift by where the first of them lies in the image.
    first = [_MARGIN + 0.5 * ((n - 1) - (binned_length(n, factor) - 1) * factor) for n in image.shape]
    phase = np.exp(2j * np.pi * rows * first[0] / lengths[0])[:, None] * np.exp(
        2j * np.pi * np.arange(cropped.shape[1]) * first[1] / lengths[1]
    )
    scale = np.float32(kept[0] * kept[1] / (lengths[0] * lengths[1]))
    binned = irfft2(cropped * phase.astype(np.complex64) * scale, s=tuple(kept))
    height, width = (binned_length(n, factor) for n in image.shape)
    return np.ascontiguousarray(binned[:height, :width])


def _divisible_length(length: int, factor: float) -> int:
    """Return a length, at least this and a margin, of which the factor makes a whole number, nearly."""
    least = length + 2 * _MARGIN
    candidates = range(least, least + max(64, math.ceil(8 * factor)))
    return min(candidates, key=lambda n: (round(abs(n / factor - round(n / factor)) / n, 7), n))
