"""Small structures of a few beads, whose potential can be written down."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cts.structure import Scatterer, Structure, Submodel

BEAD_SIGMA_ANGSTROM = 9.0
BEAD_INTEGRAL = 30_000.0
BEAD_VOLUME = 8_000.0

L_SHAPE = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 30.0], [0.0, 0.0, 60.0], [40.0, 0.0, 0.0], [0.0, 20.0, 0.0]])


def beads(
    structure_id: str, *parts: tuple[str, NDArray[np.float64]], sigma_angstrom: float = BEAD_SIGMA_ANGSTROM
) -> Structure:
    """Return a structure of Gaussian beads; each part is a class name and positions (bead, 3), x, y, z."""
    bead = Scatterer("bead", (BEAD_INTEGRAL,), (sigma_angstrom,), BEAD_VOLUME, BEAD_VOLUME / 1.21)
    submodels = tuple(
        Submodel(f"part{number}", name, np.asarray(positions, float), np.zeros(len(positions), np.int32))
        for number, (name, positions) in enumerate(parts)
    )
    return Structure(structure_id, submodels, (bead,))


def ball(radius_angstrom: float, spacing_angstrom: float = 8.0) -> NDArray[np.float64]:
    """Return points of a cubic lattice within a ball."""
    count = int(radius_angstrom / spacing_angstrom)
    axis = np.arange(-count, count + 1) * spacing_angstrom
    points = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    return points[(points**2).sum(axis=1) <= radius_angstrom**2]


def solid(
    structure_id: str, class_name: str, points: NDArray[np.float64], volume_angstrom3: float
) -> Structure:
    """Return a structure whose points fill a volume evenly at 8 V."""
    bead = Scatterer("bead", (8.0 * volume_angstrom3,), (4.0,), volume_angstrom3, volume_angstrom3 / 1.21)
    part = Submodel("part", class_name, points, np.zeros(len(points), np.int32))
    return Structure(structure_id, (part,), (bead,))
