"""Tilt angles, the order of exposures, accumulated dose, and what it leaves of the signal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cts.config.imaging import DoseConfig, TiltConfig, number
from cts.projection import Doubles, Floats

# Grant & Grigorieff, eLife 4 (2015) e06980, eq. 3: critical exposure at 300 kV, a k^b + c, e/Å².
_CRITICAL_A, _CRITICAL_B, _CRITICAL_C = 0.245, -1.665, 2.81
_CRITICAL_AT_200_KV = 0.8  # ibid., Methods: relative to 300 kV


def nominal_tilts_deg(tilt: TiltConfig) -> Doubles:
    """Return the nominal tilt angles, rising, degrees."""
    if tilt.angles_deg is not None:
        return np.sort(np.array(tilt.angles_deg, np.float64))
    low, high, step = number(tilt.min_deg), number(tilt.max_deg), number(tilt.step_deg)
    return low + step * np.arange(1 + int((high - low) / step + 1e-6))


def exposure_order(angles_deg: Doubles, dose: DoseConfig) -> NDArray[np.int64]:
    """Return the indices of the images in the order in which they are taken.

    ``dose_symmetric`` starts nearest the start angle, then takes ``group_size`` images on the positive side,
    as many on the negative side, and so on (Hagen, Wan & Briggs 2017); what one side has left over comes
    last. ``bidirectional`` goes up from the start angle, then down from below it; ``unidirectional`` up.
    """
    rising = np.argsort(angles_deg, kind="stable")
    if dose.order == "unidirectional":
        return rising
    offsets = angles_deg[rising] - dose.start_deg
    if dose.order == "bidirectional":
        return np.concatenate([rising[offsets >= 0], rising[offsets < 0][::-1]])
    first = int(np.argmin(np.abs(offsets)))
    up, down = list(rising[first + 1 :]), list(rising[:first][::-1])
    order = [rising[first]]
    while up or down:
        for side in (up, down):
            order += side[: dose.group_size]
            del side[: dose.group_size]
    return np.array(order)


def doses_e_per_angstrom2(angles_deg: Doubles, dose: DoseConfig) -> Doubles:
    """Return the dose of each image, e/Å².

    Raises
    ------
    ValueError
        If a list of doses has another length than the angles.
    """
    if dose.per_tilt_e_per_angstrom2 is None:
        return np.full(angles_deg.size, number(dose.total_e_per_angstrom2) / angles_deg.size)
    if len(dose.per_tilt_e_per_angstrom2) != angles_deg.size:
        raise ValueError(
            f"dose.per_tilt_e_per_angstrom2: {len(dose.per_tilt_e_per_angstrom2)} doses; "
            f"wanted one for each of {angles_deg.size} tilt angles"
        )
    return np.array(dose.per_tilt_e_per_angstrom2, np.float64)


def prior_exposures_e_per_angstrom2(doses: Doubles, order: NDArray[np.int64]) -> Doubles:
    """Return the dose that the specimen had received before each image, e/Å²."""
    prior = np.empty_like(doses)
    prior[order] = np.cumsum(doses[order]) - doses[order]
    return prior


def critical_exposure_e_per_angstrom2(frequency_per_angstrom: Doubles, voltage_kv: float) -> Doubles:
    """Return the exposure after which the signal has fallen to exp(-1/2), e/Å².

    Grant & Grigorieff measured 300 kV and give 0.8 of it for 200 kV; other voltages are interpolated
    linearly between the two and held constant beyond.
    """
    with np.errstate(divide="ignore"):
        at_300 = _CRITICAL_A * np.asarray(frequency_per_angstrom, np.float64) ** _CRITICAL_B + _CRITICAL_C
    return at_300 * np.interp(voltage_kv, [200, 300], [_CRITICAL_AT_200_KV, 1.0])


def exposure_filter(
    frequency_per_angstrom: Doubles, exposure_e_per_angstrom2: float, voltage_kv: float
) -> Floats:
    """Return the amplitude left after an exposure: exp(-N / 2Nc), Grant & Grigorieff 2015, eq. 5."""
    critical = critical_exposure_e_per_angstrom2(frequency_per_angstrom, voltage_kv)
    return np.exp(-0.5 * exposure_e_per_angstrom2 / critical).astype(np.float32)
