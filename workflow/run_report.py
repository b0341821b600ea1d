"""The report of a run: one HTML file with its pictures inside, which opens offline."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import numpy as np
import yaml
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tomoio import IGNORE, ClassTable, VolumeReader, __version__, new_file, read_header, read_manifest
from tomoio.tables import read_table

matplotlib.use("Agg")

TEMPLATE = Path(__file__).parent / "report" / "report.html.j2"
# Grey levels are stretched between these percentiles, the same for every picture of a tomogram.
GREY_PERCENTILES = (1.0, 99.0)
# A real tomogram is shown as the mean of so many slices: single ones are too noisy for the eye.
REAL_SLAB = 7


@dataclass(frozen=True)
class SyntheticCase:
    """Files of one unseen synthetic tomogram."""

    name: str
    model: Path
    tomogram: Path
    truth: Path
    prediction: Path


@dataclass(frozen=True)
class RealCase:
    """Files of one real tomogram."""

    name: str
    tomogram: Path
    prediction: Path


@dataclass(frozen=True)
class ReportInputs:
    """What the report shows."""

    synthetic: Sequence[SyntheticCase]
    real: Sequence[RealCase]
    history: Path
    scores: Path
    benchmarks: Sequence[Path]
    configuration: Mapping[str, Any]
    drawn_values: Mapping[str, Mapping[str, Any]]


def write_report(inputs: ReportInputs, classes: ClassTable, output: Path) -> None:
    """Write the self-contained HTML report; an existing one is replaced.

    Raises
    ------
    FileNotFoundError, ValueError
        If an input is missing or unreadable.
    """
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    html = page.render(
        version=__version__,
        legend=[entry for entry in classes if entry.label != 0],
        synthetic=[(case.name, _png(_draw_synthetic(case, classes))) for case in inputs.synthetic],
        real=[(case.name, *_real_pictures(case, classes)) for case in inputs.real],
        curve=_png(_draw_history(inputs.history, classes)),
        dice=_png(_draw_dice(inputs.scores, classes)),
        scores=_read_scores(inputs.scores),
        timings=[_read_benchmark(path) for path in inputs.benchmarks],
        configuration=yaml.safe_dump(dict(inputs.configuration), sort_keys=False, allow_unicode=True),
        drawn=_drawn_table(inputs.drawn_values),
    )
    with new_file(output, overwrite=True) as partial:
        partial.write_text(html, encoding="utf-8")


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight", facecolor="white")
    return base64.b64encode(buffer.getvalue()).decode()


def colour_map(classes: ClassTable) -> ListedColormap:
    """Return a map from label to colour for images shown with vmin 0, vmax 255."""
    colours = np.tile(np.array([0.5, 0.5, 0.5, 1.0]), (IGNORE + 1, 1))
    for entry in classes:
        colours[entry.label, :3] = np.array(entry.rgb) / 255
    return ListedColormap(colours)


def central_slices(
    path: Path, slab: int = 1, *, pixel_size_angstrom: float | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the central XY and XZ slices, each the mean of ``slab`` slices, reading slice by slice.

    ``pixel_size_angstrom`` stands in for that of a header that has none.
    """
    with VolumeReader(path, pixel_size_angstrom=pixel_size_angstrom) as reader:
        depth, height, _ = reader.header.shape
        rows = slice((height - slab) // 2, (height - slab) // 2 + slab)
        xz = np.stack([reader.read(z, z + 1)[0, rows].mean(axis=0) for z in range(depth)])
        first = (depth - slab) // 2
        return reader.read(first, first + slab).mean(axis=0), xz


def grey_limits(image: NDArray[Any]) -> tuple[float, float]:
    low, high = np.percentile(image, GREY_PERCENTILES)
    return float(low), float(high)


def _draw_synthetic(case: SyntheticCase, classes: ClassTable) -> Figure:
    """Model, tomogram, true labels and prediction side by side in XY (above) and XZ (below)."""
    columns = [("model (potential)", case.model), ("tomogram", case.tomogram)]
    columns += [("true labels", case.truth), ("prediction", case.prediction)]
    slices = [central_slices(path) for _, path in columns]
    depth, width = slices[0][1].shape
    height = slices[0][0].shape[0]
    figure = Figure(figsize=(16, 16 / 4 * (height + depth) / width + 0.6))
    axes = figure.subplots(
        2, 4, gridspec_kw={"height_ratios": [height, depth], "hspace": 0.03, "wspace": 0.03}
    )
    for i, (title, _) in enumerate(columns):
        style = _image_style(slices[i][0], None if i < 2 else classes)
        for axis, image in zip(axes[:, i], slices[i], strict=True):
            axis.imshow(image, origin="lower", interpolation="nearest", **style)
            axis.set_xticks([])
            axis.set_yticks([])
        axes[0, i].set_title(title)
    axes[0, 0].set_ylabel("XY, central slice")
    axes[1, 0].set_ylabel("XZ")
    return figure


def _image_style(image: NDArray[Any], classes: ClassTable | None) -> dict[str, Any]:
    if classes is not None:
        return {"cmap": colour_map(classes), "vmin": 0, "vmax": IGNORE}
    low, high = grey_limits(image)
    return {"cmap": "gray", "vmin": low, "vmax": high}


def _real_pictures(case: RealCase, classes: ClassTable) -> tuple[str, str]:
    """Return the real tomogram alone and with its segmentation, XY and XZ, as PNG text."""
    # the labels have the true voxel size, the header of the tomogram need not
    pixel_size = read_header(case.prediction).pixel_size_angstrom
    xy, xz = central_slices(case.tomogram, REAL_SLAB, pixel_size_angstrom=pixel_size)
    labels_xy, labels_xz = central_slices(case.prediction)
    low, high = grey_limits(xy)
    heights = [xy.shape[0], xz.shape[0]]
    pictures = []
    for overlay in (False, True):
        figure = Figure(figsize=(8, 8 * (xy.shape[0] + xz.shape[0]) / xy.shape[1]))
        axes = figure.subplots(2, 1, gridspec_kw={"height_ratios": heights, "hspace": 0.02})
        for axis, image, labels in zip(axes, (xy, xz), (labels_xy, labels_xz), strict=True):
            axis.imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower")
            if overlay:
                shown = np.ma.masked_equal(labels, 0)
                axis.imshow(
                    shown, cmap=colour_map(classes), vmin=0, vmax=IGNORE, alpha=0.55, origin="lower",
                    interpolation="nearest",
                )  # fmt: skip
            axis.set_axis_off()
        pictures.append(_png(figure))
    return pictures[0], pictures[1]


def _draw_history(path: Path, classes: ClassTable) -> Figure:
    """Loss and Dice of the classes that the held-out tomogram holds, over the steps of the training."""
    with open(path, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axis = figure.subplots()
    steps = [float(row["step"]) for row in rows]
    axis.plot(steps, [float(row["loss"]) for row in rows], color="#333333", linewidth=2)
    axis.set_xlabel("step")
    axis.set_ylabel("training loss (black)")
    dice_axis = axis.twinx()
    for entry in classes:
        values = np.array([float(row.get(f"dice_{entry.name}") or "nan") for row in rows])
        if entry.label and np.isfinite(values).any():
            dice_axis.plot(steps, values, marker=".", color=entry.colour, label=entry.name)
    dice_axis.set_ylim(0, 1)
    dice_axis.set_ylabel("Dice, unseen tomogram")
    if dice_axis.lines:
        figure.legend(fontsize=8, loc="outside right center", frameon=False)
    return figure


def _read_scores(path: Path) -> list[dict[str, str]]:
    """Read the scores of what holds classes; the page of the round shows what is made of hard negatives."""
    rows = read_table(path, required=("domain", "tomogram_id", "class", "dice", "precision", "recall"))
    return [row for row in rows if row["domain"] != "hard_negative"]


def _draw_dice(path: Path, classes: ClassTable) -> Figure:
    """Bars of Dice per class, one group a tomogram."""
    rows = [row for row in _read_scores(path) if row["class"] in classes.names[1:]]
    names = list(dict.fromkeys(row["class"] for row in rows))
    tomograms = list(dict.fromkeys(row["tomogram_id"] for row in rows))
    figure = Figure(figsize=(7, 3.6))
    axis = figure.subplots()
    for i, tomogram in enumerate(tomograms):
        dice = {row["class"]: float(row["dice"]) for row in rows if row["tomogram_id"] == tomogram}
        positions = np.arange(len(names)) + (i - (len(tomograms) - 1) / 2) * 0.8 / len(tomograms)
        colours = [next(entry.colour for entry in classes if entry.name == name) for name in names]
        bars = axis.bar(
            positions, [dice.get(name, np.nan) for name in names], 0.75 / len(tomograms), color=colours
        )
        axis.bar_label(bars, fmt="%.2f", fontsize=7)
    axis.set_xticks(np.arange(len(names)), names)
    axis.set_ylim(0, 1.05)
    axis.set_ylabel("Dice, whole volume")
    return figure


def _read_benchmark(path: Path) -> tuple[str, str, str]:
    """Return step, seconds and peak memory of a Snakemake benchmark file."""
    with open(path, newline="", encoding="utf-8") as stream:
        row = next(csv.DictReader(stream, delimiter="\t"))
    step = path.with_suffix("").as_posix().removeprefix("logs/benchmarks/")
    memory = row["max_rss"]
    return step, f"{float(row['s']):.1f}", memory if memory in ("NA", "-") else f"{float(memory):.0f}"


def _drawn_table(drawn: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of what each tomogram drew; values that all share are left out."""
    keys = list(dict.fromkeys(key for values in drawn.values() for key in values))
    differing = [key for key in keys if len({str(values.get(key)) for values in drawn.values()}) > 1]
    rows = [[name, *(_shown(values.get(key)) for key in differing)] for name, values in drawn.items()]
    return ["tomogram", *differing], rows


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def drawn_values(manifests: Sequence[Path | str]) -> dict[str, dict[str, Any]]:
    """Return the values that each tomogram drew, by dotted key, from its manifests.

    The manifests lie in ``{tomogram}/{step}/manifest.json``.
    """
    drawn: dict[str, dict[str, Any]] = {}
    for path in map(Path, manifests):
        manifest = read_manifest(path)
        values = drawn.setdefault(path.parent.parent.name, {})
        values["seed"] = manifest["seed"]
        values.update(_flatten(manifest["configuration"], ""))
    return drawn


def _flatten(values: Any, prefix: str) -> dict[str, Any]:
    """Return the numbers of nested mappings and lists by dotted key; list members go by their names."""
    if isinstance(values, Mapping):
        members = [(str(key), value) for key, value in values.items()]
    elif isinstance(values, list):
        members = [(_member_name(value, index), value) for index, value in enumerate(values)]
    else:
        return {prefix: values} if isinstance(values, int | float) else {}
    joined = [(f"{prefix}.{name}" if prefix else name, value) for name, value in members]
    return {key: leaf for name, value in joined for key, leaf in _flatten(value, name).items()}


def _member_name(value: Any, index: int) -> str:
    named = value if isinstance(value, Mapping) else {}
    return str(named.get("name") or named.get("structure") or named.get("kind") or index)
