"""What speaks for correcting each window of segmented tomograms, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segnet.config.rounds import CropConfig, ProposalConfig
from segnet.rounds.descriptors import describe_tomogram
from segnet.rounds.maps import TomogramMaps
from segnet.rounds.windows import WindowGrid, window_grid, window_sums
from tomoio import ClassTable, LabelClass

THIN_ROLES = ("membrane", "filament")
# A class with less than this share of all labelled voxels weighs as one that has it: a few stray voxels of a
# class that is not there must not draw every region to them.
_LEAST_CLASS_SHARE = 0.02
# Doubt in background voxels says little of what was missed: with full weight, windows correlate less with the
# Dice that they really cost (benchmarks/rounds.py: 0.85, without these voxels 0.90).
_UNKNOWN_CLASS_WEIGHT = 0.25


@dataclass(frozen=True)
class Criteria:
    """What is known of every candidate window; all arrays have one entry a window.

    Attributes
    ----------
    error
        Expected share of wrong voxels.
    lost_dice
        (class, window): expected loss of each class's Dice that the window accounts for.
    content
        (class, window): expected voxels of each class.
    confusion
        Expected share of voxels that are of one class and labelled as another.
    disagreement
        Share of voxels that another network labels otherwise.
    broken
        (class, window): share of a thin class's voxels that lie in short pieces; 0 for other classes.
    descriptors
        (window, feature), for novelty.
    """

    error: NDArray[np.float64]
    lost_dice: NDArray[np.float64]
    content: NDArray[np.float64]
    confusion: NDArray[np.float64]
    disagreement: NDArray[np.float64]
    broken: NDArray[np.float64]
    descriptors: NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """Candidate windows of all tomograms; ``owner`` is the index of a window's tomogram."""

    maps: tuple[TomogramMaps, ...]
    grids: tuple[WindowGrid, ...]
    owner: NDArray[np.intp]
    starts: NDArray[np.int64]
    criteria: Criteria


def gather_candidates(
    maps: Sequence[TomogramMaps], classes: ClassTable, config: ProposalConfig, crop: CropConfig
) -> Candidates:
    """Measure every criterion in every window of every tomogram."""
    grids = [window_grid(one.shape, crop.size_voxels, one.binning, config.stride_fraction) for one in maps]
    weights = _dice_weights(maps)
    pieces = [
        _measure_windows(one, grid, classes, config, weights) for one, grid in zip(maps, grids, strict=True)
    ]
    axis_of_windows = dict.fromkeys(Criteria.__dataclass_fields__, -1) | {"descriptors": 0}
    joined = Criteria(
        **{
            name: np.concatenate([getattr(piece, name) for piece in pieces], axis=axis)
            for name, axis in axis_of_windows.items()
        }
    )
    owner = np.repeat(np.arange(len(grids)), [len(grid) for grid in grids])
    starts = np.concatenate([grid.starts for grid in grids])
    return Candidates(tuple(maps), tuple(grids), owner, starts, joined)


def _dice_weights(maps: Sequence[TomogramMaps]) -> NDArray[np.float64]:
    """Return what one wrong voxel costs each class's Dice; class 0 a quarter of a mean class."""
    mass = np.sum([one.mass.sum(axis=(1, 2, 3), dtype=np.float64) for one in maps], axis=0)
    floor = _LEAST_CLASS_SHARE * mass[1:].sum()
    mass = np.maximum(mass, max(floor, 1.0))
    mass[0] = mass[1:].mean() / _UNKNOWN_CLASS_WEIGHT
    return 1 / mass


def _measure_windows(
    maps: TomogramMaps,
    grid: WindowGrid,
    classes: ClassTable,
    config: ProposalConfig,
    weights: NDArray[np.float64],
) -> Criteria:
    voxels = float(np.prod(grid.size))
    broken = np.stack([_broken_share(maps, row, entry, grid, config) for row, entry in enumerate(classes)])
    return Criteria(
        window_sums(maps.error, grid) / voxels,
        window_sums(maps.lost, grid) * weights[:, np.newaxis],
        window_sums(maps.mass, grid) / 2,
        window_sums(maps.confusion, grid) / voxels,
        window_sums(maps.disagreement, grid) / voxels,
        broken,
        describe_tomogram(maps, grid),
    )


def _broken_share(
    maps: TomogramMaps, row: int, entry: LabelClass, grid: WindowGrid, config: ProposalConfig
) -> NDArray[np.float64]:
    """Return which share of a thin class lies in short pieces, pulled to 0 where there is little of it."""
    present = maps.labelled[row] > 0
    if entry.role not in THIN_ROLES or not present.any():
        return np.zeros(len(grid))
    pieces, count = ndimage.label(present, structure=np.ones((3, 3, 3)))
    cube_angstrom = maps.binning * maps.pixel_size_angstrom
    extents = [
        cube_angstrom * np.hypot.reduce([part.stop - part.start for part in box])
        for box in ndimage.find_objects(pieces, count)
    ]
    is_short = np.concatenate([[False], np.array(extents) < config.short_piece_angstrom])
    short = window_sums(maps.labelled[row] * is_short[pieces], grid)
    voxels = window_sums(maps.labelled[row], grid)
    return short / (voxels + max(1.0, float(voxels.mean())))


def explain(criteria: Criteria, window: int, classes: ClassTable, *, is_novel: bool) -> str:
    """Return in words what makes a window worth correcting."""
    share, ratio = criteria.error[window], _times(criteria.error, window)
    parts = [f"the network expects {share:.1%} of its voxels to be wrong{ratio}"]
    lost = criteria.lost_dice[1:, window]
    order = np.argsort(lost)[::-1]
    doubtful = [classes.names[1 + row] for row in order[:3] if lost[row] > 0.25 * lost.max() > 0]
    if doubtful:
        parts.append(f"mostly {' and '.join(doubtful)}")
    shown = _classes_shown(criteria, window, classes)
    if shown:
        parts.append(f"shows {' and '.join(shown)}")
    if stands_out(criteria.confusion, window):
        parts.append("classes confused with one another" + _times(criteria.confusion, window))
    if stands_out(criteria.disagreement, window):
        parts.append(f"networks disagree on {criteria.disagreement[window]:.1%}")
    for row, name in enumerate(classes.names):
        if stands_out(criteria.broken[row], window) and criteria.broken[row, window] > 0.1:
            parts.append(f"{name} in short pieces")
    if is_novel:
        parts.append("unlike the training data and the regions above")
    return "; ".join(parts)


def _classes_shown(criteria: Criteria, window: int, classes: ClassTable) -> list[str]:
    """Return the classes of which a window shows at least twice the mean of all windows, most first."""
    usual = criteria.content[1:].mean(axis=1)
    times = criteria.content[1:, window] / np.where(usual > 0, usual, np.inf)
    order = np.argsort(times)[::-1][:3]
    return [f"{classes.names[1 + row]} ({times[row]:.1f} × the mean)" for row in order if times[row] >= 2]


def _times(values: NDArray[np.float64], window: int) -> str:
    usual = float(np.median(values))
    return f" ({values[window] / usual:.1f} × the median)" if usual > 0 else ""


def stands_out(values: NDArray[np.float64], window: int) -> bool:
    """Return whether a window has one of the highest fifth of values."""
    return bool(values[window] > 0 and values[window] >= np.quantile(values, 0.8))
