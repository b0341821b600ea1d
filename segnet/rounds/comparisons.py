"""Pictures of what two rounds in a row say of the same place, beside what a person says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segnet.rounds.corrections import Correction, held_out_corrections
from segnet.rounds.crop import read_crop_record
from segnet.rounds.history import RoundHistory
from segnet.rounds.layout import segmentations_dir
from segnet.rounds.pictures import cut_region, overlay, thick_slice, to_grey
from segnet.rounds.regions import Region
from segnet.rounds.tomograms import TomogramRow, segmentation_file
from tomoio import ClassTable, read_header, read_labels, read_volume

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PICTURES = 8
_PERSON = "corrected by a person"


@dataclass(frozen=True)
class Comparisons:
    """Titles with their figures, and the titles of what is not drawn."""

    drawn: tuple[tuple[str, Figure], ...] = ()
    left_out: tuple[str, ...] = ()


def compare_held_out(
    history: Sequence[RoundHistory],
    rounds_dir: Path,
    classes: ClassTable,
    corrections: Sequence[Correction],
) -> Comparisons:
    """Draw the held-out crops: image, truth, and the labels of the last two rounds.

    Parameters
    ----------
    history
        The rounds up to the one that is looked at.
    rounds_dir
        Folder of all rounds.
    classes
        For the colours.
    corrections
        Rows of corrections.tsv.
    """
    found = []
    for row in held_out_corrections(corrections):
        labels = {
            f"round {entry.name}": rounds_dir / entry.name / "held_out" / f"{row.region_id}_labels.mrc"
            for entry in history[-2:]
        }
        if row.labels_path.is_file() and all(path.is_file() for path in labels.values()):
            found.append((row, labels))
    drawn = [(row.region_id, _draw_held_out(row, labels, classes)) for row, labels in found[:MOST_PICTURES]]
    return Comparisons(tuple(drawn), tuple(row.region_id for row, _ in found[MOST_PICTURES:]))


def _draw_held_out(row: Correction, labels: Mapping[str, Path], classes: ClassTable) -> Figure:
    core = read_crop_record(row.provenance_path).core
    middle = (core.start + core.stop) // 2
    panels = {
        title: read_labels(path).data[middle] for title, path in {_PERSON: row.labels_path, **labels}.items()
    }
    return _panels(thick_slice(read_volume(row.image_path).data, middle), panels, classes)


def compare_regions(
    history: Sequence[RoundHistory],
    rounds_dir: Path,
    tomograms: Sequence[TomogramRow],
    classes: ClassTable,
) -> Comparisons:
    """Draw the regions that the last round added, then the centres of tomograms without one.

    A region is left out where one of the last two rounds did not segment its tomogram.

    Parameters
    ----------
    history
        The rounds up to the one that is looked at.
    rounds_dir
        Folder of all rounds.
    tomograms
        Rows of tomograms.tsv.
    classes
        For the colours.
    """
    if len(history) < 2:
        return Comparisons()
    places = {row.tomogram_id: (row, _maps(row, rounds_dir, history[-2:])) for row in tomograms}
    segmented = {name: (row, maps) for name, (row, maps) in places.items() if len(maps) == 2}
    added = list(_with_regions(history[-1].added))
    shown = [(region, row) for region, row in added if region.tomogram_id in segmented]
    touched = {region.tomogram_id for region, _ in shown}
    centres = [
        (_centre(tomogram, maps), None) for name, (tomogram, maps) in segmented.items() if name not in touched
    ]
    every = [*shown, *centres]
    drawn = [
        _draw_region(region, row, *segmented[region.tomogram_id], classes)
        for region, row in every[:MOST_PICTURES]
    ]
    missing = [region.region_id for region, _ in added if region.tomogram_id not in segmented]
    beyond = [_title(region) for region, _ in every[MOST_PICTURES:]]
    return Comparisons(tuple(drawn), (*missing, *beyond))


def _maps(tomogram: TomogramRow, rounds_dir: Path, rounds: Sequence[RoundHistory]) -> dict[str, Path]:
    found = {
        f"round {entry.name}": segmentation_file(
            segmentations_dir(rounds_dir, entry.name), tomogram, "labels"
        )
        for entry in rounds
    }
    return {title: path for title, path in found.items() if path is not None}


def _with_regions(corrections: Iterable[Correction]) -> Iterator[tuple[Region, Correction]]:
    for row in corrections:
        if row.provenance_path.is_file():
            yield read_crop_record(row.provenance_path).region, row


def _centre(tomogram: TomogramRow, maps: Mapping[str, Path]) -> Region:
    labels = next(iter(maps.values()))
    depth, height, width = read_header(labels, pixel_size_angstrom=tomogram.pixel_size_angstrom).shape
    return Region("", "centre", tomogram.tomogram_id, depth // 2, 0, 0, 1, height, width)


def _title(region: Region) -> str:
    middle = region.z_start + region.z_size // 2
    return f"{region.region_id}, slice {middle} of {region.tomogram_id}"


def _draw_region(
    region: Region,
    row: Correction | None,
    tomogram: TomogramRow,
    maps: Mapping[str, Path],
    classes: ClassTable,
) -> tuple[str, Figure]:
    """Draw the middle slice of a region; where it was corrected, with the labels of the person last."""
    image = cut_region(region, tomogram, tomogram.path)
    middle = len(image) // 2
    panels = {
        title: cut_region(region, tomogram, path)[middle].astype(np.uint8) for title, path in maps.items()
    }
    if row is not None:
        core = read_crop_record(row.provenance_path).core
        title = "declared empty by a person" if row.role == "hard_negative" else _PERSON
        panels[title] = read_labels(row.labels_path).data[core][middle]
    return _title(region), _panels(thick_slice(image, middle), panels, classes)


def _panels(
    image: NDArray[np.float64], labels: Mapping[str, NDArray[np.uint8]], classes: ClassTable
) -> Figure:
    from matplotlib.figure import Figure

    count = 1 + len(labels)
    figure = Figure(figsize=(4 * count, 4.2 * image.shape[0] / image.shape[1] + 0.3), layout="constrained")
    axes = figure.subplots(1, count)
    axes[0].imshow(to_grey(image), cmap="gray", vmin=0, vmax=1)
    axes[0].set_title("image", fontsize=9)
    for axis, (title, values) in zip(axes[1:], labels.items(), strict=True):
        axis.imshow(overlay(image, values, classes))
        axis.set_title(title, fontsize=9)
    for axis in axes:
        axis.set_axis_off()
    return figure
