"""Variation of patches in the plane, whole batches at a time."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from segnet.config.training import AugmentationConfig
from tomoio import IGNORE

# dims of (n, slices, h, w): half turns about z, x and y. Proper rotations, so a helix keeps its hand, and the
# wedge of a tilt axis along y falls on itself.
_HALF_TURNS = ((2, 3), (1, 2), (1, 3))
_RADIAL_BINS = 16
_MIRRORED_SHARE = 0.5


def affine_margin(config: AugmentationConfig, patch_size_px: int) -> int:
    """Return how many pixels beyond a patch the largest rotation and scale can reach."""
    if not config.enabled or config.affine_share == 0:
        return 0
    angle = math.radians(min(config.rotation_deg, 45))
    reach = (math.cos(angle) + math.sin(angle)) * (1 + config.scale)
    return math.ceil(patch_size_px * (reach - 1) / 2) + 1


def rotate_and_scale(
    images: Tensor, targets: Tensor, size: int, config: AugmentationConfig, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Sample patches of side ``size`` at random angles and scales about the centre of larger ones.

    Parameters
    ----------
    images, targets
        Shapes (n, slices, s, s) and (n, s, s), with s >= size.
    size
        Side of the result.
    config, rng
        Ranges, and the generator to draw from.

    Returns
    -------
    images (bilinear) and targets (nearest neighbour, 255 beyond the border).
    """
    n, _, side, _ = images.shape
    angle = np.deg2rad(rng.uniform(-config.rotation_deg, config.rotation_deg, n))
    scale = rng.uniform(1 - config.scale, 1 + config.scale, n)
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.stack([cosine, -sine, sine, cosine], axis=1).reshape(n, 2, 2)
    axis = torch.arange(size, dtype=torch.float32, device=images.device) - (size - 1) / 2
    plane = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1) * (2 / side)
    grid = torch.einsum(
        "nij,yxj->nyxi", torch.as_tensor(matrix, dtype=torch.float32, device=images.device), plane
    )
    turned = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    shifted = targets.unsqueeze(1).float() - IGNORE  # zero beyond the border then means ignore
    labels = functional.grid_sample(shifted, grid, mode="nearest", align_corners=False)
    return turned, (labels.squeeze(1) + IGNORE).round().to(targets.dtype)


def vary(
    images: Tensor, targets: Tensor, config: AugmentationConfig, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Apply everything but rotation and scale; the shapes stay. ``images`` may be changed in place."""
    images, targets = _half_turns(images, targets, config, rng)
    n = len(images)
    if config.mirror:
        chosen = _chosen(_MIRRORED_SHARE, n, rng)
        images[chosen], targets[chosen] = images[chosen].flip(3), targets[chosen].flip(2)
    chosen = _chosen(config.amplitude_share, n, rng)
    if len(chosen) and n > 1:
        partner = (chosen + rng.integers(1, n, len(chosen))) % n
        images[chosen] = match_amplitudes(images[chosen], images[partner])
    chosen = _chosen(config.noise_share, n, rng)
    if len(chosen) and config.noise_sd:
        sd = _column(rng.uniform(0, config.noise_sd, len(chosen)), images)
        noisy = images[chosen] + sd * _gaussian_noise(images[chosen], rng)
        images[chosen] = noisy / torch.sqrt(1 + sd**2)
    chosen = _chosen(config.blur_share, n, rng)
    if len(chosen) and config.blur_sigma_px:
        sigma = rng.uniform(0, config.blur_sigma_px, len(chosen))
        images[chosen] = blur(
            images[chosen], torch.as_tensor(sigma, dtype=images.dtype, device=images.device)
        )
    scale = _column(rng.uniform(1 - config.contrast, 1 + config.contrast, n), images)
    shift = _column(rng.uniform(-config.brightness, config.brightness, n), images)
    return images.mul_(scale).add_(shift), targets


def _chosen(share: float, n: int, rng: np.random.Generator) -> np.ndarray:
    return np.flatnonzero(rng.random(n) < share)


def _column(values: np.ndarray, images: Tensor) -> Tensor:
    return torch.as_tensor(values, dtype=images.dtype, device=images.device).view(-1, 1, 1, 1)


def _gaussian_noise(images: Tensor, rng: np.random.Generator) -> Tensor:
    source = torch.Generator(device=images.device).manual_seed(int(rng.integers(2**62)))
    return torch.randn(images.shape, generator=source, dtype=images.dtype, device=images.device)


def _half_turns(
    images: Tensor, targets: Tensor, config: AugmentationConfig, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    turn = rng.integers(0, 4, len(images)) if config.half_turns else np.zeros(len(images), int)
    for number, dims in enumerate(_HALF_TURNS, start=1):
        chosen = np.flatnonzero(turn == number)
        if len(chosen):
            images[chosen] = images[chosen].flip(dims)
            in_plane = [dim - 1 for dim in dims if dim > 1]  # the target has no axis of slices
            targets[chosen] = targets[chosen].flip(in_plane)
    return images, targets


def blur(images: Tensor, sigma_px: Tensor) -> Tensor:
    """Blur images (n, slices, h, w) in the plane, each with its own sigma (n,), pixels."""
    n, slices, height, width = images.shape
    radius = max(1, math.ceil(3 * float(sigma_px.max())))
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (offsets / sigma_px.clamp(min=1e-3).unsqueeze(1)) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(slices, dim=0).unsqueeze(1)
    x = images.reshape(1, n * slices, height, width)
    x = functional.pad(x, (radius,) * 4, mode="replicate")
    x = functional.conv2d(x, kernel.unsqueeze(2), groups=n * slices)
    x = functional.conv2d(x, kernel.unsqueeze(3), groups=n * slices)
    return x.view(n, slices, height, width)


def match_amplitudes(images: Tensor, references: Tensor) -> Tensor:
    """Give images the radial Fourier amplitudes of the central slices of other images.

    Both have the shape (n, slices, h, w). All slices of an image are multiplied by one radial function, so
    neighbouring slices still fit together; the mean stays.
    """
    height, width = images.shape[-2:]
    radius = torch.sqrt(
        torch.fft.fftfreq(height, device=images.device)[:, None] ** 2
        + torch.fft.rfftfreq(width, device=images.device)[None] ** 2
    )
    position = (radius / 0.5).clamp(max=1) * (_RADIAL_BINS - 1)
    spectrum = torch.fft.rfft2(images)
    middle = images.shape[1] // 2
    own = _radial_amplitude(spectrum[:, middle], position)
    wanted = _radial_amplitude(torch.fft.rfft2(references[:, middle]), position)
    factor = (wanted / own.clamp(min=1e-6)).clamp(0.2, 5)
    low = position.floor().long()
    high = (low + 1).clamp(max=_RADIAL_BINS - 1)
    weight = position - low
    field = factor[:, low] * (1 - weight) + factor[:, high] * weight
    field[:, 0, 0] = 1
    return torch.fft.irfft2(spectrum * field.unsqueeze(1), s=(height, width))


def _radial_amplitude(spectrum: Tensor, position: Tensor) -> Tensor:
    """Return the mean amplitude (n, bin) of spectra (n, h, w/2+1); the zero frequency does not count."""
    rings = functional.one_hot(position.round().long().flatten(), _RADIAL_BINS).to(spectrum.real.dtype)
    rings[0] = 0
    return (spectrum.abs().flatten(1) @ rings) / rings.sum(dim=0).clamp(min=1)
