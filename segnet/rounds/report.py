"""One self-contained HTML page on a round."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segnet.rounds.corrections import Correction
from segnet.rounds.crop import read_crop_record
from segnet.rounds.history import RoundHistory, corrected_voxels, dice_changes, read_history
from segnet.rounds.layout import proposals_table, segmentations_dir
from segnet.rounds.pictures import cut_region, overlay, thick_slice, to_grey
from segnet.rounds.regions import Region, read_regions
from segnet.rounds.tomograms import TomogramRow, segmentation_file
from tomoio import ClassTable, new_file, read_labels, read_volume

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_PICTURES = 8
_SMALL_CHANGE = 0.005
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 1200px; margin: 2rem auto }
h2 { border-top: 1px solid #ddd; padding-top: 1rem; margin-top: 2rem }
img { max-width: 100%; display: block } table { border-collapse: collapse; font-size: 14px }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #eee; text-align: right }
th:first-child, td:first-child { text-align: left } .note { color: #555 }
.legend span { margin-right: 1rem } .legend i { display: inline-block; width: .9em; height: .9em }
.up { color: #00724c } .down { color: #b3400b }
"""


class _Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def write_round_report(
    output: Path,
    round_name: str,
    rounds_dir: Path,
    tomograms: Sequence[TomogramRow],
    classes: ClassTable,
    corrections: Sequence[Correction],
    *,
    purpose: str = "",
    overwrite: bool = False,
) -> None:
    """Write the page of a round.

    Parameters
    ----------
    output
        The HTML file.
    round_name
        A round with a trained network in ``rounds_dir``.
    rounds_dir
        Folder of all rounds; earlier ones are compared, later ones are not looked at.
    tomograms
        Rows of tomograms.tsv.
    classes
        For names and colours.
    corrections
        Rows of corrections.tsv.
    purpose
        What the round is for, in words.
    overwrite
        Replace an earlier page.

    Raises
    ------
    ValueError
        If the round has no trained network.
    """
    history = read_history(rounds_dir, corrections)
    names = [entry.name for entry in history]
    if round_name not in names:
        raise ValueError(f"{rounds_dir}: no trained round {round_name}; wanted one of {', '.join(names)}")
    history = history[: names.index(round_name) + 1]
    parts = [
        f"<h1>Round {html.escape(round_name)}</h1><p>{html.escape(purpose)}</p>",
        _legend(classes),
        _progress(history, classes),
        _added(history[-1]),
        _better_and_worse(history),
        _held_out_pictures(history, rounds_dir, classes, corrections),
        _before_and_after(history, rounds_dir, tomograms, classes),
        _next_regions(rounds_dir, round_name),
    ]
    page = (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Round {html.escape(round_name)}</title>"
    )
    page += f"<style>{_STYLE}</style>" + "\n".join(part for part in parts if part) + "</html>\n"
    with new_file(output, overwrite=overwrite) as partial:
        partial.write_text(page, encoding="utf-8")


def _legend(classes: ClassTable) -> str:
    entries = "".join(
        f"<span><i style='background:{entry.colour}'></i> {html.escape(entry.name)}</span>"
        for entry in classes
        if entry.label
    )
    return f"<p class='legend'>{entries}</p>"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells of type `_Html` are HTML already."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>"
        + "".join(f"<td>{cell if isinstance(cell, _Html) else html.escape(cell)}</td>" for cell in row)
        + "</tr>\n"
        for row in rows
    )
    return f"<table><tr>{head}</tr>\n{body}</table>"


def _progress(history: Sequence[RoundHistory], classes: ClassTable) -> str:
    domains = sorted({domain for entry in history for domain in entry.dice})
    header = ["round", "training parts", "corrected voxels", "minutes", *(f"Dice, {d}" for d in domains)]
    rows = [
        [
            entry.name,
            ", ".join(f"{count} {domain}" for domain, count in sorted(entry.parts.items())),
            f"{entry.corrected_voxels:,}",
            "" if entry.training_minutes is None else f"{entry.training_minutes:.1f}",
            *(_number(entry.mean_dice(domain)) for domain in domains),
        ]
        for entry in history
    ]
    note = "<p class='note'>Mean Dice over the classes but background, on data that no round trains on.</p>"
    chart = (
        _picture(_dice_chart(history, domains, classes), "Dice by class over the rounds") if domains else ""
    )
    return f"<h2>Progress</h2>{note}{_table(header, rows)}{chart}"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _dice_chart(history: Sequence[RoundHistory], domains: Sequence[str], classes: ClassTable) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5 * len(domains), 4), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(domains), sharey=True))
    positions = range(len(history))
    colours = {entry.name: entry.colour for entry in classes}
    for axis, domain in zip(axes, domains, strict=True):
        for name in sorted({name for entry in history for name in entry.dice.get(domain, {})}):
            values = [entry.dice.get(domain, {}).get(name, math.nan) for entry in history]
            axis.plot(positions, values, marker="o", label=name, color=colours.get(name))
        axis.set_title(domain)
        axis.set_ylim(0, 1)
        axis.set_xticks(positions, [entry.name for entry in history])
        axis.set_xlabel("round")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("Dice")
    axes[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _picture(figure: Figure, text: str) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, dpi=90, format="png")
    return _embedded(stream.getvalue(), text)


def _embedded(png: bytes, text: str) -> str:
    return f"<img alt='{html.escape(text)}' src='data:image/png;base64,{base64.b64encode(png).decode()}'>"


