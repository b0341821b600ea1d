"""Training blocks: normalised tomograms and their labels, one after the other along z."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segnet.config.training import DOMAINS, BlockConfig
from segnet.normalisation import Normalisation, measure, read_normalisation
from segnet.progress import progress_bar
from segnet.rescale import rescale_labels
from segnet.tomogram import TomogramStream, target_pixel_size
from tomoio import (
    IGNORE,
    ClassTable,
    VolumeReader,
    create_volume,
    read_header,
    read_labels,
    sha256_of,
    write_manifest,
)
from tomoio.tables import write_table

log = logging.getLogger(__name__)

PART_COLUMNS = (
    "part",
    "domain",
    "z_start",
    "slices",
    "height",
    "width",
    "pixel_size_angstrom",
    "source_pixel_size_angstrom",
    "normalisation",
    "centre",
    "spread",
    "tomogram",
    "labels",
    "sha256",
    "labels_sha256",
)


@dataclass(frozen=True)
class BlockSource:
    """A tomogram with its labels.

    Attributes
    ----------
    tomogram, labels
        MRC files of one shape.
    domain
        ``synthetic``, ``real`` or ``hard_negative`` (background by declaration: every label that is not
        255 becomes 0).
    pixel_size_angstrom
        Overrides the tomogram's header.
    contrast
        ``dark`` or ``bright`` protein.
    name
        Name of the part; empty: the file's stem, or its folder's name where the file is ``tomogram.mrc``.
    """

    tomogram: Path
    labels: Path
    domain: str = "synthetic"
    pixel_size_angstrom: float | None = None
    contrast: str = "dark"
    name: str = ""

    @property
    def part_name(self) -> str:
        """The name that this part gets in parts.tsv."""
        path = Path(self.tomogram)
        return self.name or (path.resolve().parent.name if path.stem == "tomogram" else path.stem)


def make_block(
    sources: Sequence[BlockSource],
    output_dir: Path | str,
    config: BlockConfig,
    classes: ClassTable,
    *,
    overwrite: bool = False,
) -> None:
    """Normalise each tomogram, concatenate them and their labels along z, and describe the parts.

    Each part is normalised by its own whole volume, or by the volume that it was cut from where
    ``{tomogram}.normalisation.json`` stands beside it. Parts that are smaller than the largest in y or x are
    filled up with 0 and the label 255 (ignore).

    Parameters
    ----------
    sources
        Tomograms and labels, in the order in which they are laid one on the other.
    output_dir
        Gets ``tomogram.mrc`` (float32), ``labels.mrc``, ``parts.tsv`` and ``manifest.json``.
    config
        Normalisation and pixel sizes.
    classes
        The class table that the labels must obey.
    overwrite
        Replace existing files.

    Raises
    ------
    ValueError
        If there is no source, shapes differ within a pair, a domain is unknown, a label is not in the
        table, or a voxel size is missing. The message names the file.
    """
    started = time.monotonic()
    output_dir = Path(output_dir)
    _check_sources(sources, output_dir, overwrite)
    with ExitStack() as files:
        streams = [_open_stream(source, config, files) for source in sources]
        rows = _part_rows(sources, streams)
        shape = (
            sum(s.shape[0] for s in streams),
            max(s.shape[1] for s in streams),
            max(s.shape[2] for s in streams),
        )
        pixel_size = math.exp(sum(math.log(s.pixel_size_angstrom) for s in streams) / len(streams))
        tomogram = files.enter_context(
            create_volume(output_dir / "tomogram.mrc", shape, np.float32, pixel_size, overwrite=overwrite)
        )
        labels = files.enter_context(
            create_volume(output_dir / "labels.mrc", shape, np.int16, pixel_size, overwrite=overwrite)
        )
        tomogram[:], labels[:] = 0, IGNORE
        progress = progress_bar(
            zip(sources, streams, rows, strict=True), total=len(rows), desc="block", unit="part"
        )
        for source, stream, row in progress:
            normalisation = _write_part(source, stream, row, tomogram, labels, config, classes)
            row |= {"centre": repr(normalisation.centre), "spread": repr(normalisation.spread)}
    write_table(output_dir / "parts.tsv", PART_COLUMNS, rows, overwrite=overwrite)
    write_manifest(
        output_dir / "manifest.json",
        verb="segnet block",
        configuration=config.model_dump(mode="json"),
        inputs=[path for source in sources for path in (source.tomogram, source.labels)],
        timings_s={"total": time.monotonic() - started},
        results={"parts": len(rows), "shape": list(shape)},
        overwrite=overwrite,
    )


def _check_sources(sources: Sequence[BlockSource], output_dir: Path, overwrite: bool) -> None:
    if not sources:
        raise ValueError("block: no tomogram given; wanted at least one TOMOGRAM:LABELS")
    for source in sources:
        if source.domain not in DOMAINS:
            raise ValueError(
                f"{source.tomogram}: domain {source.domain!r}; wanted one of {', '.join(DOMAINS)}"
            )
        _check_pair(source)
    read = {path.resolve() for source in sources for path in (Path(source.tomogram), Path(source.labels))}
    for name in ("tomogram.mrc", "labels.mrc", "parts.tsv", "manifest.json"):
        path = output_dir / name
        if path.resolve() in read:
            raise ValueError(f"{path}: is what the block is made of; wanted another folder for the block")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path}: exists already; pass --overwrite or choose another folder")


def _check_pair(source: BlockSource) -> None:
    tomogram = read_header(source.tomogram, pixel_size_angstrom=source.pixel_size_angstrom)
    labels = read_header(source.labels, pixel_size_angstrom=tomogram.pixel_size_angstrom)
    if tomogram.shape != labels.shape:
        raise ValueError(
            f"{source.labels}: shape {labels.shape} (z, y, x), but {source.tomogram} has {tomogram.shape}; "
            "wanted labels on the tomogram's grid"
        )


def _open_stream(source: BlockSource, config: BlockConfig, files: ExitStack) -> TomogramStream:
    reader = files.enter_context(
        VolumeReader(source.tomogram, pixel_size_angstrom=source.pixel_size_angstrom)
    )
    header = reader.header
    target = target_pixel_size(
        header.pixel_size_angstrom, config.pixel_size_range_angstrom, config.rescale_tolerance
    )
    invert = source.contrast == "bright"
    return TomogramStream(
        reader, header.shape, header.pixel_size_angstrom, target, invert=invert, name=str(source.tomogram)
    )


def _part_rows(sources: Sequence[BlockSource], streams: Sequence[TomogramStream]) -> list[dict[str, Any]]:
    starts = np.cumsum([0] + [stream.shape[0] for stream in streams])
    return [
        {
            "part": source.part_name,
            "domain": source.domain,
            "z_start": int(start),
            "slices": stream.shape[0],
            "height": stream.shape[1],
            "width": stream.shape[2],
            "pixel_size_angstrom": stream.pixel_size_angstrom,
            "source_pixel_size_angstrom": stream.pixel_size_angstrom / stream.ratio,
            "tomogram": source.tomogram,
            "labels": source.labels,
            "sha256": sha256_of(source.tomogram),
            "labels_sha256": sha256_of(source.labels),
        }
        for source, stream, start in zip(sources, streams, starts, strict=False)
    ]


def _write_part(
    source: BlockSource,
    stream: TomogramStream,
    row: dict[str, Any],
    tomogram: NDArray[np.float32],
    labels: NDArray[np.int16],
    config: BlockConfig,
    classes: ClassTable,
) -> Normalisation:
    stream.normalisation = _normalisation_of(source, stream, config)
    row["normalisation"] = stream.normalisation.method
    z_start, (depth, height, width) = row["z_start"], stream.shape
    z = z_start
    for block in stream.blocks():
        tomogram[z : z + len(block), :height, :width] = block
        z += len(block)
    truth = read_labels(source.labels, classes, pixel_size_angstrom=stream.pixel_size_angstrom).data
    if source.domain == "hard_negative":
        truth = np.where(truth == IGNORE, IGNORE, 0).astype(np.uint8)
    if stream.ratio != 1:
        truth = rescale_labels(truth, stream.ratio)
    labels[z_start : z_start + depth, :height, :width] = truth
    return stream.normalisation


def _normalisation_of(source: BlockSource, stream: TomogramStream, config: BlockConfig) -> Normalisation:
    """Return a crop's own normalisation, measured on the tomogram that it came from, or measure it."""
    carried = read_normalisation(source.tomogram, config.normalisation)
    return carried or measure(stream.blocks(), config.normalisation, str(source.tomogram))
