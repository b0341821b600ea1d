"""The 2.5D U-Net: some neighbouring slices in, classes of the central slice out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segnet.config.training import NetworkConfig

_GROUP_CHANNELS = 8


class DoubleConvolution(nn.Sequential):
    """Twice: 3 × 3 convolution, normalisation, ReLU. Size stays, zeros beyond the border."""

    def __init__(self, channels_in: int, channels_out: int, norm: str) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
            _norm_layer(norm, channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            _norm_layer(norm, channels_out),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    """U-Net (Ronneberger et al. 2015) whose input channels are neighbouring slices.

    Any image size: the image is continued at its lower and right border by its edge pixels to a multiple of
    2^(levels-1), and the result is cut back. So pixel (0, 0) always starts a pooling window, which makes
    tiles that start on multiples of it equal to the whole image.

    Parameters
    ----------
    config
        Slices, levels, base width and kind of normalisation.
    n_classes
        Channels out.
    """

    def __init__(self, config: NetworkConfig, n_classes: int) -> None:
        super().__init__()
        widths = [config.base_width * 2**level for level in range(config.levels)]
        self.slices, self.n_classes = config.slices, n_classes
        self.multiple = 2 ** (config.levels - 1)
        self.encoder = nn.ModuleList(
            DoubleConvolution(before, width, config.norm)
            for before, width in zip([config.slices, *widths[:-1]], widths, strict=True)
        )
        upwards = list(zip(widths[::-1], widths[-2::-1], strict=False))
        self.upsample = nn.ModuleList(nn.ConvTranspose2d(deep, width, 2, stride=2) for deep, width in upwards)
        self.decoder = nn.ModuleList(DoubleConvolution(2 * width, width, config.norm) for _, width in upwards)
        self.classify = nn.Conv2d(widths[0], n_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Take slices (b, slices, h, w) to logits (b, class, h, w)."""
        height, width = images.shape[-2:]
        return self.padded(pad_to_multiple(images, self.multiple))[..., :height, :width]

    def padded(self, x: Tensor) -> Tensor:
        """The same for sizes that are multiples of ``multiple`` already."""
        skips: list[Tensor] = []
        for level, convolve in enumerate(self.encoder):
            x = convolve(x if level == 0 else nn.functional.max_pool2d(x, 2))
            skips.append(x)
        skips.pop()
        for upsample, convolve in zip(self.upsample, self.decoder, strict=True):
            x = convolve(torch.cat([skips.pop(), upsample(x)], dim=1))
        return self.classify(x)


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Continue images (b, c, h, w) by their edge pixels, below and on the right, to a multiple."""
    height, width = images.shape[-2:]
    below, right = -height % multiple, -width % multiple
    if not (below or right):
        return images
    return nn.functional.pad(images, (0, right, 0, below), mode="replicate")


def receptive_radius(levels: int) -> int:
    """Return how many pixels away an input pixel can still change an output pixel, at most.

    Two 3 × 3 convolutions reach 2 · 2^l pixels at level l; they stand once at the deepest level and twice at
    each other; a pooling window reaches 2^(levels-1) - 1 further.
    """
    deepest = levels - 1
    return 2 * (2**deepest) + 2 * sum(2 * 2**level for level in range(deepest)) + 2**deepest - 1


def _norm_layer(norm: str, channels: int) -> nn.Module:
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(max(1, channels // _GROUP_CHANNELS), channels)
