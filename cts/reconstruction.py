"""Tilt series to tomogram in memory: weighted back-projection and simultaneous iterations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, irfft2, next_fast_len, rfft, rfft2

from cts.config.imaging import OpticsConfig, ReconstructionConfig
from cts.dose import exposure_filter
from cts.optics import flip_phases, frequencies_per_angstrom
from cts.projection import Doubles, Floats, back_project, back_project_rows, cut_rows, project, rows_per_block

_MEMORY_BYTES = 80_000_000  # of tomogram rows worked on at once


def angular_weights_rad(angles_deg: Doubles) -> Doubles:
    """Return the angle that each image stands for: half the gaps to its neighbours, whole gaps at the ends.

    Images at the same angle share it; a single image stands for half a turn.
    """
    angles = np.deg2rad(np.asarray(angles_deg, np.float64))
    distinct, index, copies = np.unique(angles, return_inverse=True, return_counts=True)
    if distinct.size == 1:
        return np.full(angles.size, np.pi / angles.size)
    gaps = np.diff(distinct)
    weights = 0.5 * (np.append(gaps[0], gaps) + np.append(gaps, gaps[-1]))
    return (weights / copies)[index]


def ramp_filter(length: int, cutoff: float, falloff: float) -> NDArray[np.float32]:
    """Return the ramp with IMOD's ``-RADIAL cutoff,falloff`` at the frequencies of an `rfft` of ``length``.

    It rises as |k| (cycles/pixel) to the cutoff and falls beyond it from its value there as
    exp(-((k - cutoff) / falloff)²). The ramp is that of the sampled kernel (Kak & Slaney 1988, eq. 3.61),
    which keeps the mean right where |k| sampled in frequency would not.
    """
    distance = np.minimum(np.arange(length), length - np.arange(length))
    kernel = np.zeros(length)
    odd = distance % 2 == 1
    kernel[odd] = -1 / (np.pi * distance[odd]) ** 2
    kernel[0] = 0.25
    ramp = rfft(kernel).real
    frequency = np.fft.rfftfreq(length)
    beyond = np.maximum(frequency - cutoff, 0)
    fall = np.exp(-((beyond / falloff) ** 2)) if falloff > 0 else (beyond == 0).astype(float)
    return (np.where(beyond > 0, np.interp(cutoff, frequency, ramp), ramp) * fall).astype(np.float32)


def normalise_images(images: Floats, config: ReconstructionConfig) -> None:
    """Bring images (angle, y, x) around zero, in place.

    ``mean``: image / its mean - 1, the contrast of electron counts. ``deviation``: less its mean, and all
    over one standard deviation, which works for any grey values and gives bright images, mostly those at low
    tilt, more weight.

    Raises
    ------
    ValueError
        If images that should hold electron counts have a mean of zero or less.
    """
    for index, image in enumerate(images):
        mean = image.mean(dtype=np.float64)
        if config.normalise == "deviation":
            image -= np.float32(mean)
            continue
        if mean <= 0:
            raise ValueError(
                f"image {index} has the mean {mean:g}; wanted electron counts, or normalise: deviation"
            )
        image /= np.float32(mean)
        image -= 1
    if config.normalise == "deviation":
        deviation = np.sqrt(np.mean([image.var(dtype=np.float64) for image in images]))
        images /= np.float32(deviation or 1.0)


@dataclass(frozen=True)
class Exposure:
    """What is known of one image of a tilt series.

    ``tilt_deg``; ``defocus_um`` at the tilt axis, positive = underfocus, None where unknown;
    ``prior_e_per_angstrom2`` and ``dose_e_per_angstrom2``: dose before and in this image, None where unknown.
    """

    tilt_deg: float
    defocus_um: float | None = None
    prior_e_per_angstrom2: float | None = None
    dose_e_per_angstrom2: float | None = None


def correct_image(
    image: Floats,
    exposure: Exposure,
    pixel_size_angstrom: float,
    optics: OpticsConfig,
    config: ReconstructionConfig,
) -> Floats:
    """Flip phases and damp an aligned image by its exposure, where the configuration asks for it.

    Raises
    ------
    ValueError
        If the defocus or the exposure that this needs is not known.
    """
    if config.ctf_correction == "phase_flip":
        if exposure.defocus_um is None:
            raise ValueError(f"no defocus for the image at {exposure.tilt_deg:g}°; wanted for phase flipping")
        image = flip_phases(image, exposure.tilt_deg, exposure.defocus_um, pixel_size_angstrom, optics)
    if config.dose_weight:
        if exposure.prior_e_per_angstrom2 is None:
            raise ValueError(
                f"no exposure for the image at {exposure.tilt_deg:g}°; wanted for weighting by dose"
            )
        total = exposure.prior_e_per_angstrom2 + (exposure.dose_e_per_angstrom2 or 0)
        rows, columns = frequencies_per_angstrom((image.shape[0], image.shape[1]), pixel_size_angstrom)
        kept = exposure_filter(np.hypot(rows[:, None], columns), total, optics.voltage_kv)
        image = irfft2(rfft2(image) * kept, s=image.shape)
    return image


def filter_images(images: Floats, angles_deg: Doubles, config: ReconstructionConfig) -> Floats:
    """Return images (angle, y, x) filtered along x and weighted for back-projection.

    Each row is continued beyond its ends by a straight line from the right end to the left one, so that the
    filter meets no step there.
    """
    width = images.shape[2]
    length = next_fast_len(width + max(64, width // 4), real=True)
    ramp = ramp_filter(length, config.radial_cutoff, config.radial_falloff)
    fade = np.linspace(0, 1, length - width + 2, dtype=np.float32)[1:-1]
    padded = np.empty((images.shape[1], length), np.float32)
    filtered = np.empty_like(images)
    for image, weight, out in zip(images, angular_weights_rad(angles_deg), filtered, strict=True):
        padded[:, :width] = image
        padded[:, width:] = image[:, -1:] * (1 - fade) + image[:, :1] * fade
        out[:] = irfft(rfft(padded) * (ramp * np.float32(weight)), n=length)[:, :width]
    return filtered


def reconstruct_rows(
    images: Floats,
    angles_deg: Doubles,
    depth: int,
    config: ReconstructionConfig,
    width: int | None = None,
) -> Iterator[tuple[int, Floats]]:
    """Reconstruct a tomogram a few rows at a time.

    Parameters
    ----------
    images
        Aligned images (angle, y, x) around zero, the tilt axis vertical through their centre; float32.
    angles_deg
        Tilt angles, degrees.
    depth
        Voxels along z.
    config
        Method and filter.
    width
        Voxels along x; as many as the images have columns where not given.

    Yields
    ------
    The first row, and rows of the tomogram (z, rows, x): density in units of the images for one voxel of
    path, centred on the images' centre.
    """
    together = _rows_together(images.shape[1], depth * (width or images.shape[2]))
    for start in range(0, images.shape[1], together):
        rows = images[:, start : start + together]
        if config.method == "sirt":
            yield start, _iterate(rows, angles_deg, depth, config.iterations, width)
        else:
            blocks = cut_rows(filter_images(rows, angles_deg, config))
            for offset, part in back_project_rows(blocks, angles_deg, depth, width):
                yield start + offset, part


def _rows_together(ny: int, voxels_per_row: int) -> int:
    """Return how many rows to work on at once: a block for each thread, within bounds of memory."""
    threads = numba.get_num_threads()
    affordable = _MEMORY_BYTES // (4 * voxels_per_row * threads) // 8 * 8
    return threads * min(rows_per_block(ny), max(8, affordable))


def reconstruct(
    images: Floats,
    angles_deg: Doubles,
    depth: int,
    config: ReconstructionConfig,
    width: int | None = None,
) -> Floats:
    """Reconstruct a tomogram (z, y, x) in memory. See `reconstruct_rows`."""
    volume = np.empty((depth, images.shape[1], width or images.shape[2]), np.float32)
    write_rows(volume, reconstruct_rows(images, angles_deg, depth, config, width))
    return volume


def write_rows(target: NDArray[Any], rows: Iterator[tuple[int, Floats]]) -> None:
    """Put rows into a volume (z, y, x), which may be a file mapped into memory."""
    for start, part in rows:
        target[:, start : start + part.shape[1]] = part


def _iterate(images: Floats, angles_deg: Doubles, depth: int, iterations: int, width: int | None) -> Floats:
    """Run SIRT on a few rows (Gregor & Benson 2008): x += C Aᵀ R (b - A x), from zero."""
    detector = images.shape[2]
    width = width or detector
    ones = cut_rows(np.ones((depth, 1, width), np.float32))
    per_ray = _reciprocal(project(ones, angles_deg, width=detector)[:, 0])
    per_voxel = _reciprocal(back_project(np.ones_like(images[:, :1]), angles_deg, depth, width))
    volume = np.zeros((depth, images.shape[1], width), np.float32)
    for _ in range(iterations):
        simulated = project(cut_rows(volume), angles_deg, width=detector)[:, 0]
        volume += per_voxel * back_project((images - simulated) * per_ray, angles_deg, depth, width)
    return volume


def _reciprocal(values: Floats) -> Floats:
    return np.divide(1, values, out=np.zeros_like(values), where=values > 1e-3)
