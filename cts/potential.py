"""Rendering structures as band-limited volumes of potential and excluded volume, ready to be stamped.

A structure is transformed once (`render`): the exact Fourier transform of its atoms, cut to the band of the
pixel size, becomes spline coefficients on a grid of half a pixel. Each placement (`stamp`) then samples that
spline at the rotated and shifted voxels. Nothing is rasterised twice and nothing aliases.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from cts.gridding import kernel_transform, spread
from cts.stamping import Stamp, sample_box, sample_spline
from cts.structure import Scatterer, Structure, Submodel

LOGGER = logging.getLogger(__name__)

# samples of the rendered grid per pixel: at two, the cubic spline errs by less than 1 % at 0.45 cycles/pixel
OVERSAMPLING = 2
# the band is kept to 0.45 cycles/pixel (99 %) and falls from there as an error function; what folds back onto
# the kept band comes from beyond 0.55, where a seventh is left, and only close to the directions of the axes
_HALF_CYCLES_PER_PIXEL = 0.52
_FALL_CYCLES_PER_PIXEL = 0.04
_STOP_CYCLES_PER_PIXEL = 0.65
# the excluded volume is smoothed a little, so that the sharp band rings less
_OCCUPANCY_SIGMA_PIXELS = 0.25
# width of an atom's excluded volume: as wide as it takes to close the gaps between the atoms of a molecule
_OCCUPANCY_SIGMA_ANGSTROM = 2.8
# what is kept around the outermost atom, and over how much of it the band's ringing fades out
_MARGIN_PIXELS = 5.0
_FADE_PIXELS = 2.5
# profiles of scattering factors along the radius, and those whose share is less than this are left out
_PROFILE_SAMPLES = 128
_RANK_TOLERANCE = 3e-4
# of a rendered grid, at some 40 bytes each: room for a virus of 100 nm at 4 Å, not for an atom gone astray
_MOST_SAMPLES = 200_000_000


@dataclass(frozen=True)
class RenderedStructure:
    """A structure as spline coefficients on a grid finer than the pixel.

    Attributes
    ----------
    structure_id
        Name.
    class_names
        Class of each submodel.
    coefficients
        Cubic B-spline coefficients, float32, shape (submodel, z, y, x, 2): potential in vacuum (V), excluded
        volume (fraction). Odd along z, y and x; the middle sample is the structure's origin.
    pixel_size_angstrom
        Pixel size that the band is made for.
    sampling_angstrom
        Distance of the samples.
    mass_da
        Mass.
    radius_angstrom
        Distance of the farthest atom from the origin.
    """

    structure_id: str
    class_names: tuple[str, ...]
    coefficients: NDArray[np.float32]
    pixel_size_angstrom: float
    sampling_angstrom: float
    mass_da: float
    radius_angstrom: float

    @property
    def potential_volt(self) -> NDArray[np.float32]:
        """Potential in vacuum at the grid's samples, shape (submodel, z, y, x), V."""
        return _spline_values(self.coefficients[..., 0])

    @property
    def occupancy(self) -> NDArray[np.float32]:
        """Fraction of each sample that is excluded from the solvent, shape (submodel, z, y, x)."""
        return _spline_values(self.coefficients[..., 1])


def render(structure: Structure, pixel_size_angstrom: float) -> RenderedStructure:
    """Render a structure for one pixel size.

    The potential is exact up to 0.45 cycles/pixel in any direction and zero beyond 0.6. Excluded volume is a
    Gaussian for each atom, smooth, and integrates to the sum of the atoms' volumes.

    Parameters
    ----------
    structure
        Structure.
    pixel_size_angstrom
        Pixel size of the model that it is to be stamped into.

    Raises
    ------
    ValueError
        If the pixel size is not positive, or the structure too large for it.
    """
    if not pixel_size_angstrom > 0:
        raise ValueError(f"pixel size {pixel_size_angstrom} Å; wanted a positive number")
    sampling = pixel_size_angstrom / OVERSAMPLING
    wanted = _box_shape(structure, sampling)
    if math.prod(wanted) > _MOST_SAMPLES:
        raise ValueError(
            f"{structure.structure_id}: an atom lies {structure.radius_angstrom:.0f} Å from the origin, too "
            f"far to be rendered at {pixel_size_angstrom:g} Å; wanted a smaller structure or larger pixels"
        )
    shape = _transform_shape(wanted)
    frequencies = _frequency_grid(shape, sampling)
    filters = _filters(frequencies, pixel_size_angstrom)
    parts = [
        _render_submodel(part, structure.scatterers, sampling, shape, filters) for part in structure.submodels
    ]
    return RenderedStructure(
        structure_id=structure.structure_id,
        class_names=tuple(part.class_name for part in structure.submodels),
        coefficients=_crop(np.stack(parts), wanted),
        pixel_size_angstrom=pixel_size_angstrom,
        sampling_angstrom=sampling,
        mass_da=structure.mass_da,
        radius_angstrom=structure.radius_angstrom,
    )


