"""Pictures of volumes, tilt series and labels; spectra and moments with one scaling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.fft import rfft2
from scipy.stats import kurtosis, skew

from cts.projection import Doubles
from tomoio import ClassTable, VolumeReader, new_file

_GREY_RANGE = 3.0  # standard deviations shown either side of the mean
_SPECTRUM_SLICES = 64
_STAGES = ("clean", "ctf", "dose")  # stacks that `cts simulate` keeps beside tiltseries.mrc
_LABEL_NAMES = ("label", "atlas", "instances", "prediction")


@dataclass(frozen=True)
class Shown:
    """A file to show: ``data`` (z, y, x) or (image, y, x), its pixel size in Å, and what kind it is."""

    name: str
    data: NDArray[Any]
    pixel_size_angstrom: float
    kind: Literal["volume", "tiltseries", "labels"]


@dataclass(frozen=True)
class Statistics:
    """Moments of grey values, and the power spectrum after z-scoring (power density Å², variance one)."""

    mean: float
    standard_deviation: float
    skewness: float
    excess_kurtosis: float
    frequency_per_angstrom: Doubles
    power_angstrom2: Doubles


def load(path: Path, pixel_size_angstrom: float | None = None) -> Shown:
    """Read a file and tell what it is: by its name, the .tlt beside it, and its data type."""
    path = Path(path)
    kind = _kind_of(path)
    with VolumeReader(path, pixel_size_angstrom=pixel_size_angstrom, stack=kind == "tiltseries") as reader:
        shown = Shown(_name_of(path), reader.read(), reader.header.pixel_size_angstrom, kind)
    if not np.isfinite(shown.data.sum(dtype=np.float64)):
        raise ValueError(f"{path}: NaN or infinite values; wanted numbers")
    return shown


def _name_of(path: Path) -> str:
    return f"{path.resolve().parent.name}/{path.name}"


def _kind_of(path: Path) -> Literal["volume", "tiltseries", "labels"]:
    beside = [path.with_suffix(suffix) for suffix in (".tlt", ".rawtlt")]
    if (
        path.suffix in {".st", ".mrcs", ".ali"}
        or "tiltseries" in path.stem
        or any(p.is_file() for p in beside)
        or (path.stem in _STAGES and (path.parent / "tiltseries.mrc").is_file())
    ):
        return "tiltseries"
    if any(word in path.stem for word in _LABEL_NAMES):
        return "labels"
    return "volume"


def statistics(shown: Shown) -> Statistics:
    """Return moments and the rotationally averaged power spectrum of the z-scored XY slices."""
    values = shown.data.astype(np.float32)
    mean, deviation = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
    values -= np.float32(mean)
    values /= np.float32(deviation or 1.0)
    frequency, power = rotational_power_spectrum(values, shown.pixel_size_angstrom)
    flat = values.ravel()[:: max(1, values.size // 4_000_000)]
    return Statistics(mean, deviation, float(skew(flat)), float(kurtosis(flat)), frequency, power)


def rotational_power_spectrum(
    volume: NDArray[np.float32], pixel_size_angstrom: float
) -> tuple[Doubles, Doubles]:
    """Return frequencies (1/Å) and mean power density (Å²) of XY slices, averaged over angles.

    The density integrates over the plane of frequencies to the variance; slices are windowed (Hann) against
    their edges. At most 64 slices, evenly spread over the middle half of the volume, are used.
    """
    nz, ny, nx = volume.shape
    window = np.hanning(ny + 2)[1:-1, None] * np.hanning(nx + 2)[1:-1]
    chosen = np.unique(np.linspace(nz // 4, max(nz // 4, nz - 1 - nz // 4), _SPECTRUM_SLICES).astype(int))
    power = np.zeros((ny, nx // 2 + 1))
    for index in chosen:
        power += abs(rfft2((volume[index] - volume[index].mean()) * window.astype(np.float32))) ** 2
    power *= pixel_size_angstrom**2 / (len(chosen) * (window**2).sum())
    frequency = np.hypot(np.fft.fftfreq(ny)[:, None], np.fft.rfftfreq(nx))
    n_rings = min(ny, nx) // 2
    ring = np.minimum((frequency * 2 * n_rings + 0.5).astype(int), n_rings + 1).ravel()
    # Columns 1 to Nyquist stand for their mirror images too; their mean is the same.
    total = np.bincount(ring, power.ravel(), n_rings + 2)[1 : n_rings + 1]
    count = np.bincount(ring, minlength=n_rings + 2)[1 : n_rings + 1]
    rings = np.arange(1, n_rings + 1) / (2 * n_rings * pixel_size_angstrom)
    return rings, total / np.maximum(count, 1)


def spectrum_ratio(first: Statistics, second: Statistics, edges_angstrom: Sequence[float]) -> list[float]:
    """Return the ratio of two spectra, first / second, in bands between resolutions in Å, coarse first."""
    ratios = []
    for low, high in pairwise(edges_angstrom):
        means = []
        for one in (first, second):
            inside = (one.frequency_per_angstrom >= 1 / low) & (one.frequency_per_angstrom < 1 / high)
            means.append(one.power_angstrom2[inside].mean() if inside.any() else np.nan)
        ratios.append(float(means[0] / means[1]) if means[1] else np.nan)
    return ratios


def largest_factor(ratios: Sequence[float]) -> float:
    """Return by what factor spectra differ most: the largest of ratios and inverses; NaN is left out."""
    known = np.array(ratios)[np.isfinite(ratios)]
    return float(np.exp(np.abs(np.log(known)).max())) if known.size else float("nan")


def draw(
    items: Sequence[Shown],
    output: Path,
    *,
    spectra: Sequence[Statistics] = (),
    classes: ClassTable | None = None,
    average: int = 1,
    overwrite: bool = False,
) -> None:
    """Draw central slices of files, one row each, and their spectra and histograms below.

    Parameters
    ----------
    items
        What to draw. Volumes show the central XY and XZ slices, tilt series the first, middle and last image.
        All grey values are z-scored and drawn from -3 (black) to 3 (white).
    output
        PNG file.
    spectra
        Statistics of the same items, to draw as well.
    classes
        Colours of labels; without it colours are arbitrary.
    average
        Slices averaged for each picture of a volume.
    overwrite
        Replace an existing file.
    """
    matplotlib.use("Agg")
    rows = len(items) + bool(spectra)
    figure = Figure(figsize=(15, 5 * rows), layout="constrained")
    grid = figure.add_gridspec(rows, 3)
    for row, item in enumerate(items):
        for column, (title, image) in enumerate(_pictures(item, average)):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(image, origin="lower", interpolation="nearest", **_colours(item, image, classes))
            axes.set_title(f"{item.name}\n{title}, {item.pixel_size_angstrom:g} Å", fontsize=9)
            axes.tick_params(labelsize=7)
    if spectra:
        _draw_spectra(figure.add_subplot(grid[-1, :2]), items, spectra)
        _draw_histograms(figure.add_subplot(grid[-1, 2]), items, spectra)
    with new_file(output, overwrite=overwrite) as partial:
        figure.savefig(partial, format="png", dpi=100)


def _pictures(item: Shown, average: int) -> list[tuple[str, NDArray[Any]]]:
    data = item.data
    if item.kind == "tiltseries":
        return [(f"image {i + 1} of {len(data)}", data[i]) for i in (0, len(data) // 2, len(data) - 1)]
    if item.kind == "labels":
        average = 1
    slices = [_middle(data.shape[axis], average) for axis in range(3)]
    if average == 1:
        return [
            ("XY", data[slices[0]][0]),
            ("XZ", data[:, slices[1]][:, 0]),
            ("ZY", data[:, :, slices[2]][..., 0].T),
        ]
    return [
        ("XY", data[slices[0]].mean(axis=0)),
        ("XZ", data[:, slices[1]].mean(axis=1)),
        ("ZY", data[:, :, slices[2]].mean(axis=2).T),
    ]


def _middle(length: int, width: int) -> slice:
    start = max(0, (length - width) // 2)
    return slice(start, min(length, start + width))


def _colours(item: Shown, image: NDArray[Any], classes: ClassTable | None) -> dict[str, Any]:
    if item.kind == "labels":
        return (
            {"cmap": _label_colours(classes), "vmin": 0, "vmax": 255}
            if image.max() < 256
            else {"cmap": "prism"}
        )
    values = image.astype(np.float64)
    mean, deviation = values.mean(), values.std() or 1.0
    return {"cmap": "gray", "vmin": mean - _GREY_RANGE * deviation, "vmax": mean + _GREY_RANGE * deviation}


def _label_colours(classes: ClassTable | None) -> ListedColormap:
    colours = ["#000000"] + [
        matplotlib.colors.to_hex(matplotlib.colormaps["tab20"](i % 20)) for i in range(254)
    ]
    for entry in classes or ():
        colours[entry.label] = entry.colour
    return ListedColormap([*colours, "#ffffff"])


def _draw_spectra(axes: Any, items: Sequence[Shown], spectra: Sequence[Statistics]) -> None:
    for item, one in zip(items, spectra, strict=True):
        axes.loglog(one.frequency_per_angstrom, one.power_angstrom2, label=item.name)
    axes.set_xlabel("spatial frequency, 1/Å")
    axes.set_ylabel("power density of z-scored XY slices, Å²")
    axes.axvspan(1 / 400, 1 / 30, color="0.95")
    axes.legend(fontsize=8)


def _draw_histograms(axes: Any, items: Sequence[Shown], spectra: Sequence[Statistics]) -> None:
    edges = np.linspace(-6, 6, 121)
    for item, one in zip(items, spectra, strict=True):
        values = item.data.ravel()[:: max(1, item.data.size // 1_000_000)].astype(np.float64)
        counts, _ = np.histogram((values - one.mean) / (one.standard_deviation or 1.0), edges, density=True)
        moments = f"sd {one.standard_deviation:.3g} skew {one.skewness:.2f} kurt {one.excess_kurtosis:.2f}"
        text = f"{item.name}\n{moments}"
        axes.semilogy(edges[:-1] + 0.05, np.maximum(counts, 1e-6), label=text)
    axes.set_xlabel("grey value, standard deviations")
    axes.legend(fontsize=7)
