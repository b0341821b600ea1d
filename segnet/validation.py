"""Scores of a network on held-out parts, by domain and class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segnet.dataset import Part
from segnet.infer import Predictor, predict_channels
from segnet.metrics import confusion_matrix, dice_precision_recall
from tomoio import BACKGROUND, ClassTable

Metrics = dict[str, dict[str, dict[str, float | None]]]


def confusion_by_domain(
    predictor: Predictor, parts: Sequence[Part], n_classes: int, most_slices: int = 0
) -> dict[str, NDArray[np.int64]]:
    """Segment parts, or ``most_slices`` of their slices evenly spread, and count voxels by domain."""
    share = 1.0
    if most_slices:
        share = min(1.0, most_slices / sum(len(part.image) for part in parts))
    counts: dict[str, NDArray[np.int64]] = {}
    for part in parts:
        depth = len(part.image)
        wanted = max(1, round(depth * share))
        planes = np.round((np.arange(wanted) + 0.5) * depth / wanted - 0.5).astype(np.intp)
        found = predict_channels(predictor, part.image, planes)
        zero = np.zeros((n_classes, n_classes), np.int64)
        counts[part.domain] = counts.get(part.domain, zero) + confusion_matrix(
            found, part.target[planes], n_classes
        )
    return counts


def metrics_of(counts: dict[str, NDArray[np.int64]], classes: ClassTable) -> Metrics:
    """Return Dice, precision and recall by domain and class; None where there is nothing to measure."""
    return {domain: _by_class(confusion, classes) for domain, confusion in counts.items()}


def _by_class(confusion: NDArray[np.int64], classes: ClassTable) -> dict[str, dict[str, float | None]]:
    columns = dict(zip(("dice", "precision", "recall"), dice_precision_recall(confusion), strict=True))
    return {
        name: {
            key: None if np.isnan(values[channel]) else float(values[channel])
            for key, values in columns.items()
        }
        for channel, name in enumerate(classes.names)
    }


def dice_by_class(counts: dict[str, NDArray[np.int64]], classes: ClassTable) -> dict[str, float]:
    """Return the Dice of each class over all domains together; NaN where a class is in neither."""
    if not counts:
        return dict.fromkeys(classes.names, float("nan"))
    dice, _, _ = dice_precision_recall(np.sum(list(counts.values()), axis=0))
    return dict(zip(classes.names, map(float, dice), strict=True))


def mean_dice(dice: dict[str, float], classes: ClassTable) -> float:
    """Return the mean over the foreground classes that there are; NaN where there is none."""
    values = [dice[entry.name] for entry in classes if entry.label != BACKGROUND]
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
