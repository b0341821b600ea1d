"""A picture of the instances of a tomogram in false colours, to check by eye."""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from segnet.quantify.plots import save_figure
from segnet.quantify.tomogram import MeasuredTomogram

_LARGEST_SIDE_PIXELS = 1000
_HUE_STEP = 0.6180339887  # the golden ratio keeps neighbouring ids apart in hue
_PANEL_INCHES = 4.6


def plot_tomogram(found: MeasuredTomogram, path: Path, *, overwrite: bool) -> None:
    """Draw the instances of a tomogram seen along z, a panel a class, with filament paths and clusters.

    The first instance along z is shown where several lie over each other.
    """
    names = [name for name, numbers in found.instance_ids.items() if len(numbers)]
    columns = min(3, max(1, len(names)))
    rows = -(-len(names) // columns) or 1
    ny, nx = found.shape[1:]
    figure = Figure(
        figsize=(_PANEL_INCHES * columns, (_PANEL_INCHES * ny / nx + 0.7) * rows), layout="constrained"
    )
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    projections = _projections(found)
    for axis, name in zip(axes, names, strict=False):
        extent_nm = (0, nx * found.voxel_nm, ny * found.voxel_nm, 0)
        axis.imshow(false_colours(projections[name]), extent=extent_nm, interpolation="nearest")
        _draw_paths(axis, found, name)
        _draw_clusters(axis, found, name)
        axis.set(xlim=extent_nm[:2], ylim=extent_nm[2:])
        axis.set_title(f"{name}: {len(found.instance_ids[name])}", fontsize=9)
        axis.set_xlabel("x (nm)", fontsize=7)
        axis.set_ylabel("y (nm)", fontsize=7)
        axis.tick_params(labelsize=6)
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    figure.suptitle(f"{found.source.tomogram_id}: instances, all slices", fontsize=10)
    save_figure(figure, path, overwrite)


def _projections(found: MeasuredTomogram) -> dict[str, NDArray[np.int32]]:
    """Return, per class, the first instance along z at each pixel, thinned to at most 1,000 pixels a side."""
    kind = np.zeros(found.instances.count + 1, np.uint8)
    for i, numbers in enumerate(found.instance_ids.values(), start=1):
        kind[numbers] = i
    thin = -(-max(found.shape[1:]) // _LARGEST_SIDE_PIXELS)
    flat = found.instances.first_along_z(kind, len(found.instance_ids), thin)
    return dict(zip(found.instance_ids, flat, strict=True))


def false_colours(ids: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return an RGB image; nothing is white, and each id has a colour of its own for as long as hues last."""
    count = int(ids.max(initial=0))
    table = np.ones((count + 1, 3), np.float32)
    for i in range(1, count + 1):
        table[i] = colorsys.hsv_to_rgb(
            i * _HUE_STEP % 1, 0.55 + 0.4 * (i * 7 % 3) / 2, 0.55 + 0.4 * (i * 5 % 4) / 3
        )
    return table[ids]


def _draw_paths(axis: Axes, found: MeasuredTomogram, name: str) -> None:
    if name not in found.filaments:
        return
    paths = [filament.points[:, [2, 1]] * found.voxel_nm for filament in found.filaments[name].filaments]
    axis.add_collection(LineCollection(paths, colors="black", linewidths=0.7), autolim=False)
    ends = np.array([path[[0, -1]] for path in paths]).reshape(-1, 2)
    axis.plot(ends[:, 0], ends[:, 1], ".", color="black", markersize=2.5)


def _draw_clusters(axis: Axes, found: MeasuredTomogram, name: str) -> None:
    """Ring the clustered particles; rings of one cluster have one colour."""
    if name not in found.clusterings:
        return
    centres, cluster = found.particles[name].centre * found.voxel_nm, found.clusterings[name].cluster
    axis.plot(centres[:, 2], centres[:, 1], ".", color="black", markersize=1.5)
    clustered = cluster > 0
    if clustered.any():
        colours = false_colours(cluster[clustered][np.newaxis].astype(np.int32))[0]
        axis.scatter(
            centres[clustered, 2],
            centres[clustered, 1],
            s=22,
            facecolors="none",
            edgecolors=colours,
            linewidths=0.9,
        )
