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

from segnet.rounds.comparisons import Comparisons, compare_held_out, compare_regions
from segnet.rounds.corrections import Correction
from segnet.rounds.history import (
    DiceChange,
    HardNegative,
    RoundHistory,
    corrected_voxels,
    dice_changes,
    read_history,
)
from segnet.rounds.layout import proposals_table
from segnet.rounds.regions import read_regions
from segnet.rounds.tomograms import TomogramRow
from tomoio import ClassTable, new_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SMALL_CHANGE = 0.005
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 1200px; margin: 2rem auto }
h2 { border-top: 1px solid #ddd; padding-top: 1rem; margin-top: 2rem }
img { max-width: 100%; display: block } table { border-collapse: collapse; font-size: 14px }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #eee; text-align: right }
th:first-child, td:first-child { text-align: left } .note { color: #555 }
.legend span { margin-right: 1rem } .legend i { display: inline-block; width: .9em; height: .9em }
.row { display: flex; flex-wrap: wrap; gap: 2rem } .up { color: #00724c } .down { color: #b3400b }
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
        _hard_negatives(history),
        _pictures("Held out from all rounds", compare_held_out(history, rounds_dir, classes, corrections)),
        _pictures("Before and after", compare_regions(history, rounds_dir, tomograms, classes)),
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
    header = ["round", "network", "steps", "training parts", "corrected voxels", "minutes"]
    header += [f"Dice, {domain}" for domain in domains]
    rows = [
        [
            entry.name,
            entry.network,
            f"{entry.steps:,}",
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
    by_class = "".join(_dice_by_class(history, domain, classes) for domain in domains)
    return f"<h2>Progress</h2>{note}{_table(header, rows)}{chart}<div class='row'>{by_class}</div>"


def _dice_by_class(history: Sequence[RoundHistory], domain: str, classes: ClassTable) -> str:
    """Return the numbers of the chart: a row a class, a column a round."""
    scored = {name for entry in history for name in entry.dice.get(domain, {})}
    rows = [
        [name, *(_number(entry.dice.get(domain, {}).get(name, math.nan)) for entry in history)]
        for name in [
            *(name for name in classes.names if name in scored),
            *sorted(scored - set(classes.names)),
        ]
    ]
    header = [f"Dice, {domain}", *(f"round {entry.name}" for entry in history)]
    return f"<div>{_table(header, rows)}</div>"


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
    waiting = ", ".join(f"{row.region_id} ({row.role})" for row in entry.waiting)
    note = f"<p>Accepted, but not in the training of this network: {html.escape(waiting)}.</p>"
    after = note if waiting else ""
    if not entry.added:
        return f"<h2>What was added</h2><p>Nothing: no correction is new in this round.</p>{after}"
    rows = [
        [row.region_id, row.role, f"{corrected_voxels(row):,}", row.annotator, row.seeded_by, row.note]
        for row in entry.added
    ]
    header = ["region", "role", "voxels", "annotator", "corrected labels of", "note"]
    return f"<h2>What was added</h2>{_table(header, rows)}{after}"


def _better_and_worse(history: Sequence[RoundHistory]) -> str:
    if len(history) < 2:
        return ""
    before, after = history[-2:]
    rows = [
        [entry.domain, entry.name, _number(entry.before), _number(entry.after), _change(entry)]
        for entry in dice_changes(before.dice, after.dice)
    ]
    header = ["domain", "class", f"Dice, round {before.name}", f"Dice, round {after.name}", "change"]
    return f"<h2>Better and worse</h2>{_table(header, rows)}"


def _change(entry: DiceChange) -> _Html:
    """Return the change in its colour; in words where only one round has a score of the class."""
    if math.isnan(entry.change):
        return _Html("new" if math.isnan(entry.before) else "gone")
    kind = "" if abs(entry.change) < _SMALL_CHANGE else "up" if entry.change > 0 else "down"
    return _Html(f"<span class='{kind}'>{entry.change:+.3f}</span>")


def _hard_negatives(history: Sequence[RoundHistory]) -> str:
    """Return which share of each crop without objects every round calls some class."""
    names = sorted({one.region_id for entry in history for one in entry.hard_negatives})
    if not names:
        return ""
    found = [{one.region_id: one for one in entry.hard_negatives} for entry in history]
    rows = [[name, *(_called(by_name.get(name)) for by_name in found)] for name in names]
    header = ["crop", *(f"round {entry.name}" for entry in history)]
    note = (
        "<p class='note'>Share of the voxels of crops without any object (ice, gold, carbon, fringes) that "
        "the network calls some class: the less, the better. * : it was trained on this crop, so that "
        "the number says little of other ones.</p>"
    )
    return f"<h2>Taken for something that is not there</h2>{note}{_table(header, rows)}"


def _called(one: HardNegative | None) -> str:
    if one is None or not one.voxels:
        return ""
    return f"{one.called_voxels / one.voxels:.2%}{' *' if one.is_trained_on else ''}"


def _pictures(heading: str, found: Comparisons) -> str:
    if not (found.drawn or found.left_out):
        return ""
    parts = [f"<h3>{html.escape(title)}</h3>" + _picture(figure, title) for title, figure in found.drawn]
    if found.left_out:
        parts.append(f"<p class='note'>Not drawn: {html.escape('; '.join(found.left_out))}.</p>")
    return f"<h2>{heading}</h2>" + "".join(parts)


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
