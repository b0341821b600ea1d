"""One factor at a time around the default training recipe: Dice on tomograms that were not trained on.

    python benchmarks/ablation.py --blocks results/blocks/training --validation results/blocks/test -o DIR

Each setting is trained with each seed, for the same number of patch pixels; a run that is in DIR already is
not repeated, so the command can be interrupted. Prints a table in Markdown (mean and standard deviation over
the seeds) and writes DIR/ablation.tsv.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where segnet.py is a benchmark

from segnet.config.training import TrainingConfig
from segnet.model_folder import read_card
from segnet.train import train
from tomoio import ClassTable, read_class_table, read_manifest
from tomoio.tables import write_table

SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "loss: cross-entropy": {"optimisation": {"loss": "cross_entropy"}},
    "optimiser: Adadelta, 1.0": {
        "optimisation": {"optimiser": "adadelta", "learning_rate": 1.0, "weight_decay": 0.0}
    },
    "sampler: uniform": {"sampling": {"sampler": "uniform"}},
    "patch: 128 px, the same pixels": {"sampling": {"patch_size_px": 128}},
    "norm: group": {"network": {"norm": "group"}},
    "weight average: none": {"optimisation": {"ema_decay": 0.0}},
    "augmentation: none": {"augmentation": {"enabled": False}},
    "augmentation: any rotation": {"augmentation": {"rotation_deg": 180.0, "affine_share": 0.8}},
    "width: 32": {"network": {"base_width": 32}},
    "paper: CE, Adadelta, uniform, plain": {
        "recipe": "paper",
        "network": {"base_width": 16},
        "sampling": {"patch_size_px": 64},
    },
}


_DEFAULT_PATCH_PX = TrainingConfig().sampling.patch_size_px


def configuration(changes: dict[str, Any], arguments: argparse.Namespace) -> TrainingConfig:
    """Return the default recipe with changes, for the steps and threads of this ablation."""
    patch_px = changes.get("sampling", {}).get("patch_size_px", _DEFAULT_PATCH_PX)
    limits = {
        "epochs": 1,
        "steps_per_epoch": round(arguments.steps * (_DEFAULT_PATCH_PX / patch_px) ** 2),
        "max_minutes": arguments.max_seconds / 60,
        "threads": arguments.threads,
        "panels": False,
    }
    return TrainingConfig.model_validate(changes | limits)


def run_once(name: str, seed: int, arguments: argparse.Namespace, classes: ClassTable) -> dict[str, Any]:
    """Train one setting with one seed, unless that was done, and return its row."""
    slug = "".join(letter if letter.isalnum() else "_" for letter in name)
    folder = arguments.output / f"{slug}_{seed}"
    if not (folder / "manifest.json").exists():
        config = configuration(SETTINGS[name], arguments)
        train(
            config,
            arguments.blocks,
            folder,
            classes=classes,
            validation=arguments.validation,
            seed=seed,
            resume=True,
        )
    card, manifest = read_card(folder), read_manifest(folder / "manifest.json")
    by_class = next(iter(card.metrics.values()))
    dice = {f"dice_{key}": values["dice"] for key, values in by_class.items() if values["dice"] is not None}
    foreground = [value for key, value in dice.items() if key != f"dice_{card.classes[0].name}"]
    return {
        "setting": name,
        "seed": seed,
        "steps": card.steps,
        "seconds": manifest["timings_s"]["training"],
        "dice_mean": float(np.mean(foreground)),
        **dice,
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return the table of means and standard deviations."""
    columns = [key for key in rows[0] if key.startswith("dice_") and key != "dice_background"]
    titles = ["setting", "seconds", *(key.removeprefix("dice_") for key in columns)]
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for name in dict.fromkeys(row["setting"] for row in rows):
        own = [row for row in rows if row["setting"] == name]
        cells = [name, f"{np.mean([row['seconds'] for row in own]):.0f}"]
        for key in columns:
            values = [row[key] for row in own if key in row]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.3f}{spread}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blocks", type=Path, nargs="+", required=True)
    parser.add_argument("--validation", type=Path, nargs="+", required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument(
        "--max-seconds", type=float, default=150.0, help="a run's schedule is shortened to that"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS), metavar="SETTING")
    parser.add_argument("--classes", type=Path, default=Path("config/classes.tsv"))
    arguments = parser.parse_args()
    classes = read_class_table(arguments.classes)
    rows: list[dict[str, Any]] = []
    for seed in arguments.seeds:
        for name in arguments.settings:
            rows.append(run_once(name, seed, arguments, classes))
            write_table(arguments.output / "ablation.tsv", list(rows[0]), rows, overwrite=True)
            print(f"{name}, seed {seed}: mean Dice {rows[-1]['dice_mean']:.3f}", file=sys.stderr, flush=True)
    print(markdown(rows))


if __name__ == "__main__":
    main()
