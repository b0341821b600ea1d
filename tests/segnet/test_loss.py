from __future__ import annotations

import pytest
import torch
from monai.losses import DiceLoss

from segnet.loss import segmentation_loss, soft_dice_loss
from tomoio import IGNORE


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return torch.randn(3, 4, 16, 16), torch.randint(0, 4, (3, 16, 16))


@pytest.mark.parametrize("dice", [False, True])
def test_ignoring_equals_cropping(batch, dice):
    logits, target = batch
    ignored = target.clone()
    ignored[:, 10:] = IGNORE
    ignored[:, :, 12:] = IGNORE
    whole = segmentation_loss(logits.requires_grad_(), ignored, dice=dice)
    cropped = segmentation_loss(logits[:, :, :10, :12], target[:, :10, :12], dice=dice)
    torch.testing.assert_close(whole, cropped)
    whole.backward()
    assert torch.all(logits.grad[:, :, 10:] == 0)
    assert torch.any(logits.grad[:, :, :10, :12] != 0)


def test_cross_entropy_by_hand():
    logits = torch.tensor([[[[2.0]], [[0.0]]]])
    wanted = torch.log(1 + torch.exp(torch.tensor(-2.0)))
    torch.testing.assert_close(segmentation_loss(logits, torch.tensor([[[0]]]), dice=False), wanted)


def test_dice_is_monais_over_the_batch(batch):
    logits, target = batch
    reference = DiceLoss(
        softmax=True, to_onehot_y=True, batch=True, reduction="mean", smooth_nr=1.0, smooth_dr=1.0
    )
    found = soft_dice_loss(logits.softmax(1), target, target != IGNORE)
    torch.testing.assert_close(found, reference(logits, target.unsqueeze(1)))


def test_a_class_that_is_absent_costs_nothing():
    target = torch.zeros(2, 8, 8, dtype=torch.long)
    perfect = torch.zeros(2, 7, 8, 8)
    perfect[:, 0] = 50
    assert segmentation_loss(perfect, target, dice=True).item() < 0.01


def test_nothing_labelled_gives_zero_and_no_gradient(batch):
    logits, target = batch
    loss = segmentation_loss(logits.requires_grad_(), torch.full_like(target, IGNORE), dice=True)
    loss.backward()
    assert loss.item() == 0
    assert torch.all(logits.grad == 0)
