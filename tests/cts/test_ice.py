"""Vitreous ice: mean, granularity, spectrum."""

from __future__ import annotations

import numpy as np
import pytest

from cts.config.specimen import IceConfig
from cts.ice import MOLECULES_PER_ANGSTROM3, vitreous_ice

MEAN = 4.6


def _ice(pixel, shape=(32, 48, 40), granularity=1.0):
    return vitreous_ice(
        IceConfig(mean_volt=MEAN, granularity=granularity), shape, pixel, np.random.default_rng(0)
    )


def test_ice_has_its_mean_and_without_granularity_nothing_else():
    assert _ice(10.0).mean(dtype=float) == pytest.approx(MEAN, abs=1e-4)
    np.testing.assert_allclose(_ice(10.0, granularity=0.0), MEAN, rtol=1e-6)


def test_fluctuations_are_those_of_a_network_not_of_a_gas():
    ice = _ice(10.0)
    gas = 1 / np.sqrt(MOLECULES_PER_ANGSTROM3 * 10.0**3)
    assert 0.15 * gas < ice.std() / MEAN < 0.35 * gas
    assert _ice(10.0, granularity=2.0).std() == pytest.approx(2 * ice.std(), rel=1e-4)


def test_fluctuations_average_out_over_larger_voxels():
    """Long waves are white: binning eight voxels divides the variance by eight."""
    fine = _ice(10.0, (64, 64, 64))
    binned = fine.reshape(32, 2, 32, 2, 32, 2).mean(axis=(1, 3, 5))
    assert binned.std() == pytest.approx(_ice(20.0, (32, 32, 32)).std(), rel=0.15)


def test_at_two_angstrom_the_network_shows_its_first_peak():
    ice = _ice(2.0, (64, 64, 64)) - MEAN
    power = np.abs(np.fft.rfftn(ice)) ** 2
    z, y, x = np.meshgrid(
        np.fft.fftfreq(64, 2.0), np.fft.fftfreq(64, 2.0), np.fft.rfftfreq(64, 2.0), indexing="ij"
    )
    wave = 2 * np.pi * np.sqrt(z * z + y * y + x * x)
    shells = {k: power[np.abs(wave - k) < 0.1].mean() for k in (0.5, 1.0, 1.7, 2.1)}
    assert shells[1.7] == max(shells.values())
    assert shells[0.5] < 0.1 * shells[1.7]
