from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from segnet.metrics import (
    centreline_dice,
    confusion_matrix,
    dice_precision_recall,
    match_centres,
    object_score,
    surface_dice,
)
from tomoio import IGNORE


def test_confusion_and_scores_are_scikit_learns():
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 1, 2, 4, IGNORE], (6, 20, 20)).astype(np.uint8)
    predicted = rng.integers(0, 5, truth.shape).astype(np.uint8)
    found = confusion_matrix(predicted, truth, 6)
    counted = truth != IGNORE
    t, p = truth[counted], predicted[counted]
    np.testing.assert_array_equal(found, sklearn_metrics.confusion_matrix(t, p, labels=range(6)))
    dice, precision, recall = dice_precision_recall(found)
    wanted = sklearn_metrics.precision_recall_fscore_support(t, p, labels=range(6), zero_division=np.nan)
    np.testing.assert_allclose(precision, wanted[0])
    np.testing.assert_allclose(recall, wanted[1])
    np.testing.assert_allclose(dice[:5], wanted[2][:5])
    assert recall[3] != recall[3]  # predicted only
    assert dice[3] == 0
    assert np.isnan(dice[5])  # in neither


def test_ignored_voxels_count_as_little_as_missing_ones():
    rng = np.random.default_rng(1)
    truth, predicted = rng.integers(0, 3, (2, 5, 12, 12)).astype(np.uint8)
    masked = truth.copy()
    masked[:, 8:] = IGNORE
    np.testing.assert_array_equal(
        confusion_matrix(predicted, masked, 3), confusion_matrix(predicted[:, :8], truth[:, :8], 3)
    )


def wall(first: int, last: int) -> np.ndarray:
    mask = np.zeros((20, 20, 20), bool)
    mask[:, :, first:last] = True
    return mask


def test_surface_dice_of_a_moved_wall():
    assert surface_dice(wall(8, 10), wall(8, 10), 0) == 1
    assert surface_dice(wall(8, 10), wall(9, 11), 0) == 0.5  # one of two sides coincides
    assert surface_dice(wall(8, 10), wall(10, 12), 1) == 0.5
    assert surface_dice(wall(8, 10), wall(10, 12), 2) == 1
    assert surface_dice(wall(8, 10), wall(15, 17), 2) == 0
    assert np.isnan(surface_dice(wall(0, 0), wall(0, 0), 2))
    assert surface_dice(wall(8, 10), wall(0, 0), 2) == 0


def test_surface_dice_by_brute_force():
    rng = np.random.default_rng(2)
    masks = rng.random((2, 7, 8, 9)) < 0.2

    def surface(mask: np.ndarray) -> np.ndarray:
        padded = np.pad(mask, 1, constant_values=True)
        inside = mask.copy()
        for axis, step in itertools.product(range(3), (-1, 1)):
            inside &= np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1]
        return np.argwhere(mask & ~inside)

    a, b = surface(masks[0]), surface(masks[1])
    distance = np.linalg.norm(a[:, None] - b[None], axis=2)
    wanted = ((distance.min(1) <= 1.1).sum() + (distance.min(0) <= 1.1).sum()) / (len(a) + len(b))
    assert surface_dice(masks[0], masks[1], 1.1) == pytest.approx(wanted)


def test_centreline_dice_forgives_thickness_and_punishes_gaps():
    rod = np.zeros((15, 15, 60), bool)
    rod[5:10, 5:10, 5:55] = True
    thin = np.zeros_like(rod)
    thin[7, 7, 5:55] = True
    assert centreline_dice(rod, thin, sheets=False) == pytest.approx(1)
    plain = 2 * (rod & thin).sum() / (rod.sum() + thin.sum())
    assert plain < 0.1
    half = thin.copy()
    half[:, :, 30:] = False  # precision 1, sensitivity half
    assert centreline_dice(half, thin, sheets=False) == pytest.approx(2 * 0.5 / 1.5, abs=0.02)
    assert np.isnan(centreline_dice(rod & False, rod & False, sheets=False))
    assert centreline_dice(rod, rod & False, sheets=False) == 0


def test_centreline_dice_of_a_sheet_is_that_of_its_slices():
    assert centreline_dice(wall(8, 10), wall(8, 10), sheets=True) == 1
    # thicker, but in the same place; a skeleton's ends curl at the border
    assert centreline_dice(wall(8, 10), wall(5, 12), sheets=True) == pytest.approx(1, abs=0.05)
    holed = wall(5, 12)
    holed[:, 10:] = False
    assert centreline_dice(holed, wall(8, 10), sheets=True) == pytest.approx(2 * 0.5 / 1.5, abs=0.1)


def test_matching_is_the_best_of_all():
    rng = np.random.default_rng(3)
    for n, m in ((4, 5), (5, 3), (4, 4)):
        a, b = rng.uniform(0, 4, (n, 3)), rng.uniform(0, 4, (m, 3))
        near = np.linalg.norm(a[:, None] - b[None], axis=2) <= 1.5
        short, long = (near, m) if n <= m else (near.T, n)
        best = max(
            sum(short[i, j] for i, j in enumerate(order))
            for order in itertools.permutations(range(long), len(short))
        )
        found = match_centres(a, b, 1.5)
        assert (found.precision, found.recall) == (best / n, best / m)
        assert found.f1 == pytest.approx(2 * best / (n + m))


def test_objects_are_counted_once_and_small_ones_not_at_all():
    truth, predicted = np.zeros((2, 20, 40, 40), bool)
    for x in (5, 20, 33):
        truth[8:12, 8:12, x : x + 4] = True
    predicted[8:12, 9:13, 5:9] = True  # a hit
    predicted[8:12, 8:12, 19:22] = True  # a hit
    predicted[2:6, 30:34, 30:34] = True  # false
    predicted[15, 15, 15] = True  # too small to count
    found = object_score(predicted, truth, 3, 10)
    assert (found.precision, found.recall) == pytest.approx((2 / 3, 2 / 3))
    assert np.isnan(object_score(predicted & False, truth & False, 3, 10).f1)
    assert object_score(predicted & False, truth, 3, 10).f1 == 0
