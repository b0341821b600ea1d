"""`summary.md`: what was found, in plain words, with the caveats that apply to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from segnet.config.quantification import QuantificationConfig
from segnet.quantify.tables import NOTHING_FOUND, NOTHING_TO_MEASURE

Row = Mapping[str, Any]


def summarise(
    tomograms: Sequence[Row], particles: Sequence[Row], filaments: Sequence[Row], membranes: Sequence[Row],
    comparisons: Sequence[Row], config: QuantificationConfig,
) -> str:  # fmt: skip
    """Return the text of summary.md from the rows of the tables."""
    ids = list(dict.fromkeys(row["tomogram_id"] for row in tomograms))
    groups = list(dict.fromkeys(row["group"] for row in tomograms))
    lines = ["# Quantification", "", f"{_number(len(ids), 'tomogram')} in {_number(len(groups), 'group')}."]
    for group in groups:
        members = {row["tomogram_id"] for row in tomograms if row["group"] == group}
        lines.append(f"- {group}: {_number(len(members), 'tomogram')}")
    lines += ["", "## What was found", ""]
    for name in dict.fromkeys(row["class"] for row in tomograms):
        lines.append("- " + _class_line(name, [row for row in tomograms if row["class"] == name]))
    lines += ["", "## Groups compared", "", *_comparison_lines(comparisons, groups, config)]
    lines += ["", "## Read this before you cite a number", ""]
    lines += [
        f"- {text}" for text in _caveats(tomograms, particles, filaments, membranes, config, len(groups))
    ]
    return "\n".join(lines) + "\n"


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _sum(rows: Sequence[Row], column: str) -> float:
    return float(sum(row[column] for row in rows if row[column] != "" and np.isfinite(row[column])))


def _class_line(name: str, rows: Sequence[Row]) -> str:
    kind, voxels = rows[0]["measured_as"], int(_sum(rows, "voxels"))
    rows = [row for row in rows if row["voxels"] != ""]
    present = sum(row["voxels"] > 0 for row in rows)
    if not rows:
        return f"**{name}**: not measured; every voxel is 255 (ignore)."
    if voxels == 0:
        islands = _sum(rows, "islands_removed") > 0
        return f"**{name}**: " + ("only islands, which were removed." if islands else "none in any tomogram.")
    where = f"in {present} of {_number(len(rows), 'tomogram')}"
    if kind == "voxels":
        return f"**{name}**: {_number(voxels, 'voxel')} {where}."
    count = int(_sum(rows, "count"))
    text = f"**{name}**: {_number(count, kind.removesuffix('s'))} {where}"
    if kind == "filaments":
        text += f", {_sum(rows, 'total_length_nm') / 1000:,.2f} µm in all"
        shares = [(row["decorated_share"], row["total_length_nm"]) for row in rows if row["total_length_nm"]]
        if shares and np.isfinite(shares[0][0]):
            text += f", {sum(s * n for s, n in shares) / sum(n for _, n in shares):.0%} of it decorated"
    if kind == "sheets":
        text += (
            f", {_sum(rows, 'area_nm2') / 1e6:,.3f} µm² in all, {int(_sum(rows, 'closed_membranes'))} closed"
        )
    if kind == "particles" and rows[0]["clusters"] != "":
        clustered = sum(row["clustered_share"] * row["count"] for row in rows if row["count"])
        clusters = _number(int(_sum(rows, "clusters")), "cluster")
        text += f"; {clusters} with {clustered / max(count, 1):.0%} of the particles"
    return text + "."


def _comparison_lines(
    comparisons: Sequence[Row], groups: Sequence[str], config: QuantificationConfig
) -> list[str]:
    if len(groups) < 2:
        return ["All tomograms are in one group: nothing was compared. Give groups with `--tomograms TABLE`."]
    made = [row for row in comparisons if np.isfinite(row["p"])]
    found = [row for row in made if row["significant"] == "yes"]
    level, method = config.comparison.significance, config.comparison.correction.upper()
    lines = [
        f"{_number(len(made), 'test')} on values per tomogram, corrected for their number ({method}); "
        f"{len(found)} at or below {level:g}. All are in comparisons.csv."
    ]
    for row in found:
        between = (
            "between all groups" if row["group_a"] == "all" else f"{row['group_a']} against {row['group_b']}"
        )
        lines.append(
            f"- {row['measure']}, {between}: p = {row['p_corrected']:.2g} after correction, "
            f"{row['effect_size_name']} {row['effect_size']:.2f}"
        )
    noted: dict[str, list[str]] = {}
    for row in comparisons:
        noted.setdefault(row["note"], []).append(row["measure"])
    for note, measures in noted.items():
        if note:
            which = f" ({', '.join(dict.fromkeys(measures))})" if note.startswith("not compared") else ""
            lines.append(f"- {note}{which}")
    return lines


def _caveats(
    tomograms: Sequence[Row], particles: Sequence[Row], filaments: Sequence[Row], membranes: Sequence[Row],
    config: QuantificationConfig, groups: int,
) -> list[str]:  # fmt: skip
    texts = [
        "Numbers are of labels. A network that misses or invents objects shifts all of them; see its scores.",
        "Counts per µm³ divide by the whole labelled volume, also where it holds no cell.",
    ]
    cut = sum(bool(row["touches_border"]) for row in particles)
    if particles and cut:
        texts.append(
            f"{cut:,} of {len(particles):,} particles are cut by a face of the volume: their centre "
            "and size are off."
        )
    cut = sum(bool(row["touches_border"]) for row in filaments)
    if filaments and cut:
        texts.append(
            f"{cut:,} of {len(filaments):,} filaments end at a face of the volume: their lengths are "
            "lower bounds."
        )
    bridged = sum(int(row["breaks_bridged"]) for row in filaments)
    if bridged:
        texts.append(
            f"{_number(bridged, 'break')} in filaments were bridged; bridged_length_nm says how much "
            "of each length that is."
        )
    joined = [entry.class_name for entry in config.particles if entry.method == "components"]
    if joined and particles:
        texts.append(f"Touching particles of {', '.join(joined)} count as one (method: components).")
    if any(row["touches_border"] and not row["closed"] for row in membranes):
        texts.append(
            "Membranes that a face of the volume cuts are open there: no enclosed volume is given for them."
        )
    if membranes:
        texts.append(
            "Membrane area is that of the middle of the sheet; the rim of an open sheet adds about "
            "half its thickness."
        )
    if config.clusters.class_names:
        texts.append(
            f"Clusters: DBSCAN, {config.clusters.radius_nm:g} nm, at least "
            f"{config.clusters.minimum_neighbours} particles within it "
            "(the paper gives the distance, not the number)."
        )
    sizes = {round(row["voxel_size_nm"], 4) for row in tomograms}
    if len(sizes) > 1:
        texts.append(
            f"Voxel sizes differ ({min(sizes):g} to {max(sizes):g} nm): voxel counts are not "
            "comparable between tomograms, use voxel_share or lengths."
        )
    if any(row["ignored_share"] for row in tomograms):
        texts.append(
            "Voxels labelled 255 (ignore) are left out of every volume; objects are cut where they begin."
        )
    if groups > 1:
        texts.append(
            "The tomogram is the unit of every test. Tomograms of one cell are not independent; the "
            "tests do not know of cells."
        )
    return [*texts, *_gap_caveats(tomograms)]


def _gap_caveats(tomograms: Sequence[Row]) -> list[str]:
    """Say which zeros and gaps are not measurements of a cell."""
    classes: dict[str, set[str]] = {}
    for row in tomograms:
        if row["note"]:
            known = row["note"] in (NOTHING_FOUND, NOTHING_TO_MEASURE)
            classes.setdefault(row["note"] if known else "empty", set()).add(row["class"])
    texts = []
    if "empty" in classes:
        texts.append(
            f"Some tomograms have no {', '.join(sorted(classes['empty']))}: their zeros are zeros of the "
            "labels (column note)."
        )
    if NOTHING_FOUND in classes:
        texts.append(
            f"Some tomograms hold voxels of {', '.join(sorted(classes[NOTHING_FOUND]))} in which no object "
            "was found: their zeros are doubtful (column note). Look at the labels."
        )
    if NOTHING_TO_MEASURE in classes:
        ids = sorted({row["tomogram_id"] for row in tomograms if row["note"] == NOTHING_TO_MEASURE})
        texts.append(f"Nothing was measured in {', '.join(ids)}: every voxel is 255 (ignore).")
    return texts
