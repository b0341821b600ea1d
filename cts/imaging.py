"""One exposure after another: from a specimen's potential to electrons on the camera.

For each tilt: project the potential; share it out by defocus (columns or heights); multiply its transform by
CTF, what radiation damage leaves, √DQE and the shift that alignment leaves; expected electrons are dose ×
pixel area × transmission × (1 + contrast); draw counts; filter them by the noise transfer function.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cts.config.imaging import OpticsConfig, SampleConfig, SimulationConfig, number
from cts.detector import camera_frequencies, curve_at
from cts.dose import (
    doses_e_per_angstrom2,
    exposure_filter,
    exposure_order,
    nominal_tilts_deg,
    prior_exposures_e_per_angstrom2,
)
from cts.optics import (
    column_defocus_angstrom,
    damping,
    defocus_levels_angstrom,
    delocalisation_px,
    frequencies_per_angstrom,
    interaction_constant_rad_per_volt_angstrom,
    padded_length,
    strip_weights,
    transfer,
)
from cts.projection import Doubles, Floats, RowBlocks, Slabs, project
from cts.sample import Surfaces, path_angstrom, transmission

_TOGETHER = 4  # tilts projected in one pass over the specimen


@dataclass(frozen=True)
class Specimen:
    """A model ready for imaging: its potential less the mean, V, in blocks of rows, and its voxel size."""

    potential: RowBlocks
    pixel_size_angstrom: float

    @property
    def thickness_angstrom(self) -> float:
        return self.potential.shape[0] * self.pixel_size_angstrom

    @property
    def image_shape(self) -> tuple[int, int]:
        return self.potential.shape[1], self.potential.shape[2]


@dataclass(frozen=True)
class Shot:
    """One image of a series: what was asked for and what the microscope did.

    ``shift_angstrom`` (x, y) is what alignment leaves; ``order`` counts exposures from 0.
    """

    tilt_deg: float
    true_tilt_deg: float
    defocus_um: float
    dose_e_per_angstrom2: float
    prior_e_per_angstrom2: float
    order: int
    shift_angstrom: tuple[float, float]


def plan_series(config: SimulationConfig, rng: np.random.Generator) -> tuple[Shot, ...]:
    """Return the images of a series by rising tilt angle; ``config`` must have its ranges drawn."""
    angles = nominal_tilts_deg(config.tilt)
    order = exposure_order(angles, config.dose)
    doses = doses_e_per_angstrom2(angles, config.dose)
    prior = prior_exposures_e_per_angstrom2(doses, order)
    rank = np.argsort(order)
    errors = rng.uniform(-1, 1, angles.size) * number(config.tilt.angle_error_deg)
    jitter = rng.standard_normal(angles.size) * number(config.optics.defocus_jitter_um)
    shifts = rng.standard_normal((angles.size, 2)) * number(config.tilt.misalignment_angstrom)
    true = np.clip(angles + errors, -89, 89)
    defocus = number(config.optics.defocus_um) + jitter
    return tuple(
        Shot(
            float(angles[i]),
            float(true[i]),
            float(defocus[i]),
            float(doses[i]),
            float(prior[i]),
            int(rank[i]),
            (float(shifts[i, 0]), float(shifts[i, 1])),
        )
        for i in range(angles.size)
    )


def clean_contrast(specimen: Specimen, tilt_deg: float, optics: OpticsConfig, sample: SampleConfig) -> Floats:
    """Return -2σ times the projected potential (y, x): contrast of a microscope without CTF."""
    image = project(specimen.potential, [tilt_deg], mirror=sample.surroundings == "mirror")[0, 0]
    sigma = interaction_constant_rad_per_volt_angstrom(optics.voltage_kv)
    return image * np.float32(-2 * sigma * specimen.pixel_size_angstrom)


@dataclass(frozen=True)
class View:
    """A projected specimen, shared out by defocus, with margins for what the CTF carries across its edges.

    ``parts`` (part, y, x), V Å; ``defocus_um`` of each part; ``inside`` cuts the image out of the margins.
    """

    parts: Floats
    defocus_um: Doubles
    inside: tuple[slice, slice]

    @property
    def shape(self) -> tuple[int, int]:
        return self.parts.shape[1], self.parts.shape[2]


@dataclass(frozen=True)
class _Frame:
    """Size of an image with margins for the CTF (height, width), and where the image lies in it."""

    height: int
    width: int
    inside: tuple[slice, slice]


def _frame(specimen: Specimen, shot: Shot, config: SimulationConfig) -> _Frame:
    pixel_size, optics = specimen.pixel_size_angstrom, config.optics
    ny, nx = specimen.image_shape
    slope = abs(math.tan(math.radians(shot.true_tilt_deg)))
    reach = 0.5e-4 * (nx * slope * pixel_size + specimen.thickness_angstrom)
    margin = delocalisation_px(optics, shot.defocus_um + reach, pixel_size)
    width, height = padded_length(nx, margin), padded_length(ny, margin)
    top, left = (height - ny) // 2, (width - nx) // 2
    return _Frame(height, width, (slice(top, top + ny), slice(left, left + nx)))


def view_specimens(specimen: Specimen, shots: Sequence[Shot], config: SimulationConfig) -> Iterator[View]:
    """Project a specimen at the true tilts of shots, one after another.

    Beyond the model's faces in x the specimen continues (`SampleConfig.surroundings`), so margins in x are
    projected; margins in y mirror the image. A few tilts are projected together, which reads the specimen
    once for all of them.
    """
    mirror = config.sample.surroundings == "mirror"
    if config.optics.depth == "slabs":
        for shot in shots:
            yield _cut_by_height(specimen, shot, config.optics, _frame(specimen, shot, config), mirror)
        return
    for first in range(0, len(shots), _TOGETHER):
        together = shots[first : first + _TOGETHER]
        frames = [_frame(specimen, shot, config) for shot in together]
        width = max(frame.width for frame in frames)
        angles = [shot.true_tilt_deg for shot in together]
        images = project(specimen.potential, angles, width=width, mirror=mirror)[:, 0]
        for shot, frame, image in zip(together, frames, images, strict=True):
            left = (width - frame.width) // 2  # all widths are even or all are odd
            cut = image[:, left : left + frame.width]
            yield _cut_by_column(cut, shot, config.optics, frame, specimen.pixel_size_angstrom)


def view_specimen(specimen: Specimen, shot: Shot, config: SimulationConfig) -> View:
    """Project a specimen at one shot's true tilt. See `view_specimens`."""
    return next(view_specimens(specimen, [shot], config))


