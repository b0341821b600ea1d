"""What the benchmark of the rounds runs on: two domains of simulated tomograms, one training and scoring."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where segnet.py is a benchmark

from cts.config.imaging import SimulationConfig
from cts.config.specimen import SpecimenConfig
from cts.model import model_specimen
from cts.simulate import simulate_tomogram
from segnet.block import BlockSource, make_block
from segnet.config.rounds import ProposalConfig
from segnet.config.segmentation import ScoringConfig, SegmentationConfig
from segnet.config.training import BlockConfig, TrainingConfig
from segnet.normalisation import measure, write_normalisations
from segnet.remap import remap_file
from segnet.rounds.tomograms import TomogramRow
from segnet.score import score
from segnet.segment_files import segment_tomograms
from segnet.train import train
from tomoio import ClassTable, read_class_table, read_labels, read_volume, write_labels, write_volume

CONFIG = Path(__file__).parents[1] / "config"
BLOCK = BlockConfig()
log = logging.getLogger("rounds")

_BYSTANDERS = {
    "source": (["apoferritin", "proteasome_20s", "p97", "rubisco"], ["gapdh", "enolase", "hsp70"]),
    "target": (
        ["fatty_acid_synthase", "mtorc1", "dynactin", "clathrin_triskelion"],
        ["alpha_actinin", "immunoglobulin_g", "hsp90"],
    ),
}
_DOUBLE, _SHEET = {"kind": "double_vesicle", "count": 2}, {"kind": "sheet", "count": 1}
# Attempts to place ribosomes and TRiC, large and small bystanders; microtubules, actin, cofilactin; membranes
_CONTENT: dict[str, tuple[tuple[int, int, int], tuple[int, int, int], list[dict[str, Any]]]] = {
    "source": ((120, 150, 300), (2, 8, 5), [{"kind": "vesicle", "count": 3}]),
    "mixed": ((120, 300, 500), (3, 10, 6), [_DOUBLE, _SHEET]),
    "microtubules": ((30, 80, 150), (5, 3, 0), []),
    "filaments": ((20, 60, 150), (0, 16, 10), []),
    "membranes": ((40, 100, 200), (0, 0, 0), [_SHEET, {"kind": "double_vesicle", "count": 3}]),
    "cytoplasm": ((150, 300, 500), (0, 2, 0), []),
    "dilute": ((8, 30, 60), (0, 0, 0), []),
}
_IMAGING: dict[str, dict[str, Any]] = {
    "source": {
        "tilt": {"min_deg": -60, "max_deg": 60, "step_deg": 3},
        "dose": {"total_e_per_angstrom2": [90, 130]},
        "optics": {"defocus_um": [4, 5]},
    },
    "target": {
        "tilt": {
            "min_deg": -54,
            "max_deg": 54,
            "step_deg": 3,
            "angle_error_deg": 0.2,
            "misalignment_angstrom": 5,
        },
        "dose": {"total_e_per_angstrom2": 100},
        "optics": {"defocus_um": 6, "defocus_jitter_um": 0.1},
        "sample": {"inelastic_scale": 1.5},
        "detector": {"dqe": [[0.0, 0.8], [0.5, 0.5], [1.0, 0.2]]},
    },
}


@dataclass(frozen=True)
class Plan:
    """How much is run: 42 networks for three seeds."""

    data_seed: int = 20261127
    seeds: tuple[int, ...] = (1, 2, 3)
    rounds: int = 3
    regions_a_round: int = 4
    region_voxels: tuple[int, int, int] = (8, 64, 64)
    source_shape: tuple[int, int, int] = (40, 160, 160)
    target_shape: tuple[int, int, int] = (48, 160, 160)
    test_shape: tuple[int, int, int] = (60, 192, 192)
    sources: int = 3
    targets: tuple[str, ...] = ("microtubules", "filaments", "membranes", "cytoplasm", "dilute", "dilute")
    tests: int = 4
    steps: int = 800
    threads: int = 1


QUICK = Plan(seeds=(1,), rounds=2)


@dataclass(frozen=True)
class Specimen:
    """A simulated tomogram: what is in it, how it is imaged, its shape (z, y, x)."""

    content: str
    domain: str
    shape: tuple[int, int, int]

    def config(self) -> SpecimenConfig:
        """Return what `cts model` is told."""
        (targets, bystanders, small), filaments, membranes = _CONTENT[self.content]
        large_species, small_species = _BYSTANDERS[self.domain]
        names = ("microtubule", "actin", "cofilactin")
        return SpecimenConfig.model_validate(
            {
                "structures": str(CONFIG / "structures.tsv"),
                "pixel_size_angstrom": 13.0,
                "shape_voxels": list(self.shape),
                "layers": [
                    {"name": "targets", "role": "target", "size": "large", "attempts": targets},
                    {"name": "bystanders", "structures": large_species, "attempts": bystanders},
                    {"name": "small", "structures": small_species, "attempts": small},
                ],
                "membranes": membranes,
                "filaments": [
                    {"structure": name, "count": count}
                    for name, count in zip(names, filaments, strict=True)
                    if count
                ],
            }
        )


def specimens(plan: Plan) -> dict[str, Specimen]:
    """Return all tomograms of a plan by name."""
    source = Specimen("source", "source", plan.source_shape)
    mixed = Specimen("mixed", "target", plan.test_shape)
    found = dict.fromkeys(_numbered("source", plan.sources), source)
    found |= {
        f"target_{number}_{content}": Specimen(content, "target", plan.target_shape)
        for number, content in enumerate(plan.targets, start=1)
    }
    found |= dict.fromkeys(_numbered("test", plan.tests), mixed)
    return found | {
        "figure5_synthetic": Specimen("source", "source", (50, *plan.source_shape[1:])),
        "figure5_real": mixed,
    }


def _numbered(kind: str, count: int) -> list[str]:
    return [f"{kind}_{number + 1}" for number in range(count)]


class Bench:
    """Where everything lies, and the steps that all runs share."""

    def __init__(self, plan: Plan, output: Path) -> None:
        self.plan, self.output = plan, output
        self.classes: ClassTable = read_class_table(CONFIG / "classes.tsv")

        self.specimens = specimens(plan)

    def names(self, kind: str) -> list[str]:
        """Return the names of all tomograms of a kind: source, target or test."""
        return [name for name in self.specimens if name.startswith(f"{kind}_")]

    def tomogram(self, name: str) -> TomogramRow:
        return TomogramRow(name, self.output / "data" / name / "tomogram.mrc")

    def truth(self, name: str) -> Path:
        return self.output / "data" / name / "truth.mrc"

    def check_settings(self) -> None:
        """Refuse to go on with runs of other settings: their Dice would not compare."""
        settings = {
            "plan": asdict(self.plan),
            "domains": [_BYSTANDERS, _CONTENT, _IMAGING],
            "training": self.training().model_dump(mode="json"),
            "proposal": ProposalConfig().model_dump(mode="json"),
        }
        path = self.output / "settings.json"
        if path.is_file() and json.loads(path.read_text()) != json.loads(json.dumps(settings)):
            raise SystemExit(f"{path}: runs of other settings are there; choose another folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings, indent=1))

    def simulate(self) -> None:
        """Make every tomogram that is not there yet."""
        for name, specimen in self.specimens.items():
            folder = self.output / "data" / name
            if not (folder / "tomogram.mrc").is_file():
                log.info("simulating %s", name)
                self._simulate_one(name, specimen, folder)

    def _simulate_one(self, name: str, specimen: Specimen, folder: Path) -> None:
        """Model and image a specimen; cofilactin counts as actin, as in the paper's Figure 5."""
        settings = {"seed": self.plan.data_seed, "tomogram_id": name, "overwrite": True}
        model_specimen(specimen.config(), self.classes, folder, **settings)
        mapping = [("cofilactin", "actin")]
        remap_file(folder / "atlas.mrc", mapping, self.classes, folder / "truth.mrc", overwrite=True)
        imaging = SimulationConfig.model_validate(_IMAGING[specimen.domain])
        simulate_tomogram(folder, imaging, folder / "i", **settings)
        (folder / "i" / "tomogram.mrc").rename(folder / "tomogram.mrc")

    def train_and_segment(
        self, folder: Path, sources: Sequence[BlockSource], seed: int, tomograms: Sequence[str]
    ) -> dict[str, Any]:
        """Train on sources, segment tomograms and the test tomograms, return the Dice on the latter."""
        if not (folder / "block" / "parts.tsv").is_file():
            make_block(sources, folder / "block", BLOCK, self.classes, overwrite=True)
        started = time.process_time()
        if not (folder / "model" / "model.json").is_file():
            train(
                self.training(),
                [folder / "block"],
                folder / "model",
                classes=self.classes,
                seed=seed,
                resume=True,
            )
        seconds = time.process_time() - started
        names = [*tomograms, *self.names("test")]
        config = SegmentationConfig(uncertainty=True, threads=self.plan.threads)
        segment_tomograms(
            folder / "model",
            [self.tomogram(name).path for name in names],
            folder / "segmentations",
            config,
            names=names,
            overwrite=True,
        )
        return self.dice(folder) | {"training_processor_seconds": round(seconds, 1)}

    def training(self) -> TrainingConfig:
        return TrainingConfig.model_validate(
            {
                "network": {"base_width": 16},
                "sampling": {"patch_size_px": 64},
                "epochs": 1,
                "steps_per_epoch": self.plan.steps,
                "threads": self.plan.threads,
                "panels": False,
            }
        )

    def dice(self, folder: Path) -> dict[str, Any]:
        """Return the Dice of each class that is there, means over test tomograms, and the mean of these."""
        found: dict[str, list[float]] = {}
        for name in self.names("test"):
            labels = read_labels(folder / "segmentations" / f"{name}_labels.mrc").data
            truth = read_labels(self.truth(name))
            rows, _ = score(labels, truth.data, truth.pixel_size_angstrom, self.classes, ScoringConfig())
            for row in rows:
                if row["truth_voxels"] and row["class"] != "background":
                    found.setdefault(row["class"], []).append(row["dice"])
        of_class = {name: float(np.mean(values)) for name, values in found.items()}
        return {"dice": float(np.mean(list(of_class.values()))), "of_class": of_class}

    def source_pairs(self) -> list[BlockSource]:
        return [BlockSource(self.tomogram(n).path, self.truth(n), name=n) for n in self.names("source")]


def labelled_slices(bench: Bench, folder: Path, name: str, slices: Sequence[int]) -> BlockSource:
    """Write a part whose labels are 255 but in some slices, with five neighbours on each side."""
    image, truth = read_volume(bench.tomogram(name).path), read_labels(bench.truth(name))
    labels = np.full_like(truth.data, 255)
    labels[list(slices)] = truth.data[list(slices)]
    kept = slice(max(0, min(slices) - 5), max(slices) + 6)
    paths = folder / f"{name}.mrc", folder / f"{name}_labels.mrc"
    write_volume(paths[0], image.data[kept], image.pixel_size_angstrom, overwrite=True)
    write_normalisations(paths[0], [measure([image.data], BLOCK.normalisation)], overwrite=True)
    write_labels(paths[1], labels[kept], image.pixel_size_angstrom, overwrite=True)
    return BlockSource(*paths, domain="real" if name == "figure5_real" else "synthetic", name=name)
