"""Weighted back-projection and SIRT: registration, hand, filter, agreement with astra-toolbox."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import center_of_mass, gaussian_filter

from cts.config.imaging import OpticsConfig, ReconstructionConfig
from cts.projection import cut_rows, project
from cts.reconstruction import (
    Exposure,
    angular_weights_rad,
    correct_image,
    filter_images,
    normalise_images,
    ramp_filter,
    reconstruct,
)

ANGLES = np.arange(-60, 61, 3.0)
WBP = ReconstructionConfig()


def _bead(shape, centre, sigma=1.5):
    grids = np.meshgrid(
        *[np.arange(n) - c for n, c in zip(shape, centre, strict=True)], indexing="ij", sparse=True
    )
    return np.exp(-sum(g**2 for g in grids) / (2 * sigma**2)).astype(np.float32)


def _peak(volume, near):
    """Centre of mass of the positive part around a place."""
    corner = [max(0, round(c) - 5) for c in near]
    part = volume[tuple(slice(c, c + 11) for c in corner)]
    return np.array(center_of_mass(np.maximum(part - 0.5 * part.max(), 0))) + corner


@pytest.mark.parametrize("shape", [(20, 30, 40), (21, 31, 41), (20, 31, 41), (21, 30, 40)])
@pytest.mark.parametrize("angles", [ANGLES, np.arange(-40, 67, 5.0), np.arange(-60, 1, 3.0)])
def test_an_off_axis_bead_comes_back_within_half_a_voxel(shape, angles):
    centre = (13.3, 9.0, 29.6)
    images = project(cut_rows(_bead(shape, centre)), angles)[:, 0]
    for config in (WBP, ReconstructionConfig(method="sirt", iterations=5)):
        found = _peak(reconstruct(images, angles, shape[0], config), centre)
        assert np.abs(found - centre).max() < 0.5


def test_density_keeps_its_scale():
    # A wide bar along y, well inside: seen at all angles, its density comes back.
    angles = np.arange(-90, 90, 2.0)
    volume = np.zeros((64, 8, 64), np.float32)
    volume[24:40, :, 24:40] = 2.0
    images = project(cut_rows(volume), angles)[:, 0]
    result = reconstruct(images, angles, 64, ReconstructionConfig(radial_cutoff=0.5, radial_falloff=0))
    assert result[28:36, :, 28:36].mean() == pytest.approx(2.0, rel=0.03)
    assert abs(result[4:12, :, 4:12].mean()) < 0.1


def test_ramp_rises_to_the_cutoff_and_falls_as_a_gaussian():
    ramp = ramp_filter(1000, 0.35, 0.035)
    frequency = np.fft.rfftfreq(1000)
    np.testing.assert_allclose(ramp[20:351], frequency[20:351], rtol=0.01)
    assert 0 < ramp[0] < 2e-3
    at = np.argmin(abs(frequency - 0.385))
    assert ramp[at] / 0.35 == pytest.approx(np.exp(-1), rel=0.02)
    assert ramp_filter(100, 0.2, 0)[30] == 0


def test_angular_weights_follow_the_gaps():
    weights = np.rad2deg(angular_weights_rad(np.array([10.0, 0.0, 4.0])))
    np.testing.assert_allclose(weights, [6, 4, 5])
    np.testing.assert_allclose(
        np.rad2deg(angular_weights_rad(np.array([0.0, 3.0, 3.0, 6.0]))), [3, 1.5, 1.5, 3]
    )
    np.testing.assert_allclose(angular_weights_rad(np.array([5.0])), np.pi)


def test_the_last_column_is_reconstructed_at_zero_degrees():
    image = np.zeros((1, 4, 33), np.float32)
    image[0, :, 32] = 1
    volume = reconstruct(image, np.array([0.0]), 3, ReconstructionConfig(radial_cutoff=0.5, radial_falloff=0))
    assert np.argmax(volume[1, 2]) == 32


def test_a_wider_volume_than_the_detector_stays_centred():
    bead = _bead((11, 9, 21), (5, 4, 14))
    images = project(cut_rows(bead), ANGLES)[:, 0]
    assert _peak(reconstruct(images, ANGLES, 11, WBP, width=41), (5, 4, 24)) == pytest.approx(
        [5, 4, 24], abs=0.5
    )


def _helix(n, radius, pitch, sigma=1.6):
    """A right-handed helix around z: (cos t, sin t, pitch t / 2π)."""
    volume = np.zeros((n, n, n), np.float32)
    t = np.linspace(-2 * np.pi, 2 * np.pi, 2000)
    centre = (n - 1) / 2
    points = [pitch * t / (2 * np.pi) + centre, radius * np.sin(t) + centre, radius * np.cos(t) + centre]
    np.add.at(volume, tuple(np.rint(p).astype(int) for p in points), 1)
    return gaussian_filter(volume, sigma)


@pytest.mark.parametrize("turn", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_a_right_handed_helix_stays_right_handed(turn):
    """The helix along z, y or x (cyclic changes of axes keep the hand) correlates, its mirror image "
    "does not."""
    helix = np.ascontiguousarray(np.transpose(_helix(48, 12, 20), turn))
    result = reconstruct(project(cut_rows(helix), ANGLES)[:, 0], ANGLES, 48, WBP)
    right = np.corrcoef(result.ravel(), helix.ravel())[0, 1]
    left = max(np.corrcoef(result.ravel(), np.flip(helix, axis).ravel())[0, 1] for axis in range(3))
    assert right > 0.7
    assert left < right - 0.2


