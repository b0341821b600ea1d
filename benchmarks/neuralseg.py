"""Train on the NeuralSeg recipe with real structures, score on what the network has not seen.

    python benchmarks/neuralseg.py OUT [--tomograms 10] [--base-width 32] [--steps 10000] [--threads 2]

The specimens are those of config/neuralseg.yaml (400 × 400 × 50 voxels of 12-14 Å, dose 70-150 e/Å², defocus
4-6 µm) with the structures of benchmarks/structures.tsv. Some bystanders are kept from training. The tests
change one thing at a time, then all: other seeds, other bystanders, other targets (a yeast 80S ribosome, and
actin, cofilactin, microtubules and TRiC as the package builds them), less or more dose, less or more defocus.
What is in OUT already is not made again. Prints a table in Markdown; writes OUT/scores.tsv, OUT/picture.png.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from matplotlib.figure import Figure
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where segnet.py is a benchmark

from cts.config.imaging import SimulationConfig
from cts.config.specimen import SpecimenConfig
from cts.model import model_specimen
from cts.simulate import simulate_tomogram
from segnet.block import BlockSource, make_block
from segnet.config.segmentation import ScoringConfig, SegmentationConfig
from segnet.config.training import BlockConfig, TrainingConfig
from segnet.score import SCORE_COLUMNS, score_files
from segnet.segment_files import segment_tomograms
from segnet.train import train
from tomoio import IGNORE, ClassTable, read_class_table, read_manifest
from tomoio.tables import write_table
from workflow.run_report import central_slices, colour_map, grey_limits

ROOT = Path(__file__).parents[1]
KEPT_FROM_TRAINING = (
    *("groel", "rna_polymerase_ii", "clpb", "cand1_cul1", "pde_3wip"),
    *("antibody", "hsp70", "nucleosome", "complex_7cfn", "esterase", "receptor_gs"),
)
_OTHER_TARGETS = {"actin", "cofilactin", "microtubule", "tric"}  # as the package builds them
_OTHER_RIBOSOME = "file:../shared/data/maps/polnet_10A_4v7r.mrc"  # yeast 80S
_FIRST_TEST_SEED = 101
_CLASSES = ("membrane", "microtubule", "actin", "cofilactin", "ribosome", "tric")


@dataclass(frozen=True)
class Condition:
    """What a group of test tomograms has that training had not."""

    name: str
    title: str
    bystanders: str = "seen"
    targets: str = "seen"
    dose_e_per_angstrom2: tuple[float, float] = (70, 150)
    defocus_um: tuple[float, float] = (4, 6)


CONDITIONS = (
    Condition("seeds", "other seeds only"),
    Condition("bystanders", "bystanders never seen", bystanders="unseen"),
    Condition("targets", "targets never seen", targets="unseen"),
    Condition("low_dose", "dose 30-50 e/Å²", dose_e_per_angstrom2=(30, 50)),
    Condition("high_dose", "dose 180-220 e/Å²", dose_e_per_angstrom2=(180, 220)),
    Condition("low_defocus", "defocus 2-3 µm", defocus_um=(2, 3)),
    Condition("high_defocus", "defocus 7-8 µm", defocus_um=(7, 8)),
    Condition("all", "all of it: dose 30-50, defocus 2-3", "unseen", "unseen", (30, 50), (2, 3)),
)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a structures table as text."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t"))


def write_structures(path: Path, *, bystanders: str, targets: str) -> Path:
    """Write the structures table of one choice of bystanders and targets."""
    rows = {row["structure_id"]: row for row in read_rows(ROOT / "benchmarks/structures.tsv")}
    seen = bystanders == "seen"
    kept = {
        name: row
        for name, row in rows.items()
        if row["role"] == "target"
        or row["placement"] == "membrane"
        or (name not in KEPT_FROM_TRAINING) == seen
    }
    if targets == "unseen":
        own = {row["structure_id"]: row for row in read_rows(ROOT / "config/structures.tsv")}
        kept |= {name: own[name] for name in _OTHER_TARGETS}
        kept["ribosome"] = rows["ribosome"] | {"source": _OTHER_RIBOSOME, "note": "yeast 80S"}
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = list(next(iter(rows.values())))
    write_table(
        path, columns, [{c: row.get(c, "") for c in columns} for row in kept.values()], overwrite=True
    )
    return path


def make_tomogram(output: Path, name: str, seed: int, condition: Condition, classes: ClassTable) -> Path:
    """Model and image one specimen, unless that was done; return its folder."""
    folder = output / "tomograms" / name
    recipe = yaml.safe_load((ROOT / "config/neuralseg.yaml").read_text(encoding="utf-8"))
    table = write_structures(
        folder / "structures.tsv", bystanders=condition.bystanders, targets=condition.targets
    )
    specimen = SpecimenConfig.model_validate(recipe["specimen"] | {"structures": str(table)})
    imaging = recipe["simulation"]
    imaging["dose"]["total_e_per_angstrom2"] = list(condition.dose_e_per_angstrom2)
    imaging["optics"]["defocus_um"] = list(condition.defocus_um)
    settings: dict[str, Any] = {"seed": seed, "tomogram_id": name, "overwrite": True}
    if not (folder / "model/manifest.json").exists():
        model_specimen(specimen, classes, folder / "model", store=output / "store", **settings)
    if not (folder / "imaged/manifest.json").exists():
        simulate_tomogram(
            folder / "model", SimulationConfig.model_validate(imaging), folder / "imaged", **settings
        )
    return folder


def make_tomograms(output: Path, arguments: argparse.Namespace, classes: ClassTable) -> dict[str, list[Path]]:
    """Make all tomograms; return the folders of training and of each condition."""
    wanted = [("training", f"training_{n + 1:02d}", n + 1, CONDITIONS[0]) for n in range(arguments.tomograms)]
    wanted += [
        (condition.name, f"{condition.name}_{n + 1}", _FIRST_TEST_SEED + n, condition)
        for condition in CONDITIONS
        for n in range(arguments.tests)
    ]
    folders: dict[str, list[Path]] = {}
    for group, name, seed, condition in tqdm(wanted, desc="tomograms", disable=None):
        folders.setdefault(group, []).append(make_tomogram(output, name, seed, condition, classes))
    return folders


def train_network(
    output: Path, folders: Sequence[Path], arguments: argparse.Namespace, classes: ClassTable
) -> Path:
    """Train on the first tomograms, unless that was done; return the model folder."""
    block, model = output / "block", output / "model"
    if not (block / "manifest.json").exists():
        sources = [
            BlockSource(folder / "imaged/tomogram.mrc", folder / "model/atlas.mrc", name=folder.name)
            for folder in folders
        ]
        make_block(sources, block, BlockConfig(), classes, overwrite=True)
    if not (model / "manifest.json").exists():
        epochs = 20
        config = TrainingConfig.model_validate(
            {
                "network": {"base_width": arguments.base_width},
                "epochs": epochs,
                "steps_per_epoch": arguments.steps // epochs,
                "threads": arguments.threads,
                "panels": False,
            }
        )
        train(config, [block], model, classes=classes, seed=1, resume=True)
    return model


def score_tests(
    output: Path,
    model: Path,
    folders: dict[str, list[Path]],
    arguments: argparse.Namespace,
    classes: ClassTable,
) -> list[dict[str, Any]]:
    """Segment every test tomogram and return its score rows."""
    tests = [(group, folder) for group, own in folders.items() if group != "training" for folder in own]
    segment_tomograms(
        model,
        [folder / "imaged/tomogram.mrc" for _, folder in tests],
        output / "segmentations",
        SegmentationConfig(threads=arguments.threads),
        names=[folder.name for _, folder in tests],
    )
    rows: list[dict[str, Any]] = []
    for group, folder in tqdm(tests, desc="scores", disable=None):
        rows += score_files(
            output / "segmentations" / f"{folder.name}_labels.mrc",
            folder / "model/atlas.mrc",
            classes,
            ScoringConfig(),
            round_name=group,
            domain="synthetic",
            tomogram_id=folder.name,
        )
    write_table(output / "scores.tsv", SCORE_COLUMNS, rows, overwrite=True)
    return rows


def markdown(rows: Sequence[dict[str, Any]], column: str) -> str:
    """Return one score by condition and class, the mean over the tomograms."""
    lines = [f"| {column} | " + " | ".join(_CLASSES) + " |", "|" + "---|" * (len(_CLASSES) + 1)]
    for condition in CONDITIONS:
        cells = []
        for name in _CLASSES:
            own = [row[column] for row in rows if (row["round"], row["class"]) == (condition.name, name)]
            cells.append("" if np.isnan(own).all() else f"{np.nanmean(own):.2f}")
        lines.append(f"| {condition.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(output: Path, folders: dict[str, list[Path]], classes: ClassTable) -> Figure:
    """Return the middle slice of one tomogram of some conditions: image, truth, prediction."""
    shown = ("seeds", "targets", "low_dose", "all")
    figure = Figure(figsize=(15, 5.2 * len(shown)), layout="constrained")
    for name, axes in zip(shown, figure.subplots(len(shown), 3), strict=True):
        folder = folders[name][0]
        image, _ = central_slices(folder / "imaged/tomogram.mrc")
        low, high = grey_limits(image)
        axes[0].imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower")
        found = output / "segmentations" / f"{folder.name}_labels.mrc"
        for axis, path, what in ((axes[1], folder / "model/atlas.mrc", "truth"), (axes[2], found, "found")):
            labels, _ = central_slices(path)
            axis.imshow(
                labels, cmap=colour_map(classes), vmin=0, vmax=IGNORE, origin="lower", interpolation="nearest"
            )
            axis.set_title(what)
        axes[0].set_title(next(condition.title for condition in CONDITIONS if condition.name == name))
        for axis in axes:
            axis.set_axis_off()
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, metavar="OUT")
    parser.add_argument("--tomograms", type=int, default=10, help="to train on")
    parser.add_argument("--tests", type=int, default=2, help="tomograms of each condition")
    parser.add_argument("--base-width", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    classes = read_class_table(ROOT / "config/classes.tsv")
    folders = make_tomograms(arguments.output, arguments, classes)
    model = train_network(arguments.output, folders["training"], arguments, classes)
    rows = score_tests(arguments.output, model, folders, arguments, classes)
    manifest = read_manifest(model / "manifest.json")
    minutes = manifest["timings_s"]["training"] / 60
    print(f"training: {manifest['results']['steps']} steps, {minutes:.0f} minutes\n")
    for column in ("dice", "centreline_dice", "object_f1"):
        print(markdown(rows, column), end="\n\n")
    draw(arguments.output, folders, classes).savefig(arguments.output / "picture.png", dpi=60)


if __name__ == "__main__":
    main()
