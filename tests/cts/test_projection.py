"""Projection and its adjoint: geometry, conservation, the central-slice theorem."""

from __future__ import annotations

import numpy as np
import pytest

from cts.projection import Slabs, back_project, cut_rows, project

ANGLES = np.array([-60.0, -37.3, -3.0, 0.0, 21.0, 45.0, 70.0])


def _point(shape, z, y, x):
    volume = np.zeros(shape, np.float32)
    volume[z, y, x] = 1
    return volume


def _centroid(image):
    y, x = np.indices(image.shape)
    return (image * y).sum() / image.sum(), (image * x).sum() / image.sum()


@pytest.mark.parametrize("size", [9, 15])
def test_a_centred_point_stays_centred(size):
    volume = _point((size, size, size), size // 2, size // 2, size // 2)
    for image in project(cut_rows(volume), ANGLES)[:, 0]:
        assert _centroid(image) == pytest.approx(((size - 1) / 2, (size - 1) / 2), abs=1e-5)
        assert image.sum() == pytest.approx(1, abs=1e-6)


def test_a_centred_block_of_an_even_volume_stays_centred():
    volume = np.zeros((10, 12, 14), np.float32)
    volume[4:6, 5:7, 6:8] = 1
    for image in project(cut_rows(volume), ANGLES)[:, 0]:
        assert _centroid(image) == pytest.approx((5.5, 6.5), abs=1e-5)


def test_a_point_falls_where_the_convention_says():
    shape = (11, 5, 41)
    volume = _point(shape, 8, 1, 27)  # z = 3, x = 7 from the centre
    for angle, image in zip(ANGLES, project(cut_rows(volume), ANGLES)[:, 0], strict=True):
        radians = np.deg2rad(angle)
        assert _centroid(image)[1] - 20 == pytest.approx(7 * np.cos(radians) + 3 * np.sin(radians), abs=0.06)


def test_projection_and_back_projection_are_adjoint():
    rng = np.random.default_rng(3)
    volume = rng.standard_normal((12, 21, 30)).astype(np.float32)
    images = rng.standard_normal((ANGLES.size, 21, 30)).astype(np.float32)
    forward = np.vdot(project(cut_rows(volume), ANGLES)[:, 0].astype(float), images)
    backward = np.vdot(volume.astype(float), back_project(images, ANGLES, 12))
    scale = np.linalg.norm(volume) * np.linalg.norm(images)
    assert abs(forward - backward) < 1e-5 * scale


@pytest.mark.parametrize("width", [40, 41])
def test_at_zero_degrees_nothing_is_interpolated_or_lost(width):
    rng = np.random.default_rng(4)
    volume = rng.random((6, 9, width), dtype=np.float32)
    image = project(cut_rows(volume), [0.0])[0, 0]
    np.testing.assert_allclose(image, volume.sum(axis=0), rtol=1e-5)
    back = back_project(image[None], [0.0], 3)
    np.testing.assert_allclose(back, np.broadcast_to(image, back.shape), rtol=1e-6)


def test_a_uniform_slab_that_continues_is_uniform_at_every_tilt():
    slab = np.ones((8, 6, 25), np.float32)
    images = project(cut_rows(slab), ANGLES, mirror=True, width=40)[:, 0]
    for angle, image in zip(ANGLES, images, strict=True):
        np.testing.assert_allclose(image, 8 / np.cos(np.deg2rad(angle)), rtol=1e-5)


def test_mirroring_continues_the_specimen_without_a_seam():
    ramp = np.broadcast_to(np.arange(20, dtype=np.float32), (1, 3, 20)).copy()
    image = project(cut_rows(ramp), [0.0], mirror=True, width=24)[0, 0]
    np.testing.assert_allclose(image[0], [1, 0, *range(20), 19, 18])


def test_central_slice_theorem_on_a_smooth_phantom():
    n, sigma, x0, z0 = 64, 3.0, 9.0, -5.0
    axis = np.arange(n) - (n - 1) / 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    phantom = np.exp(-((x - x0) ** 2 + y**2 + (z - z0) ** 2) / (2 * sigma**2)).astype(np.float32)
    k = np.fft.fftfreq(n)
    for angle in (-50.0, 0.0, 30.0):
        image = project(cut_rows(phantom), [angle])[0, 0]
        radians = np.deg2rad(angle)
        shift = x0 * np.cos(radians) + z0 * np.sin(radians)
        slice_of_volume = (
            (2 * np.pi * sigma**2) ** 1.5
            * np.exp(-2 * np.pi**2 * sigma**2 * (k[:, None] ** 2 + k**2))
            * np.exp(-2j * np.pi * k * (shift + (n - 1) / 2))
            * np.exp(-2j * np.pi * k[:, None] * (n - 1) / 2)
        )
        error = np.abs(np.fft.fft2(image) - slice_of_volume).max()
        assert error < 0.01 * np.abs(slice_of_volume).max()


def test_slabs_share_out_the_projection_by_height():
    rng = np.random.default_rng(5)
    volume = rng.random((9, 4, 31), dtype=np.float32)
    slabs = Slabs(-20.0, 8.0, 6)
    parts = project(cut_rows(volume), [35.0], slabs=slabs)[0]
    np.testing.assert_allclose(parts.sum(axis=0), project(cut_rows(volume), [35.0])[0, 0], rtol=1e-4)
    # A point high on the -x side: z' = z cosθ - x sinθ is its height, between two slabs.
    volume = _point((9, 4, 31), 7, 2, 4)
    height = 3 * np.cos(np.deg2rad(35)) + 11 * np.sin(np.deg2rad(35))
    shares = project(cut_rows(volume), [35.0], slabs=slabs)[0].sum(axis=(1, 2))
    assert (shares * (slabs.first_height + slabs.spacing * np.arange(6))).sum() == pytest.approx(
        height, abs=1e-4
    )


@pytest.mark.parametrize("rows", [1, 7, 128, 129, 300])
def test_any_number_of_rows_is_cut_and_joined(rows):
    volume = np.random.default_rng(6).random((2, rows, 5), dtype=np.float32)
    np.testing.assert_allclose(project(cut_rows(volume), [0.0])[0, 0], volume.sum(axis=0), rtol=1e-6)
