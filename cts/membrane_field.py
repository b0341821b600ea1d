"""Placing membranes in a specimen, and what they are to everything placed later: walls, insides, normals."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cts.canvas import FIRST_MEMBRANE, FREE, OBJECT, Canvas
from cts.config.specimen import MembraneConfig
from cts.membrane import (
    Profile,
    Vesicle,
    apply_profile,
    bilayer_profile,
    draw_sheet,
    draw_tube,
    draw_vesicle,
    surface_points,
)
from cts.placement import bounded, first_fit
from tomoio.config import resolve

CYTOSOL, LUMEN, OUTSIDE = 0, 1, 2
LOGGER = logging.getLogger(__name__)

_TRIES = 60
_SHEET_TRIES = 40
_COARSE = 4  # voxels between which a sheet or tube is tested before it is drawn
_CLEARANCE_ANGSTROM = 15.0
_SMALLEST_RADIUS_NM = 8.0
_NESTED_RADIUS = (0.3, 0.6)
# share of a sheet's voxels that may run into other membranes before another sheet is drawn
_CROSSING_SHARE = 0.002


@dataclass(frozen=True)
class Surface:
    """Middle of a membrane that takes proteins.

    Attributes
    ----------
    points, normals
        Points and outward normals (point, 3), z, y, x, voxels; each stands for the area of a pixel.
    code
        Its code in the canvas.
    proteins
        How many proteins it takes.
    """

    points: NDArray[np.float64]
    normals: NDArray[np.float64]
    code: int
    proteins: int


@dataclass
class MembraneField:
    """All membranes of a specimen.

    Attributes
    ----------
    compartments
        ``CYTOSOL``, ``LUMEN`` (within closed membranes) or ``OUTSIDE`` (of the cell) for each voxel.
    surfaces
        Membranes that take proteins.
    records
        What was placed, for the manifest.
    without_room
        How many of each kind were wanted and found no room.
    distance_angstrom
        Signed distance to the nearest membrane, where it was asked for.
    """

    canvas: Canvas
    compartments: NDArray[np.uint8]
    distance_angstrom: NDArray[np.float32] | None
    surfaces: list[Surface] = field(default_factory=list)
    records: list[dict[str, object]] = field(default_factory=list)
    without_room: dict[str, int] = field(default_factory=dict)
    bilayers: int = 0

    def add(
        self,
        distance: NDArray[np.float32],
        start: NDArray[np.int64],
        config: MembraneConfig,
        profile: Profile,
        bare: bool,
    ) -> None:
        """Add one bilayer where the distance (voxels, for a block from ``start``) is zero."""
        pixel = self.canvas.pixel_size_angstrom
        potential, occupancy = apply_profile(distance, profile, pixel)
        corner = (int(start[0]), int(start[1]), int(start[2]))
        self.canvas.add_membrane(potential, occupancy, corner, self.bilayers)
        if not bare:
            points, normals = surface_points(distance, start)
            proteins = round(config.proteins_per_um2 * len(points) * (pixel * 1e-4) ** 2)
            if proteins:
                self.surfaces.append(Surface(points, normals, FIRST_MEMBRANE + self.bilayers, proteins))
        self.bilayers += 1
        self.records.append(
            {
                "kind": config.kind,
                "instance": self.canvas.instances,
                "leaflet_spacing_angstrom": round(config.leaflet_spacing_angstrom, 2),
                "bare": bool(bare),
            }
        )
        if self.distance_angstrom is not None:
            part = self.distance_angstrom[_slices(start, distance.shape)]
            own = distance * np.float32(pixel)
            np.copyto(part, own, where=np.abs(own) < np.abs(part))


def place_membranes(
    canvas: Canvas, groups: Sequence[MembraneConfig], rng: np.random.Generator, *, keep_distance: bool = False
) -> MembraneField:
    """Place groups of membranes in their order.

    Membranes keep clear of each other. Where a vesicle fits between closed faces it lies between them;
    otherwise, as sheets and tubes always are, it is cut.

    Parameters
    ----------
    canvas
        Specimen.
    groups
        Groups of membranes; ranges are drawn for each membrane, the count once.
    keep_distance
        Keep the signed distance to the nearest membrane: memory for one more volume.
    """
    distance = np.full(canvas.shape, np.inf, np.float32) if keep_distance else None
    membranes = MembraneField(canvas, np.zeros(canvas.shape, np.uint8), distance)
    place = {
        "vesicle": _place_vesicle,
        "double_vesicle": _place_vesicle,
        "sheet": _place_sheet,
        "tube": _place_tube,
        "plasma": _place_sheet,
    }
    for group in groups:
        wanted = resolve(group, rng).count
        placed = sum(place[group.kind](membranes, resolve(group, rng), rng) for _ in range(wanted))
        if placed < wanted:
            LOGGER.warning("%d of %d membranes (%s) found no room", wanted - placed, wanted, group.kind)
            membranes.without_room[group.kind] = membranes.without_room.get(group.kind, 0) + wanted - placed
    if distance is not None:
        complete_distance(distance, canvas.pixel_size_angstrom)
    return membranes


def complete_distance(distance_angstrom: NDArray[np.float32], pixel_size_angstrom: float) -> None:
    """Measure the distance to the nearest membrane, in place, where no membrane's own formula was evaluated.

    Vesicles are evaluated in a box about each; farther away the distance is that to the nearest voxel of a
    membrane's middle, plus what is left from there, with the sign of the side. A volume without membranes
    gets its diagonal.

    Parameters
    ----------
    distance_angstrom
        Signed distances, (z, y, x); infinite where none is known.
    pixel_size_angstrom
        Edge of a voxel.
    """
    pixel = np.float32(pixel_size_angstrom)
    middle = np.abs(distance_angstrom) <= pixel
    if not middle.any():
        distance_angstrom[:] = pixel * np.linalg.norm(distance_angstrom.shape)
        return
    steps, (z, y, x) = ndimage.distance_transform_edt(~middle, return_indices=True)
    rest = distance_angstrom[z, y, x]
    measured = np.copysign(pixel * steps.astype(np.float32) + np.abs(rest), rest)
    # the formula is the finer one wherever both speak of the same membrane
    np.copyto(distance_angstrom, measured, where=np.abs(measured) < np.abs(distance_angstrom) - pixel / 2)


def _place_vesicle(membranes: MembraneField, config: MembraneConfig, rng: np.random.Generator) -> bool:
    """Place a vesicle; a double one gets a second membrane inside, a nested one a smaller vesicle."""
    canvas = membranes.canvas
    centre = _add_vesicle(membranes, config, config.radius_nm * 10 / canvas.pixel_size_angstrom, None, rng)
    if centre is not None and config.kind == "vesicle" and rng.random() < config.nested_share:
        radius_nm = config.radius_nm * rng.uniform(*_NESTED_RADIUS)
        if radius_nm >= _SMALLEST_RADIUS_NM:
            _add_vesicle(membranes, config, radius_nm * 10 / canvas.pixel_size_angstrom, centre, rng)
    return centre is not None


def _add_vesicle(
    membranes: MembraneField,
    config: MembraneConfig,
    radius: float,
    within: NDArray[np.float64] | None,
    rng: np.random.Generator,
) -> NDArray[np.float64] | None:
    """Add a vesicle where it fits and return its centre; ``within`` is the centre of one that holds it."""
    canvas = membranes.canvas
    shape = draw_vesicle(radius, config.irregularity, rng)
    pixel = canvas.pixel_size_angstrom
    margin = (config.leaflet_spacing_angstrom / 2 + _CLEARANCE_ANGSTROM) / pixel
    offsets = np.rint(shape.cloud(margin)).astype(np.int32)
    voxels = _vesicle_centres(canvas, shape, margin, within, rng)
    code = canvas.code if within is not None else _with_insides(membranes)
    found = first_fit(canvas, bounded(offsets), voxels, 0.0, code=code, closed=(False, False, False))
    if found < 0:
        return None
    centre = voxels[found] + rng.uniform(-0.5, 0.5, 3)
    profile = bilayer_profile(config, pixel)
    reach = shape.greatest_radius + profile.reach_angstrom / pixel + 1
    start = np.maximum(np.floor(centre - reach).astype(np.int64), 0)
    stop = np.minimum(np.ceil(centre + reach).astype(np.int64) + 1, np.array(canvas.shape))
    distance = shape.distance(centre, start, stop)
    bare = bool(rng.random() < config.bare)
    membranes.add(distance, start, config, profile, bare)
    np.maximum(
        membranes.compartments[_slices(start, distance.shape)],
        (distance < 0) * np.uint8(LUMEN),
        out=membranes.compartments[_slices(start, distance.shape)],
    )
    gap = config.gap_nm * 10 / pixel
    if config.kind == "double_vesicle" and radius - gap > _SMALLEST_RADIUS_NM * 10 / pixel:
        membranes.add(distance + np.float32(gap), start, config, profile, bare)
    return centre


def _vesicle_centres(
    canvas: Canvas,
    shape: Vesicle,
    margin: float,
    within: NDArray[np.float64] | None,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw voxels for the centre of a vesicle."""
    if within is not None:
        shifts = rng.standard_normal((_TRIES, 3)) * shape.radius * 0.5
        return np.rint(within + shifts).astype(np.int64)
    reach = shape.greatest_radius + margin
    low, high = np.zeros(3), np.array(canvas.shape, dtype=np.float64)
    for axis in np.flatnonzero(canvas.closed):
        size = canvas.shape[axis]
        fits = 2 * reach < size
        low[axis], high[axis] = (reach, size - reach) if fits else (0.25 * size, 0.75 * size)
    points = rng.uniform(low, high, (_TRIES, 3))
    if 2 * shape.radius > min(canvas.shape[1:]):
        # centred in the field, a vesicle this large would show nothing of its membrane: let that pass there
        outwards = _flat_directions(_TRIES, rng)
        points -= outwards * shape.radii(outwards)[:, None]
    return np.floor(points).astype(np.int64)


