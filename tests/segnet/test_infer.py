from __future__ import annotations

import numpy as np
import pytest
import torch

from segnet.config.training import NetworkConfig
from segnet.infer import Predictor, clamped_windows, predict_channels
from segnet.unet import UNet


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = UNet(NetworkConfig(base_width=4, levels=5, slices=3), 4)
    network(torch.randn(4, 3, 64, 64))  # gives batch normalisation statistics of its own
    network.classify.weight.data.mul_(10).sub_(network.classify.weight.data.mean(1, keepdim=True))
    return network.eval()


def predictor(network: UNet, **options: int) -> Predictor:
    return Predictor(network, torch.device("cpu"), torch.float32, **options)


def test_folding_batch_normalisation_changes_nothing(network):
    windows = torch.randn(2, 3, 50, 70)
    with torch.inference_mode():
        wanted = network(windows).softmax(1)
    torch.testing.assert_close(predictor(network).probabilities(windows), wanted, atol=1e-5, rtol=1e-4)
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("shape", [(400, 300), (331, 397)])
@pytest.mark.parametrize("options", [{"tile_px": 96}, {"max_pixels": 330 * 330}])
def test_tiles_equal_whole_slices(network, shape, options):
    windows = torch.randn(1, 3, *shape)
    whole = predictor(network).probabilities(windows)
    tiles = predictor(network, **options).probabilities(windows)
    torch.testing.assert_close(tiles, whole, atol=2e-6, rtol=1e-4)


def test_one_orientation_more_is_the_mean_of_turned_passes(network):
    windows = torch.randn(2, 3, 32, 48)
    one = predictor(network)
    turned = [one.probabilities(windows.flip(dims)) for dims in ((2, 3), (1, 2), (1, 3))]
    back = [turned[0].flip(2, 3), turned[1].flip(2), turned[2].flip(3)]
    four = torch.stack([one.probabilities(windows), *back]).mean(0)
    torch.testing.assert_close(predictor(network, orientations=4).probabilities(windows), four)
    two = (one.probabilities(windows) + back[0]) / 2
    torch.testing.assert_close(predictor(network, orientations=2).probabilities(windows), two)
    channels = predictor(network, orientations=4).channels(windows)
    assert torch.equal(channels, four.argmax(1).to(torch.uint8))


@pytest.mark.parametrize("depth", [1, 2, 5, 23])
@pytest.mark.parametrize("slices", [1, 3, 11])
@pytest.mark.parametrize("step", [1, 4])
def test_streamed_windows_are_those_of_the_whole_volume(depth, slices, step):
    volume = np.random.default_rng(0).normal(0, 1, (depth, 3, 4)).astype(np.float32)
    read = []

    def read_slices(start: int, stop: int) -> np.ndarray:
        read.extend(range(start, stop))
        return volume[start:stop]

    found = {}
    for start, windows in clamped_windows(read_slices, depth, slices, step):
        found |= {start + n: window.numpy() for n, window in enumerate(windows)}
    offsets = np.arange(-(slices // 2), slices // 2 + 1)
    for z in range(depth):
        np.testing.assert_array_equal(found[z], volume[np.clip(z + offsets, 0, depth - 1)])
    assert read == list(range(depth))  # each slice once
    assert sorted(found) == list(range(depth))


def test_some_slices_are_those_of_the_whole_volume(network):
    volume = np.random.default_rng(1).normal(0, 1, (7, 40, 40)).astype(np.float32)
    ready = predictor(network)
    whole = predict_channels(ready, volume)
    np.testing.assert_array_equal(predict_channels(ready, volume, np.array([0, 3, 6])), whole[[0, 3, 6]])
    assert len(np.unique(whole)) > 1


def test_bfloat16_is_close_to_float32(network):
    windows = torch.randn(1, 3, 64, 64)
    half = Predictor(network, torch.device("cpu"), torch.bfloat16).probabilities(windows)
    torch.testing.assert_close(half, predictor(network).probabilities(windows), atol=0.03, rtol=0)
