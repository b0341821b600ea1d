"""What each round was trained on, how long that took, and how well its network does."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, field_validator

from segnet.config.rounds import is_round, round_key
from segnet.rounds.corrections import Correction, training_corrections
from segnet.rounds.crop import read_crop_record
from tomoio.config import parse_config
from tomoio.tables import read_table

Dice = Mapping[str, Mapping[str, float]]
_BACKGROUND_NAME = "background"
_HARD_NEGATIVE = "hard_negative"
_SYNTHETIC = "synthetic"


class _Card(BaseModel):
    """What the history takes from the card of a network, of whatever version."""

    data: tuple[dict[str, str], ...] = ()
    steps: int = 0
    network: dict[str, Any] = {}

    @field_validator("data")
    @classmethod
    def _names_its_parts(cls, parts: tuple[dict[str, str], ...]) -> tuple[dict[str, str], ...]:
        for number, part in enumerate(parts, start=1):
            synthetic = part.get("domain") == _SYNTHETIC
            for key in ("domain",) if synthetic else ("domain", "part", "labels", "labels_sha256"):
                if key not in part:
                    raise ValueError(f"part {number} has no {key}; wanted what segnet train writes")
        return parts


class _Manifest(BaseModel):
    """What the history takes from the manifest of a training."""

    timings_s: dict[str, float] = {}


_Number = TypeVar("_Number", int, float)
_Stored = TypeVar("_Stored", bound=BaseModel)


@dataclass(frozen=True)
class HardNegative:
    """What a network makes of a crop that holds no object.

    Attributes
    ----------
    region_id
        The crop.
    called_voxels
        Voxels that are called some class but background.
    voxels
        All voxels that count: those that are not ignored.
    is_trained_on
        Whether the network had it in training, so that this says little of other such crops.
    """

    region_id: str
    called_voxels: int
    voxels: int
    is_trained_on: bool


@dataclass(frozen=True)
class RoundHistory:
    """One round.

    Attributes
    ----------
    name
        The round.
    parts
        Training parts by domain, from the network's card.
    trained
        Corrections that its network was trained on, from the card.
    added
        Those that the network of the round before was not trained on.
    waiting
        Rows of the table that belong to its training and that its network has not seen.
    corrected_voxels
        Labelled voxels of all corrections that it was trained on.
    training_minutes
        None where it is not recorded.
    steps
        Training steps.
    network
        Size of the network, in words.
    dice
        Domain: class: Dice, averaged over tomograms; classes in neither volume are left out.
    hard_negatives
        Crops without objects.
    """

    name: str
    parts: Mapping[str, int]
    trained: tuple[Correction, ...]
    added: tuple[Correction, ...]
    waiting: tuple[Correction, ...]
    corrected_voxels: int
    training_minutes: float | None
    steps: int
    network: str
    dice: Dice
    hard_negatives: tuple[HardNegative, ...]

    def mean_dice(self, domain: str) -> float:
        """Return the mean over the classes but background; NaN where there is none."""
        values = [value for name, value in self.dice.get(domain, {}).items() if name != _BACKGROUND_NAME]
        return sum(values) / len(values) if values else math.nan

    def called_share(self, *, is_trained_on: bool) -> float:
        """Return which share of the hard negatives is called some class; NaN where there is none."""
        chosen = [one for one in self.hard_negatives if one.is_trained_on == is_trained_on]
        voxels = sum(one.voxels for one in chosen)
        return sum(one.called_voxels for one in chosen) / voxels if voxels else math.nan


def read_history(rounds_dir: Path, corrections: Sequence[Correction]) -> tuple[RoundHistory, ...]:
    """Read all rounds whose network has been trained, in their order.

    Parameters
    ----------
    rounds_dir
        Folder with a folder for each round, with ``model/model.json`` and ``scores.tsv``. Folders with other
        names than those of rounds are passed over.
    corrections
        Rows of corrections.tsv. What a network was trained on is read from its card; the table says who
        corrected it, and what waits for a training.
    """
    folders = [path.parents[1] for path in rounds_dir.glob("*/model/model.json")]
    folders = [path for path in folders if is_round(path.name)]
    folders.sort(key=lambda path: round_key(path.name))
    history: list[RoundHistory] = []
    for folder in folders:
        history.append(_read_round(folder, history[-1].trained if history else (), corrections))
    return tuple(history)


def _read_round(
    folder: Path, earlier: Sequence[Correction], corrections: Sequence[Correction]
) -> RoundHistory:
    card = _read_json(folder / "model" / "model.json", _Card)
    manifest = _read_json(folder / "model" / "manifest.json", _Manifest)
    seconds = manifest.timings_s.get("training")
    parts: dict[str, int] = defaultdict(int)
    for row in card.data:
        parts[row["domain"]] += 1
    trained = _trained_corrections(folder.name, card, corrections)
    seen, known = _keys(trained), _keys(earlier)
    table = training_corrections(corrections, folder.name)
    return RoundHistory(
        folder.name,
        dict(parts),
        trained,
        tuple(row for row in trained if _key(row) not in known),
        tuple(row for row in table if _key(row) not in seen),
        sum(corrected_voxels(row) for row in trained),
        None if seconds is None else seconds / 60,
        card.steps,
        _network_size(card.network),
        read_dice(folder / "scores.tsv"),
        read_hard_negatives(folder / "scores.tsv", {row.region_id for row in trained}),
    )


def _read_json(path: Path, model: type[_Stored]) -> _Stored:
    if not path.is_file():
        return model()
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of JSON or of UTF-8
        raise ValueError(f"{path}: not JSON ({error}); bring it back from a backup, or train anew") from error
    return parse_config(values, model, str(path))


def _key(row: Correction) -> tuple[str, str]:
    """A correction that takes the place of another one has the same region and other labels."""
    return row.region_id, row.sha256


def _keys(rows: Sequence[Correction]) -> set[tuple[str, str]]:
    return {_key(row) for row in rows}


def _trained_corrections(
    round_name: str, card: _Card, corrections: Sequence[Correction]
) -> tuple[Correction, ...]:
    """Return the corrections in a network's card, each as the table describes it where it still does."""
    table = {_key(row): row for row in corrections}
    found = [
        Correction(
            round_name,
            part["part"],
            _HARD_NEGATIVE if part["domain"] == _HARD_NEGATIVE else "train",
            Path(part["labels"]),
            part["labels_sha256"],
            note="not in the table any more",
        )
        for part in card.data
        if part["domain"] != _SYNTHETIC
    ]
    return tuple(table.get(_key(row), row) for row in found)


