"""What the camera makes of an image: efficiency, counting statistics, noise transfer."""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft2, rfft2

from cts.config.imaging import Curve, DetectorConfig
from cts.optics import frequencies_per_angstrom
from cts.projection import Doubles, Floats


def curve_at(curve: Curve, fraction_of_nyquist: Doubles) -> Doubles:
    """Return a tabulated curve at frequencies given as fractions of the camera's Nyquist frequency."""
    frequencies, values = zip(*curve, strict=True)
    return np.interp(fraction_of_nyquist, frequencies, values)


def camera_frequencies(
    shape: tuple[int, int], pixel_size_angstrom: float, detector: DetectorConfig
) -> Doubles:
    """Return the frequencies of `scipy.fft.rfft2` as fractions of the camera's Nyquist frequency."""
    rows, columns = frequencies_per_angstrom(shape, pixel_size_angstrom)
    return np.hypot(rows[:, None], columns) * 2 * pixel_size_angstrom / detector.binning


def count_electrons(expected: Floats, rng: np.random.Generator) -> Floats:
    """Draw electron counts from expected ones; expectations below zero count as none.

    The weak-phase approximation gives negative intensities within very strong scatterers such as gold.
    """
    return rng.poisson(np.maximum(expected, 0)).astype(np.float32)


def split_electrons(counts: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Share electrons between two halves by chance; the halves are independent Poisson images."""
    even = rng.binomial(counts.astype(np.int64), 0.5).astype(np.float32)
    return even, counts - even


def transfer_noise(counts: Floats, detector: DetectorConfig) -> Floats:
    """Filter counts by the noise transfer function."""
    if all(value == 1 for _, value in detector.noise_transfer):
        return counts
    shape = (counts.shape[0], counts.shape[1])
    response = curve_at(detector.noise_transfer, camera_frequencies(shape, 1.0, detector))
    return irfft2(rfft2(counts) * response.astype(np.float32), s=shape)
