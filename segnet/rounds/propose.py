"""Rank regions in which a correction would help most, and say why."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from tqdm import tqdm

from segnet.config.rounds import CropConfig, ProposalConfig
from segnet.rounds.descriptors import describe_tomogram, describe_training_data, novelty
from segnet.rounds.maps import TomogramMaps, measure_tomogram
from segnet.rounds.pictures import draw_region
from segnet.rounds.regions import Region, write_regions
from segnet.rounds.tomograms import TomogramRow, find_tomogram
from segnet.rounds.windows import WindowGrid, box_grid, overlap_fractions, window_grid, window_sums
from tomoio import ClassTable, LabelClass

THIN_ROLES = ("membrane", "filament")
# A class with less than this share of all labelled voxels weighs as one that has it: a few stray voxels of a
# class that is not there must not draw every region to them.
_LEAST_CLASS_SHARE = 0.02
# Doubt in background voxels says little of what was missed: with full weight, windows correlate less with the
# Dice that they really cost (benchmarks/rounds.py: 0.85, without these voxels 0.90).
_UNKNOWN_CLASS_WEIGHT = 0.25
_LEAST_PRESENT_SHARE = 0.005  # of the voxels that are not background
_PLENTY_OF_VOXELS = 0.01  # share of a window
_PLENTY_OF_PIECES = 0.25  # share of the thin objects in a window
_logger = logging.getLogger(__name__)


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


@dataclass(frozen=True)
class Proposal:
    """A region with its score and the numbers behind its reason."""

    region: Region
    score: float
    expected_error: float


def propose_regions(
    tomograms: Sequence[TomogramRow],
    segmentations: Path,
    classes: ClassTable,
    round_name: str,
    config: ProposalConfig,
    crop: CropConfig,
    *,
    model_dir: Path | None = None,
    others: Sequence[Path] = (),
    avoid: Sequence[Region] = (),
) -> tuple[Proposal, ...]:
    """Rank windows of segmented tomograms and return the best that do not overlap.

    A window's score is the weighted sum of five criteria, each divided by its largest value: the expected
    loss of Dice and the content, over the classes (both the less for a class, the more of it is in corrected
    and chosen regions already), the disagreement of networks, the confusion of classes and the brokenness of
    thin objects; times one plus the weighted novelty; times a discount for each window chosen from the same
    tomogram.

    Parameters
    ----------
    tomograms
        Rows of the tomograms that were segmented.
    segmentations
        Folder that `segnet segment` wrote, with uncertainty or with probabilities of all classes.
    classes
        Classes of the network.
    round_name
        The round whose network labelled them; stands in the ids.
    config, crop
        Weights and limits, size of the regions.
    model_dir
        The network's folder, whose card names the training data (for novelty).
    others
        Folders with segmentations of other networks.
    avoid
        Regions that are corrected or held out already.

    Raises
    ------
    FileNotFoundError, ValueError
        If a segmentation is missing or does not fit its tomogram.
    """
    progress = tqdm(tomograms, desc="propose", unit="tomogram", disable=len(tomograms) < 2)
    maps = [measure_tomogram(row, segmentations, classes, config.binning, others=others) for row in progress]
    candidates = gather_candidates(maps, classes, config, crop)
    known = np.zeros((0, candidates.criteria.descriptors.shape[1]))
    if model_dir is not None and config.novelty_weight:
        known = describe_training_data(model_dir, classes, crop.size_voxels, config.binning)
    chosen = choose_windows(candidates, config, known, avoid)
    return tuple(_make_proposal(candidates, window, score, round_name, classes) for window, score in chosen)


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


def choose_windows(
    candidates: Candidates,
    config: ProposalConfig,
    known: NDArray[np.float64],
    avoid: Sequence[Region],
) -> list[tuple[int, float]]:
    """Choose windows one after the other; return their indices and scores.

    Parameters
    ----------
    candidates
        All windows.
    config
        Weights, number of regions, largest overlap.
    known
        Descriptors (window, feature) of the training data.
    avoid
        Regions that no window may overlap.
    """
    criteria = candidates.criteria
    fixed = (
        config.disagreement_weight * _relative(criteria.disagreement, _PLENTY_OF_VOXELS)
        + config.confusion_weight * _relative(criteria.confusion, _PLENTY_OF_VOXELS)
        + config.broken_weight * _relative(criteria.broken.sum(axis=0), _PLENTY_OF_PIECES)
    )
    spread = criteria.descriptors.std(axis=0)
    free = _allowed(candidates, avoid)
    usual = np.maximum(criteria.content.mean(axis=1), 1e-300)
    gathered = _corrected_content(candidates, avoid) / usual
    value = config.error_weight * _share_of_largest(_value_by_class(criteria.lost_dice))
    value = value + config.coverage_weight * _share_of_largest(_coverage_by_class(criteria.content))
    discount = np.ones(len(candidates.owner))
    chosen: list[tuple[int, float]] = []
    while len(chosen) < config.n_regions and free.any():
        gain = (value / (1 + config.class_saturation * gathered)[:, np.newaxis]).sum(axis=0)
        rarity = 1 + config.novelty_weight * novelty(criteria.descriptors, known, spread)
        score = np.where(free, (gain + fixed) * rarity * discount, -1.0)
        best = int(np.argmax(score))
        chosen.append((best, float(score[best])))
        gathered += criteria.content[:, best] / usual
        known = np.concatenate([known, criteria.descriptors[[best]]])
        same = candidates.owner == candidates.owner[best]
        discount[same] *= config.repeat_discount
        overlap = _overlaps(candidates, int(candidates.owner[best]), candidates.starts[best])
        free &= overlap <= config.max_overlap_fraction
    return chosen


def _relative(values: NDArray[np.float64], plenty: float) -> NDArray[np.float64]:
    """Return values as shares of the largest, or of what would be plenty where all are small."""
    return values / max(float(values.max(initial=0.0)), plenty)


def _value_by_class(lost: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (class, window) what correcting a window is worth for each class.

    That is the expected loss of Dice, with logarithmic returns above that of the average window: some of
    every class is worth more than much of a single one.
    """
    usual = np.maximum(lost.mean(axis=1), 1e-300)[:, np.newaxis]
    return usual * np.log1p(lost / usual)