def _network_size(network: Mapping[str, Any]) -> str:
    units = {"base_width": "channels", "levels": "levels", "slices": "slices"}
    return ", ".join(f"{network[key]} {unit}" for key, unit in units.items() if key in network)


def corrected_voxels(correction: Correction) -> int:
    """Return the labelled voxels of a correction, without context; 0 where its provenance is not there."""
    if not correction.provenance_path.is_file():
        return 0
    return read_crop_record(correction.provenance_path).region.voxels


def unseen_corrections(
    history: Sequence[RoundHistory], corrections: Sequence[Correction]
) -> tuple[Correction, ...]:
    """Return the rows of the table that are to be trained on and that no network has seen yet."""
    seen = {key for entry in history for key in _keys(entry.trained)}
    return tuple(row for row in corrections if row.role != "held_out" and _key(row) not in seen)


def read_dice(path: Path) -> dict[str, dict[str, float]]:
    """Read Dice by domain and class from scores.tsv, averaged over tomograms; {} where there is none.

    Hard negatives hold no class, so that a Dice says nothing of them: see `read_hard_negatives`.
    """
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in _read_scores(path):
        value = _parse_cell(path, row, "dice", float)
        if not math.isnan(value) and row["domain"] != _HARD_NEGATIVE:
            found[row["domain"]][row["class"]].append(value)
    return {
        domain: {name: sum(values) / len(values) for name, values in by_class.items()}
        for domain, by_class in found.items()
    }


