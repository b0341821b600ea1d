from __future__ import annotations

import numpy as np
import pytest

from segnet.config.training import SamplingConfig
from segnet.dataset import Part, read_parts
from segnet.patches import (
    BalancedSampler,
    Corner,
    UniformSampler,
    class_voxels,
    cut_patches,
    grid_corners,
)
from tests.segnet.phantoms import CLASSES
from tomoio import IGNORE


def part(value: float, target: np.ndarray, domain: str = "synthetic") -> Part:
    return Part(f"part {value}", domain, np.full(target.shape, value, np.float32), target, {})


def test_a_window_never_reaches_across_a_seam(block):
    parts = read_parts([block], CLASSES, {})
    for number, one in enumerate(parts):
        one.image[:] = number + 1
    config = SamplingConfig(patch_size_px=32, batch_size=64)
    for sampler in (UniformSampler(parts, config, 0), BalancedSampler(parts, config, 0)):
        corners = sampler(0)
        assert {corner.part for corner in corners} == {0, 1}
        assert {corner.z for corner in corners} >= {0, 11}  # windows of 11 slices would reach across here
        images, _ = cut_patches(parts, corners, 32, 11, margin=7)
        for corner, image in zip(corners, images, strict=True):
            assert np.all(image == corner.part + 1)


def test_a_patch_holds_the_slices_around_its_own():
    target = np.zeros((9, 40, 40), np.uint8)
    one = part(0, target)
    one.image[:] = np.arange(9)[:, None, None]
    images, _ = cut_patches([one], [Corner(0, 4, 3, 5), Corner(0, 1, 0, 0), Corner(0, 8, 0, 0)], 16, 5)
    assert images[:, :, 0, 0].tolist() == [[2, 3, 4, 5, 6], [0, 0, 1, 2, 3], [6, 7, 8, 8, 8]]


def test_beyond_the_part_the_image_continues_and_the_target_is_ignored():
    target = np.arange(20 * 20, dtype=np.uint8).reshape(1, 20, 20) % 4
    one = part(0, target)
    one.image[0] = np.arange(400).reshape(20, 20)
    images, targets = cut_patches([one], [Corner(0, 0, -6, -6)], 32, 1)
    np.testing.assert_array_equal(images[0, 0], np.pad(one.image[0], 6, mode="edge"))
    np.testing.assert_array_equal(targets[0], np.pad(target[0], 6, constant_values=IGNORE))


def test_the_grid_covers_everything_that_is_labelled_and_nothing_else():
    target = np.full((3, 70, 50), IGNORE, np.uint8)
    target[1, 10:69, 3:49] = 0
    corners = grid_corners([part(0, target)], SamplingConfig(patch_size_px=32, stride_ratio=0.5))
    covered = np.zeros(target.shape, bool)
    for _, z, y, x in corners:
        covered[z, y : y + 32, x : x + 32] = True
        assert np.any(target[z, y : y + 32, x : x + 32] == 0)
    assert np.all(covered[target == 0])
    assert set(corners[:, 1]) == {1}
    with pytest.raises(ValueError, match="no labelled voxel"):
        grid_corners([part(0, np.full_like(target, IGNORE))], SamplingConfig())


def test_uniform_sampling_shows_each_patch_once_an_epoch(block):
    sampler = UniformSampler(
        read_parts([block], CLASSES, {}), SamplingConfig(patch_size_px=32, batch_size=8), 3
    )
    epochs = [
        [corner for b in range(sampler.batches) for corner in sampler(e * sampler.batches + b)]
        for e in (0, 1)
    ]
    assert len(set(epochs[0])) == len(epochs[0]) == 24 * 4
    assert set(epochs[0]) == set(epochs[1])
    assert epochs[0] != epochs[1]
    assert sampler(5) == sampler(5)


def test_balanced_sampling_shows_rare_classes_and_small_domains_often():
    target = np.zeros((20, 64, 64), np.uint8)
    target[:, :, 10:30] = 1
    target[7, 40, 50] = 2  # one voxel
    parts = [part(0, target), part(1, np.zeros((2, 64, 64), np.uint8), "hard_negative")]
    config = SamplingConfig(patch_size_px=16, batch_size=500, uniform_share=0.2)
    sampler = BalancedSampler(parts, config, 0)
    corners = [corner for step in range(4) for corner in sampler(step)]
    hard = sum(corner.part == 1 for corner in corners) / 2000
    small = 0.5 * 0.1**0.5  # half the weight, a tenth of the voxels
    assert hard == pytest.approx(small / (1 + small), abs=0.03)
    shown = [parts[c.part].target[c.z, c.y : c.y + 16, c.x : c.x + 16] for c in corners if c.part == 0]
    rare = sum(bool((patch == 2).any()) for patch in shown) / len(shown)
    assert rare == pytest.approx(0.8 / 2, abs=0.05)
    assert all(patch.shape == (16, 16) for patch in shown)


def test_cached_voxels_are_those_of_their_class():
    target = np.random.default_rng(0).integers(0, 4, (5, 20, 20)).astype(np.uint8)
    target[0] = IGNORE
    for channel, voxels in enumerate(class_voxels([part(0, target)], "synthetic"), start=1):
        assert len(voxels) == np.sum(target == channel)
        assert np.all(target[tuple(voxels[:, 1:].T)] == channel)


def test_a_domain_without_a_labelled_voxel_is_left_out():
    empty = np.zeros((3, 40, 40), np.uint8)
    parts = [part(0, empty), part(1, empty + np.uint8(IGNORE), "real")]
    sampler = BalancedSampler(parts, SamplingConfig(patch_size_px=16), seed=0)
    assert {corner.part for step in range(20) for corner in sampler(step)} == {0}
