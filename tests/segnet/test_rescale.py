from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from segnet.rescale import (
    PlaneRescaler,
    nearest_indices,
    positions_in_old_grid,
    resampling_matrix,
    rescale_labels,
)
from segnet.tomogram import ArrayReader, TomogramStream, density_skewness, target_pixel_size


@pytest.mark.parametrize("ratio", [0.7, 1.3, 2.4])
def test_a_slow_wave_is_resampled_to_itself(ratio):
    length = 200
    wave = np.sin(2 * np.pi * np.arange(length) / 40 + 0.3)
    found = resampling_matrix(length, ratio) @ wave.astype(np.float32)
    wanted = np.sin(2 * np.pi * positions_in_old_grid(length, ratio) / 40 + 0.3)
    inner = slice(8, -8)
    np.testing.assert_allclose(found[inner], wanted[inner], atol=0.03)


def test_a_wave_that_the_larger_pixels_cannot_hold_disappears():
    wave = np.cos(2 * np.pi * 0.45 * np.arange(300)).astype(np.float32)
    assert np.abs(resampling_matrix(300, 3.0) @ wave)[5:-5].max() < 0.05
    assert np.abs(wave[1::3]).max() > 0.9  # which plain sampling would have kept as a false slow wave


def test_constants_stay_up_to_the_border():
    rescale = PlaneRescaler((31, 45), 1.37)
    np.testing.assert_allclose(rescale(np.full((31, 45), 5, np.int8)), 5, rtol=1e-5)


@pytest.mark.parametrize("ratio", [0.6, 1.0, 1.7])
def test_labels_are_those_of_the_nearest_voxel(ratio):
    labels = np.random.default_rng(0).integers(0, 9, (11, 20, 17)).astype(np.uint8)
    grids = [positions_in_old_grid(length, ratio) for length in labels.shape]
    at = np.stack(np.meshgrid(*grids, indexing="ij"))
    wanted = ndimage.map_coordinates(labels, at, order=0, mode="nearest")
    np.testing.assert_array_equal(rescale_labels(labels, ratio), wanted)


def test_there_and_back_gives_the_old_length():
    back = nearest_indices(83, 1 / 1.2, 100)
    assert len(back) == 100
    assert (back[0], back[-1]) == (0, 82)
    assert np.all(np.diff(back) >= 0)


def test_a_stream_gives_the_same_slices_in_any_pieces():
    volume = np.random.default_rng(1).normal(0, 1, (23, 31, 29)).astype(np.float32)
    streams = [TomogramStream(ArrayReader(volume), volume.shape, 10.0, 13.0) for _ in range(2)]
    whole = streams[0].read(0, streams[0].shape[0])
    pieces = np.concatenate([streams[1].read(z, z + 1) for z in range(streams[1].shape[0])])
    np.testing.assert_array_equal(whole, pieces)
    assert whole.shape == (18, 24, 22)


def test_the_nearer_end_of_the_trained_range_is_the_target():
    assert target_pixel_size(11.5, (12, 14), 0.05) == 11.5
    assert target_pixel_size(10, (12, 14), 0.05) == 12
    assert target_pixel_size(20, (12, 14), 0.05) == 14
    assert target_pixel_size(20, None, 0.05) == 20


def test_skewness_tells_dark_protein_from_bright():
    grey = np.random.default_rng(2).normal(0, 1, (16, 64, 64)).astype(np.float32)
    grey[4:12, 20:32, 20:32] -= 3
    dark = TomogramStream(ArrayReader(grey), grey.shape, 10, 10)
    bright = TomogramStream(ArrayReader(grey), grey.shape, 10, 10, invert=True)
    assert density_skewness(dark) < -1
    assert density_skewness(bright) == pytest.approx(-density_skewness(dark))
