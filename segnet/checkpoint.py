"""The state of a training in one safetensors file, exact to the last bit."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from segnet.model_folder import CARD, check_weights, load_tensors, save_tensors
from segnet.schedule import Plan

CHECKPOINT = "checkpoint.safetensors"


@dataclass
class Progress:
    """How far a training has come.

    Attributes
    ----------
    step
        Steps taken.
    loss_sum, loss_count
        Of the epoch that is under way.
    seconds
        Training time, interruptions not counted.
    history
        One row an epoch.
    best_dice, best_epoch
        Best mean validation Dice so far.
    plan
        The step at which the training will end.
    """

    plan: Plan
    step: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_dice: float = -1.0
    best_epoch: int = 0


def check_model_folder(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Find out before a training, and not after hours of it, that its folder cannot be written to.

    Raises
    ------
    FileExistsError
        If a network, or the checkpoint of an interrupted training, would be lost.
    OSError
        If the folder is a file, or may not be written to.
    """
    goes_on = resume and (folder / CHECKPOINT).exists()
    for name, advice in ((CARD, ""), (CHECKPOINT, "--resume to go on from it, ")):
        if (folder / name).exists() and not (overwrite or goes_on):
            raise FileExistsError(
                f"{folder / name}: exists already; pass {advice}--overwrite or choose another folder"
            )
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(f"{nearest}: is a file; wanted a folder for the model")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(f"{nearest}: may not be written to; wanted a folder for the model")


def save_checkpoint(
    folder: Path,
    networks: dict[str, dict[str, Tensor]],
    optimiser: torch.optim.Optimizer,
    progress: Progress,
    identity: str,
) -> None:
    """Write ``checkpoint.safetensors``.

    Parameters
    ----------
    folder
        The model folder.
    networks
        State dictionaries by name (``network``, ``average``, ``best``).
    optimiser, progress
        What else the next step needs.
    identity
        Describes configuration, data and seed; another one is refused on loading.
    """
    tensors = {f"{kind}/{name}": tensor for kind, state in networks.items() for name, tensor in state.items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{index}/{name}": value for name, value in state.items()}
    metadata = {"progress": json.dumps(asdict(progress)), "identity": identity}
    save_tensors(folder / CHECKPOINT, tensors, metadata=metadata, overwrite=True)


def should_load(folder: Path, identity: str, overwrite: bool) -> bool:
    """Return whether there is a checkpoint to go on from.

    Where it may be overwritten, only that of this very training is; else loading another says what differs.
    """
    if not (folder / CHECKPOINT).exists():
        return False
    if not overwrite:
        return True
    try:
        with safe_open(folder / CHECKPOINT, framework="pt") as file:
            return (file.metadata() or {}).get("identity") == identity
    except SafetensorError:  # broken: of no training at all
        return False


def load_checkpoint(
    folder: Path, networks: dict[str, nn.Module], optimiser: torch.optim.Optimizer, identity: str
) -> tuple[Progress, dict[str, Tensor]]:
    """Fill networks and optimiser from a checkpoint; return the progress and the best weights ({} if none).

    Raises
    ------
    ValueError
        If the checkpoint belongs to another configuration, data or seed, or is broken.
    """
    path = folder / CHECKPOINT
    tensors = load_tensors(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    if metadata.get("identity") != identity:
        raise ValueError(
            f"{path}: belongs to a training with "
            f"{_first_difference(metadata.get('identity', ''), identity)}; wanted the same configuration, "
            "data and seed (or --overwrite to begin anew)"
        )
    for name, network in networks.items():
        weights = _below(tensors, f"{name}/")
        check_weights(path, network, weights)  # the class table is no part of the identity
        network.load_state_dict(weights)
    _fill_optimiser(optimiser, _below(tensors, "optimiser/"))
    values = json.loads(metadata["progress"])
    return Progress(**(values | {"plan": Plan(**values["plan"])})), _below(tensors, "best/")


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _fill_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for name, value in tensors.items():
        index, key = name.split("/")
        parameter = parameters[int(index)]
        if value.shape == parameter.shape and value.ndim:  # same memory layout as before the interruption
            value = torch.empty_like(parameter).copy_(value)
        optimiser.state[parameter][key] = value


def _first_difference(found: str, wanted: str) -> str:
    pairs = zip(found.splitlines(), wanted.splitlines(), strict=False)
    return next((f"{a.strip()} (now {b.strip()})" for a, b in pairs if a != b), "other settings")