def stamp(
    rendered: RenderedStructure,
    rotation: NDArray[np.float64],
    subvoxel_zyx: NDArray[np.float64] | tuple[float, float, float],
) -> Stamp:
    """Sample a rotated and shifted structure on the pixel grid.

    Parameters
    ----------
    rendered
        What `render` returned.
    rotation
        Matrix (3, 3) on xyz columns that takes the reference onto the particle.
    subvoxel_zyx
        Where the structure's origin lies relative to the centre of the voxel that it is placed in, voxels,
        any real numbers (mostly -0.5 to 0.5).

    Returns
    -------
    Stamp
        Its ``corner`` is the index of its first voxel relative to that voxel: add the voxel's index.
    """
    turn = np.ascontiguousarray(rotation, dtype=np.float64)
    shift = np.asarray(subvoxel_zyx, dtype=np.float64)
    shape = rendered.coefficients.shape[1:4]
    # the corners of the box lie farther from every atom than the margin
    radius = rendered.radius_angstrom / rendered.pixel_size_angstrom + _MARGIN_PIXELS
    corner, size = sample_box(shape, OVERSAMPLING, turn, shift, radius)
    values = np.zeros((2, rendered.coefficients.shape[0], *size), dtype=np.float32)
    first = np.array(corner, dtype=np.float64) - shift
    sample_spline(rendered.coefficients, OVERSAMPLING, turn, first, values)
    return Stamp(potential_volt=values[0], occupancy=values[1], corner=corner)


@dataclass(frozen=True)
class _Frequencies:
    """Frequencies of a real transform: per axis in cycles per sample, and their length in cycles/Å."""

    axes: tuple[NDArray[np.float64], ...]
    length_per_angstrom: NDArray[np.float32]


@dataclass(frozen=True)
class _Filters:
    """What turns the gridded points into spline coefficients: per quantity, and the band that it keeps."""

    length_per_angstrom: NDArray[np.float32]
    potential: NDArray[np.float32]
    occupancy: NDArray[np.float32]
    band_per_angstrom: float


def _box_shape(structure: Structure, sampling_angstrom: float) -> tuple[int, int, int]:
    """Return an odd grid (z, y, x) that holds the structure and its margin about its middle."""
    extents = np.max([np.abs(part.positions_angstrom).max(axis=0) for part in structure.submodels], axis=0)
    halves = np.ceil(extents / sampling_angstrom + _MARGIN_PIXELS * OVERSAMPLING)
    z, y, x = (2 * int(half) + 1 for half in halves[::-1])
    return z, y, x


