"""Small volumes that a small network learns in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segnet.block import BlockSource, make_block
from segnet.config.training import BlockConfig, TrainingConfig
from tomoio import ClassTable, LabelClass, write_labels, write_volume

CLASSES = ClassTable(
    (
        LabelClass(0, "background", "#000000", "background"),
        LabelClass(1, "membrane", "#56b4e9", "membrane"),
        LabelClass(5, "ribosome", "#e69f00", "particle"),
        LabelClass(6, "tric", "#cc79a7", "particle"),
    )
)


def phantom(seed: int, shape: tuple[int, int, int] = (12, 48, 48)) -> tuple[np.ndarray, np.ndarray]:
    """Return grey values and labels: dark balls (ribosomes) and a dark wall (membrane) in noise."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(shape)
    labels = np.zeros(shape, np.uint8)
    column = int(rng.integers(4, shape[2] - 6))
    labels[:, :, column : column + 2] = 1
    for _ in range(6):
        centre = rng.uniform(0, 1, 3) * shape
        ball = (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 < 5**2
        labels[ball & (labels == 0)] = 5
    grey = 100 - 30.0 * (labels > 0) + rng.normal(0, 6, shape)
    return grey.astype(np.float32), labels


def write_pair(folder: Path, seed: int, pixel_size_angstrom: float = 13.0, **options: object) -> BlockSource:
    """Write a phantom as tomogram.mrc and labels.mrc and return it as the source of a part."""
    grey, labels = phantom(seed)
    folder.mkdir(parents=True)
    write_volume(folder / "tomogram.mrc", grey, pixel_size_angstrom)
    write_labels(folder / "labels.mrc", labels, pixel_size_angstrom)
    return BlockSource(folder / "tomogram.mrc", folder / "labels.mrc", **options)  # type: ignore[arg-type]


def write_block(folder: Path, seeds: tuple[int, ...], **options: object) -> Path:
    """Write phantoms and the block made of them; return the folder of the block."""
    sources = [write_pair(folder / f"phantom_{seed}", seed, **options) for seed in seeds]  # type: ignore[arg-type]
    make_block(sources, folder / "block", BlockConfig(), CLASSES)
    return folder / "block"


def small_training(**changes: object) -> TrainingConfig:
    """Return the configuration of a training of a few seconds; ``changes`` go over it."""
    values: dict[str, object] = {
        "network": {"base_width": 4, "levels": 3, "slices": 5},
        "sampling": {"patch_size_px": 32, "batch_size": 4},
        "epochs": 2,
        "steps_per_epoch": 4,
        "threads": 1,
        "panels": False,
        "precision": "float32",
        "optimisation": {"learning_rate": 0.01, "warmup_steps": 2, "ema_decay": 0.9},
    }
    return TrainingConfig.model_validate(values | changes)
