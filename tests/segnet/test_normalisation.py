from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from segnet.normalisation import Normalisation, measure, read_normalisation, write_normalisations


@pytest.fixture
def volume():
    return np.random.default_rng(0).normal(1e4, 3, (7, 30, 40)).astype(np.float32)


def test_zscore_is_the_mean_and_standard_deviation_of_the_whole(volume):
    found = measure([volume[:3], volume[3:]], "zscore")
    assert found.centre == pytest.approx(volume.astype(float).mean(), rel=1e-12)
    assert found.spread == pytest.approx(volume.astype(float).std(), rel=1e-9)
    applied = found.apply(volume)
    assert applied.dtype == np.float32
    assert abs(applied.mean()) < 1e-3
    assert applied.std() == pytest.approx(1, abs=1e-3)


def test_robust_is_the_median_and_scaled_mad(volume):
    volume[0, 0, 0] = 1e30  # a hot pixel moves the mean, not the median
    found = measure([volume], "robust")
    values = volume.astype(float).ravel()
    assert found.centre == pytest.approx(np.median(values))
    assert found.spread == pytest.approx(stats.median_abs_deviation(values, scale="normal"), rel=1e-4)


@pytest.mark.parametrize(("value", "message"), [(np.nan, "not finite"), (np.inf, "not finite")])
def test_values_that_are_not_finite_are_refused(volume, value, message):
    volume[3, 4, 5] = value
    with pytest.raises(ValueError, match=f"crop.mrc.*{message}"), np.errstate(invalid="ignore"):
        measure([volume], "zscore", "crop.mrc")


def test_a_constant_volume_is_refused():
    with pytest.raises(ValueError, match="every value is 7"):
        measure([np.full((2, 3, 4), 7, np.int8)], "zscore")


def test_a_crop_carries_its_normalisations(tmp_path):
    zscore = Normalisation(method="zscore", centre=1 / 3, spread=0.1)
    robust = Normalisation(method="robust", centre=0.25, spread=0.2)
    crop = tmp_path / "crop.mrc"
    assert read_normalisation(crop, "zscore") is None
    write_normalisations(crop, [zscore, robust])
    assert read_normalisation(crop, "zscore") == zscore
    assert read_normalisation(crop, "robust") == robust


def test_a_normalisation_of_another_method_or_a_broken_one_is_refused(tmp_path):
    crop, sidecar = tmp_path / "crop.mrc", tmp_path / "crop.normalisation.json"
    sidecar.write_text('{"method": "zscore", "centre": 1, "spread": 2}')  # a single one is one, too
    assert read_normalisation(crop, "zscore") == Normalisation(method="zscore", centre=1, spread=2)
    with pytest.raises(ValueError, match=r"crop.normalisation.json: normalisation zscore; wanted robust"):
        read_normalisation(crop, "robust")
    sidecar.write_text('{"method": "zscore", "centre": 1, "spread": 0}')
    with pytest.raises(ValueError, match=r"crop.normalisation.json: spread"):
        read_normalisation(crop, "zscore")
