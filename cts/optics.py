"""Contrast transfer: wavelength, interaction constant, CTF, and images in the weak-phase approximation."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2

from cts.config.imaging import OpticsConfig, number
from cts.projection import Doubles, Floats, Slabs

# CODATA 2018, https://physics.nist.gov/cuu/Constants
_PLANCK_J_S = 6.62607015e-34
_ELECTRON_KG = 9.1093837015e-31
_CHARGE_C = 1.602176634e-19
_LIGHT_M_PER_S = 299792458.0

# Largest step of the CTF's phase at the Nyquist frequency between neighbouring defocus levels, between which
# contrast is shared out linearly: the error stays below step² / 8 = 3 % there, far less at lower frequencies.
_PHASE_STEP_RAD = 0.5

Complexes = NDArray[np.complex64]


def electron_wavelength_angstrom(voltage_kv: float) -> float:
    """Return the relativistic wavelength, Å: h / √(2 m eU (1 + eU / 2mc²))."""
    energy = _CHARGE_C * voltage_kv * 1e3
    rest = _ELECTRON_KG * _LIGHT_M_PER_S**2
    return 1e10 * _PLANCK_J_S / math.sqrt(2 * _ELECTRON_KG * energy * (1 + energy / (2 * rest)))


def interaction_constant_rad_per_volt_angstrom(voltage_kv: float) -> float:
    """Return σ = 2π m e λ / h² with the relativistic mass, rad/(V Å) (Kirkland 2010, eq. 5.6)."""
    gamma = 1 + _CHARGE_C * voltage_kv * 1e3 / (_ELECTRON_KG * _LIGHT_M_PER_S**2)
    wavelength_m = electron_wavelength_angstrom(voltage_kv) * 1e-10
    per_volt_metre = 2 * math.pi * gamma * _ELECTRON_KG * _CHARGE_C * wavelength_m / _PLANCK_J_S**2
    return per_volt_metre * 1e-10


def frequencies_per_angstrom(shape: tuple[int, int], pixel_size_angstrom: float) -> tuple[Doubles, Doubles]:
    """Return the frequencies of the rows (y) and columns (x) of `scipy.fft.rfft2`, 1/Å.

    The Nyquist row of an even number of rows is taken as positive.
    """
    rows = np.fft.fftfreq(shape[0], pixel_size_angstrom)
    if shape[0] % 2 == 0:
        rows[shape[0] // 2] *= -1
    return rows, np.fft.rfftfreq(shape[1], pixel_size_angstrom)


@njit(cache=True)
def _add_transferred(
    spectrum: Complexes,
    rows: Doubles,
    columns: Doubles,
    coefficients: Doubles,
    out: Complexes,
) -> None:
    """Add ``spectrum`` times the oscillating part of the CTF to ``out``.

    ``coefficients``: phase per k², per k⁴, per (kx² - ky²), per kx ky, constant phase.
    """
    square, fourth, straight, diagonal, constant = coefficients
    for i in range(rows.size):
        y = rows[i]
        for j in range(columns.size):
            x = columns[j]
            k2 = x * x + y * y
            phase = (square + fourth * k2) * k2 + straight * (x * x - y * y) + diagonal * x * y + constant
            out[i, j] += np.float32(math.sin(phase)) * spectrum[i, j]


def _phase_coefficients(optics: OpticsConfig, defocus_um: float) -> Doubles:
    wavelength = electron_wavelength_angstrom(optics.voltage_kv)
    spread = math.pi * wavelength * 0.5 * number(optics.astigmatism_um) * 1e4
    direction = 2 * math.radians(number(optics.astigmatism_angle_deg))
    # √(1-A²) sin(χ+φ) + A cos(χ+φ) = sin(χ + φ + arcsin A)
    constant = math.radians(number(optics.phase_shift_deg)) + math.asin(optics.amplitude_contrast)
    return np.array(
        [
            math.pi * wavelength * defocus_um * 1e4,
            -0.5 * math.pi * optics.spherical_aberration_mm * 1e7 * wavelength**3,
            spread * math.cos(direction),
            2 * spread * math.sin(direction),
            constant,
        ]
    )


def ctf(
    shape: tuple[int, int], pixel_size_angstrom: float, optics: OpticsConfig, defocus_um: float
) -> NDArray[np.float32]:
    """Return the contrast transfer function at the frequencies of `scipy.fft.rfft2`.

    With defocus(α) = mean + ½ astigmatism cos 2(α - angle) and χ = πλ defocus k² - ½π Cs λ³ k⁴ it is
    scale · exp(-B k²/4) · [√(1-A²) sin(χ+φ) + A cos(χ+φ)]: positive at low frequencies in underfocus.

    Parameters
    ----------
    shape
        Rows and columns of the image.
    pixel_size_angstrom
        Its pixel size, Å.
    optics
        Microscope, with all ranges drawn.
    defocus_um
        Mean of the two principal defocus values, µm, positive = underfocus.

    Returns
    -------
    Array of shape (rows, columns // 2 + 1).
    """
    rows, columns = frequencies_per_angstrom(shape, pixel_size_angstrom)
    ones = np.ones((rows.size, columns.size), np.complex64)
    out = np.zeros_like(ones)
    _add_transferred(ones, rows, columns, _phase_coefficients(optics, defocus_um), out)
    return out.real * damping(np.hypot(rows[:, None], columns), pixel_size_angstrom, optics)


def damping(
    frequency_per_angstrom: Doubles, pixel_size_angstrom: float, optics: OpticsConfig
) -> NDArray[np.float32]:
    """Return what multiplies the CTF's oscillation: scale, B factor and Gaussian envelope."""
    factor = optics.scale * np.exp(-0.25 * number(optics.b_factor_angstrom2) * frequency_per_angstrom**2)
    if optics.envelope_fraction is not None:
        width = number(optics.envelope_fraction) * 0.5 / pixel_size_angstrom
        factor = factor * np.exp(-((frequency_per_angstrom / width) ** 2))
    return factor.astype(np.float32)


def padded_length(length: int, margin: int) -> int:
    """Return the least length with a fast Fourier transform that leaves ``margin`` on both sides.

    It is even where ``length`` is even, so that both have the same centre.
    """
    padded = length + 2 * margin
    while next_fast_len(padded, real=True) != padded:
        padded += 2
    return padded


def delocalisation_px(optics: OpticsConfig, defocus_um: float, pixel_size_angstrom: float) -> int:
    """Return how far the CTF carries contrast at the Nyquist frequency: λ · defocus · k, in pixels."""
    nyquist = 0.5 / pixel_size_angstrom
    distance = electron_wavelength_angstrom(optics.voltage_kv) * abs(defocus_um) * 1e4 * nyquist
    return 8 + math.ceil(distance / pixel_size_angstrom)


def defocus_levels_angstrom(
    lowest: float, highest: float, optics: OpticsConfig, pixel_size_angstrom: float
) -> Slabs:
    """Return equally spaced defocus offsets (Å) from lowest to highest, near enough for linear blending."""
    nyquist = 0.5 / pixel_size_angstrom
    step = _PHASE_STEP_RAD / (math.pi * electron_wavelength_angstrom(optics.voltage_kv) * nyquist**2)
    count = 1 + math.ceil((highest - lowest) / step)
    if count == 1:
        return Slabs(0.5 * (lowest + highest), 1.0, 1)
    return Slabs(lowest, (highest - lowest) / (count - 1), count)


def column_defocus_angstrom(width: int, tilt_deg: float, pixel_size_angstrom: float) -> Doubles:
    """Return the midplane's defocus beyond that at the tilt axis, for each column: x' tan(tilt), Å.

    At positive tilt the +x side is more underfocused: it lies further from the source.
    """
    return (np.arange(width) - 0.5 * (width - 1)) * math.tan(math.radians(tilt_deg)) * pixel_size_angstrom


def strip_weights(offsets_angstrom: Doubles, levels: Slabs) -> Floats:
    """Return the share of each defocus level in each column, (level, column); the shares sum to one."""
    if levels.count == 1:
        return np.ones((1, offsets_angstrom.size), np.float32)
    position = (offsets_angstrom - levels.first_height) / levels.spacing
    distance = np.abs(position - np.arange(levels.count)[:, None])
    return np.maximum(0, 1 - distance).astype(np.float32)


def transfer(
    parts: Floats,
    defocus_um: Doubles,
    pixel_size_angstrom: float,
    optics: OpticsConfig,
    factor: NDArray[np.complex64] | Floats,
) -> Floats:
    """Image parts of a specimen, each with its defocus, and sum them.

    Parameters
    ----------
    parts
        Projected potential, V Å, (part, y, x): by strip or by height. The transform wraps around.
    defocus_um
        Defocus of each part, µm, positive = underfocus.
    pixel_size_angstrom
        Pixel size, Å.
    optics
        Microscope, with all ranges drawn.
    factor
        All that does not depend on defocus, at the frequencies of `scipy.fft.rfft2`: damping, damage,
        camera, shift.

    Returns
    -------
    Contrast (y, x): image = 1 + contrast, contrast = -2σ F⁻¹[factor · oscillation · F(potential)]; negative
    (dark) for scattering matter in underfocus.
    """
    shape = (parts.shape[1], parts.shape[2])
    rows, columns = frequencies_per_angstrom(shape, pixel_size_angstrom)
    out = np.zeros((rows.size, columns.size), np.complex64)
    for part, defocus in zip(parts, defocus_um, strict=True):
        _add_transferred(rfft2(part), rows, columns, _phase_coefficients(optics, float(defocus)), out)
    sigma = interaction_constant_rad_per_volt_angstrom(optics.voltage_kv)
    out *= factor * np.float32(-2 * sigma)
    return irfft2(out, s=shape)


def flip_phases(
    image: Floats, tilt_deg: float, defocus_um: float, pixel_size_angstrom: float, optics: OpticsConfig
) -> Floats:
    """Correct an image's phases strip by strip: each column by the sign of the CTF at its defocus.

    Parameters
    ----------
    image
        Aligned image (y, x), tilt axis vertical through its centre.
    tilt_deg
        Tilt angle, degrees.
    defocus_um
        Defocus at the tilt axis, µm, positive = underfocus.
    pixel_size_angstrom
        Pixel size, Å.
    optics
        Microscope.

    Returns
    -------
    Image (y, x) in which contrast keeps its sign at low frequencies at all others.
    """
    offsets = column_defocus_angstrom(image.shape[1], tilt_deg, pixel_size_angstrom)
    levels = defocus_levels_angstrom(offsets.min(), offsets.max(), optics, pixel_size_angstrom)
    weights = strip_weights(offsets, levels)
    margin = delocalisation_px(optics, defocus_um + 1e-4 * offsets.max(), pixel_size_angstrom)
    shape = (padded_length(image.shape[0], margin), padded_length(image.shape[1], margin))
    inside = tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(shape, image.shape, strict=True))
    spectrum = rfft2(np.pad(image, [(s.start, s.start) for s in inside], mode="symmetric"))
    out = np.zeros_like(image)
    for level, weight in enumerate(weights):
        here_um = defocus_um + 1e-4 * (levels.first_height + level * levels.spacing)
        sign = np.sign(ctf(shape, pixel_size_angstrom, optics, here_um))
        out += weight * irfft2(spectrum * sign, s=shape)[inside]
    return out
