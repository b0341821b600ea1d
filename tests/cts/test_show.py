"""Pictures, spectra and moments."""

from __future__ import annotations

import matplotlib.image
import numpy as np
import pytest

from cts.show import largest_factor, load, rotational_power_spectrum, spectrum_ratio, statistics
from tomoio import write_labels, write_stack, write_volume
from tomoio.command import run_command_line


def _volume(path, seed=1, scale=1.0, shape=(20, 64, 80), pixel_size=10.0):
    data = np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * scale + 3
    write_volume(path, data, pixel_size)
    return path


def test_spectrum_of_white_noise_is_its_variance_times_the_pixel_area():
    noise = np.random.default_rng(1).standard_normal((16, 128, 100)).astype(np.float32)
    frequency, power = rotational_power_spectrum(noise, 7.0)
    assert frequency[-1] == pytest.approx(1 / 14)
    np.testing.assert_allclose(power[6:], 49, rtol=0.25)
    assert power[3:].mean() == pytest.approx(49, rel=0.02)


def test_spectrum_of_a_wave_peaks_at_its_frequency():
    y, x = np.indices((96, 96))
    wave = np.cos(2 * np.pi * (6 * x + 8 * y) / 96).astype(np.float32)
    frequency, power = rotational_power_spectrum(np.stack([wave] * 4), 10.0)
    assert frequency[np.argmax(power)] == pytest.approx(10 / 960, rel=0.02)


def test_statistics_and_ratio(tmp_path):
    one, two = (
        statistics(load(_volume(tmp_path / f"{s}.mrc", s, scale))) for s, scale in ((1, 1.0), (2, 9.0))
    )
    assert two.standard_deviation == pytest.approx(9, rel=0.02)
    assert two.mean == pytest.approx(3, abs=0.1)
    assert abs(one.skewness) < 0.05
    assert abs(one.excess_kurtosis) < 0.1
    np.testing.assert_allclose(spectrum_ratio(one, two, (200, 60, 30, 20)), 1, rtol=0.1)


def test_largest_factor_looks_both_ways_and_past_empty_bands():
    assert largest_factor([0.5, 1.2, float("nan")]) == pytest.approx(2)
    assert largest_factor([0.9, 1.5]) == pytest.approx(1.5)
    assert np.isnan(largest_factor([float("nan")]))


def test_kinds_of_files(tmp_path):
    write_stack(tmp_path / "tiltseries.mrc", np.zeros((3, 8, 8), np.float32), 10.0)
    write_labels(tmp_path / "a_labels.mrc", np.zeros((3, 8, 8), np.uint8), 10.0)
    _volume(tmp_path / "tomogram.mrc", shape=(3, 8, 8))
    write_stack(tmp_path / "ctf.mrc", np.ones((4, 8, 8), np.float32), 10.0)  # a stage kept beside the series
    kinds = [load(tmp_path / f"{name}.mrc").kind for name in ("tiltseries", "a_labels", "tomogram", "ctf")]
    assert kinds == ["tiltseries", "labels", "volume", "tiltseries"]


def test_a_volume_with_holes_is_refused_by_name(tmp_path):
    values = np.zeros((4, 8, 8), np.float32)
    values[1, 2, 3] = np.nan
    write_volume(tmp_path / "holes.mrc", values, 10.0)
    with pytest.raises(ValueError, match=r"holes\.mrc: NaN or infinite values"):
        load(tmp_path / "holes.mrc")


def test_command_draws_a_picture_and_prints_moments(tmp_path, capsys):
    paths = [_volume(tmp_path / "a.mrc", 1), _volume(tmp_path / "b.mrc", 2)]
    labels = np.zeros((20, 64, 80), np.uint8)
    labels[:, 20:40, 30:50] = 5
    write_labels(tmp_path / "atlas.mrc", labels, 10.0)
    arguments = [
        "show",
        *map(str, paths),
        str(tmp_path / "atlas.mrc"),
        "-o",
        str(tmp_path / "p.png"),
        "--spectra",
    ]
    assert run_command_line("cts", "", "cts", ("show",), arguments) == 0
    picture = matplotlib.image.imread(tmp_path / "p.png")
    assert picture.shape[0] > 1000
    assert picture[..., :3].std() > 0.1
    out = capsys.readouterr().out
    assert "standard_deviation\tskewness\texcess_kurtosis" in out
    assert "largest factor" in out
    assert run_command_line("cts", "", "cts", ("show",), arguments) == 2
    assert "exists already" in capsys.readouterr().err
