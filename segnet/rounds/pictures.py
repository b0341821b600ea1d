"""Pictures of regions: the image, the labels over it, and where the network was unsure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from segnet.rounds.maps import as_probability
from segnet.rounds.regions import Region
from segnet.rounds.tomograms import TomogramRow, segmentation_file
from tomoio import BACKGROUND, IGNORE, ClassTable, VolumeReader, new_file

SMOOTHING_VOXELS = 1.5
_ALPHA = 0.45
_IGNORE_GREY = 0.5


def to_grey(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return an image scaled to 0-1 between its 0.5 and 99.5 percentiles."""
    low, high = np.percentile(image, [0.5, 99.5])
    return np.clip((image - low) / max(float(high - low), 1e-12), 0, 1)


def overlay(image: NDArray[Any], labels: NDArray[np.uint8], classes: ClassTable) -> NDArray[np.float64]:
    """Return an RGB picture (y, x, 3) of labels over an image slice, in the colours of the classes."""
    rgb = np.repeat(to_grey(image)[..., np.newaxis], 3, axis=-1)
    colours = {entry.label: np.array(entry.rgb) / 255 for entry in classes if entry.label != BACKGROUND}
    colours[IGNORE] = np.full(3, _IGNORE_GREY)
    for label, colour in colours.items():
        mask = labels == label
        rgb[mask] = (1 - _ALPHA) * rgb[mask] + _ALPHA * colour
    return rgb


def thick_slice(volume: NDArray[Any], z: int) -> NDArray[np.float64]:
    """Return the mean of five slices around ``z``, smoothed as in the editor: raw slices are mostly noise."""
    return gaussian_filter(volume[max(0, z - 2) : z + 3].mean(axis=0, dtype=np.float64), SMOOTHING_VOXELS)


def draw_region(
    path: Path,
    region: Region,
    tomogram: TomogramRow,
    segmentations: Path,
    classes: ClassTable,
    *,
    overwrite: bool = False,
) -> None:
    """Draw the central slice of a region: image, labels, uncertainty, and the labels from the side (x, z)."""
    from matplotlib.figure import Figure

    image = cut_region(region, tomogram, tomogram.path)
    stored = _read(region, tomogram, segmentations, "labels")
    labels = np.zeros(image.shape, np.uint8) if stored is None else stored.astype(np.uint8)
    uncertainty = _read(region, tomogram, segmentations, "uncertainty")
    middle, row = image.shape[0] // 2, image.shape[1] // 2
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    rows = [4, max(0.6, 4 * image.shape[0] / image.shape[1])]
    places = figure.add_gridspec(2, 3, height_ratios=rows)
    axes = [figure.add_subplot(places[0, column]) for column in range(3)]
    shown = thick_slice(image, middle)
    axes[0].imshow(to_grey(shown), cmap="gray", vmin=0, vmax=1)
    axes[1].imshow(overlay(shown, labels[middle], classes))
    if uncertainty is not None:
        unsure = axes[2].imshow(as_probability(uncertainty).max(axis=0), cmap="inferno", vmin=0, vmax=1)
        figure.colorbar(unsure, ax=axes[2], label="largest uncertainty along z")
    for axis, title in zip(axes, (f"slice {region.z_start + middle}", "labels", "uncertainty"), strict=True):
        axis.set_title(title, fontsize=9)
        axis.set_axis_off()
    flank = figure.add_subplot(places[1, :])
    side = thick_slice(np.moveaxis(image, 1, 0), row)
    flank.imshow(overlay(side, labels[:, row], classes), aspect="auto")
    flank.set_axis_off()
    figure.suptitle(f"{region.region_id} in {region.tomogram_id}: {region.reason}", fontsize=9, wrap=True)
    with new_file(path, overwrite=overwrite) as partial:
        figure.savefig(partial, dpi=100)


def _read(region: Region, tomogram: TomogramRow, folder: Path, kind: str) -> NDArray[Any] | None:
    path = segmentation_file(folder, tomogram, kind)
    return cut_region(region, tomogram, path) if path else None


def cut_region(region: Region, tomogram: TomogramRow, path: Path) -> NDArray[Any]:
    """Read a box of a volume that lies on the grid of a tomogram."""
    with VolumeReader(path, pixel_size_angstrom=tomogram.pixel_size_angstrom) as reader:
        slices = reader.read(region.z_start, region.z_start + region.z_size)
    return slices[
        :, region.y_start : region.y_start + region.y_size, region.x_start : region.x_start + region.x_size
    ]
