"""Plots for print and for every kind of colour vision: colours of Okabe and Ito, and line styles besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import gaussian_kde

from tomoio import new_file

Values = Mapping[str, Mapping[str, Sequence[float]]]

_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000")
_STYLES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_VOXELS_PER_UNIT = 10_000  # the paper shows actin as voxels / 10,000
_SMALLEST_SMOOTHED = 3
_DPI = 150


def _style(i: int) -> dict[str, Any]:
    return {"color": _COLOURS[i % len(_COLOURS)], "linestyle": _STYLES[i % len(_STYLES)]}


def save_figure(figure: Figure, path: Path, overwrite: bool) -> None:
    with new_file(path, overwrite=overwrite) as partial:
        figure.savefig(partial, dpi=_DPI, bbox_inches="tight", metadata={"Software": None})


def plot_abundances(values: Values, path: Path, *, overwrite: bool) -> None:
    """Draw smoothed histograms of what a tomogram holds, one panel a class, one curve a group.

    Ticks under the curves are the tomograms; a group of fewer than three, or of equal values, has ticks
    only.
    """
    chosen = {
        measure: by_group
        for measure, by_group in values.items()
        if measure.split()[-1] in ("count", "voxels")
    }
    shown = _prefer_counts(chosen)
    columns = min(3, max(1, len(shown)))
    rows = -(-len(shown) // columns) or 1
    figure = Figure(figsize=(3.4 * columns, 2.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, measure in zip(axes, shown, strict=False):
        _smoothed_histogram(axis, measure, chosen[measure])
    for axis in axes[len(shown) :]:
        axis.set_axis_off()
    if shown:
        axes[0].legend(frameon=False, fontsize=8)
    save_figure(figure, path, overwrite)


def _prefer_counts(chosen: Values) -> list[str]:
    """Show objects where they were counted, and voxels where not."""
    counted = {measure.rsplit(" ", 1)[0] for measure in chosen if measure.endswith(" count")}
    return [
        measure
        for measure in chosen
        if measure.endswith(" count")
        or (measure.rsplit(" ", 1)[0] not in counted and _nonzero(chosen[measure]))
    ]


def _nonzero(by_group: Mapping[str, Sequence[float]]) -> bool:
    return any(value > 0 for sample in by_group.values() for value in sample)


def _smoothed_histogram(axis: Axes, measure: str, by_group: Mapping[str, Sequence[float]]) -> None:
    name, quantity = measure.rsplit(" ", 1)
    unit = _VOXELS_PER_UNIT if quantity == "voxels" else 1
    samples = {group: np.asarray(sample, float) / unit for group, sample in by_group.items()}
    largest = max(
        (float(np.nanmax(sample)) for sample in samples.values() if np.isfinite(sample).any()), default=1.0
    )
    grid = np.linspace(0, max(largest, 1e-9) * 1.15, 300)
    for i, (group, sample) in enumerate(samples.items()):
        finite = sample[np.isfinite(sample)]
        label = f"{group} (n = {finite.size})"
        curve = _density(finite, grid)
        if curve is None:
            axis.plot([], [], label=label, **_style(i))
        else:
            axis.plot(grid, curve, label=label, linewidth=1.6, **_style(i))
            axis.fill_between(grid, curve, color=_style(i)["color"], alpha=0.15, linewidth=0)
        axis.plot(finite, np.full(finite.size, -0.04 * (i + 1)), "|", color=_style(i)["color"], markersize=6,
                  transform=axis.get_xaxis_transform(), clip_on=False)  # fmt: skip
    axis.set_title(name, fontsize=10)
    axis.set_xlabel(
        "voxels / 10,000 per tomogram" if unit > 1 else "number per tomogram", fontsize=8, labelpad=12
    )
    axis.set_ylabel("share of tomograms", fontsize=8)
    axis.set_yticks([])
    axis.tick_params(axis="x", labelsize=7, pad=4 + 4 * len(samples))
    axis.set_xlim(grid[0], grid[-1])
    axis.set_ylim(bottom=0)
    axis.spines[["top", "right"]].set_visible(False)


def _density(sample: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Kernel density, mirrored at zero because a count cannot be negative; None where it means nothing."""
    if sample.size < _SMALLEST_SMOOTHED or np.ptp(sample) == 0:
        return None
    kernel = gaussian_kde(sample)
    return np.asarray(kernel(grid) + kernel(-grid))


def plot_clusters(values: Values, class_name: str, path: Path, *, overwrite: bool) -> None:
    """Draw, by group, the clustered share, cluster size and neighbour distances; a point is a tomogram."""
    panels = (
        ("clustered_share", "share of particles in clusters"),
        ("mean_cluster_size_particles", "mean particles per cluster"),
        ("mean_nearest_in_cluster_nm", "mean nearest neighbour\nin cluster (nm)"),
        ("mean_nearest_neighbour_nm", "mean nearest neighbour\noverall (nm)"),
    )
    figure = Figure(figsize=(11, 2.9), layout="constrained")
    axes = figure.subplots(1, len(panels))
    for axis, (column, label) in zip(axes, panels, strict=True):
        for i, sample in enumerate(values.get(f"{class_name} {column}", {}).values()):
            finite = np.asarray(sample)[np.isfinite(sample)]
            offset = np.linspace(-0.18, 0.18, finite.size) if finite.size > 1 else np.zeros(finite.size)
            style = {"color": _COLOURS[i % len(_COLOURS)], "marker": _MARKERS[i % len(_MARKERS)]}
            axis.plot(i + offset, finite, linestyle="", markersize=4, alpha=0.8, **style)
            if finite.size:
                axis.hlines(np.median(finite), i - 0.3, i + 0.3, colors="black", linewidth=1.5)
        groups = list(values.get(f"{class_name} {column}", {}))
        axis.set_xticks(range(len(groups)), groups, fontsize=8)
        axis.set_xlim(-0.6, max(len(groups), 1) - 0.4)
        axis.set_ylabel(label, fontsize=8)
        # from zero, and no marker cut at the top
        axis.set_ylim(0, 1.08 * max(axis.dataLim.y1, 1e-9) if axis.has_data() else 1)
        axis.tick_params(axis="y", labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{class_name}: clusters (bar: median of tomograms)", fontsize=10)
    save_figure(figure, path, overwrite)
