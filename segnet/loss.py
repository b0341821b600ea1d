"""Losses that leave out voxels of label 255 as if they had been cut away."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tomoio import IGNORE

_DICE_SMOOTHING = 1.0  # voxels; keeps a class of a few voxels from swinging between 0 and 1


def segmentation_loss(logits: Tensor, target: Tensor, *, dice: bool) -> Tensor:
    """Return the mean cross-entropy, plus 1 - mean soft Dice where ``dice`` is set.

    Parameters
    ----------
    logits
        Shape (b, class, h, w).
    target
        Channel of the true class, or 255 (ignore), shape (b, h, w), int64.
    dice
        Add the soft Dice loss: over the whole batch at once, and over the classes that occur in it, since an
        absent class has no Dice.

    Returns
    -------
    A scalar; 0 where every voxel is ignored.
    """
    log_probability = functional.log_softmax(logits.float(), dim=1)
    valid = target != IGNORE
    count = valid.sum().clamp(min=1)
    picked = functional.nll_loss(log_probability, target, ignore_index=IGNORE, reduction="sum") / count
    if not dice:
        return picked
    return picked + soft_dice_loss(log_probability.exp(), target, valid)


def soft_dice_loss(probability: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Return 1 - mean over the classes present of 2 Σ p t / (Σ p + Σ t), sums over the valid voxels."""
    n_classes = probability.shape[1]
    channel = torch.where(valid, target, 0)
    weight = valid.to(probability.dtype)
    truth = torch.stack([((channel == index) & valid).sum() for index in range(n_classes)])
    predicted = (probability * weight.unsqueeze(1)).sum(dim=(0, 2, 3))
    at_truth = probability.gather(1, channel.unsqueeze(1)).squeeze(1) * weight
    overlap = torch.stack([(at_truth * (channel == index)).sum() for index in range(n_classes)])
    present = truth > 0
    dice = (2 * overlap + _DICE_SMOOTHING) / (predicted + truth + _DICE_SMOOTHING)
    return ((1 - dice) * present).sum() / present.sum().clamp(min=1)
