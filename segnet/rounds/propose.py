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
from tqdm import tqdm

from segnet.config.rounds import CropConfig, ProposalConfig, round_key
from segnet.rounds.criteria import Candidates, explain, gather_candidates, stands_out
from segnet.rounds.descriptors import describe_training_data, novelty
from segnet.rounds.maps import measure_tomogram
from segnet.rounds.pictures import draw_region
from segnet.rounds.regions import Region, write_regions
from segnet.rounds.tomograms import TomogramRow, find_tomogram, segmentation_file
from segnet.rounds.windows import box_grid, overlap_fractions, window_sums
from tomoio import ClassTable, LabelClass

_LEAST_PRESENT_SHARE = 0.005  # of the voxels that are not background
_PLENTY_OF_VOXELS = 0.01  # share of a window
_PLENTY_OF_PIECES = 0.25  # share of the thin objects in a window
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """A chosen window, its score when it was chosen, and whether few windows were as unlike what is known."""

    window: int
    score: float
    is_novel: bool


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
        Folders with segmentations of other networks, or single ones of their label volumes, named
        ``{tomogram_id}_labels.mrc``, where only some of the tomograms were segmented.
    avoid
        Regions that are corrected or held out already.

    Raises
    ------
    FileNotFoundError, ValueError
        If the round is not one, a segmentation is missing or does not fit its tomogram, or one of ``others``
        is of none of the tomograms.
    """
    round_key(round_name)  # all ids start with it
    _check_others(tomograms, others)
    progress = tqdm(tomograms, desc="propose", unit="tomogram", disable=len(tomograms) < 2)
    maps = [
        measure_tomogram(row, segmentations, classes, config.binning, others=_other_folders(row, others))
        for row in progress
    ]
    candidates = gather_candidates(maps, classes, config, crop)
    if not candidates.criteria.content[1:].any():
        _logger.warning(
            "%s: the network labelled no object in any of %d tomograms; regions are ranked by doubt only: "
            "compare contrast and voxel size in tomograms.tsv with the files, or train for longer",
            segmentations,
            len(tomograms),
        )
    known = np.zeros((0, candidates.criteria.descriptors.shape[1]))
    if model_dir is not None and config.novelty_weight:
        known = describe_training_data(model_dir, classes, crop.size_voxels, config.binning)
    chosen = choose_windows(candidates, config, known, avoid)
    return tuple(_make_proposal(candidates, choice, round_name, classes) for choice in chosen)


def _other_folders(tomogram: TomogramRow, others: Sequence[Path]) -> list[Path]:
    """Return the folders that hold labels of a tomogram, and those of the label volumes that are its own."""
    own = f"{tomogram.tomogram_id}_labels.mrc"
    volumes = [path.parent for path in others if path.name == own and path.is_file()]
    return volumes + [path for path in others if segmentation_file(path, tomogram, "labels")]


def _check_others(tomograms: Sequence[TomogramRow], others: Sequence[Path]) -> None:
    for path in others:
        if not any(_other_folders(row, [path]) for row in tomograms):
            names = ", ".join(row.tomogram_id for row in tomograms)
            wanted = f"a folder with files such as {tomograms[0].tomogram_id}_labels.mrc"
            raise FileNotFoundError(f"{path}: no labels of {names}; wanted {wanted}")


def choose_windows(
    candidates: Candidates,
    config: ProposalConfig,
    known: NDArray[np.float64],
    avoid: Sequence[Region],
) -> list[Choice]:
    """Choose windows one after the other.

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
    chosen: list[Choice] = []
    while len(chosen) < config.n_regions and free.any():
        gain = (value / (1 + config.class_saturation * gathered)[:, np.newaxis]).sum(axis=0)
        unlike = novelty(criteria.descriptors, known, spread)
        rarity = 1 + config.novelty_weight * unlike
        most = float(gain[free].max()) or 1.0  # gains fall with every choice; the rest is relative to them
        score = np.where(free, (gain + most * fixed) * rarity * discount, -1.0)
        best = int(np.argmax(score))
        chosen.append(Choice(best, float(score[best]), stands_out(unlike, best)))
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


def _make_proposal(candidates: Candidates, choice: Choice, round_name: str, classes: ClassTable) -> Proposal:
    window = choice.window
    owner = int(candidates.owner[window])
    start, size = _triple(candidates.starts[window]), candidates.grids[owner].size
    tomogram_id = candidates.maps[owner].tomogram.tomogram_id
    region = Region(
        round_name,
        _region_id(round_name, tomogram_id, start, size),
        tomogram_id,
        *start,
        *size,
        explain(candidates.criteria, window, classes, is_novel=choice.is_novel),
    )
    return Proposal(region, choice.score, float(candidates.criteria.error[window]))


def _region_id(round_name: str, tomogram_id: str, start: Sequence[int], size: Sequence[int]) -> str:
    """Return an id that stands for this box: when a round is made anew, an id never changes its meaning."""
    box = "\0".join([tomogram_id, *map(str, [*start, *size])])
    return f"{round_name}-{hashlib.sha256(box.encode()).hexdigest()[:5]}"


def read_network_classes(model_dir: Path, fallback: ClassTable) -> ClassTable:
    """Return the classes of a network from its card; ``fallback`` where the card names none.

    Raises
    ------
    FileNotFoundError
        If there is no card: this is no model folder.
    ValueError
        If it is broken.
    """
    card = model_dir / "model.json"
    if not card.is_file():
        raise FileNotFoundError(f"{card}: no such file; wanted a model folder of segnet train")
    try:
        entries = json.loads(card.read_text(encoding="utf-8")).get("classes", [])
        return ClassTable(tuple(LabelClass(**entry) for entry in entries)) if entries else fallback
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{card}: not the card of a network ({error}); bring it back from a backup, or train anew"
        ) from error


def labelling_classes(model_dir: Path, fallback: ClassTable) -> ClassTable:
    """Return the class table of the labels that a network made; ``fallback`` where it left no card."""
    known = (model_dir / "model.json").is_file()
    return read_network_classes(model_dir, fallback) if known else fallback


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
