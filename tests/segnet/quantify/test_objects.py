"""Objects from runs against scipy.ndimage.label on random volumes, and groups of near voxels by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from segnet.quantify.objects import RunsByObject, find_runs, label_objects, near_groups, without_islands

EVERY = np.arange(256) > 0


def _slabs(volume, thickness=3):
    return (volume[z : z + thickness] for z in range(0, len(volume), thickness))


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("density", [0.1, 0.35, 0.6])
def test_objects_are_those_of_scipy(full, density):
    rng = np.random.default_rng(3)
    volume = (rng.random((13, 17, 19)) < density).astype(np.uint8) * rng.integers(
        1, 3, (13, 17, 19), np.uint8
    )
    runs = find_runs(_slabs(volume), volume.shape, EVERY)
    objects = label_objects(runs, np.full(256, full))
    structure = np.ones((3, 3, 3)) if full else None
    for label in (1, 2):
        expected, count = ndimage.label(volume == label, structure)
        sizes = np.bincount(expected.ravel())[1:]
        centres = ndimage.center_of_mass(volume == label, expected, range(1, count + 1))
        own = objects.label == label
        assert sorted(objects.voxels[own]) == sorted(sizes)
        np.testing.assert_allclose(sorted(map(tuple, objects.centroid[own])), sorted(centres))
        boxes = {tuple((s.start, s.stop) for s in box) for box in ndimage.find_objects(expected)}
        found = {
            tuple(zip(a, b, strict=True))
            for a, b in zip(objects.box_start[own].tolist(), objects.box_stop[own].tolist(), strict=True)
        }
        assert found == boxes


def test_masks_of_objects_put_the_volume_together_again():
    rng = np.random.default_rng(4)
    volume = (rng.random((9, 11, 13)) < 0.3).astype(np.uint8)
    runs = find_runs(_slabs(volume), volume.shape, EVERY)
    objects = label_objects(runs, np.zeros(256, bool))
    by_object = RunsByObject(runs, objects)
    again = np.zeros_like(volume)
    for number in range(objects.label.size):
        box = tuple(
            slice(a, b) for a, b in zip(objects.box_start[number], objects.box_stop[number], strict=True)
        )
        again[box] += by_object.mask(number)
    np.testing.assert_array_equal(again, volume)


def test_islands_below_the_minimum_go_and_those_at_it_stay():
    volume = np.zeros((3, 3, 40), np.uint8)
    volume[1, 1, 0:5] = 1
    volume[1, 1, 10:14] = 1
    volume[1, 1, 20:24] = 2
    runs = find_runs(_slabs(volume), volume.shape, EVERY)
    minimum = np.full(256, 5)
    minimum[2] = 4
    kept, objects = without_islands(runs, label_objects(runs, np.zeros(256, bool)), minimum)
    assert list(zip(objects.label, objects.voxels, strict=True)) == [(1, 5), (2, 4)]
    assert (kept.stop - kept.start).sum() == 9


def test_near_groups_join_up_to_the_distance_between_voxel_centres():
    volume = np.zeros((8, 8, 8), np.uint8)
    for voxel in ((1, 1, 1), (3, 2, 3), (6, 6, 6)):
        volume[voxel] = 1
    runs = find_runs(_slabs(volume), volume.shape, EVERY)
    assert list(near_groups(runs, 2.99)) == [0, 1, 2]
    assert list(near_groups(runs, 3.01)) == [0, 0, 1]
