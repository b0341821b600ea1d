"""What a segmentation says of itself, summed over cubes of voxels so that windows are quick to compare."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segnet.rounds.tomograms import TomogramRow, segmentation_file
from tomoio import BACKGROUND, IGNORE, ClassTable, VolumeReader

Map = NDArray[np.float32]

# Share of wrong voxels for an entropy of 1 (all classes alike); between, the two are close to proportional:
# with nine classes p = 0.9, 0.7, 0.5 against one rival have entropies of 0.15, 0.28, 0.32.
_ERROR_PER_ENTROPY = 0.8


@dataclass(frozen=True)
class TomogramMaps:
    """Sums over cubes of ``binning`` voxels a side, (z, y, x) on the grid of cubes.

    Attributes
    ----------
    tomogram
        The row that the maps belong to.
    shape
        Shape (z, y, x) of the tomogram in voxels.
    pixel_size_angstrom
        Its voxel size.
    binning
        Voxels per side of a cube; cubes at the far ends may hold fewer.
    error
        Expected number of wrong voxels.
    lost
        (class, z, y, x): expected voxels of a class that are missed or wrongly given to it. Class 0 stands
        for background voxels whose true class is not known, where there are no probability maps.
    mass
        (class, z, y, x): expected voxels of a class plus voxels labelled so: the denominator of its Dice.
    confusion
        Expected number of voxels of one class that are labelled as another, background left out.
    disagreement
        Voxels that another network labels otherwise; zero where there is no other network.
    labelled
        (class, z, y, x): voxels labelled so.
    grey, grey_square
        Sums of z-scored grey values with protein dark and of their squares.
    """

    tomogram: TomogramRow
    shape: tuple[int, int, int]
    pixel_size_angstrom: float
    binning: int
    error: Map
    lost: Map
    mass: Map
    confusion: Map
    disagreement: Map
    labelled: Map
    grey: Map
    grey_square: Map


def measure_tomogram(
    tomogram: TomogramRow,
    segmentations: Path,
    classes: ClassTable,
    binning: int,
    *,
    others: Sequence[Path] = (),
) -> TomogramMaps:
    """Read a tomogram and its segmentation slab by slab.

    Parameters
    ----------
    tomogram
        Row of the tomogram.
    segmentations
        Folder with ``{stem}_labels.mrc`` and ``{stem}_uncertainty.mrc``, or
        ``{stem}_probability_{class}.mrc``
        of every class but the background.
    classes
        Classes of the network.
    binning
        Voxels per side of a cube.
    others
        Folders with the labels of other networks.

    Raises
    ------
    FileNotFoundError
        If there are no labels, or neither uncertainty nor probabilities.
    ValueError
        If shapes differ.
    """
    with ExitStack() as files:
        sources = _open_sources(files, tomogram, segmentations, classes, others)
        header = sources.image.header
        scale = _grey_scale(sources.image)
        sums: dict[str, list[Map]] = {}
        for start in range(0, header.shape[0], binning):
            for name, values in _slab(sources, start, start + binning, classes, scale).items():
                sums.setdefault(name, []).append(_bin_planes(values, binning))
    stacked = {name: np.stack(parts, axis=-3) for name, parts in sums.items()}
    return TomogramMaps(tomogram, header.shape, header.pixel_size_angstrom, binning, **stacked)


@dataclass(frozen=True)
class _Sources:
    image: VolumeReader
    labels: VolumeReader
    uncertainty: VolumeReader | None
    probabilities: tuple[VolumeReader, ...]  # of the classes but background, in their order
    others: tuple[VolumeReader, ...]
    is_bright: bool


def _open_sources(
    files: ExitStack,
    tomogram: TomogramRow,
    segmentations: Path,
    classes: ClassTable,
    others: Sequence[Path],
) -> _Sources:
    def open_reader(path: Path) -> VolumeReader:
        return files.enter_context(VolumeReader(path, pixel_size_angstrom=tomogram.pixel_size_angstrom))

    image = open_reader(tomogram.path)

    def find(folder: Path, kind: str) -> VolumeReader | None:
        path = segmentation_file(folder, tomogram, kind)
        reader = open_reader(path) if path else None
        if reader is not None and reader.header.shape != image.header.shape:
            raise ValueError(
                f"{path}: shape {reader.header.shape}; wanted {image.header.shape} as {tomogram.path}"
            )
        return reader

    labels = _required(find(segmentations, "labels"), segmentations, tomogram, "labels")
    foreground = [entry for entry in classes if entry.label != BACKGROUND]
    maps = [find(segmentations, f"probability_{entry.name}") for entry in foreground]
    probabilities = tuple(reader for reader in maps if reader is not None)
    uncertainty = find(segmentations, "uncertainty")
    if len(probabilities) < len(foreground):
        probabilities = ()
        _required(uncertainty, segmentations, tomogram, "uncertainty")
    rivals = [_required(find(folder, "labels"), folder, tomogram, "labels") for folder in others]
    return _Sources(image, labels, uncertainty, probabilities, tuple(rivals), tomogram.contrast == "bright")


def _required(reader: VolumeReader | None, folder: Path, tomogram: TomogramRow, kind: str) -> VolumeReader:
    if reader is None:
        hint = "; segment with uncertainty: true" if kind == "uncertainty" else ""
        raise FileNotFoundError(f"{folder / tomogram.tomogram_id}_{kind}.mrc: no such file{hint}")
    return reader


def _grey_scale(image: VolumeReader) -> tuple[float, float]:
    """Return mean and standard deviation of some slices: descriptors need no better."""
    depth = image.header.shape[0]
    slices = [image.read(z, z + 1).astype(np.float64) for z in range(0, depth, max(1, depth // 16))]
    values = np.concatenate([plane.ravel() for plane in slices])
    return float(values.mean()), float(values.std()) or 1.0


def _slab(
    sources: _Sources, start: int, stop: int, classes: ClassTable, scale: tuple[float, float]
) -> dict[str, NDArray[np.float32]]:
    """Return the maps of a slab before binning, each (..., y, x) and summed over its slices."""
    labels = sources.labels.read(start, stop).astype(np.uint8)
    # which row of a (class, ...) array a label belongs to; ignored voxels count as background
    rows = np.zeros(256, dtype=np.uint8)
    rows[list(classes.labels)] = np.arange(len(classes.labels))
    index = rows[np.where(labels == IGNORE, BACKGROUND, labels)]
    if sources.uncertainty is None or sources.probabilities:
        maps = _from_probabilities(_read_probabilities(sources, start, stop), index)
    else:
        entropy = as_probability(sources.uncertainty.read(start, stop))
        maps = _from_entropy(entropy, index, len(classes.labels))
    grey = (sources.image.read(start, stop).astype(np.float32) - scale[0]) / scale[1]
    grey = -grey if sources.is_bright else grey
    maps["grey"], maps["grey_square"] = grey.sum(axis=0), (grey * grey).sum(axis=0)
    differs = np.zeros(labels.shape, dtype=bool)
    for other in sources.others:
        differs |= other.read(start, stop).astype(np.uint8) != labels
    maps["disagreement"] = differs.sum(axis=0).astype(np.float32)
    return maps


def _read_probabilities(sources: _Sources, start: int, stop: int) -> NDArray[np.float32]:
    """Return probabilities (class, z, y, x); that of the background is what the others leave."""
    foreground = np.stack([as_probability(reader.read(start, stop)) for reader in sources.probabilities])
    background = np.clip(1 - foreground.sum(axis=0), 0, 1)
    return np.concatenate([background[np.newaxis], foreground])


def as_probability(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return stored probabilities or entropies as float32; integers are shares of their largest value."""
    if np.issubdtype(values.dtype, np.integer):
        return values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
    return values.astype(np.float32)


