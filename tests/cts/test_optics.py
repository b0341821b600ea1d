"""The transfer function against Warp's, analytic zeros, signs of contrast and of the defocus gradient."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cts.config.imaging import OpticsConfig
from cts.optics import (
    column_defocus_angstrom,
    ctf,
    defocus_levels_angstrom,
    electron_wavelength_angstrom,
    flip_phases,
    interaction_constant_rad_per_volt_angstrom,
    padded_length,
    strip_weights,
    transfer,
)
from tomoio import read_stack
from tomoio.config import parse_config

DATA = Path(os.environ.get("NEURALSEG_TEST_DATA", Path(__file__).parents[2] / "../shared/data"))
WARP = DATA / "ctf" / "warp_ctf_reference.mrc"


def test_wavelength_and_interaction_constant():
    # Table 5.1 of Kirkland, Advanced Computing in Electron Microscopy (2010)
    for voltage, wavelength, sigma in (
        (100, 0.03701, 0.924e-3),
        (200, 0.02508, 0.729e-3),
        (300, 0.01969, 0.653e-3),
    ):
        assert electron_wavelength_angstrom(voltage) == pytest.approx(wavelength, rel=1e-3)
        assert interaction_constant_rad_per_volt_angstrom(voltage) == pytest.approx(sigma, rel=1e-3)


@pytest.mark.skipif(not WARP.is_file(), reason="no Warp reference (shared/data/ctf)")
def test_transfer_functions_agree_with_warp():
    reference = read_stack(WARP, pixel_size_angstrom=1.1).data
    first = OpticsConfig(
        astigmatism_um=0.3,
        astigmatism_angle_deg=25,
        phase_shift_deg=0.4 * 180,
        amplitude_contrast=0.1,
        scale=0.9,
        b_factor_angstrom2=40,
    )
    second = OpticsConfig(voltage_kv=200, b_factor_angstrom2=40)
    assert np.abs(ctf((256, 256), 1.1, first, 1.5) - reference[0]).max() < 1e-3
    assert np.abs(ctf((256, 256), 1.5, second, 2.5) - reference[1]).max() < 1e-3


def test_zeros_without_spherical_aberration_are_where_theory_says():
    optics = OpticsConfig(spherical_aberration_mm=0, amplitude_contrast=0.07)
    values = ctf((2, 4000), 2.0, optics, 4.0)[0]
    frequency = np.fft.rfftfreq(4000, 2.0)
    crossings = frequency[1:][np.diff(np.sign(values)) != 0]
    orders = np.arange(1, crossings.size + 1)
    # πλ defocus k² + arcsin A = n π
    expected = np.sqrt((orders * np.pi - np.arcsin(0.07)) / (np.pi * electron_wavelength_angstrom(300) * 4e4))
    np.testing.assert_allclose(crossings, expected, atol=2 * frequency[1])
    assert crossings.size > 20


def test_underfocus_is_positive_at_low_frequency_and_the_mean_keeps_amplitude_contrast():
    values = ctf((64, 64), 10.0, OpticsConfig(), 5.0)
    assert values[0, 0] == pytest.approx(0.07, abs=1e-6)
    assert values[0, 1] > 0.07


def test_phase_plate_turns_sine_into_cosine():
    values = ctf((64, 64), 10.0, OpticsConfig(phase_shift_deg=90, amplitude_contrast=0), 0.0)
    np.testing.assert_allclose(values[0, :3], 1, atol=1e-4)


def test_envelope_and_b_factor_damp():
    plain = ctf((64, 64), 10.0, OpticsConfig(), 1.0)
    damped = ctf((64, 64), 10.0, OpticsConfig(envelope_fraction=1.0, b_factor_angstrom2=300), 1.0)
    nyquist = 1 / 20
    expected = np.exp(-1) * np.exp(-300 * nyquist**2 / 4)
    assert damped[0, -1] / plain[0, -1] == pytest.approx(expected, rel=1e-5)


def test_negative_defocus_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="positive = underfocus"):
        parse_config({"defocus_um": -5}, OpticsConfig, "test")


def test_scattering_matter_is_dark():
    potential = np.zeros((1, 64, 64), np.float32)
    potential[0, 28:36, 28:36] = 100
    contrast = transfer(potential, np.array([3.0]), 10.0, OpticsConfig(), np.ones((64, 33), np.float32))
    assert np.corrcoef(contrast.ravel(), potential.ravel())[0, 1] < -0.5
    # far below the first zero only amplitude contrast is left: -2σ A V
    mean = -2 * 6.526e-4 * 0.07 * potential.mean()
    assert contrast.mean() == pytest.approx(mean, rel=1e-3)


def test_at_positive_tilt_the_positive_side_is_more_underfocused():
    offsets = column_defocus_angstrom(11, 30.0, 10.0)
    assert offsets[-1] == pytest.approx(5 * 10 * np.tan(np.pi / 6))
    assert offsets[5] == 0


def test_strips_give_each_column_its_defocus():
    optics, width, pixel_size = OpticsConfig(), 512, 6.0
    offsets = column_defocus_angstrom(width, 50.0, pixel_size)
    levels = defocus_levels_angstrom(offsets.min(), offsets.max(), optics, pixel_size)
    weights = strip_weights(offsets, levels)
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-5)
    defocus = 2.5 + 1e-4 * (levels.first_height + levels.spacing * np.arange(levels.count))
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((256, width)).astype(np.float32)
    image = transfer(
        noise * weights[:, None, :], defocus, pixel_size, optics, np.ones((256, 257), np.float32)
    )
    for column in (96, 416):
        window = slice(column - 48, column + 48)
        power = (np.abs(np.fft.rfft2(image[:, window] * np.hanning(96))) ** 2).ravel()
        scores = [
            np.corrcoef(power, ctf((256, 96), pixel_size, optics, trial).ravel() ** 2)[0, 1]
            for trial in np.arange(1.5, 3.6, 0.05)
        ]
        found = 1.5 + 0.05 * int(np.argmax(scores))
        assert found == pytest.approx(2.5 + 1e-4 * offsets[window].mean(), abs=0.1)


def test_phase_flipping_makes_contrast_keep_its_sign():
    optics, pixel_size, tilt, width = OpticsConfig(), 5.0, 60.0, 512
    rng = np.random.default_rng(2)
    truth = rng.standard_normal((200, width)).astype(np.float32)
    offsets = column_defocus_angstrom(width, tilt, pixel_size)
    levels = defocus_levels_angstrom(offsets.min(), offsets.max(), optics, pixel_size)
    parts = truth * strip_weights(offsets, levels)[:, None, :]
    defocus = 3.0 + 1e-4 * (levels.first_height + levels.spacing * np.arange(levels.count))
    image = transfer(parts, defocus, pixel_size, optics, np.ones((200, 257), np.float32))
    correlation = [
        np.corrcoef(-truth.ravel(), flip_phases(image, angle, 3.0, pixel_size, optics).ravel())[0, 1]
        for angle in (tilt, -tilt)
    ]
    assert correlation[0] > 0.83  # 0.86 without tilt
    assert correlation[1] < 0.6
    assert correlation[0] > np.corrcoef(-truth.ravel(), image.ravel())[0, 1] + 0.3


@pytest.mark.parametrize("length", [40, 41, 97, 400, 401])
def test_padding_keeps_the_centre(length):
    padded = padded_length(length, 10)
    assert padded >= length + 20
    assert (padded - length) % 2 == 0
