"""The camera and the electrons that reach it."""

from __future__ import annotations

import numpy as np
import pytest

from cts.config.imaging import DetectorConfig, SampleConfig, SimulationConfig
from cts.detector import camera_frequencies, count_electrons, curve_at, split_electrons, transfer_noise
from cts.imaging import Shot, Specimen, expected_electrons, recorded_contrast, view_specimen
from cts.projection import cut_rows
from cts.sample import mean_free_path_angstrom, path_angstrom, rough_surfaces, transmission
from cts.show import rotational_power_spectrum


def _shot(**changes):
    values = {
        "tilt_deg": 0.0,
        "true_tilt_deg": 0.0,
        "defocus_um": 3.0,
        "dose_e_per_angstrom2": 2.0,
        "prior_e_per_angstrom2": 0.0,
        "order": 0,
        "shift_angstrom": (0.0, 0.0),
    }
    return Shot(**(values | changes))


def test_mean_count_is_dose_times_area_times_transmission():
    config, shot = SimulationConfig(), _shot(true_tilt_deg=60.0)
    specimen = Specimen(cut_rows(np.zeros((20, 96, 96), np.float32)), 10.0)
    contrast = recorded_contrast(view_specimen(specimen, shot, config), shot, 10.0, config)
    counts = count_electrons(
        expected_electrons(contrast, shot, specimen, config, None), np.random.default_rng(1)
    )
    expected = 2.0 * 100 * np.exp(-200 / np.cos(np.pi / 3) / 3800)
    assert counts.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / counts.size))
    assert counts.var() == pytest.approx(expected, rel=0.06)


def test_noise_without_a_specimen_is_white():
    counts = count_electrons(np.full((32, 128, 128), 50.0, np.float32), np.random.default_rng(2))
    _, power = rotational_power_spectrum(counts, 10.0)
    assert power[4:].std() / power[4:].mean() < 0.1
    assert power[4:20].mean() == pytest.approx(power[-20:].mean(), rel=0.05)


def _signal_to_noise(detector, dose, rng):
    """Power of the signal over that of the noise, by frequency, of a white specimen."""
    config = SimulationConfig(detector=detector, dose={"radiation_damage": 0})
    shot = _shot(dose_e_per_angstrom2=dose)
    potential = rng.standard_normal((1, 256, 256)).astype(np.float32)
    specimen = Specimen(cut_rows(potential), 4.0)
    contrast = recorded_contrast(view_specimen(specimen, shot, config), shot, 4.0, config)
    expected = expected_electrons(contrast, shot, specimen, config, None)
    noise = count_electrons(expected, rng) - expected
    signal = rotational_power_spectrum(expected[None], 4.0)[1]
    return signal / rotational_power_spectrum(noise[None], 4.0)[1].mean()


def test_signal_to_noise_is_proportional_to_efficiency_and_to_dose():
    flat = DetectorConfig(dqe=((0.0, 1.0),), binning=1)
    falling = DetectorConfig(dqe=((0.0, 0.8), (1.0, 0.2)), binning=1)
    perfect = _signal_to_noise(flat, 20.0, np.random.default_rng(3))
    real = _signal_to_noise(falling, 20.0, np.random.default_rng(3))
    half = _signal_to_noise(flat, 10.0, np.random.default_rng(3))
    efficiency = np.interp(np.arange(1, 129) / 128, [0, 1], [0.8, 0.2])
    np.testing.assert_allclose((real / perfect)[8:], efficiency[8:], rtol=0.08)
    np.testing.assert_allclose((half / perfect)[8:], 0.5, rtol=0.08)


def test_binning_places_the_image_low_on_the_camera_curve():
    frequencies = camera_frequencies((8, 8), 10.0, DetectorConfig(binning=4))
    assert frequencies[0, -1] == pytest.approx(0.25)
    assert curve_at(((0.0, 0.84), (0.5, 0.62), (1.0, 0.3)), np.array([0.25]))[0] == pytest.approx(0.73)


def test_halves_add_up_and_are_independent():
    rng = np.random.default_rng(4)
    counts = count_electrons(np.full((200, 200), 30.0, np.float32), rng)
    even, odd = split_electrons(counts, rng)
    np.testing.assert_array_equal(even + odd, counts)
    assert even.var() == pytest.approx(15, rel=0.05)
    assert abs(np.corrcoef(even.ravel(), odd.ravel())[0, 1]) < 0.02


def test_noise_transfer_damps_noise_and_keeps_the_mean():
    counts = count_electrons(np.full((128, 128), 100.0, np.float32), np.random.default_rng(5))
    assert transfer_noise(counts, DetectorConfig()) is counts
    soft = transfer_noise(counts, DetectorConfig(noise_transfer=((0.0, 1.0), (1.0, 0.0)), binning=1))
    assert soft.mean() == pytest.approx(counts.mean(), rel=1e-5)
    assert soft.var() < 0.5 * counts.var()


def test_strong_scatterers_do_not_make_negative_counts():
    counts = count_electrons(np.array([[-5.0, 10.0]], np.float32), np.random.default_rng(6))
    assert counts[0, 0] == 0


def test_mean_free_paths():
    sample = SampleConfig()
    assert mean_free_path_angstrom(sample, 300) == 3800
    # Malis' formula by hand, β = 10 mrad, Em = 7.6 · 7.42^0.36 = 15.64 eV: F(200) = 0.6177, F(300) = 0.5135
    ratio = (0.6177 * 200 / np.log(20 * 200 / 15.64)) / (0.5135 * 300 / np.log(20 * 300 / 15.64))
    assert mean_free_path_angstrom(sample, 200) == pytest.approx(3800 * ratio, rel=1e-3)
    assert mean_free_path_angstrom(SampleConfig(mean_free_path_angstrom=2000), 100) == 2000


def test_loss_scale_and_path():
    path = path_angstrom((2, 3), 60.0, 500.0, 10.0, None)
    np.testing.assert_allclose(path, 1000, rtol=1e-6)
    np.testing.assert_allclose(transmission(path, SampleConfig(), 300), np.exp(-1000 / 3800), rtol=1e-6)
    np.testing.assert_array_equal(transmission(path, SampleConfig(inelastic_scale=0), 300), 1)


def test_rough_and_milled_surfaces_change_the_path():
    rng = np.random.default_rng(7)
    shape = (60, 80)
    assert rough_surfaces(shape, SampleConfig(), 10.0, rng) is None
    rough = rough_surfaces(
        shape, SampleConfig(roughness_angstrom=40, roughness_length_angstrom=100), 10.0, rng
    )
    path = path_angstrom(shape, 0.0, 500.0, 10.0, rough)
    np.testing.assert_allclose(path, 500 + rough.top_angstrom - rough.bottom_angstrom, rtol=1e-4)
    assert path.std() == pytest.approx(40 * np.sqrt(2), rel=0.3)
    milled = rough_surfaces(shape, SampleConfig(roughness_angstrom=40, milled=True), 10.0, rng)
    assert np.ptp(milled.top_angstrom, axis=0).max() == 0
    assert np.ptp(milled.top_angstrom, axis=1).min() > 0


def test_a_bump_on_the_top_moves_with_the_tilt():
    from cts.sample import Surfaces

    top = np.zeros((1, 201), np.float32)
    top[0, 100] = 100
    surfaces = Surfaces(top, np.zeros_like(top))
    path = path_angstrom((1, 201), 45.0, 400.0, 10.0, surfaces)[0]
    # x' = x cosθ + z sinθ with x = 0 and z = +20 voxels
    assert np.argmax(path) - 100 == pytest.approx(20 * np.sin(np.pi / 4), abs=1)
