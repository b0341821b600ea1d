from __future__ import annotations

from pathlib import Path

import pytest

from tests.segnet.phantoms import CLASSES, small_training, write_block


@pytest.fixture(scope="session")
def block(tmp_path_factory) -> Path:
    """A block of two phantoms."""
    return write_block(tmp_path_factory.mktemp("block"), (1, 2))


@pytest.fixture(scope="session")
def validation_block(tmp_path_factory) -> Path:
    """A block of one other phantom."""
    return write_block(tmp_path_factory.mktemp("validation"), (3,))


@pytest.fixture(scope="session")
def model(tmp_path_factory, block, validation_block) -> Path:
    """A network that has learnt the phantoms."""
    from segnet.train import train

    folder = tmp_path_factory.mktemp("model") / "model"
    config = small_training(epochs=2, steps_per_epoch=40, panels=True, augmentation={"noise_share": 0})
    train(config, [block], folder, classes=CLASSES, validation=[validation_block], seed=0)
    return folder
