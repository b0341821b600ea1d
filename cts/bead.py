"""Gold beads, and lumps of crystalline ice on the surfaces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from cts.canvas import Canvas
from cts.config.specimen import BeadConfig, ContaminationConfig
from cts.free_room import FreeRoom
from cts.membrane import Vesicle, draw_vesicle
from cts.placement import Placed, bounded, first_fit
from tomoio.config import resolve

GOLD_CLASS = "gold"
BACKGROUND_CLASS = "background"
BEAD_STRUCTURE = "gold_bead"
_SURFACE_SIGMA_PIXELS = 0.45
_BEAD_IRREGULARITY = 0.3  # gold colloids are nearly round
_LUMP_IRREGULARITY = 1.0


def add_beads(
    canvas: Canvas, config: BeadConfig, count: int, positions: int, tolerance: float, rng: np.random.Generator
) -> list[Placed]:
    """Add gold beads where there is room and return them.

    Parameters
    ----------
    canvas
        Specimen.
    config
        Beads; the radius is drawn for each.
    count
        Beads to try.
    positions
        Positions tested for each.
    tolerance
        Share of a bead that may lie in voxels that are filled.
    """
    room = FreeRoom(canvas)
    placed = []
    for _ in range(count):
        bead = resolve(config, rng)
        radius = bead.radius_angstrom / canvas.pixel_size_angstrom
        shape = draw_vesicle(radius, _BEAD_IRREGULARITY, rng)
        subvoxel = rng.uniform(-0.5, 0.5, 3)
        occupancy, start = _solid(shape, subvoxel)
        offsets = (np.argwhere(occupancy >= 0.5) + start).astype(np.int32)
        candidates = room.propose(radius, positions, rng)
        found = first_fit(canvas, bounded(offsets), candidates, tolerance) if len(offsets) else -1
        if found < 0:
            continue
        corner = candidates[found] + start
        instance = canvas.new_instance()
        _add_solid(canvas, occupancy, corner, bead.mean_volt, GOLD_CLASS, instance)
        where = candidates[found] + subvoxel
        placed.append(Placed(BEAD_STRUCTURE, 0, (0,), GOLD_CLASS, where, np.eye(3), instance))
    return placed


def add_contamination(
    canvas: Canvas, config: ContaminationConfig, count: int, rng: np.random.Generator
) -> None:
    """Add lumps of crystalline ice that sit on the top or bottom surface; they are background."""
    for _ in range(count):
        lump = resolve(config, rng)
        shape = draw_vesicle(lump.radius_angstrom / canvas.pixel_size_angstrom, _LUMP_IRREGULARITY, rng)
        surface = rng.integers(2) * (canvas.shape[0] - 1)
        centre = np.array([surface, *rng.uniform(0, canvas.shape[1:])])
        voxel = np.rint(centre).astype(np.int64)
        occupancy, start = _solid(shape, centre - voxel, -voxel, np.array(canvas.shape) - voxel)
        # ice lies about what is there; it does not cut into it
        _keep_free(canvas, occupancy, voxel + start)
        _add_solid(canvas, occupancy, voxel + start, lump.mean_volt, BACKGROUND_CLASS, canvas.new_instance())


def _solid(
    shape: Vesicle,
    subvoxel: NDArray[np.float64],
    low: NDArray[np.int64] | float = -np.inf,
    high: NDArray[np.int64] | float = np.inf,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the share of each voxel that a solid fills, and its first voxel relative to its centre.

    Voxels before ``low`` and from ``high`` on are left out.
    """
    reach = int(np.ceil(shape.greatest_radius)) + 2
    start = np.maximum(np.full(3, -reach), low).astype(np.int64)
    stop = np.minimum(np.full(3, reach + 1), high).astype(np.int64)
    distance = shape.distance(subvoxel, start, stop)
    return (special.erfc(distance / (np.sqrt(2) * _SURFACE_SIGMA_PIXELS)) / 2).astype(np.float32), start


def _add_solid(
    canvas: Canvas,
    occupancy: NDArray[np.float32],
    corner: NDArray[np.int64],
    volt: float,
    class_name: str,
    instance: int,
) -> None:
    start = (int(corner[0]), int(corner[1]), int(corner[2]))
    canvas.add((occupancy * np.float32(volt))[None], occupancy[None], start, (class_name,), instance)


def _keep_free(canvas: Canvas, occupancy: NDArray[np.float32], corner: NDArray[np.int64]) -> None:
    low = np.maximum(corner, 0)
    high = np.minimum(corner + np.array(occupancy.shape), np.array(canvas.shape))
    inner = tuple(slice(a, max(a, b)) for a, b in zip(low - corner, high - corner, strict=True))
    outer = tuple(slice(a, max(a, b)) for a, b in zip(low, high, strict=True))
    room = 1 - np.clip(canvas.occupancy[outer] + canvas.membrane_occupancy[outer], 0, 1)
    occupancy[inner] = np.minimum(occupancy[inner], room)