def read_hard_negatives(path: Path, trained: set[str]) -> tuple[HardNegative, ...]:
    """Read from scores.tsv how much of each hard negative is called some class.

    Parameters
    ----------
    path
        The table of scores; where there is none, the result is empty.
    trained
        Regions that the network was trained on.
    """
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in _read_scores(path):
        if row["domain"] == _HARD_NEGATIVE:
            found[row["tomogram_id"]][row["class"]] = _parse_cell(path, row, "predicted_voxels", int)
    return tuple(
        HardNegative(
            name,
            sum(counts.values()) - counts.get(_BACKGROUND_NAME, 0),
            sum(counts.values()),
            name in trained,
        )
        for name, counts in sorted(found.items())
    )


def _read_scores(path: Path) -> list[dict[str, str]]:
    columns = ("domain", "tomogram_id", "class", "dice")
    return read_table(path, required=columns) if path.is_file() else []


def _parse_cell(path: Path, row: Mapping[str, str], column: str, kind: Callable[[str], _Number]) -> _Number:
    cell = row.get(column, "")
    try:
        return kind(cell)
    except ValueError:
        raise ValueError(
            f"{path}: {column} {cell!r} of {row['class']} in {row['tomogram_id']}; wanted a number; remove "
            "the table and run snakemake, which makes it anew"
        ) from None


def format_history(history: Sequence[RoundHistory]) -> str:
    """Return the history as a text table: network, data, training, scores, time."""
    domains = sorted({domain for entry in history for domain in entry.dice})
    header = ["round", "network", "parts", "added", "waiting", "corrected voxels", "steps", "minutes"]
    header += [*(f"Dice {domain}" for domain in domains), "hard negatives called a class"]
    rows = [header, *([*_cells(entry), *_score_cells(entry, domains)] for entry in history)]
    used = [column for column in range(len(header)) if any(row[column] for row in rows[1:])]
    widths = {column: max(len(row[column]) for row in rows) for column in used}
    return "\n".join("  ".join(row[column].rjust(widths[column]) for column in used) for row in rows)


def _cells(entry: RoundHistory) -> list[str]:
    return [
        entry.name,
        entry.network,
        " + ".join(f"{count} {domain}" for domain, count in sorted(entry.parts.items())),
        str(len(entry.added)),
        str(len(entry.waiting) or ""),
        f"{entry.corrected_voxels:,}",
        str(entry.steps),
        "" if entry.training_minutes is None else f"{entry.training_minutes:.1f}",
    ]


def _score_cells(entry: RoundHistory, domains: Sequence[str]) -> list[str]:
    shares = {
        "": entry.called_share(is_trained_on=False),
        " (trained on)": entry.called_share(is_trained_on=True),
    }
    called = ", ".join(f"{share:.2%}{mark}" for mark, share in shares.items() if not math.isnan(share))
    return [*(_number(entry.mean_dice(domain)) for domain in domains), called]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


@dataclass(frozen=True)
class DiceChange:
    """How a class's Dice changed from one round to the next; NaN where a round has no score of it."""

    domain: str
    name: str
    before: float
    after: float

    @property
    def change(self) -> float:
        return self.after - self.before


def dice_changes(before: Dice, after: Dice) -> tuple[DiceChange, ...]:
    """Return the changes of all classes, the greatest loss first, those with a single score last."""
    domains = dict.fromkeys([*before, *after])
    changes = [
        DiceChange(
            domain,
            name,
            before.get(domain, {}).get(name, math.nan),
            after.get(domain, {}).get(name, math.nan),
        )
        for domain in domains
        for name in dict.fromkeys([*before.get(domain, {}), *after.get(domain, {})])
    ]
    single = [entry for entry in changes if math.isnan(entry.change)]
    both = [entry for entry in changes if not math.isnan(entry.change)]
    return (*sorted(both, key=lambda entry: entry.change), *single)
