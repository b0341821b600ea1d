"""The first weights: random, or those of an existing network, whose classes may be fewer."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from segnet.config.training import TrainingConfig
from segnet.model_folder import WEIGHTS, LoadedModel, load_model
from segnet.unet import UNet
from tomoio import ClassTable, sha256_of

log = logging.getLogger(__name__)


def initialise(network: UNet, config: TrainingConfig, classes: ClassTable) -> str | None:
    """Copy the weights of ``config.init`` into a new network; return their SHA-256, or None without ``init``.

    Channels are matched by class name; classes that the old network does not know keep their random weights.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such model, or it has another shape than ``config.network``.
    """
    if config.init is None:
        return None
    model = load_model(config.init)
    if model.card.network != config.network:
        raise ValueError(
            f"init: {config.init} is a network of {model.card.network}; wanted {config.network} as in "
            "the configuration"
        )
    copy_weights(network, model, classes)
    return sha256_of(Path(config.init) / WEIGHTS)


@torch.no_grad()
def copy_weights(network: UNet, model: LoadedModel, classes: ClassTable) -> None:
    """Copy all weights, and of the last layer the channels of the classes that both networks have."""
    known = list(model.card.class_table.names)
    weights = model.network.state_dict()
    for name in ("classify.weight", "classify.bias"):
        old, new = weights[name], network.state_dict()[name].clone()
        for channel, class_name in enumerate(classes.names):
            if class_name in known:
                new[channel] = old[known.index(class_name)]
        weights[name] = new
    network.load_state_dict(weights)
    added = [name for name in classes.names if name not in known]
    dropped = [name for name in known if name not in classes.names]
    log.info("started from %d classes; added %s; dropped %s", len(known), added or "none", dropped or "none")
