"""Blocks in memory: parts with their images and the network's channels as targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segnet.block import PART_COLUMNS
from segnet.config.training import DOMAINS
from segnet.normalisation import all_finite
from tomoio import BACKGROUND, IGNORE, ClassTable, VolumeReader, read_labels
from tomoio.tables import read_table


@dataclass(frozen=True)
class Part:
    """One tomogram of a block.

    Attributes
    ----------
    name, domain
        As in parts.tsv.
    image
        Normalised grey values (z, y, x), float32.
    target
        Channel of the network, or 255 (ignore), (z, y, x), uint8.
    description
        The row of parts.tsv.
    """

    name: str
    domain: str
    image: NDArray[np.float32]
    target: NDArray[np.uint8]
    description: Mapping[str, str]

    @property
    def pixel_size_angstrom(self) -> float:
        return float(self.description["pixel_size_angstrom"])


def trained_classes(classes: ClassTable, merge: Mapping[str, str]) -> ClassTable:
    """Return the classes that stay after merging: the network's channels, in their order.

    Raises
    ------
    ValueError
        If a name in ``merge`` is not in the table, background is merged away, or a class is merged into one
        that is itself merged.
    """
    for source, target in merge.items():
        for name in {source, target} - set(classes.names):
            raise ValueError(f"merge: unknown class {name!r}; wanted one of {', '.join(classes.names)}")
        if classes.label_of(source) == BACKGROUND:
            raise ValueError(f"merge: {source} cannot be merged into {target}; wanted another class")
        if classes.label_of(target) != BACKGROUND and target in merge:
            raise ValueError(
                f"merge: {source} goes to {target}, which is merged itself; wanted its final class"
            )
    return ClassTable(tuple(entry for entry in classes if entry.name not in merge))


def channel_lookup(classes: ClassTable, merge: Mapping[str, str]) -> NDArray[np.uint8]:
    """Return the table (256,) from label to channel; labels that are in no class give 255."""
    channel_of = {entry.name: index for index, entry in enumerate(trained_classes(classes, merge))}
    lookup = np.full(256, IGNORE, np.uint8)
    for entry in classes:
        lookup[entry.label] = channel_of[merge.get(entry.name, entry.name)]
    return lookup


def read_parts(blocks: Sequence[Path | str], classes: ClassTable, merge: Mapping[str, str]) -> list[Part]:
    """Read every part of every block folder.

    Raises
    ------
    FileNotFoundError, ValueError
        If a folder is not a block, its files do not fit together, or a label is not in the class table.
    """
    lookup = channel_lookup(classes, merge)
    return [part for block in blocks for part in _read_block(Path(block), classes, lookup)]


def _read_block(folder: Path, classes: ClassTable, lookup: NDArray[np.uint8]) -> list[Part]:
    table = folder / "parts.tsv"
    if not table.is_file():
        raise FileNotFoundError(f"{table}: no such table; wanted a folder made by `segnet block`")
    rows = read_table(table, required=PART_COLUMNS)
    with VolumeReader(folder / "tomogram.mrc") as reader:
        images = reader.read().astype(np.float32, copy=False)
    labels = read_labels(folder / "labels.mrc", classes).data
    depth = _check_rows(table, rows, images.shape)
    if images.shape != labels.shape or depth != len(images):
        raise ValueError(
            f"{folder}: tomogram {images.shape}, labels {labels.shape} and parts of {depth} slices in all; "
            "wanted three that fit together"
        )
    if not all_finite(images):
        raise ValueError(
            f"{folder / 'tomogram.mrc'}: values that are not finite; wanted numbers in every voxel"
        )
    return [_cut_part(row, images, labels, lookup) for row in rows]


def _check_rows(table: Path, rows: Sequence[Mapping[str, str]], shape: tuple[int, ...]) -> int:
    """Return the slices of all parts; ValueError where one does not begin where the last one ended."""
    depth = 0
    for row in rows:
        numbers = [row[key] for key in ("z_start", "slices", "height", "width")]
        z, slices, height, width = (int(text) if text.isdigit() else -1 for text in numbers)
        if z != depth or slices < 1 or not (1 <= height <= shape[1] and 1 <= width <= shape[2]):
            raise ValueError(
                f"{table}: part {row['part']}: z_start, slices, height, width {', '.join(numbers)}; wanted a "
                f"part from slice {depth} on, in a block of {shape} voxels"
            )
        if row["domain"] not in DOMAINS:
            raise ValueError(
                f"{table}: part {row['part']}: domain {row['domain']!r}; wanted one of {', '.join(DOMAINS)}"
            )
        depth += slices
    return depth


def _cut_part(
    row: dict[str, str], images: NDArray[np.float32], labels: NDArray[np.uint8], lookup: NDArray[np.uint8]
) -> Part:
    z, depth, height, width = (int(row[key]) for key in ("z_start", "slices", "height", "width"))
    region = np.s_[z : z + depth, :height, :width]
    return Part(row["part"], row["domain"], images[region], lookup[labels[region]], row)
