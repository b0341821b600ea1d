"""The patches of a training step, varied and on the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from segnet.augmentation import affine_margin, rotate_and_scale, vary
from segnet.config.training import TrainingConfig
from segnet.dataset import Part
from segnet.distributed import Team
from segnet.patches import Corner, cut_patches, make_sampler
from tomoio.randomness import generator


class Batches:
    """This process's share of the batch of any step: it depends on seed and step only."""

    def __init__(
        self, parts: Sequence[Part], config: TrainingConfig, seed: int, team: Team, device: torch.device
    ) -> None:
        self._parts, self._config, self._seed = parts, config, seed
        self._team, self._device = team, device
        _check_share(config, team.size)
        self._sampler = make_sampler(parts, config.sampling, seed)
        self.in_an_epoch = self._sampler.batches

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return images (b, slices, h, w) and targets (b, h, w) of a step, the same at any time."""
        config = self._config
        corners = self._team.share(self._sampler(step))
        rng = generator(self._seed, "augmentation", str(step), str(self._team.rank))
        turned = config.augmentation.enabled & (rng.random(len(corners)) < config.augmentation.affine_share)
        margin = affine_margin(config.augmentation, config.sampling.patch_size_px)
        size = config.sampling.patch_size_px
        straight = self._cut([c for c, t in zip(corners, turned, strict=True) if not t], 0)
        larger = self._cut([c for c, t in zip(corners, turned, strict=True) if t], margin)
        if len(larger[0]):
            larger = rotate_and_scale(*larger, size, config.augmentation, rng)
        images, targets = (torch.cat(pair) for pair in zip(straight, larger, strict=True))
        if config.augmentation.enabled:
            images, targets = vary(images, targets, config.augmentation, rng)
        return images.contiguous(memory_format=torch.channels_last), targets.long()

    def _cut(self, corners: list[Corner], margin: int) -> tuple[Tensor, Tensor]:
        config = self._config
        arrays = cut_patches(
            self._parts,
            corners,
            config.sampling.patch_size_px,
            config.network.slices,
            margin if corners else 0,
        )
        images, targets = (torch.from_numpy(array).to(self._device) for array in arrays)
        return images, targets


def _check_share(config: TrainingConfig, processes: int) -> None:
    """Refuse batches from which batch normalisation cannot take a variance at the deepest level."""
    patches = config.sampling.batch_size // processes
    side = -(-config.sampling.patch_size_px // 2 ** (config.network.levels - 1))
    if patches == 0 or (config.network.norm == "batch" and patches * side**2 < 2):
        raise ValueError(
            f"sampling.batch_size: {config.sampling.batch_size} for {processes} process(es), with patches of "
            f"{config.sampling.patch_size_px} px that are {side} px wide at the deepest level; wanted at "
            "least one patch a process and, for batch normalisation, two pixels at that level"
        )
