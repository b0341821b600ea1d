"""Cheap descriptors of windows, to find those that are unlike what a network was trained on."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segnet.rounds.maps import TomogramMaps
from segnet.rounds.windows import WindowGrid, window_grid, window_sums
from tomoio import ClassTable, VolumeReader

_logger = logging.getLogger(__name__)


def describe(
    grey: NDArray[Any], grey_square: NDArray[Any], labelled: NDArray[Any], binning: int, grid: WindowGrid
) -> NDArray[np.float64]:
    """Return descriptors (window, feature) from maps as in `TomogramMaps`.

    Features: mean grey value, its variation between cubes and within them, and the square roots of the class
    fractions, which make the difference between none and little as large as that between some and much.
    """
    voxels = float(np.prod(grid.size))
    cubes = np.maximum((grid.cube_stops - grid.cube_starts).prod(axis=1), 1)
    mean = window_sums(grey, grid) / voxels
    cube_mean = grey / binning**3
    between = np.sqrt(np.clip(window_sums(cube_mean**2, grid) / cubes - mean**2, 0, None))
    total = np.sqrt(np.clip(window_sums(grey_square, grid) / voxels - mean**2, 0, None))
    within = np.sqrt(np.clip(total**2 - between**2, 0, None))
    shares = np.sqrt(np.clip(window_sums(labelled[1:], grid) / voxels, 0, 1))
    return np.column_stack([mean, between, within, shares.T])


def describe_tomogram(maps: TomogramMaps, grid: WindowGrid) -> NDArray[np.float64]:
    """Return the descriptors (window, feature) of a segmented tomogram."""
    return describe(maps.grey, maps.grey_square, maps.labelled, maps.binning, grid)


def describe_training_data(
    model_dir: Path, classes: ClassTable, size: tuple[int, int, int], binning: int
) -> NDArray[np.float64]:
    """Return descriptors (window, feature) of the tomograms that a network was trained on, from its card.

    Files that are no longer there are passed over, so the result may have no rows.
    """
    card = model_dir / "model.json"
    rows = json.loads(card.read_text(encoding="utf-8")).get("data", []) if card.is_file() else []
    found = [np.zeros((0, 3 + len(classes.labels) - 1))]
    for row in rows:
        image, labels = Path(row["tomogram"]), Path(row["labels"])
        if not (image.is_file() and labels.is_file()):
            _logger.info("%s is not there any more; novelty is judged without it", image)
            continue
        found.append(_describe_pair(image, labels, row, classes, size, binning))
    return np.concatenate(found)


def _describe_pair(
    image: Path,
    labels: Path,
    row: dict[str, Any],
    classes: ClassTable,
    size: tuple[int, int, int],
    binning: int,
) -> NDArray[np.float64]:
    pixel_size = float(row["source_pixel_size_angstrom"])
    with (
        VolumeReader(image, pixel_size_angstrom=pixel_size) as reader,
        VolumeReader(labels, pixel_size_angstrom=pixel_size) as truth,
    ):
        grey = (reader.read().astype(np.float32) - float(row["centre"])) / float(row["spread"])
        rows = truth.read()
    cubes = [_bin(grey, binning), _bin(grey * grey, binning)]
    labelled = np.stack([_bin((rows == label).astype(np.float32), binning) for label in classes.labels])
    grid = window_grid(grey.shape, size, binning, 1.0)
    return describe(cubes[0], cubes[1], labelled, binning, grid)


def _bin(volume: NDArray[np.float32], binning: int) -> NDArray[np.float32]:
    padded = np.pad(volume, [(0, -length % binning) for length in volume.shape])
    z, y, x = (length // binning for length in padded.shape)
    return padded.reshape(z, binning, y, binning, x, binning).sum(axis=(1, 3, 5), dtype=np.float32)


def novelty(
    candidates: NDArray[np.float64], known: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how far each candidate is from the nearest known descriptor: 0 the same, near 1 far away.

    Parameters
    ----------
    candidates, known
        Descriptors (window, feature).
    spread
        Standard deviation of each feature over the candidates; features without spread do not count.
    """
    if not len(known):
        return np.zeros(len(candidates))
    scale = np.where(spread > 1e-9, spread, np.inf)
    nearest = np.full(len(candidates), np.inf)
    for one in known:
        nearest = np.minimum(nearest, np.sqrt((((candidates - one) / scale) ** 2).mean(axis=1)))
    return nearest / (1 + nearest)
