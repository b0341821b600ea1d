"""Agreement of two label volumes; NaN where a class is in neither."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize
from skimage.morphology import skeletonize

from tomoio import IGNORE


def confusion_matrix(
    predicted: NDArray[np.uint8], truth: NDArray[np.uint8], n_classes: int
) -> NDArray[np.int64]:
    """Count voxels (true class, predicted class); voxels whose truth is 255 (ignore) do not count.

    Both arrays hold 0 to ``n_classes`` - 1 and have one shape; a prediction of 255 counts as background.
    """
    counted = truth != IGNORE
    found = np.where(predicted[counted] == IGNORE, 0, predicted[counted])
    pairs = truth[counted].astype(np.int64) * n_classes + found
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def dice_precision_recall(
    confusion: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return Dice 2 TP / (2 TP + FP + FN), precision and recall of each class of a confusion matrix."""
    hits = np.diag(confusion).astype(float)
    predicted, true = confusion.sum(axis=0), confusion.sum(axis=1)
    return _ratio(2 * hits, predicted + true), _ratio(hits, predicted), _ratio(hits, true)


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.int64]) -> NDArray[np.float64]:
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def surface_dice(predicted: NDArray[np.bool_], truth: NDArray[np.bool_], tolerance_px: float) -> float:
    """Return the share of both surfaces that lies within a tolerance of the other one.

    After Nikolov et al. 2018 (arXiv 1809.04430), with the surface taken as the voxels of a mask that touch
    its outside by a face, beyond the array counting as inside. NaN where both masks are empty.
    """
    surfaces = [mask & ~ndimage.binary_erosion(mask, border_value=1) for mask in (predicted, truth)]
    total = int(surfaces[0].sum() + surfaces[1].sum())
    if total == 0:
        return float("nan")
    close = sum(_within(surface, other, tolerance_px) for surface, other in (surfaces, surfaces[::-1]))
    return close / total


def _within(points: NDArray[np.bool_], others: NDArray[np.bool_], tolerance_px: float) -> int:
    if not (points.any() and others.any()):
        return 0
    return int((ndimage.distance_transform_edt(~others)[points] <= tolerance_px).sum())


def centreline_dice(predicted: NDArray[np.bool_], truth: NDArray[np.bool_], *, sheets: bool) -> float:
    """Return clDice (Shit et al. 2021, arXiv 2003.07311): agreement of each mask with the other's skeleton.

    It is the harmonic mean of the shares of each skeleton that lie in the other mask; NaN where both masks
    are empty.

    Parameters
    ----------
    predicted, truth
        Masks (z, y, x).
    sheets
        True for membranes: each slice has a skeleton of its own, since thinning in three dimensions leaves
        of a sheet a few points only. False for filaments.
    """
    if not (predicted.any() or truth.any()):
        return float("nan")
    precision = _covered(_skeleton(predicted, sheets), truth)
    sensitivity = _covered(_skeleton(truth, sheets), predicted)
    return 2 * precision * sensitivity / (precision + sensitivity) if precision + sensitivity else 0.0


def _skeleton(mask: NDArray[np.bool_], sheets: bool) -> NDArray[np.bool_]:
    thin = np.stack([skeletonize(plane) for plane in mask]) if sheets else skeletonize(mask)
    return thin if thin.any() else mask


def _covered(skeleton: NDArray[np.bool_], mask: NDArray[np.bool_]) -> float:
    length = int(skeleton.sum())
    return float(mask[skeleton].sum() / length) if length else 0.0


@dataclass(frozen=True)
class ObjectScore:
    """Precision, recall and F1 of particles; NaN where there is nothing to count."""

    precision: float
    recall: float
    f1: float


def object_score(
    predicted: NDArray[np.bool_], truth: NDArray[np.bool_], tolerance_px: float, min_voxels: int
) -> ObjectScore:
    """Match connected pieces (26 neighbours) one to one by the distance of their centres of mass.

    The matching is the one with the most pairs within the tolerance, and among those the nearest
    (Hungarian algorithm). Pieces below ``min_voxels`` do not count.
    """
    centres = [object_centres(mask, min_voxels) for mask in (predicted, truth)]
    return match_centres(centres[0], centres[1], tolerance_px)


def object_centres(mask: NDArray[np.bool_], min_voxels: int) -> NDArray[np.float64]:
    """Return the centres of mass (n, 3), voxels, of the connected pieces of a mask."""
    pieces, n = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    large = 1 + np.flatnonzero(np.bincount(pieces.ravel(), minlength=n + 1)[1:] >= min_voxels)
    return np.array(ndimage.center_of_mass(mask, pieces, large)).reshape(-1, 3)


def match_centres(
    predicted: NDArray[np.float64], truth: NDArray[np.float64], tolerance: float
) -> ObjectScore:
    """Score points (n, 3) against true ones (m, 3), matched one to one within ``tolerance``."""
    n, m = len(predicted), len(truth)
    hits = 0
    if n and m:
        distance = np.linalg.norm(predicted[:, None] - truth[None], axis=2)
        # a pair out of reach costs more than all pairs in reach, so the number of hits comes first
        cost = np.where(distance <= tolerance, distance, (tolerance + 1) * (min(n, m) + 1))
        rows, columns = optimize.linear_sum_assignment(cost)
        hits = int((distance[rows, columns] <= tolerance).sum())
    nan = float("nan")
    return ObjectScore(hits / n if n else nan, hits / m if m else nan, 2 * hits / (n + m) if n + m else nan)
