"""Own kernels against scipy's filters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import savgol_filter

from segnet.quantify.filaments import local_fits
from segnet.quantify.smoothing import smoothed


@pytest.mark.parametrize(("shape", "sigma", "truncate"), [((20, 18, 31), 1.5, 3.0), ((3, 2, 5), 0.8, 4.0)])
def test_a_smoothed_box_is_that_of_scipy(shape, sigma, truncate):
    block = (np.random.default_rng(0).random(shape) < 0.05).astype(np.float32)
    block[0, 0, -1] = 1
    inner = tuple(slice(n // 6, n - n // 6) for n in shape)
    expected = gaussian_filter(block, sigma, mode="nearest", truncate=truncate)[inner]
    np.testing.assert_allclose(smoothed(block, sigma, inner, truncate), expected, atol=1e-7)


@pytest.mark.parametrize(("window", "order", "derivative"), [(13, 2, 0), (13, 3, 1), (5, 2, 2), (57, 3, 1)])
def test_local_fits_are_those_of_savitzky_and_golay(window, order, derivative):
    path = np.random.default_rng(0).normal(size=(57, 3)).cumsum(axis=0)
    expected = savgol_filter(path, window, order, deriv=derivative, axis=0, mode="interp")
    np.testing.assert_allclose(local_fits(path, window, order, derivative), expected, atol=1e-10)


def test_an_empty_box_gives_an_empty_block():
    block = np.ones((4, 5, 6), np.float32)
    assert smoothed(block, 1.0, (slice(0, 4), slice(3, 2), slice(0, 6))).shape == (4, 0, 6)