def _mirror_margins(parts: Floats, margin: int) -> None:
    """Fill the margins in y of ``parts`` (part, y, x) with what lies between them, mirrored at its edges."""
    ny = parts.shape[1] - 2 * margin
    rows = np.arange(-margin, ny + margin)
    outside = (rows < 0) | (rows >= ny)
    folded = rows[outside] % (2 * ny)
    parts[:, outside] = parts[:, margin + np.minimum(folded, 2 * ny - 1 - folded)]


def _cut_by_column(
    image: Floats, shot: Shot, optics: OpticsConfig, frame: _Frame, pixel_size_angstrom: float
) -> View:
    """Share a projection, V voxels, out among strips of one defocus each."""
    offsets = column_defocus_angstrom(frame.width, shot.true_tilt_deg, pixel_size_angstrom)
    levels = defocus_levels_angstrom(offsets.min(), offsets.max(), optics, pixel_size_angstrom)
    weights = strip_weights(offsets, levels) * np.float32(pixel_size_angstrom)
    parts = np.empty((levels.count, frame.height, frame.width), np.float32)
    np.multiply(image, weights[:, None, :], out=parts[:, frame.inside[0]])
    _mirror_margins(parts, frame.inside[0].start)
    centres = levels.first_height + levels.spacing * np.arange(levels.count)
    return View(parts, shot.defocus_um + 1e-4 * centres, frame.inside)


