"""Label volumes with known objects: balls, tubes with flat ends, hollow shells. Lengths in voxels."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoio import ClassTable, LabelClass

NAMES = ("background", "membrane", "microtubule", "actin", "cofilactin", "ribosome", "tric", "carbon", "gold")
CLASSES = ClassTable(tuple(LabelClass(i, name, f"#{i:06x}", "") for i, name in enumerate(NAMES)))
CLASS_TABLE_PATH = Path(__file__).parents[3] / "config" / "classes.tsv"


def line(start: tuple[float, float, float], stop: tuple[float, float, float]) -> NDArray[np.float64]:
    """A straight path (2, 3)."""
    return np.array([start, stop], float)


def arc(
    centre: tuple[float, float, float], radius: float, first_deg: float, last_deg: float
) -> NDArray[np.float64]:
    """A path along a circle in a plane of constant z."""
    angles = np.radians(np.linspace(first_deg, last_deg, 200))
    flat = np.zeros_like(angles)
    return np.array(centre) + radius * np.stack([flat, np.sin(angles), np.cos(angles)], axis=1)


def path_length(path: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def _box(
    shape: tuple[int, ...], low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[tuple[slice, ...], list[NDArray[np.int64]]]:
    start = np.clip(np.floor(low).astype(int), 0, shape)
    stop = np.clip(np.ceil(high).astype(int) + 1, start, shape)
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    return box, np.ogrid[box]


def draw_ball(
    volume: NDArray[np.uint8],
    centre: tuple[float, float, float],
    radius: float,
    label: int,
    inner: float = 0.0,
) -> None:
    """Draw a ball, or a shell where ``inner`` is above 0."""
    middle = np.array(centre, float)
    box, axes = _box(volume.shape, middle - radius, middle + radius)
    squared = sum((axis - c) ** 2 for axis, c in zip(axes, middle, strict=True))
    volume[box][(squared <= radius**2) & (squared >= inner**2)] = label


def draw_tube(
    volume: NDArray[np.uint8], path: NDArray[np.float64], radius: float, label: int, inner: float = 0.0
) -> None:
    """Draw a tube with flat ends along a path; hollow where ``inner`` is above 0."""
    for i, (a, b) in enumerate(pairwise(path)):
        axis = b - a
        length = float(np.linalg.norm(axis))
        pieces = max(1, int(length // 30))
        for k in range(pieces):
            p, q = a + axis * k / pieces, a + axis * (k + 1) / pieces
            box, grid = _box(volume.shape, np.minimum(p, q) - radius - 1, np.maximum(p, q) + radius + 1)
            offset = [g - c for g, c in zip(grid, p, strict=True)]
            along = sum(o * u for o, u in zip(offset, axis / length, strict=True))
            across = sum(o**2 for o in offset) - along**2
            first, last = i == 0 and k == 0, i == len(path) - 2 and k == pieces - 1
            inside = (along >= (0 if first else -0.6)) & (along < length / pieces + (0 if last else 0.6))
            volume[box][inside & (across <= radius**2) & (across >= inner**2)] = label


def break_tube(
    volume: NDArray[np.uint8], path: NDArray[np.float64], radius: float, first: float, length: float
) -> None:
    """Erase a stretch of a straight tube."""
    direction = (path[1] - path[0]) / np.linalg.norm(path[1] - path[0])
    start = path[0] + first * direction
    draw_tube(volume, np.array([start, start + length * direction]), radius + 1, 0)
