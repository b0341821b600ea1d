"""Which patches a training step sees, and cutting them out; a window never leaves its part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from segnet.config.training import SamplingConfig
from segnet.dataset import Part
from tomoio import BACKGROUND, IGNORE
from tomoio.randomness import generator

_MOST_INDICES = 200_000  # of one class in one part; more would say nothing new
_JITTER = 0.25  # of the patch size, either way, so that the drawn voxel is not always in the middle


@dataclass(frozen=True)
class Corner:
    """Where a patch starts: part, central slice, first row and column (which may be negative)."""

    part: int
    z: int
    y: int
    x: int


class Sampler(Protocol):
    """Gives the patches of any step without having seen the steps before: training can be resumed."""

    def __call__(self, step: int) -> list[Corner]: ...


def grid_corners(parts: Sequence[Part], config: SamplingConfig) -> NDArray[np.int64]:
    """Return the corners (n, 4) of all patches on the uniform grid that hold a labelled voxel."""
    size = config.patch_size_px
    stride = max(1, round(size * config.stride_ratio))
    corners = []
    for number, part in enumerate(parts):
        starts_y, starts_x = (_starts(length, size, stride) for length in part.image.shape[1:])
        for z, target in enumerate(part.target):
            labelled = target != IGNORE
            if not labelled.any():
                continue
            corners += [
                (number, z, y, x)
                for y in starts_y
                for x in starts_x
                if labelled[max(y, 0) : y + size, max(x, 0) : x + size].any()
            ]
    if not corners:
        raise ValueError("the training parts hold no labelled voxel; wanted at least one that is not 255")
    return np.array(corners)


def _starts(length: int, size: int, stride: int) -> list[int]:
    """Return starts of windows that cover ``length``, the last one flush with the end."""
    if length <= size:
        return [(length - size) // 2]
    return sorted({*range(0, length - size, stride), length - size})


class UniformSampler:
    """Every grid patch once an epoch, in an order that depends on seed and epoch."""

    def __init__(self, parts: Sequence[Part], config: SamplingConfig, seed: int) -> None:
        self._corners = grid_corners(parts, config)
        self._batch_size = config.batch_size
        self._seed = seed
        self.batches = max(1, len(self._corners) // config.batch_size)

    def __call__(self, step: int) -> list[Corner]:
        epoch, batch = divmod(step, self.batches)
        order = generator(self._seed, "patches", str(epoch)).permutation(len(self._corners))
        numbers = np.arange(batch * self._batch_size, (batch + 1) * self._batch_size) % len(order)
        return [Corner(*map(int, self._corners[order[number]])) for number in numbers]


class BalancedSampler:
    """Patches around voxels of classes drawn with equal chance, in domains drawn by weight and size."""

    def __init__(self, parts: Sequence[Part], config: SamplingConfig, seed: int) -> None:
        self._parts = parts
        self._config = config
        self._seed = seed
        corners = grid_corners(parts, config)
        domain_of = np.array([part.domain for part in parts])[corners[:, 0]]  # of what is labelled
        weights = config.domain_weights
        self._domains = [domain for domain in weights if weights[domain] > 0 and domain in set(domain_of)]
        if not self._domains:
            raise ValueError(
                "sampling.domain_weights: no weight for any domain of the blocks; wanted one above 0"
            )
        chances = [weights[domain] * labelled_voxels(parts, domain) ** 0.5 for domain in self._domains]
        self._domain_chances = np.divide(chances, sum(chances))
        self._grid = {domain: corners[domain_of == domain] for domain in self._domains}
        self._voxels = {domain: class_voxels(parts, domain) for domain in self._domains}
        self.batches = max(1, len(corners) // config.batch_size)

    def __call__(self, step: int) -> list[Corner]:
        rng = generator(self._seed, "patches", str(step))
        return [self._draw(rng) for _ in range(self._config.batch_size)]

    def _draw(self, rng: np.random.Generator) -> Corner:
        domain = self._domains[rng.choice(len(self._domains), p=self._domain_chances)]
        voxels = self._voxels[domain]
        if not voxels or rng.random() < self._config.uniform_share:
            grid = self._grid[domain]
            return Corner(*map(int, grid[rng.integers(len(grid))]))
        of_class = voxels[rng.integers(len(voxels))]
        number, z, y, x = (int(value) for value in of_class[rng.integers(len(of_class))])
        return self._around(number, z, y, x, rng)

    def _around(self, number: int, z: int, y: int, x: int, rng: np.random.Generator) -> Corner:
        size = self._config.patch_size_px
        jitter = rng.integers(-int(size * _JITTER), int(size * _JITTER) + 1, size=2)
        _, height, width = self._parts[number].image.shape
        corner_y = _inside(y - size // 2 + int(jitter[0]), height, size)
        return Corner(number, z, corner_y, _inside(x - size // 2 + int(jitter[1]), width, size))


def _inside(start: int, length: int, size: int) -> int:
    return (length - size) // 2 if length <= size else min(max(start, 0), length - size)


def labelled_voxels(parts: Sequence[Part], domain: str) -> int:
    """Return how many voxels of a domain are not ignored."""
    return sum(int(np.count_nonzero(part.target != IGNORE)) for part in parts if part.domain == domain)


def class_voxels(parts: Sequence[Part], domain: str) -> list[NDArray[np.int32]]:
    """Return for each foreground class of a domain its voxels (n, 4): part, z, y, x."""
    found: dict[int, list[NDArray[np.int32]]] = {}
    for number, part in enumerate(parts):
        if part.domain != domain:
            continue
        present = np.flatnonzero(np.bincount(part.target.ravel(), minlength=256))
        for channel in set(present.tolist()) - {BACKGROUND, IGNORE}:
            flat = np.flatnonzero(part.target == channel)
            flat = flat[:: max(1, -(-flat.size // _MOST_INDICES))]
            where = np.unravel_index(flat, part.target.shape)
            found.setdefault(channel, []).append(
                np.stack([np.full(flat.size, number), *where], axis=1).astype(np.int32)
            )
    return [np.concatenate(found[channel]) for channel in sorted(found)]


def make_sampler(
    parts: Sequence[Part], config: SamplingConfig, seed: int
) -> UniformSampler | BalancedSampler:
    """Return the sampler that the configuration asks for."""
    kind = UniformSampler if config.sampler == "uniform" else BalancedSampler
    return kind(parts, config, seed)


def cut_patches(
    parts: Sequence[Part], corners: Sequence[Corner], size: int, slices: int, margin: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Cut windows out of their parts.

    Parameters
    ----------
    parts, corners
        What to cut from and where.
    size, slices
        Side of the patch and number of slices around the central one.
    margin
        Pixels more on every side.

    Returns
    -------
    images (n, slices, h, w) float32 and targets (n, h, w) uint8, h = w = size + 2 margin. Beyond the part,
    the image continues by its edge and the target is 255 (ignore).
    """
    side = size + 2 * margin
    images = np.empty((len(corners), slices, side, side), np.float32)
    targets = np.empty((len(corners), side, side), np.uint8)
    for number, corner in enumerate(corners):
        part = parts[corner.part]
        depth, height, width = part.image.shape
        planes = np.clip(np.arange(corner.z - slices // 2, corner.z + slices // 2 + 1), 0, depth - 1)
        rows = np.arange(corner.y - margin, corner.y - margin + side)
        columns = np.arange(corner.x - margin, corner.x - margin + side)
        if rows[0] >= 0 and columns[0] >= 0 and rows[-1] < height and columns[-1] < width:
            window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            images[number] = part.image[(planes, *window)]
            targets[number] = part.target[(corner.z, *window)]
            continue
        inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
        rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
        images[number] = part.image[np.ix_(planes, rows, columns)]
        targets[number] = np.where(inside, part.target[corner.z][np.ix_(rows, columns)], IGNORE)
    return images, targets
