"""Optimiser, learning-rate schedule and averaged weights."""

from __future__ import annotations

import copy
import math

import torch

from segnet.config.training import OptimisationConfig
from segnet.unet import UNet

_LAST_SHARE_OF_RATE = 0.01


def make_optimiser(network: torch.nn.Module, config: OptimisationConfig) -> torch.optim.Optimizer:
    """Return the optimiser that the configuration names."""
    parameters, rate = network.parameters(), config.learning_rate
    if config.optimiser == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=config.weight_decay)
    if config.optimiser == "adadelta":
        return torch.optim.Adadelta(parameters, lr=rate, weight_decay=config.weight_decay)
    return torch.optim.SGD(parameters, lr=rate, momentum=0.9, nesterov=True, weight_decay=config.weight_decay)


def learning_rate(step: int, progress: float, config: OptimisationConfig) -> float:
    """Return a step's rate: after a linear rise, half a cosine over ``progress`` (0 to 1) down to 1 %."""
    if config.schedule == "constant":
        return config.learning_rate
    rise = min(1.0, (step + 1) / (config.warmup_steps + 1))
    cosine = (1 + math.cos(math.pi * progress)) / 2
    return config.learning_rate * rise * (_LAST_SHARE_OF_RATE + (1 - _LAST_SHARE_OF_RATE) * cosine)


class AveragedNetwork:
    """Exponential moving average of a network's weights and statistics.

    The decay starts low, (1 + step) / (10 + step), so that the first, random weights are soon forgotten.
    """

    def __init__(self, network: UNet, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: torch.nn.Module, step: int) -> None:
        """Take in the weights after step number ``step`` (from 0)."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for mine, theirs in zip(
            self.network.state_dict().values(), network.state_dict().values(), strict=True
        ):
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)
