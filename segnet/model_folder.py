"""A trained network as a folder: weights and a card that says what they are. Nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, field_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from segnet.config.training import NetworkConfig
from segnet.unet import UNet
from tomoio import BACKGROUND, ClassTable, LabelClass, new_file
from tomoio.config import Strict, parse_config

FORMAT_VERSION = 1
WEIGHTS, CARD = "weights.safetensors", "model.json"


class CardClass(Strict):
    """A class that the network knows: its label in files, name, colour and role."""

    label: int = Field(ge=0, lt=255, description="Label in files")
    name: str = Field(description="Name")
    colour: str = Field(description="Colour, #rrggbb")
    role: str = Field(description="Role in classes.tsv")


class ModelCard(Strict):
    """What stands in model.json."""

    format_version: Literal[1] = Field(default=1, description="Version of this card's layout")
    classes: tuple[CardClass, ...] = Field(min_length=1, description="Classes in the order of the channels")
    network: NetworkConfig = Field(description="Shape of the network")
    pixel_sizes_angstrom: tuple[float, float] = Field(
        description="Smallest and largest pixel size trained on, Å"
    )
    normalisation: Literal["zscore", "robust"] = Field(description="Per volume, before anything else")
    recipe: str = Field(description="Training recipe")
    training: dict[str, Any] = Field(description="Training configuration, complete")
    seed: int = Field(description="Seed of the training")
    threads: int = Field(description="CPU threads of the training")
    steps: int = Field(description="Training steps")
    data: tuple[dict[str, str], ...] = Field(description="Training parts: rows of parts.tsv with checksums")
    validation_data: tuple[dict[str, str], ...] = Field(description="Validation parts")
    metrics: dict[str, dict[str, dict[str, float | None]]] = Field(
        description="domain: class: dice, precision, recall on the validation parts; null where there is none"
    )
    initialised_from: str | None = Field(
        default=None, description="Checksum of the weights that training started from"
    )
    versions: dict[str, str | None] = Field(description="Versions of the packages")
    licence: str = Field(description="Licence of the network")

    @field_validator("classes")
    @classmethod
    def _one_channel_each(cls, value: tuple[CardClass, ...]) -> tuple[CardClass, ...]:
        labels, names = [entry.label for entry in value], [entry.name for entry in value]
        if labels[0] != BACKGROUND or labels != sorted(set(labels)) or len(set(names)) < len(names):
            raise ValueError(
                f"labels {labels} of {', '.join(names)}; wanted rising labels from {BACKGROUND} on and each "
                "name once"
            )
        return value

    @field_validator("pixel_sizes_angstrom")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1]:
            raise ValueError("wanted two sizes above 0, the smaller one first")
        return value

    @property
    def class_table(self) -> ClassTable:
        """The classes as a table."""
        return ClassTable(tuple(LabelClass(**entry.model_dump()) for entry in self.classes))


@dataclass(frozen=True)
class LoadedModel:
    """A network in evaluation mode and its card."""

    network: UNet
    card: ModelCard


def card_classes(classes: ClassTable) -> tuple[CardClass, ...]:
    """Return the classes as they stand in a card."""
    return tuple(CardClass(label=e.label, name=e.name, colour=e.colour, role=e.role) for e in classes)


def save_model(
    folder: Path | str, weights: Mapping[str, torch.Tensor], card: ModelCard, *, overwrite: bool = False
) -> None:
    """Write ``weights.safetensors`` and then ``model.json``, each whole or not at all."""
    folder = Path(folder)
    save_tensors(folder / WEIGHTS, weights, overwrite=overwrite)
    with new_file(folder / CARD, overwrite=overwrite) as partial:
        partial.write_text(json.dumps(card.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")


def read_card(folder: Path | str) -> ModelCard:
    """Read ``model.json``; FileNotFoundError or a one-line ValueError name the file."""
    path = Path(folder) / CARD
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; wanted a model folder of `segnet train`")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a model card ({error})") from error
    return parse_config(values, ModelCard, str(path))


def load_model(folder: Path | str) -> LoadedModel:
    """Load a network.

    Raises
    ------
    FileNotFoundError
        If the card or the weights are missing.
    ValueError
        If the card is broken, or the weights do not fit to it or are not finite.
    """
    card = read_card(folder)
    network = UNet(card.network, len(card.classes))
    weights = load_tensors(Path(folder) / WEIGHTS)
    check_weights(Path(folder) / WEIGHTS, network, weights)
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(
                f"{Path(folder) / WEIGHTS}: {name} holds values that are not finite; wanted numbers"
            )
    network.load_state_dict(weights)
    return LoadedModel(network.eval(), card)


def check_weights(path: Path, network: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError, naming the first difference, where weights do not fit a network."""
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in [*wanted, *found]:
        if wanted.get(name) != found.get(name):
            raise ValueError(f"{path}: {name} is {found.get(name)}; wanted {wanted.get(name)}")
    for name, tensor in network.state_dict().items():
        if weights[name].is_floating_point() != tensor.is_floating_point():
            raise ValueError(f"{path}: {name} is of type {weights[name].dtype}; wanted {tensor.dtype}")


def save_tensors(
    path: Path | str,
    tensors: Mapping[str, torch.Tensor],
    *,
    metadata: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write named tensors and text, whole or not at all."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with new_file(path, overwrite=overwrite) as partial:
        save_file(plain, partial, metadata=dict(metadata or {}))


def load_tensors(path: Path | str) -> dict[str, torch.Tensor]:
    """Read named tensors; FileNotFoundError or ValueError name the file."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path}: not a safetensors file or truncated ({error})") from error


def describe(card: ModelCard) -> str:
    """Return the card as text for a reader."""
    low, high = card.pixel_sizes_angstrom
    network = card.network
    lines = [
        f"2.5D U-Net: {network.slices} slices, {network.levels} levels, base width {network.base_width}, "
        f"{network.norm} norm",
        f"pixel sizes {low:g} to {high:g} Å, {card.normalisation} normalisation, protein dark",
        f"recipe {card.recipe}, {card.steps} steps, seed {card.seed}, {card.threads} threads",
        f"data: {_counted(card.data)}; validated on {_counted(card.validation_data)}",
        f"licence {card.licence}; made with "
        + ", ".join(f"{name} {version}" for name, version in card.versions.items() if version),
        "",
        *_metric_lines(card),
    ]
    return "\n".join(lines)


def _counted(parts: Sequence[Mapping[str, str]]) -> str:
    domains = [part["domain"] for part in parts]
    return ", ".join(f"{domains.count(name)} {name}" for name in dict.fromkeys(domains)) or "nothing"


def _metric_lines(card: ModelCard) -> list[str]:
    header = f"{'label':>5}  {'class':<14}" + "".join(f"{'Dice ' + domain:>18}" for domain in card.metrics)
    lines = [header]
    for entry in card.classes:
        values = [domain.get(entry.name, {}).get("dice") for domain in card.metrics.values()]
        cells = "".join(f"{'absent' if value is None else format(value, '.3f'):>18}" for value in values)
        lines.append(f"{entry.label:>5}  {entry.name:<14}{cells}")
    return lines