def test_sirt_reduces_the_residual_and_approaches_the_object():
    rng = np.random.default_rng(8)
    truth = gaussian_filter(rng.standard_normal((16, 12, 48)), 2).astype(np.float32)
    images = project(cut_rows(truth), ANGLES)[:, 0]
    residuals = []
    for iterations in (1, 5, 30):
        volume = reconstruct(images, ANGLES, 16, ReconstructionConfig(method="sirt", iterations=iterations))
        residuals.append(np.linalg.norm(project(cut_rows(volume), ANGLES)[:, 0] - images))
    assert residuals[2] < 0.3 * residuals[1] < 0.3 * residuals[0]
    assert np.corrcoef(volume.ravel(), truth.ravel())[0, 1] > 0.8


def test_filtering_leaves_no_step_at_the_ends_of_a_sloping_row():
    images = np.broadcast_to(np.linspace(0, 10, 200, dtype=np.float32), (3, 2, 200)).copy()
    filtered = filter_images(images, np.array([-3.0, 0, 3.0]), WBP)
    weight = np.deg2rad(3)
    assert np.abs(filtered[:, :, 20:-20]).max() < 0.3 * weight


def test_agreement_with_astra_filtered_back_projection():
    astra = pytest.importorskip("astra")
    rng = np.random.default_rng(9)
    truth = gaussian_filter(rng.standard_normal((40, 6, 120)), 1.5).astype(np.float32)
    images = project(cut_rows(truth), ANGLES)[:, 0]
    ours = reconstruct(images, ANGLES, 40, ReconstructionConfig(radial_cutoff=0.5, radial_falloff=0))
    theirs = astra_back_projection(astra, images, ANGLES, 40)
    assert np.corrcoef(ours[5:-5, :, 15:-15].ravel(), theirs[5:-5, :, 15:-15].ravel())[0, 1] > 0.97


def astra_back_projection(astra, images, angles_deg, depth):
    """Filtered back-projection of each row by astra-toolbox, whose detector runs along (cos a, sin a), "
    "y down."""
    width = images.shape[2]
    geometry = astra.create_proj_geom("parallel", 1.0, width, -np.deg2rad(angles_deg))
    space = astra.create_vol_geom(depth, width)
    projector = astra.create_projector("linear", geometry, space)
    volume = np.empty((depth, images.shape[1], width), np.float32)
    for row in range(images.shape[1]):
        sinogram = astra.data2d.create("-sino", geometry, np.ascontiguousarray(images[:, row]))
        result = astra.data2d.create("-vol", space)
        options = astra.astra_dict("FBP")
        options |= {"ProjectorId": projector, "ProjectionDataId": sinogram, "ReconstructionDataId": result}
        algorithm = astra.algorithm.create(options)
        astra.algorithm.run(algorithm)
        volume[:, row] = astra.data2d.get(result)
        astra.algorithm.delete(algorithm)
        astra.data2d.delete([sinogram, result])
    return volume


def test_corrections_need_what_they_use():
    image = np.zeros((8, 8), np.float32)
    for options, missing in (
        ({"ctf_correction": "phase_flip"}, "defocus"),
        ({"dose_weight": True}, "exposure"),
    ):
        with pytest.raises(ValueError, match=f"no {missing}"):
            correct_image(image, Exposure(3.0), 10.0, OpticsConfig(), ReconstructionConfig(**options))


def test_dose_weighting_damps_fine_detail_of_late_images():
    noise = np.random.default_rng(10).standard_normal((64, 64)).astype(np.float32)
    config = ReconstructionConfig(dose_weight=True)
    early = correct_image(noise, Exposure(0, None, 0.0, 2.0), 5.0, OpticsConfig(), config)
    late = correct_image(noise, Exposure(60, None, 100.0, 2.0), 5.0, OpticsConfig(), config)
    assert late.std() < 0.5 * early.std() < noise.std()
    assert late.mean() == pytest.approx(noise.mean(), abs=1e-6)


def test_grey_values_become_contrast_or_deviations():
    counts = np.random.default_rng(11).poisson(400, (3, 50, 50)).astype(np.float32) * np.array(
        [1, 2, 3], np.float32
    ).reshape(3, 1, 1)
    contrast = counts.copy()
    normalise_images(contrast, ReconstructionConfig(normalise="mean"))
    assert contrast.std(axis=(1, 2)) == pytest.approx([0.05] * 3, rel=0.05)
    deviations = counts.copy()
    normalise_images(deviations, ReconstructionConfig())
    assert deviations.std() == pytest.approx(1, rel=1e-3)
    assert deviations[2].std() / deviations[0].std() == pytest.approx(3, rel=0.05)
    for images in (contrast, deviations):
        np.testing.assert_allclose(images.mean(axis=(1, 2)), 0, atol=1e-5)
    with pytest.raises(ValueError, match="wanted electron counts"):
        normalise_images(counts - 1000, ReconstructionConfig(normalise="mean"))
