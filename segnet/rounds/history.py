"""What each round was trained on, how long that took, and how well its network does."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segnet.config.rounds import round_key
from segnet.rounds.corrections import Correction, training_corrections
from segnet.rounds.crop import read_crop_record
from tomoio.tables import read_table

Dice = Mapping[str, Mapping[str, float]]
_BACKGROUND_NAME = "background"


@dataclass(frozen=True)
class RoundHistory:
    """One round.

    Attributes
    ----------
    name
        The round.
    parts
        Training parts by domain, from the network's card.
    added
        Corrections that this round trained on first.
    corrected_voxels
        Labelled voxels of all corrections that it trained on.
    training_minutes
        None where it is not recorded.
    steps
        Training steps.
    dice
        Domain: class: Dice, averaged over tomograms; classes in neither volume are left out.
    """

    name: str
    parts: Mapping[str, int]
    added: tuple[Correction, ...]
    corrected_voxels: int
    training_minutes: float | None
    steps: int
    dice: Dice

    def mean_dice(self, domain: str) -> float:
        """Return the mean over the classes but background; NaN where there is none."""
        values = [value for name, value in self.dice.get(domain, {}).items() if name != _BACKGROUND_NAME]
        return sum(values) / len(values) if values else math.nan


def read_history(rounds_dir: Path, corrections: Sequence[Correction]) -> tuple[RoundHistory, ...]:
    """Read all rounds whose network has been trained, in their order.

    Parameters
    ----------
    rounds_dir
        Folder with a folder for each round, with ``model/model.json`` and ``scores.tsv``.
    corrections
        Rows of corrections.tsv.
    """
    folders = [path.parents[1] for path in rounds_dir.glob("*/model/model.json")]
    folders.sort(key=lambda path: round_key(path.name))
    history: list[RoundHistory] = []
    for folder in folders:
        earlier = history[-1].name if history else None
        history.append(_read_round(folder, earlier, corrections))
    return tuple(history)


def _read_round(folder: Path, earlier: str | None, corrections: Sequence[Correction]) -> RoundHistory:
    card = _read_json(folder / "model" / "model.json")
    manifest = _read_json(folder / "model" / "manifest.json")
    used = training_corrections(corrections, folder.name)
    known = {row.region_id for row in training_corrections(corrections, earlier)} if earlier else set()
    seconds = manifest.get("timings_s", {}).get("training")
    parts: dict[str, int] = defaultdict(int)
    for row in card.get("data", []):
        parts[row["domain"]] += 1
    return RoundHistory(
        folder.name,
        dict(parts),
        tuple(row for row in used if row.region_id not in known),
        sum(corrected_voxels(row) for row in used),
        None if seconds is None else seconds / 60,
        int(card.get("steps", 0)),
        read_dice(folder / "scores.tsv"),
    )


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def corrected_voxels(correction: Correction) -> int:
    """Return the labelled voxels of a correction, without context; 0 where its provenance is not there."""
    if not correction.provenance_path.is_file():
        return 0
    return read_crop_record(correction.provenance_path).region.voxels


def read_dice(path: Path) -> dict[str, dict[str, float]]:
    """Read Dice by domain and class from scores.tsv, averaged over tomograms; {} where there is none."""
    if not path.is_file():
        return {}
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in read_table(path, required=("domain", "tomogram_id", "class", "dice")):
        value = float(row["dice"])
        if not math.isnan(value):
            found[row["domain"]][row["class"]].append(value)
    return {
        domain: {name: sum(values) / len(values) for name, values in by_class.items()}
        for domain, by_class in found.items()
    }


def format_history(history: Sequence[RoundHistory]) -> str:
    """Return the history as a text table: data, training, scores, time."""
    domains = sorted({domain for entry in history for domain in entry.dice})
    header = ["round", "parts", "added", "corrected voxels", "steps", "minutes"]
    header += [f"Dice {domain}" for domain in domains]
    rows = [header]
    for entry in history:
        parts = " + ".join(f"{count} {domain}" for domain, count in sorted(entry.parts.items()))
        minutes = "" if entry.training_minutes is None else f"{entry.training_minutes:.1f}"
        cells = [entry.name, parts, str(len(entry.added)), f"{entry.corrected_voxels:,}", str(entry.steps)]
        rows.append([*cells, minutes, *(_number(entry.mean_dice(domain)) for domain in domains)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


@dataclass(frozen=True)
class DiceChange:
    """How a class's Dice changed from one round to the next."""

    domain: str
    name: str
    before: float
    after: float

    @property
    def change(self) -> float:
        return self.after - self.before


def dice_changes(before: Dice, after: Dice) -> tuple[DiceChange, ...]:
    """Return the changes of all classes scored in both rounds, the greatest loss first."""
    changes = [
        DiceChange(domain, name, before[domain][name], value)
        for domain, by_class in after.items()
        for name, value in by_class.items()
        if name in before.get(domain, {})
    ]
    return tuple(sorted(changes, key=lambda entry: entry.change))