def _transform_shape(box: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the least odd grid about a box that is fast to transform."""
    z, y, x = (_odd_fast_length(length) for length in box)
    return z, y, x


def _odd_fast_length(minimum: int) -> int:
    """Return the least odd number from ``minimum`` on whose prime factors are 3, 5, 7 and 11."""
    length = minimum | 1
    while fft.next_fast_len(length, real=False) != length:
        length += 2
    return length


def _crop(grid: NDArray[np.float32], box: tuple[int, int, int]) -> NDArray[np.float32]:
    """Cut the middle out of an odd grid (submodel, z, y, x, quantity), fading out towards the box's faces.

    The faces cut through the ringing of the band, which has the band's highest frequency: where it fades
    instead of breaking off, low frequencies, the integral among them, stay as they are.
    """
    starts = [(have - want) // 2 for have, want in zip(grid.shape[1:4], box, strict=True)]
    z, y, x = (slice(start, start + want) for start, want in zip(starts, box, strict=True))
    cut = np.ascontiguousarray(grid[:, z, y, x])
    for axis, length in enumerate(box, start=1):
        to_face = np.minimum(np.arange(length), np.arange(length)[::-1]) / (_FADE_PIXELS * OVERSAMPLING)
        fade = np.sin(np.pi / 2 * np.clip(to_face, 0, 1)) ** 2
        cut *= fade.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(5)])
    return cut


def _frequency_grid(shape: tuple[int, int, int], sampling_angstrom: float) -> _Frequencies:
    axes = tuple(
        np.asarray(f, dtype=np.float64)
        for f in (np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1]), np.fft.rfftfreq(shape[2]))
    )
    squares = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2
    return _Frequencies(axes, (np.sqrt(squares) / sampling_angstrom).astype(np.float32))


def _filters(frequencies: _Frequencies, pixel_size_angstrom: float) -> _Filters:
    sampling = pixel_size_angstrom / OVERSAMPLING
    correction = np.full((1, 1, 1), 1 / sampling**3, dtype=np.float32)
    for axis, values in enumerate(frequencies.axes):
        spline = 2 / 3 + np.cos(2 * np.pi * values) / 3
        # points are placed about the middle sample; the transform puts the first sample at the origin
        along = 1 / (spline * kernel_transform(values))
        correction = correction * along.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    cycles = frequencies.length_per_angstrom * np.float32(pixel_size_angstrom)
    band = correction * _low_pass(cycles)
    smooth = np.exp(-2 * np.pi**2 * _OCCUPANCY_SIGMA_PIXELS**2 * cycles**2)
    stop = _STOP_CYCLES_PER_PIXEL / pixel_size_angstrom
    return _Filters(frequencies.length_per_angstrom, band, band * smooth, stop)


def _low_pass(cycles_per_pixel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a smooth step from one at 0.45 to zero at 0.6 cycles/pixel."""
    return (special.erfc((cycles_per_pixel - _HALF_CYCLES_PER_PIXEL) / _FALL_CYCLES_PER_PIXEL) / 2).astype(
        np.float32
    )


def _render_submodel(
    part: Submodel,
    scatterers: tuple[Scatterer, ...],
    sampling_angstrom: float,
    shape: tuple[int, int, int],
    filters: _Filters,
) -> NDArray[np.float32]:
    """Return the spline coefficients of one submodel, shape (z, y, x, 2)."""
    used, kinds = np.unique(part.scatterers, return_inverse=True)
    table = tuple(scatterers[index] for index in used)
    lengths = np.linspace(0, filters.band_per_angstrom * 1.05, _PROFILE_SAMPLES)
    mixings, bases = zip(
        _factorise(_potential_transforms(table, lengths)),
        _factorise(_occupancy_transforms(table, lengths)),
        strict=True,
    )
    grids = np.zeros((sum(len(basis) for basis in bases), *shape), dtype=np.float32)
    weights = np.concatenate(mixings, axis=1)[kinds] * part.multiplicities[:, None]
    middle = (np.array(shape[::-1]) - 1) / 2
    spread(grids, part.positions_angstrom / sampling_angstrom + middle, weights.astype(np.float32))
    coefficients = np.empty((*shape, 2), dtype=np.float32)
    first = 0
    for quantity, (basis, band) in enumerate(zip(bases, (filters.potential, filters.occupancy), strict=True)):
        own = grids[first : first + len(basis)]
        spectrum = sum(
            fft.rfftn(grid) * _radial(filters.length_per_angstrom, lengths, profile)
            for grid, profile in zip(own, basis, strict=True)
        )
        coefficients[..., quantity] = fft.irfftn(spectrum * band, s=shape)
        first += len(basis)
    return coefficients


def _radial(
    distances: NDArray[np.float32], lengths: NDArray[np.float64], profile: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return a radial profile on a grid of distances; zero beyond its end."""
    return np.interp(distances, lengths, profile, right=0.0).astype(np.float32)


def _potential_transforms(
    scatterers: tuple[Scatterer, ...], lengths_per_angstrom: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the Fourier transforms of the scatterers' potentials, shape (scatterer, length), V Å³."""
    squares = 2 * np.pi**2 * lengths_per_angstrom**2
    return np.array(
        [
            sum(
                integral * np.exp(-squares * sigma**2)
                for integral, sigma in zip(kind.integrals_volt_angstrom3, kind.sigmas_angstrom, strict=True)
            )
            + 0 * squares
            for kind in scatterers
        ]
    )


def _occupancy_transforms(
    scatterers: tuple[Scatterer, ...], lengths_per_angstrom: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the transforms of the excluded volumes, shape (scatterer, length), Å³.

    Each is a Gaussian as wide as its widest potential, at least wide enough to fill a molecule.
    """
    squares = 2 * np.pi**2 * lengths_per_angstrom**2
    widths = [max(_OCCUPANCY_SIGMA_ANGSTROM, *kind.sigmas_angstrom, 0.0) for kind in scatterers]
    return np.array(
        [kind.volume_angstrom3 * np.exp(-squares * w**2) for kind, w in zip(scatterers, widths, strict=True)]
    )


def _factorise(
    transforms: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split transforms (kind, length) into few profiles: mixing (kind, rank) @ profiles (rank, length).

    Within the band of a pixel the transforms of all elements look alike, so that one to three profiles stand
    for any number of elements, and only as many grids have to be transformed.
    """
    # the eigenvectors of the small square matrix are the left singular vectors
    squares, left = np.linalg.eigh(transforms @ transforms.T)
    kept = squares > (_RANK_TOLERANCE * np.sqrt(squares[-1])) ** 2
    return left[:, kept], left[:, kept].T @ transforms


def _spline_values(coefficients: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the values of a cubic B-spline at its knots; zero beyond the grid."""
    values: NDArray[np.floating] = coefficients
    for axis in (-3, -2, -1):
        width = [(0, 0)] * values.ndim
        width[axis] = (1, 1)
        padded = np.moveaxis(np.pad(values, width), axis, 0)
        values = np.moveaxis((padded[:-2] + 4 * padded[1:-1] + padded[2:]) / 6, 0, axis)
    return np.ascontiguousarray(values, dtype=np.float32)
