"""A tomogram as a stream of slices at the pixel size and contrast that a network wants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segnet.normalisation import Normalisation, all_finite
from segnet.rescale import PlaneRescaler, resampling_matrix, rescaled_length

_SLICES_AT_ONCE = 8
_SKEW_BIN = 4
_LARGEST_RESCALING = 8.0  # nm for Å is a factor of 10, and a thousand times the voxels
_SKEW_SLICES = 16


class SliceReader(Protocol):
    """Anything that gives slices of a volume: a `tomoio.VolumeReader`, or `ArrayReader`."""

    def read(self, z_start: int = 0, z_stop: int | None = None) -> NDArray[Any]: ...


class ArrayReader:
    """An array (z, y, x) with the reading method of a file."""

    def __init__(self, volume: NDArray[Any]) -> None:
        self._volume = volume

    def read(self, z_start: int = 0, z_stop: int | None = None) -> NDArray[Any]:
        return self._volume[z_start:z_stop]


class TomogramStream:
    """Slices of a tomogram, rescaled and with protein dark, read on demand.

    Parameters
    ----------
    reader
        Source of slices.
    shape
        Shape (z, y, x) of the source.
    pixel_size_angstrom, target_pixel_size_angstrom
        Pixel sizes of the source and of the slices that are wanted; equal: nothing is rescaled.
    invert
        Negate grey values.
    normalisation
        Applied at the end, where given.
    name
        Stands in the error message.

    Attributes
    ----------
    shape
        Shape (z, y, x) of what is read from the stream.
    ratio
        Target pixel size divided by that of the source.

    Raises
    ------
    ValueError
        If the pixel sizes differ so much that one of them must be wrong.
    """

    def __init__(
        self,
        reader: SliceReader,
        shape: tuple[int, int, int],
        pixel_size_angstrom: float,
        target_pixel_size_angstrom: float,
        *,
        invert: bool = False,
        normalisation: Normalisation | None = None,
        name: str = "volume",
    ) -> None:
        if (
            not 1 / _LARGEST_RESCALING
            <= target_pixel_size_angstrom / pixel_size_angstrom
            <= _LARGEST_RESCALING
        ):
            raise ValueError(
                f"{name}: {pixel_size_angstrom:g} Å a pixel is too far from the network's "
                f"{target_pixel_size_angstrom:g} Å; wanted at most {_LARGEST_RESCALING:g} times more or less "
                "(does the header state the right pixel size?)"
            )
        self._name = name
        self._reader = reader
        self._source_shape = shape
        self._sign = np.float32(-1 if invert else 1)
        self.normalisation = normalisation
        self.ratio = target_pixel_size_angstrom / pixel_size_angstrom
        self.pixel_size_angstrom = target_pixel_size_angstrom
        self.shape = shape
        self._planes: dict[int, NDArray[np.float32]] = {}
        if self.ratio != 1:
            depth, height, width = (rescaled_length(length, self.ratio) for length in shape)
            self.shape = (depth, height, width)
            self._resample_plane = PlaneRescaler((shape[1], shape[2]), self.ratio)
            self._z_weights = resampling_matrix(shape[0], self.ratio)

    def read(self, z_start: int, z_stop: int) -> NDArray[np.float32]:
        """Return slices ``z_start`` to ``z_stop`` of the stream, float32 (z, y, x).

        ValueError where a value is not finite: a crop's carried normalisation, or one measured on a sample,
        would let it pass, and the network would make background of all that it touches.
        """
        if self.ratio == 1:
            slices = self._reader.read(z_start, z_stop).astype(np.float32)
        else:
            slices = np.stack([self._resampled_slice(z) for z in range(z_start, z_stop)])
        if not all_finite(slices):
            raise ValueError(f"{self._name}: values that are not finite; wanted numbers in every voxel")
        slices *= self._sign
        return slices if self.normalisation is None else self.normalisation.apply(slices)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the whole stream in blocks of a few slices."""
        for z_start in range(0, self.shape[0], _SLICES_AT_ONCE):
            yield self.read(z_start, min(z_start + _SLICES_AT_ONCE, self.shape[0]))

    def _resampled_slice(self, z: int) -> NDArray[np.float32]:
        row = self._z_weights[[z]]
        needed = row.indices.tolist()
        self._planes = {k: plane for k, plane in self._planes.items() if k >= min(needed)}
        result = np.zeros(self.shape[1:], np.float32)
        for index, weight in zip(needed, row.data, strict=True):
            if index not in self._planes:
                self._planes[index] = self._resample_plane(self._reader.read(index, index + 1)[0])
            result += weight * self._planes[index]
        return result


def target_pixel_size(
    pixel_size_angstrom: float, trained: tuple[float, float] | None, tolerance: float
) -> float:
    """Return the pixel size to work at: the tomogram's own, or the nearer end of the trained range.

    >>> target_pixel_size(12.5, (12.0, 14.0), 0.05), target_pixel_size(10.0, (12.0, 14.0), 0.05)
    (12.5, 12.0)
    """
    if trained is None or trained[0] * (1 - tolerance) <= pixel_size_angstrom <= trained[1] * (1 + tolerance):
        return pixel_size_angstrom
    return trained[0] if pixel_size_angstrom < trained[0] else trained[1]


def density_skewness(stream: TomogramStream) -> float:
    """Return the skewness of the central slices, averaged over 4 × 4 × 4 voxels.

    Crowded protein is a tail of the grey values: negative where protein is dark, positive where it is
    bright. A volume smaller than four voxels on an axis gives 0.
    """
    depth = stream.shape[0]
    used = min(depth, _SKEW_SLICES)
    binned = _binned(stream.read((depth - used) // 2, (depth - used) // 2 + used), _SKEW_BIN)
    if binned.size < 2 or not binned.std() > 0:
        return 0.0
    return float(np.mean(((binned - binned.mean()) / binned.std()) ** 3))


def _binned(volume: NDArray[np.float32], factor: int) -> NDArray[np.float64]:
    z, y, x = (length // factor for length in volume.shape)
    cut = volume[: z * factor, : y * factor, : x * factor]
    planes = cut.reshape(z, factor, y * factor, x * factor).sum(axis=1)  # first over whole rows: fast
    columns = planes.reshape(z, y, factor, x * factor).sum(axis=2)
    return columns.reshape(z, y, x, factor).sum(axis=3, dtype=np.float64) / factor**3