def _added(entry: RoundHistory) -> str:
    if not entry.added:
        return "<h2>What was added</h2><p>Nothing: no correction is new in this round.</p>"
    rows = [
        [row.region_id, row.role, f"{corrected_voxels(row):,}", row.annotator, row.seeded_by, row.note]
        for row in entry.added
    ]
    header = ["region", "role", "voxels", "annotator", "corrected labels of", "note"]
    return f"<h2>What was added</h2>{_table(header, rows)}"


def _better_and_worse(history: Sequence[RoundHistory]) -> str:
    if len(history) < 2:
        return ""
    before, after = history[-2:]
    rows = [
        [entry.domain, entry.name, f"{entry.before:.3f}", f"{entry.after:.3f}", _coloured(entry.change)]
        for entry in dice_changes(before.dice, after.dice)
    ]
    header = ["domain", "class", f"Dice, round {before.name}", f"Dice, round {after.name}", "change"]
    return f"<h2>Better and worse</h2>{_table(header, rows)}"


def _coloured(change: float) -> _Html:
    kind = "" if abs(change) < _SMALL_CHANGE else "up" if change > 0 else "down"
    return _Html(f"<span class='{kind}'>{change:+.3f}</span>")


def _held_out_pictures(
    history: Sequence[RoundHistory],
    rounds_dir: Path,
    classes: ClassTable,
    corrections: Sequence[Correction],
) -> str:
    """Draw the held-out crops: image, truth, and the labels of the last two rounds."""
    found = []
    for row in [row for row in corrections if row.role == "held_out"][:_MOST_PICTURES]:
        labels = {
            f"round {entry.name}": rounds_dir / entry.name / "held_out" / f"{row.region_id}_labels.mrc"
            for entry in history[-2:]
        }
        if not row.labels_path.is_file() or not all(path.is_file() for path in labels.values()):
            continue
        image, middle = read_volume(row.image_path).data, _middle_slice(row)
        panels = {"corrected by a person": read_labels(row.labels_path).data[middle]}
        panels |= {title: read_labels(path).data[middle] for title, path in labels.items()}
        figure = _panels(thick_slice(image, middle), panels, classes)
        found.append(f"<h3>{html.escape(row.region_id)}</h3>" + _picture(figure, row.region_id))
    return "<h2>Held out from all rounds</h2>" + "".join(found) if found else ""


def _middle_slice(row: Correction) -> int:
    core = read_crop_record(row.provenance_path).core
    return (core.start + core.stop) // 2


def _before_and_after(
    history: Sequence[RoundHistory],
    rounds_dir: Path,
    tomograms: Sequence[TomogramRow],
    classes: ClassTable,
) -> str:
    """Draw what the last two rounds say of the regions that were added, and of every tomogram's centre."""
    if len(history) < 2:
        return ""
    before, after = (segmentations_dir(rounds_dir, entry.name) for entry in history[-2:])
    found = []
    for tomogram in tomograms:
        maps = [segmentation_file(folder, tomogram, "labels") for folder in (before, after)]
        if maps[0] is None or maps[1] is None:
            continue
        added = [region for region in _regions_of(history[-1].added) if _lies_in(region, tomogram)]
        for region in added or [_centre(tomogram, maps[0])]:
            image = cut_region(region, tomogram, tomogram.path)
            middle = len(image) // 2
            panels = {
                f"round {entry.name}": cut_region(region, tomogram, path)[middle].astype(np.uint8)
                for entry, path in zip(history[-2:], maps, strict=True)
                if path is not None
            }
            title = f"{region.region_id}, slice {region.z_start + middle} of {tomogram.tomogram_id}"
            figure = _panels(thick_slice(image, middle), panels, classes)
            found.append(f"<h3>{html.escape(title)}</h3>" + _picture(figure, title))
    return "<h2>Before and after</h2>" + "".join(found[:_MOST_PICTURES]) if found else ""


def _regions_of(corrections: Iterable[Correction]) -> list[Region]:
    paths = [row.provenance_path for row in corrections]
    return [read_crop_record(path).region for path in paths if path.is_file()]


def _lies_in(region: Region, tomogram: TomogramRow) -> bool:
    return region.tomogram_id == tomogram.tomogram_id


def _centre(tomogram: TomogramRow, labels: Path) -> Region:
    from tomoio import read_header

    depth, height, width = read_header(labels, pixel_size_angstrom=tomogram.pixel_size_angstrom).shape
    return Region("", "centre", tomogram.tomogram_id, depth // 2, 0, 0, 1, height, width)


def _panels(image: np.ndarray, labels: dict[str, np.ndarray], classes: ClassTable) -> Figure:
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


def _next_regions(rounds_dir: Path, round_name: str) -> str:
    table = proposals_table(rounds_dir, round_name)
    if not table.is_file():
        return ""
    parts = ["<h2>Regions proposed next</h2>"]
    for region in read_regions(table):
        parts.append(f"<h3>{html.escape(region.region_id)}</h3><p>{html.escape(region.reason)}</p>")
        picture = table.parent / "regions" / f"{region.region_id}.png"
        if picture.is_file():
            parts.append(_embedded(picture.read_bytes(), region.region_id))
    parts.append("<p class='note'>Correct one with <code>segnet correct REGION</code>.</p>")
    return "\n".join(parts)
