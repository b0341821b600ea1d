from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from segnet.augmentation import affine_margin, blur, match_amplitudes, rotate_and_scale, vary
from segnet.config.training import AugmentationConfig
from tomoio import IGNORE

STILL = {
    "affine_share": 0,
    "noise_share": 0,
    "blur_share": 0,
    "amplitude_share": 0,
    "contrast": 0,
    "brightness": 0,
}


def helix(hand: int) -> torch.Tensor:
    """Points along a helix about y, as an image stack (1, z, y, x)."""
    volume = torch.zeros(1, 17, 32, 32)
    for y in range(32):
        angle = hand * 2 * np.pi * y / 16
        volume[0, round(8 + 6 * np.sin(angle)), y, round(15.5 + 6 * np.cos(angle))] = 1
    return volume


def handedness(volume: torch.Tensor) -> float:
    """Sum of triple products r(y) × r(y + 2) · e_y about the axis: its sign is the hand."""
    z, y, x = np.nonzero(volume[0].numpy())
    order = np.argsort(y)
    dz, dx = (z - 8.0)[order], (x - 15.5)[order]
    return float(np.sum(dx[:-2] * dz[2:] - dz[:-2] * dx[2:]))


def test_half_turns_keep_the_hand_of_a_helix():
    rng = np.random.default_rng(0)
    config = AugmentationConfig(**STILL)
    seen = set()
    for _ in range(40):
        turned, _ = vary(helix(1), torch.zeros(1, 32, 32), config, rng)
        assert handedness(turned) * handedness(helix(1)) > 0
        seen.add(turned.numpy().tobytes())
    assert len(seen) == 4  # none, and a half turn about each axis
    assert handedness(helix(-1)) * handedness(helix(1)) < 0


def test_targets_turn_with_the_central_slice():
    rng = np.random.default_rng(1)
    images = torch.rand(16, 5, 24, 24)
    targets = (images[:, 2] * 200).round().to(torch.uint8)
    turned, moved = vary(images.clone(), targets.clone(), AugmentationConfig(**STILL), rng)
    np.testing.assert_array_equal((turned[:, 2] * 200).round().to(torch.uint8), moved)
    assert not torch.equal(turned, images)


def test_rotation_by_ninety_degrees_is_exact(monkeypatch):
    class Fixed:
        def uniform(self, low, high, n):
            return np.full(n, 90.0 if high > 2 else 1.0)

        def random(self, n):
            return np.ones(n)

    images = torch.rand(2, 3, 20, 20)
    targets = torch.randint(0, 5, (2, 20, 20)).to(torch.uint8)
    turned, moved = rotate_and_scale(images, targets, 20, AugmentationConfig(rotation_deg=90), Fixed())
    torch.testing.assert_close(turned, torch.rot90(images, 1, (2, 3)), atol=1e-5, rtol=0)
    assert torch.equal(moved, torch.rot90(targets, 1, (1, 2)))


@pytest.mark.parametrize("rotation_deg", [15, 180])
def test_the_margin_is_enough_for_every_angle_and_scale(rotation_deg):
    config = AugmentationConfig(rotation_deg=rotation_deg)
    margin = affine_margin(config, 32)
    side = 32 + 2 * margin
    targets = torch.ones(200, side, side, dtype=torch.uint8)
    _, moved = rotate_and_scale(torch.rand(200, 1, side, side), targets, 32, config, np.random.default_rng(0))
    assert bool((moved == 1).all())
    _, moved = rotate_and_scale(
        torch.rand(200, 1, 32, 32), targets[:, :32, :32], 32, config, np.random.default_rng(0)
    )
    assert set(moved.unique().tolist()) == {1, IGNORE}


def test_blur_is_scipys():
    images = torch.rand(3, 2, 30, 30)
    sigma = torch.tensor([0.4, 0.8, 1.3])
    found = blur(images, sigma)
    for number, one in enumerate(sigma.tolist()):
        wanted = ndimage.gaussian_filter(images[number, 1].numpy(), one, mode="nearest", radius=4)
        np.testing.assert_allclose(found[number, 1], wanted, atol=1e-3)


def test_matched_amplitudes_are_those_of_the_reference():
    rng = np.random.default_rng(0)
    rough = torch.from_numpy(rng.normal(0, 1, (1, 3, 64, 64))).float()
    smooth = torch.from_numpy(
        ndimage.gaussian_filter(rng.normal(0, 5, (1, 3, 64, 64)), (0, 0, 1.0, 1.0))
    ).float()
    found = match_amplitudes(rough, smooth)
    assert found.mean().item() == pytest.approx(rough.mean().item(), abs=1e-5)

    def rings(image: torch.Tensor) -> np.ndarray:
        amplitude = np.abs(np.fft.fft2(image[0, 1].numpy()))
        radius = np.hypot(*np.meshgrid(np.fft.fftfreq(64), np.fft.fftfreq(64)))
        return np.array(
            [amplitude[(radius > r) & (radius < r + 0.05)].mean() for r in (0.05, 0.1, 0.15, 0.2)]
        )

    np.testing.assert_allclose(rings(found), rings(smooth), rtol=0.15)
    assert np.all(rings(rough) / rings(smooth) < 0.6) or np.all(rings(rough)[-1] / rings(smooth)[-1] > 1.5)


def test_the_same_generator_gives_the_same_patches():
    images, targets = torch.rand(8, 3, 32, 32), torch.zeros(8, 32, 32, dtype=torch.uint8)
    config = AugmentationConfig(noise_share=0.5, blur_share=0.5, amplitude_share=0.5)
    twice = [vary(images.clone(), targets, config, np.random.default_rng(4))[0] for _ in range(2)]
    assert torch.equal(*twice)
    assert torch.isfinite(twice[0]).all()


def test_added_noise_keeps_the_standard_deviation():
    config = AugmentationConfig(**(STILL | {"noise_share": 1, "noise_sd": 3, "half_turns": False}))
    images = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    noisy, _ = vary(images.clone(), torch.zeros(8, 64, 64), config, np.random.default_rng(0))
    np.testing.assert_allclose(noisy.std(dim=(1, 2, 3)), 1, atol=0.03)
    likeness = [float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in zip(images, noisy, strict=True)]
    assert min(likeness) < 0.6  # the loudest is mostly noise
    assert max(likeness) < 0.9999


def test_mirror_turns_half_of_all_patches_over_and_only_when_asked():
    images, targets = torch.rand(400, 3, 8, 8), torch.randint(0, 5, (400, 8, 8)).to(torch.uint8)
    found, moved = vary(
        images.clone(),
        targets.clone(),
        AugmentationConfig(**STILL | {"half_turns": False}, mirror=True),
        np.random.default_rng(0),
    )
    same = (found == images).flatten(1).all(1)
    turned = (found == images.flip(3)).flatten(1).all(1)
    assert bool((same | turned).all())
    assert 150 < int(turned.sum()) < 250  # 200 are expected, with a deviation of 10
    assert torch.equal(moved[turned], targets[turned].flip(2))
    still = AugmentationConfig(**STILL | {"half_turns": False})
    assert torch.equal(vary(images.clone(), targets.clone(), still, np.random.default_rng(0))[0], images)
