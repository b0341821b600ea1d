"""Draw the picture of the README from the results of the demo: ``python -m workflow.overview``."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tomoio import IGNORE, ClassTable, read_class_table
from workflow.run_report import REAL_SLAB, central_slices, colour_map, grey_limits

matplotlib.use("Agg")

OUTPUT = Path("docs/images/overview.png")
ROUND = Path("results/rounds/1.1/segmentations")
REAL = Path("results/reconstructions/TS_01.mrc")
SYNTHETIC = Path("results/synthetic/unseen_01")


def draw_overview(classes: ClassTable) -> Figure:
    """Return the real tomogram with its labels above the unseen synthetic one with truth and prediction."""
    figure = Figure(figsize=(15, 10.2), layout="constrained")
    real, synthetic = figure.subfigures(2, 1, height_ratios=[1.6, 1])
    _draw_real(real.subplots(1, 2), classes)
    _draw_synthetic(synthetic.subplots(1, 4), classes)
    handles = [Patch(color=entry.colour, label=entry.name) for entry in classes if 1 <= entry.label <= 6]
    figure.legend(handles=handles, loc="outside lower center", ncols=6, frameon=False)
    return figure


def _draw_real(axes: np.ndarray, classes: ClassTable) -> None:
    image, _ = central_slices(REAL, REAL_SLAB)
    labels, _ = central_slices(ROUND / "TS_01_labels.mrc")
    _show_grey(axes[0], image, "real tilt series (EMPIAR-10499), reconstructed by cts")
    _show_grey(axes[1], image, "segmented by a network that saw synthetic tomograms only")
    _show_labels(axes[1], np.ma.masked_equal(labels, 0), classes)


def _draw_synthetic(axes: np.ndarray, classes: ClassTable) -> None:
    _show_grey(axes[0], central_slices(SYNTHETIC / "model/model.mrc")[0], "synthetic specimen")
    _show_grey(axes[1], central_slices(SYNTHETIC / "simulation/tomogram.mrc")[0], "its tomogram, unseen")
    for axis, path, title in (
        (axes[2], SYNTHETIC / "model/atlas.mrc", "true labels"),
        (axes[3], ROUND / "unseen_01_labels.mrc", "prediction"),
    ):
        _show_labels(axis, central_slices(path)[0], classes)
        axis.set_title(title)


def _show_grey(axis: Axes, image: np.ndarray, title: str) -> None:
    low, high = grey_limits(image)
    axis.imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower")
    axis.set_title(title)
    axis.set_axis_off()


def _show_labels(axis: Axes, labels: np.ndarray, classes: ClassTable) -> None:
    alpha = 0.6 if np.ma.isMaskedArray(labels) else 1.0
    axis.imshow(
        labels,
        cmap=colour_map(classes),
        vmin=0,
        vmax=IGNORE,
        alpha=alpha,
        origin="lower",
        interpolation="nearest",
    )
    axis.set_axis_off()


if __name__ == "__main__":
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    draw_overview(read_class_table("config/classes.tsv")).savefig(OUTPUT, dpi=75)
