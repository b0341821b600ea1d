"""Class probabilities of slices: whole or in tiles, in one or several orientations."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from segnet.unet import DoubleConvolution, UNet, pad_to_multiple, receptive_radius

_PASS_PIXELS = 320_000  # two slices of 400 × 400 are faster on a CPU than eight
# dims of (b, slices, h, w) of the half turns about z, x and y; the first n - 1 make n orientations
_TURNS: tuple[tuple[int, ...], ...] = ((2, 3), (1, 2), (1, 3))


class Predictor:
    """A network made ready for segmentation.

    Batch normalisation is folded into the convolutions; weights take the precision and the channels-last
    layout. The network that is given stays as it was.

    Parameters
    ----------
    network
        The trained network.
    device, dtype
        Where and in which type to multiply.
    tile_px
        Side of the tiles without halo; 0: whole slices up to ``max_pixels``.
    max_pixels
        Most pixels in one pass; larger slices are cut into tiles.
    orientations
        1, 2 or 4: test-time augmentation over half turns.
    """

    def __init__(
        self,
        network: UNet,
        device: torch.device,
        dtype: torch.dtype,
        *,
        tile_px: int = 0,
        max_pixels: int = 4_000_000,
        orientations: int = 1,
    ) -> None:
        self.device = device
        self.dtype = dtype
        self.slices = network.slices
        self.n_classes = network.n_classes
        self.multiple = network.multiple
        self._orientations = orientations
        self._halo = _round_up(receptive_radius(len(network.encoder)), self.multiple)
        self._tile = _round_up(tile_px, self.multiple)
        self._max_pixels = max_pixels
        ready = _fold_batch_norm(copy.deepcopy(network).eval())
        if device.type == "cpu":
            _join_relu(ready)
        self._network = ready.to(device, dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def slices_a_pass(self, height: int, width: int) -> int:
        """Return how many slices of a size go through the network at once."""
        return max(1, min(_PASS_PIXELS, self._max_pixels) // (height * width))

    @torch.inference_mode()
    def probabilities(self, windows: Tensor) -> Tensor:
        """Take windows (b, slices, h, w) to class probabilities (b, class, h, w), float32, on the device."""
        x = windows.to(device=self.device, dtype=self.dtype, memory_format=torch.channels_last)
        total = torch.softmax(self._logits(x).float(), dim=1)
        for dims in _TURNS[: self._orientations - 1]:
            turned = torch.softmax(self._logits(x.flip(dims)).float(), dim=1)
            total += turned.flip([dim for dim in dims if dim > 1])
        return total.div_(self._orientations) if self._orientations > 1 else total

    @torch.inference_mode()
    def channels(self, windows: Tensor) -> Tensor:
        """Take windows (b, slices, h, w) to the most probable channel (b, h, w), uint8, on the CPU."""
        if self._orientations > 1:
            return self.probabilities(windows).argmax(dim=1).to(torch.uint8).cpu()
        x = windows.to(device=self.device, dtype=self.dtype, memory_format=torch.channels_last)
        return self._logits(x).argmax(dim=1).to(torch.uint8).cpu()

    def _logits(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        height, width = x.shape[-2:]
        tile = self._tile or self._tile_that_fits(height, width)
        if not tile:
            return self._network(x)
        padded = pad_to_multiple(x, self.multiple)
        return run_in_tiles(self._network, padded, tile, self._halo)[..., :height, :width]

    def _tile_that_fits(self, height: int, width: int) -> int:
        """Return 0 where a slice fits as a whole, else the largest tile that fits with its halo."""
        if height * width <= self._max_pixels:
            return 0
        side = int(self._max_pixels**0.5) - 2 * self._halo
        return max(self.multiple, side // self.multiple * self.multiple)


def run_in_tiles(forward: Callable[[Tensor], Tensor], x: Tensor, tile: int, halo: int) -> Tensor:
    """Apply a network to tiles with a halo and put the cores together.

    With tile and halo multiples of the network's pooling factor and the halo at least its receptive radius
    the result is that of the whole image, up to rounding. The halo ends at the image border, so that the
    network sees the same border there.
    """
    height, width = x.shape[-2:]
    result: Tensor | None = None
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            bottom, right = min(top + tile, height), min(left + tile, width)
            first_y, first_x = max(top - halo, 0), max(left - halo, 0)
            region = x[..., first_y : min(bottom + halo, height), first_x : min(right + halo, width)]
            y = forward(region.contiguous(memory_format=torch.channels_last))
            if result is None:
                result = y.new_empty(x.shape[0], y.shape[1], height, width)
            core = y[..., top - first_y : bottom - first_y, left - first_x : right - first_x]
            result[..., top:bottom, left:right] = core
    if result is None:
        raise ValueError(f"an image of {height} × {width} pixels; wanted at least one")
    return result


def windows_of(slab: NDArray[np.float32], slices: int) -> Tensor:
    """Return all windows (n, slices, h, w) of a slab (n + slices - 1, h, w) without copying."""
    return torch.from_numpy(slab).unfold(0, slices, 1).permute(0, 3, 1, 2)


def clamped_windows(
    read: Callable[[int, int], NDArray[np.float32]], depth: int, slices: int, step: int
) -> Iterator[tuple[int, Tensor]]:
    """Stream a volume: yield first slice and windows (n <= step, slices, h, w); edge slices are repeated.

    No slice is read twice; at most ``step + slices - 1`` stand in memory.
    """
    half = slices // 2
    kept: NDArray[np.float32] | None = None
    read_up_to = 0
    for start in range(0, depth, step):
        stop = min(start + step, depth)
        wanted = min(stop + half, depth)
        new = [read(read_up_to, wanted)] if wanted > read_up_to else []
        pieces = ([] if kept is None else [kept]) + new
        if start == 0:
            pieces = [np.repeat(new[0][:1], half, axis=0), *pieces]
        beyond = stop + half - wanted
        slab = (
            np.concatenate([*pieces, np.repeat(pieces[-1][-1:], beyond, axis=0)])
            if beyond
            else (np.concatenate(pieces))
        )
        yield start, windows_of(slab, slices)
        kept = slab[stop - start : len(slab) - beyond]
        read_up_to = wanted


def predict_channels(
    predictor: Predictor, image: NDArray[np.float32], planes: NDArray[np.intp] | None = None
) -> NDArray[np.uint8]:
    """Return the most probable channel of a normalised volume (z, y, x), or of some of its slices."""
    depth, height, width = image.shape
    wanted = np.arange(depth) if planes is None else planes
    step = predictor.slices_a_pass(height, width)
    offsets = np.arange(-(predictor.slices // 2), predictor.slices // 2 + 1)
    result = np.empty((len(wanted), height, width), np.uint8)
    for start in range(0, len(wanted), step):
        neighbours = np.clip(wanted[start : start + step, None] + offsets, 0, depth - 1)
        result[start : start + step] = predictor.channels(torch.from_numpy(image[neighbours])).numpy()
    return result


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _fold_batch_norm(network: UNet) -> UNet:
    for module in network.modules():
        if isinstance(module, DoubleConvolution) and isinstance(module[1], nn.BatchNorm2d):
            for index in (0, 3):
                convolution, norm = cast(nn.Conv2d, module[index]), cast(nn.BatchNorm2d, module[index + 1])
                module[index] = fuse_conv_bn_eval(convolution, norm)
                module[index + 1] = nn.Identity()
    return network


class _ConvolutionReLU(nn.Module):
    """A convolution that clips its own output: oneDNN then goes over the memory once instead of twice."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, x: Tensor) -> Tensor:
        c = self.convolution
        return torch.ops.mkldnn._convolution_pointwise(
            x, c.weight, c.bias, c.padding, c.stride, c.dilation, c.groups, "relu", [], ""
        )


def _join_relu(network: UNet) -> None:
    """Let folded convolutions apply their ReLU themselves, where this PyTorch has oneDNN for it."""
    if not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return
    for module in network.modules():
        if isinstance(module, DoubleConvolution) and isinstance(module[1], nn.Identity):
            for index in (0, 3):
                module[index] = _ConvolutionReLU(cast(nn.Conv2d, module[index]))
                module[index + 2] = nn.Identity()
