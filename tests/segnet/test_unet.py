from __future__ import annotations

import pytest
import torch

from segnet.config.training import NetworkConfig
from segnet.unet import UNet, pad_to_multiple, receptive_radius


def test_five_levels_of_base_64_have_the_published_size():
    with torch.device("meta"):
        network = UNet(NetworkConfig(base_width=64), 7)
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(31.0e6, rel=0.01)


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("size", [(64, 64), (37, 50), (3, 5)])
def test_any_size_comes_back(norm, size):
    network = UNet(NetworkConfig(base_width=4, slices=3, norm=norm), 5).eval()
    assert network(torch.randn(2, 3, *size)).shape == (2, 5, *size)


def test_padding_continues_the_edge():
    images = torch.arange(6.0).view(1, 1, 2, 3)
    assert pad_to_multiple(images, 4)[0, 0, -1].tolist() == [3, 4, 5, 5]


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_nothing_beyond_the_receptive_radius_matters(levels):
    torch.manual_seed(0)
    network = UNet(NetworkConfig(base_width=2, levels=levels, slices=1), 2).eval()
    for parameter in network.parameters():
        parameter.data.abs_()  # no ReLU is closed, so the whole field shows
    radius = receptive_radius(levels)
    side = 2 * radius + 41
    image = torch.rand(1, 1, side, side, requires_grad=True)
    reach = 0
    for centre in range(radius + 10, radius + 10 + network.multiple):
        image.grad = None
        network(image)[0, 0, centre, centre].backward()
        rows = torch.nonzero(image.grad[0, 0].abs().sum(dim=1)).flatten()
        reach = max(reach, int(centre - rows.min()), int(rows.max() - centre))
    assert radius - network.multiple <= reach <= radius
