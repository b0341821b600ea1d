"""Orders of exposure, accumulated dose, and the exposure filter."""

from __future__ import annotations

import numpy as np
import pytest

from cts.config.imaging import DoseConfig, SimulationConfig, TiltConfig
from cts.dose import (
    critical_exposure_e_per_angstrom2,
    doses_e_per_angstrom2,
    exposure_filter,
    exposure_order,
    nominal_tilts_deg,
    prior_exposures_e_per_angstrom2,
)
from cts.imaging import plan_series

ANGLES = np.array([-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0, 2, -2, 4, -4, 6, -6]),
        ({"group_size": 2}, [0, 2, 4, -2, -4, 6, -6]),
        ({"start_deg": 2.0}, [2, 4, 0, 6, -2, -4, -6]),
        ({"order": "bidirectional"}, [0, 2, 4, 6, -2, -4, -6]),
        ({"order": "bidirectional", "start_deg": -2.0}, [-2, 0, 2, 4, 6, -4, -6]),
        ({"order": "unidirectional"}, [-6, -4, -2, 0, 2, 4, 6]),
    ],
)
def test_orders_of_exposure(options, expected):
    assert ANGLES[exposure_order(ANGLES, DoseConfig(**options))].tolist() == expected


def test_tilts_from_a_range_and_from_a_list():
    assert nominal_tilts_deg(TiltConfig(min_deg=-60, max_deg=60, step_deg=3)).size == 41
    assert nominal_tilts_deg(TiltConfig(min_deg=-60, max_deg=60, step_deg=7))[-1] == 59
    assert nominal_tilts_deg(TiltConfig(angles_deg=(10, -5, 2.5))).tolist() == [-5, 2.5, 10]


def test_total_and_listed_doses():
    assert doses_e_per_angstrom2(ANGLES, DoseConfig(total_e_per_angstrom2=70)).tolist() == [10] * 7
    listed = tuple(float(i + 1) for i in range(7))
    assert doses_e_per_angstrom2(ANGLES, DoseConfig(per_tilt_e_per_angstrom2=listed)).tolist() == list(listed)
    with pytest.raises(ValueError, match="2 doses; wanted one for each of 7"):
        doses_e_per_angstrom2(ANGLES, DoseConfig(per_tilt_e_per_angstrom2=(1.0, 2.0)))


def test_prior_exposure_follows_the_order_with_unequal_doses():
    doses = np.array([1.0, 2, 3, 4, 5, 6, 7])
    prior = prior_exposures_e_per_angstrom2(doses, exposure_order(ANGLES, DoseConfig()))
    # 0° first (4), then 2° (5), -2° (3), 4° (6), -4° (2), 6° (7), -6° (1)
    assert prior.tolist() == [27, 18, 9, 0, 4, 12, 20]


def test_critical_exposures_of_grant_and_grigorieff():
    # 0.245 k^-1.665 + 2.81 by hand: k = 0.1 gives 14.14
    assert critical_exposure_e_per_angstrom2(np.array(0.1), 300) == pytest.approx(14.14, abs=0.02)
    assert critical_exposure_e_per_angstrom2(np.array(0.1), 200) == pytest.approx(0.8 * 14.14, abs=0.02)


def test_filter_leaves_the_mean_and_falls_with_frequency_and_exposure():
    frequency = np.array([0.0, 0.01, 0.05, 0.1])
    kept = exposure_filter(frequency, 50.0, 300)
    assert kept[0] == 1
    assert np.all(np.diff(kept) < 0)
    critical = critical_exposure_e_per_angstrom2(np.array(0.05), 300)
    assert exposure_filter(np.array([0.05]), float(critical), 300)[0] == pytest.approx(np.exp(-0.5))
    assert np.all(exposure_filter(frequency, 0.0, 300) == 1)


def test_plan_draws_errors_within_what_was_asked():
    config = SimulationConfig(
        tilt={"step_deg": 2, "angle_error_deg": 0.5, "misalignment_angstrom": 5},
        optics={"defocus_um": 4, "defocus_jitter_um": 0.1},
    )
    shots = plan_series(config, np.random.default_rng(1))
    errors = np.array([shot.true_tilt_deg - shot.tilt_deg for shot in shots])
    assert 0.2 < np.abs(errors).max() <= 0.5
    assert np.std([shot.defocus_um for shot in shots]) == pytest.approx(0.1, rel=0.4)
    assert np.std([shot.shift_angstrom for shot in shots]) == pytest.approx(5, rel=0.3)
    exact = plan_series(SimulationConfig(), np.random.default_rng(1))
    assert all(shot.true_tilt_deg == shot.tilt_deg and shot.shift_angstrom == (0, 0) for shot in exact)
    assert sum(shot.dose_e_per_angstrom2 for shot in exact) == pytest.approx(100)
