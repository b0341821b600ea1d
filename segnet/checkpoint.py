"""The state of a training in one safetensors file, exact to the last bit."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from segnet.model_folder import load_tensors, save_tensors
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


def is_checkpoint_of(folder: Path, identity: str) -> bool:
    """Return whether a folder holds a checkpoint of this very training."""
    if not (folder / CHECKPOINT).exists():
        return False
    with safe_open(folder / CHECKPOINT, framework="pt") as file:
        return (file.metadata() or {}).get("identity") == identity


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
        network.load_state_dict(_below(tensors, f"{name}/"))
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