def _from_probabilities(p: NDArray[np.float32], index: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    n_classes = len(p)
    labelled = np.stack([(index == row) for row in range(n_classes)])
    chosen = np.take_along_axis(p, index[np.newaxis].astype(np.intp), axis=0)[0]
    wrong = 1 - chosen
    missed = np.where(labelled, 0, p)  # voxels of a class that are labelled otherwise
    claimed = np.where(labelled, wrong, 0)  # voxels labelled so that are something else
    lost = (missed + claimed).sum(axis=1)
    lost[0] = 0
    rivals = missed[1:].sum(axis=0) * (index > 0)
    return {
        "error": wrong.sum(axis=0),
        "lost": lost,
        "mass": (p + labelled).sum(axis=1, dtype=np.float32),
        "confusion": rivals.sum(axis=0),
        "labelled": labelled.sum(axis=1).astype(np.float32),
    }


def _from_entropy(
    entropy: NDArray[np.float32], index: NDArray[np.uint8], n_classes: int
) -> dict[str, NDArray[np.float32]]:
    labelled = np.stack([(index == row) for row in range(n_classes)])
    wrong = entropy * np.float32(_ERROR_PER_ENTROPY)
    counts = labelled.sum(axis=1).astype(np.float32)
    return {
        "error": wrong.sum(axis=0),
        "lost": np.where(labelled, wrong, 0).sum(axis=1),
        "mass": 2 * counts,
        "confusion": _beside_another_class(index, wrong),
        "labelled": counts,
    }


def _beside_another_class(index: NDArray[np.uint8], wrong: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum the expected errors where two classes that are not background touch within a slice."""
    touching = np.zeros(index.shape, dtype=bool)
    for here, there in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[:, :, 1:], np.s_[:, :, :-1])):
        meets = (index[here] != index[there]) & (index[here] > 0) & (index[there] > 0)
        touching[here] |= meets
        touching[there] |= meets
    return np.where(touching, wrong, 0).sum(axis=0)


def _bin_planes(values: NDArray[np.float32], binning: int) -> Map:
    """Sum (..., y, x) over squares of ``binning`` pixels; the last ones may hold fewer."""
    *lead, height, width = values.shape
    padding = [(0, 0)] * len(lead) + [(0, -height % binning), (0, -width % binning)]
    padded = np.pad(values, padding) if any(b for _, b in padding) else values
    rows, columns = padded.shape[-2] // binning, padded.shape[-1] // binning
    return padded.reshape(*lead, rows, binning, columns, binning).sum(axis=(-3, -1), dtype=np.float32)