def _coverage_by_class(content: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (class, window) how much of each class a window shows, each class alike, background left out.

    A network that sees no actin in any real region learns that real regions have none. Classes of which there
    are only stray voxels do not count.
    """
    total = content.sum(axis=1)
    usual = np.maximum(content.mean(axis=1), 1e-300)[:, np.newaxis]
    is_there = total > _LEAST_PRESENT_SHARE * total[1:].sum()
    is_there[0] = False
    return np.log1p(content / usual) * is_there[:, np.newaxis]


def _share_of_largest(by_class: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale (class, window) so that the sum over classes is at most 1."""
    largest = float(by_class.sum(axis=0).max(initial=0.0))
    return by_class / largest if largest > 0 else by_class


def _corrected_content(candidates: Candidates, corrected: Sequence[Region]) -> NDArray[np.float64]:
    """Return the expected voxels of each class in regions that are corrected already."""
    total = np.zeros(len(candidates.criteria.content))
    for region, maps in itertools.product(corrected, candidates.maps):
        if maps.tomogram.tomogram_id == region.tomogram_id:
            total += window_sums(maps.mass, box_grid(region.start, region.size, maps.binning))[:, 0] / 2
    return total


def _allowed(candidates: Candidates, avoid: Sequence[Region]) -> NDArray[np.bool_]:
    free = np.ones(len(candidates.owner), dtype=bool)
    for region, (number, maps) in itertools.product(avoid, enumerate(candidates.maps)):
        if maps.tomogram.tomogram_id == region.tomogram_id:
            overlap = overlap_fractions(candidates.grids[number], region.start, region.size)
            free[candidates.owner == number] &= overlap == 0
    return free


def _overlaps(candidates: Candidates, owner: int, start: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return which part of each window is shared with a window of tomogram ``owner``."""
    grid = candidates.grids[owner]
    overlap = np.zeros(len(candidates.owner))
    overlap[candidates.owner == owner] = overlap_fractions(grid, _triple(start), grid.size)
    return overlap


def _triple(values: NDArray[np.int64]) -> tuple[int, int, int]:
    return int(values[0]), int(values[1]), int(values[2])


def _make_proposal(
    candidates: Candidates, window: int, score: float, round_name: str, classes: ClassTable
) -> Proposal:
    owner = int(candidates.owner[window])
    start, size = _triple(candidates.starts[window]), candidates.grids[owner].size
    tomogram_id = candidates.maps[owner].tomogram.tomogram_id
    region = Region(
        round_name,
        _region_id(round_name, tomogram_id, start, size),
        tomogram_id,
        *start,
        *size,
        explain(candidates.criteria, window, classes),
    )
    return Proposal(region, score, float(candidates.criteria.error[window]))


def _region_id(round_name: str, tomogram_id: str, start: Sequence[int], size: Sequence[int]) -> str:
    """Return an id that stands for this box: when a round is made anew, an id never changes its meaning."""
    box = "\0".join([tomogram_id, *map(str, [*start, *size])])
    return f"{round_name}-{hashlib.sha256(box.encode()).hexdigest()[:5]}"


def explain(criteria: Criteria, window: int, classes: ClassTable) -> str:
    """Return in words what makes a window worth correcting."""
    share, ratio = criteria.error[window], _times(criteria.error, window)
    parts = [f"the network expects {share:.1%} of its voxels to be wrong{ratio}"]
    lost = criteria.lost_dice[1:, window]
    order = np.argsort(lost)[::-1]
    doubtful = [classes.names[1 + row] for row in order[:3] if lost[row] > 0.25 * lost.max() > 0]
    if doubtful:
        parts.append(f"mostly {' and '.join(doubtful)}")
    if _stands_out(criteria.confusion, window):
        parts.append("classes confused with one another" + _times(criteria.confusion, window))
    if _stands_out(criteria.disagreement, window):
        parts.append(f"networks disagree on {criteria.disagreement[window]:.1%}")
    for row, name in enumerate(classes.names):
        if _stands_out(criteria.broken[row], window) and criteria.broken[row, window] > 0.1:
            parts.append(f"{name} in short pieces")
    return "; ".join(parts)


def _times(values: NDArray[np.float64], window: int) -> str:
    usual = float(np.median(values))
    return f" ({values[window] / usual:.1f} × the median)" if usual > 0 else ""


def _stands_out(values: NDArray[np.float64], window: int) -> bool:
    return bool(values[window] > 0 and values[window] >= np.quantile(values, 0.8))


def read_network_classes(model_dir: Path, fallback: ClassTable) -> ClassTable:
    """Return the classes of a network from its card; ``fallback`` where there is no card."""
    card = model_dir / "model.json"
    if not card.is_file():
        return fallback
    entries = json.loads(card.read_text(encoding="utf-8")).get("classes", [])
    return ClassTable(tuple(LabelClass(**entry) for entry in entries)) if entries else fallback


def write_proposals(
    path: Path,
    proposals: Sequence[Proposal],
    tomograms: Sequence[TomogramRow],
    segmentations: Path,
    classes: ClassTable,
    *,
    pictures: bool = True,
    overwrite: bool = False,
) -> None:
    """Write ranked regions as a table and, in ``regions/`` beside it, a picture of each."""
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path}: exists already; pass --overwrite or choose another name")
    if pictures:
        for proposal in tqdm(proposals, desc="pictures", unit="region"):
            region = proposal.region
            tomogram = find_tomogram(tomograms, region.tomogram_id, "segmented tomograms")
            picture = path.parent / "regions" / f"{region.region_id}.png"
            draw_region(picture, region, tomogram, segmentations, classes, overwrite=overwrite)
    write_regions(path, [proposal.region for proposal in proposals], overwrite=overwrite)
