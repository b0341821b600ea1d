"""Segmentation of volumes of any pixel size, slice by slice."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from segnet.config.segmentation import SegmentationConfig
from segnet.devices import cpu_threads, pick_device, pick_precision
from segnet.infer import Predictor, clamped_windows
from segnet.islands import remove_small_islands
from segnet.model_folder import LoadedModel, ModelCard, load_model
from segnet.normalisation import Normalisation, measure
from segnet.rescale import nearest_indices
from segnet.tomogram import (
    ArrayReader,
    SliceReader,
    TomogramStream,
    density_skewness,
    target_pixel_size,
)
from tomoio import BACKGROUND, VolumeHeader

log = logging.getLogger(__name__)

_INVERTED_SKEWNESS = 0.2  # above: a tail of bright mass, so protein seems to be bright
_MEGAPIXELS_TIMES_WIDTH = 64.0  # what one pass may hold: 1 megapixel at base width 64


@dataclass(frozen=True)
class SegmentedSlices:
    """Some slices of a result on the grid of the input.

    Attributes
    ----------
    planes
        Numbers of the slices (n,).
    labels
        Shape (n, y, x), uint8.
    probabilities
        Shape (n, class, y, x), float32; None where they were not asked for.
    """

    planes: NDArray[np.intp]
    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float32] | None


def segment(
    volume: NDArray[Any],
    pixel_size_angstrom: float,
    model: Path | str | LoadedModel,
    config: SegmentationConfig | None = None,
    *,
    normalisation: Normalisation | None = None,
) -> NDArray[np.uint8]:
    """Segment a volume in memory.

    Parameters
    ----------
    volume
        Grey values (z, y, x) of any real type.
    pixel_size_angstrom
        Pixel size, Å; the volume is rescaled for the network where it has to be.
    model
        Model folder, or what `segnet.model_folder.load_model` gives.
    config
        Contrast, test-time augmentation, smallest island, device and so on; None: defaults. Maps are
        written by `segnet.segment_files.segment_tomograms` only.
    normalisation
        Of the tomogram that a crop was cut from; None: measured on the volume.

    Returns
    -------
    Labels (z, y, x), uint8, on the grid of the volume.

    Raises
    ------
    ValueError
        If the volume is not three-dimensional, is constant, or holds values that are not finite or not real,
        or the pixel size is not a positive number.
    """
    config = config or SegmentationConfig()
    volume = np.asarray(volume)
    if volume.ndim != 3 or not volume.size:
        raise ValueError(f"volume of shape {volume.shape}; wanted three dimensions (z, y, x)")
    if volume.dtype.kind not in "biuf":
        raise ValueError(f"volume of type {volume.dtype}; wanted real numbers")
    if not (np.isfinite(pixel_size_angstrom) and pixel_size_angstrom > 0):
        raise ValueError(f"pixel_size_angstrom {pixel_size_angstrom}; wanted a positive number")
    loaded = model if isinstance(model, LoadedModel) else load_model(model)
    depth, height, width = volume.shape
    header = VolumeHeader((depth, height, width), volume.dtype, float(pixel_size_angstrom))
    labels = np.empty(volume.shape, np.uint8)
    with cpu_threads(config.threads):
        predictor = make_predictor(loaded, config, pick_device(config.device))
        stream = open_stream(ArrayReader(volume), header, loaded.card, config, "volume", normalisation)
        for result in segment_stream(stream, header.shape, predictor, loaded.card):
            labels[result.planes] = result.labels
    if config.min_island_voxels:
        remove_small_islands(labels, config.min_island_voxels)
    warn_of_empty_result("volume", int(np.count_nonzero(labels)), labels.size)
    return labels


def make_predictor(model: LoadedModel, config: SegmentationConfig, device: torch.device) -> Predictor:
    """Return a network that is ready to segment as the configuration says."""
    megapixels = config.max_pass_megapixels or _MEGAPIXELS_TIMES_WIDTH / model.card.network.base_width
    return Predictor(
        model.network,
        device,
        pick_precision(config.precision, device),
        tile_px=config.tile_px,
        max_pixels=round(megapixels * 1e6),
        orientations=config.test_time_augmentation,
    )


def open_stream(
    reader: SliceReader,
    header: VolumeHeader,
    card: ModelCard,
    config: SegmentationConfig,
    name: str,
    normalisation: Normalisation | None = None,
) -> TomogramStream:
    """Return a tomogram as the network wants it: pixel size, contrast, normalisation.

    Warns, through logging, where protein seems to be bright although the configuration says dark or the
    other way round. ``name`` stands in messages.
    """
    pixel_size = header.pixel_size_angstrom
    target = target_pixel_size(pixel_size, card.pixel_sizes_angstrom, config.rescale_tolerance)
    if target != pixel_size:
        log.info("%s: %g Å a pixel, rescaled to the network's %g Å", name, pixel_size, target)
    invert = config.contrast == "bright"
    stream = TomogramStream(reader, header.shape, pixel_size, target, invert=invert, name=name)
    stream.normalisation = normalisation or measure(stream.blocks(), card.normalisation, name)
    if stream.normalisation.method != card.normalisation:
        raise ValueError(
            f"{name}: carries a {stream.normalisation.method} normalisation; wanted {card.normalisation} "
            "as in the network's training"
        )
    skewness = density_skewness(stream)
    if skewness > _INVERTED_SKEWNESS:
        other = "dark" if invert else "bright"
        log.warning(
            "%s: looks inverted (skewness %.2f with contrast: %s); if protein is %s, say contrast: %s",
            *(name, skewness, config.contrast, other, other),
        )
    return stream


def segment_stream(
    stream: TomogramStream,
    shape: tuple[int, int, int],
    predictor: Predictor,
    card: ModelCard,
    *,
    with_probabilities: bool = False,
) -> Iterator[SegmentedSlices]:
    """Segment a stream from its first to its last slice.

    Parameters
    ----------
    stream
        A tomogram as the network wants it.
    shape
        Shape (z, y, x) of the grid that the result is wanted on: that of the tomogram before rescaling.
    predictor, card
        The network.
    with_probabilities
        Also give the probabilities of all classes.

    Yields
    ------
    SegmentedSlices
        In the order of z, each slice once; together all of them.
    """
    label_of_channel = np.array([entry.label for entry in card.classes], np.uint8)
    z_of, y_of, x_of = (
        nearest_indices(old, 1 / stream.ratio, new) for old, new in zip(stream.shape, shape, strict=True)
    )
    depth, height, width = stream.shape
    step = predictor.slices_a_pass(height, width)
    for start, windows in clamped_windows(stream.read, depth, predictor.slices, step):
        planes = np.flatnonzero((z_of >= start) & (z_of < start + len(windows)))
        probabilities = None
        if with_probabilities:
            probability = predictor.probabilities(windows).cpu()
            channels = probability.argmax(dim=1).to(torch.uint8).numpy()
            probabilities = _on_grid(probability.numpy(), z_of[planes] - start, y_of, x_of, stream.ratio)
        else:
            channels = predictor.channels(windows).numpy()
        labels = label_of_channel[_on_grid(channels, z_of[planes] - start, y_of, x_of, stream.ratio)]
        yield SegmentedSlices(planes, labels, probabilities)


def _on_grid(
    slices: NDArray[Any],
    planes: NDArray[np.intp],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    ratio: float,
) -> NDArray[Any]:
    """Return slices (n, ..., y, x) at the given planes, rows and columns."""
    if ratio == 1:
        return slices
    return slices[planes][..., rows[:, None], columns]


def warn_of_empty_result(name: str, foreground: int, voxels: int) -> None:
    """Warn where nothing at all was found: a silent empty result helps nobody."""
    if not foreground:
        log.warning(
            "%s: every voxel of %d is background (label %d); wrong pixel size, contrast or network?",
            *(name, voxels, BACKGROUND),
        )


def entropy(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the entropy of probabilities (n, class, y, x), divided by that of an even choice: 0 to 1."""
    n_classes = probabilities.shape[1]
    terms = probabilities * np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    return -terms.sum(axis=1) / np.float32(np.log(max(n_classes, 2)))