def _flat_directions(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return random directions (direction, 3), z, y, x, within the plane of the film."""
    azimuths = rng.uniform(0, 2 * np.pi, count)
    return np.stack([np.zeros(count), np.sin(azimuths), np.cos(azimuths)], axis=1)


def _with_insides(membranes: MembraneField) -> NDArray[np.int16]:
    """Return codes in which the insides of membranes are filled."""
    inside = membranes.compartments != CYTOSOL
    return np.where(inside, np.int16(OBJECT), membranes.canvas.code)


def _place_sheet(membranes: MembraneField, config: MembraneConfig, rng: np.random.Generator) -> bool:
    """Place a plasma membrane, or a sheet: two membranes with a lumen between."""
    canvas = membranes.canvas
    pixel = canvas.pixel_size_angstrom
    profile = bilayer_profile(config, pixel)
    half = np.float32(0 if config.kind == "plasma" else config.gap_nm * 5 / pixel)
    for _ in range(_SHEET_TRIES):
        sheet = draw_sheet(canvas.shape, config.irregularity, config.radius_nm * 20 / pixel, rng)
        coarse = sheet.distance(canvas.shape, _COARSE)
        if _is_clear(membranes, np.abs(coarse) - half if half else coarse, profile.reach_angstrom / pixel):
            break
    else:
        return False
    height = sheet.distance(canvas.shape)
    distance = np.abs(height) - half if half else height
    bare = bool(rng.random() < config.bare)
    start = np.zeros(3, np.int64)
    if half:
        membranes.add(height - half, start, config, profile, bare)
        membranes.add(-height - half, start, config, profile, bare)
        membranes.compartments[distance < 0] = LUMEN
    else:
        membranes.add(distance, start, config, profile, bare)
        membranes.compartments[(distance > 0) & (membranes.compartments == CYTOSOL)] = OUTSIDE
    return True


def _place_tube(membranes: MembraneField, config: MembraneConfig, rng: np.random.Generator) -> bool:
    canvas = membranes.canvas
    pixel = canvas.pixel_size_angstrom
    profile = bilayer_profile(config, pixel)
    for _ in range(_SHEET_TRIES):
        tube = draw_tube(canvas.shape, config.radius_nm * 10 / pixel, config.irregularity, rng)
        if _is_clear(membranes, tube.distance(canvas.shape, _COARSE), profile.reach_angstrom / pixel):
            distance = tube.distance(canvas.shape)
            bare = bool(rng.random() < config.bare)
            membranes.add(distance, np.zeros(3, np.int64), config, profile, bare)
            membranes.compartments[distance < 0] = LUMEN
            return True
    return False


def _is_clear(membranes: MembraneField, distance: NDArray[np.float32], reach: float) -> bool:
    """Tell whether a membrane, given at every ``_COARSE``-th voxel, stays off all others."""
    near = np.abs(distance) < reach + 1
    taken = membranes.canvas.code[::_COARSE, ::_COARSE, ::_COARSE] != FREE
    hits = np.count_nonzero(near & taken)
    return bool(hits <= _CROSSING_SHARE * np.count_nonzero(near))


def _slices(start: NDArray[np.int64], shape: tuple[int, ...]) -> tuple[slice, slice, slice]:
    z, y, x = (slice(int(first), int(first) + size) for first, size in zip(start, shape, strict=True))
    return z, y, x