def _cut_by_height(specimen: Specimen, shot: Shot, optics: OpticsConfig, frame: _Frame, mirror: bool) -> View:
    """Project slabs of equal height above the tilt axis."""
    pixel_size = specimen.pixel_size_angstrom
    radians = math.radians(shot.true_tilt_deg)
    # The highest point that the detector sees: half the slab along the beam, and its midplane at the edge.
    reach = 0.5 * specimen.potential.shape[0] / math.cos(radians) + 0.5 * frame.width * abs(math.tan(radians))
    heights = defocus_levels_angstrom(-reach * pixel_size, reach * pixel_size, optics, pixel_size)
    slabs = Slabs(heights.first_height / pixel_size, heights.spacing / pixel_size, heights.count)
    angle = [shot.true_tilt_deg]
    image = project(specimen.potential, angle, width=frame.width, mirror=mirror, slabs=slabs)[0]
    image *= np.float32(pixel_size)
    margin = frame.inside[0].start
    parts = np.pad(image, [(0, 0), (margin, margin), (0, 0)], mode="symmetric")
    # Higher is nearer the source and less underfocused.
    centres = heights.first_height + heights.spacing * np.arange(heights.count)
    return View(parts, shot.defocus_um - 1e-4 * centres, frame.inside)


def image_contrast(view: View, shot: Shot, pixel_size_angstrom: float, config: SimulationConfig) -> Floats:
    """Return the contrast (y, x) behind the lens of an undamaged specimen, misalignment included."""
    factor = _lens_factor(view.shape, shot, pixel_size_angstrom, config)
    return transfer(view.parts, view.defocus_um, pixel_size_angstrom, config.optics, factor)[view.inside]


def recorded_contrast(view: View, shot: Shot, pixel_size_angstrom: float, config: SimulationConfig) -> Floats:
    """Return the contrast (y, x) that the camera records of the specimen as damaged so far."""
    rows, columns = frequencies_per_angstrom(view.shape, pixel_size_angstrom)
    frequency = np.hypot(rows[:, None], columns)
    # The specimen as it is half-way through the exposure.
    exposure = shot.prior_e_per_angstrom2 + 0.5 * shot.dose_e_per_angstrom2
    scaled = number(config.dose.radiation_damage) * exposure
    factor = _lens_factor(view.shape, shot, pixel_size_angstrom, config)
    factor *= exposure_filter(frequency, scaled, config.optics.voltage_kv)
    camera = camera_frequencies(view.shape, pixel_size_angstrom, config.detector)
    factor *= np.sqrt(curve_at(config.detector.dqe, camera)).astype(np.float32)
    return transfer(view.parts, view.defocus_um, pixel_size_angstrom, config.optics, factor)[view.inside]


def _lens_factor(
    shape: tuple[int, int], shot: Shot, pixel_size_angstrom: float, config: SimulationConfig
) -> NDArray[np.complex64]:
    """Return the damping of the lens and the shift of the image."""
    rows, columns = frequencies_per_angstrom(shape, pixel_size_angstrom)
    x, y = shot.shift_angstrom
    shift = np.exp(-2j * np.pi * y * rows)[:, None] * np.exp(-2j * np.pi * x * columns)
    kept = damping(np.hypot(rows[:, None], columns), pixel_size_angstrom, config.optics)
    return (shift * kept).astype(np.complex64)


def expected_electrons(
    contrast: Floats, shot: Shot, specimen: Specimen, config: SimulationConfig, surfaces: Surfaces | None
) -> Floats:
    """Return expected electrons per pixel: dose × pixel area × transmission × (1 + contrast)."""
    shape = (contrast.shape[0], contrast.shape[1])
    asked = config.sample.thickness_angstrom
    thickness = specimen.thickness_angstrom if asked is None else number(asked)
    path = path_angstrom(shape, shot.true_tilt_deg, thickness, specimen.pixel_size_angstrom, surfaces)
    incident = np.float32(shot.dose_e_per_angstrom2 * specimen.pixel_size_angstrom**2)
    return incident * transmission(path, config.sample, config.optics.voltage_kv) * (1 + contrast)
