"""Microtubule lattices of 8 to 20 protofilaments from one tubulin dimer.

The reference dimer has its centre of mass in the origin, z along the protofilament, and x pointing away from
the axis of the microtubule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# distance between protofilaments: Chrétien & Wade (1991), Biol. Cell 71, 161; the radius follows from it
PROTOFILAMENT_SPACING_ANGSTROM = 51.5
# in the 13-protofilament lattice protofilaments run straight: 3 monomers per turn of the shallow helix
_STRAIGHT_PROTOFILAMENTS = 13
_STRAIGHT_STARTS = 3


@dataclass(frozen=True)
class Lattice:
    """One turn of dimers, and how it repeats along the axis.

    Attributes
    ----------
    rotations, positions_angstrom
        Of each dimer about the axis (z) of the microtubule, (dimer, 3, 3) and (dimer, 3), columns x, y, z.
    rise_angstrom, twist_deg
        From one turn to the next.
    radius_angstrom
        Distance of the dimers from the axis.
    """

    rotations: NDArray[np.float64]
    positions_angstrom: NDArray[np.float64]
    rise_angstrom: float
    twist_deg: float
    radius_angstrom: float


def microtubule_lattice(protofilaments: int, dimer_rise_angstrom: float) -> Lattice:
    """Return a B lattice: neighbours along the shallow left-handed helix are of one kind, but for the seam.

    Protofilament j stands at azimuth 2πj/N and is shifted down by j S a/N (monomer length a, S starts). After
    one turn the shift is S monomers; where S is odd, alpha meets beta there: the seam. The protofilaments of
    lattices other than 13 with three starts are skewed so that the lateral contacts stay alike: a twist of
    (S a/N - 3a/13) / (spacing × radius) per unit of length (lattice accommodation: Wade, Chrétien & Job 1990,
    J. Mol. Biol. 212, 775).

    Parameters
    ----------
    protofilaments
        Number of protofilaments N.
    dimer_rise_angstrom
        Length of a dimer, 2a.
    """
    monomer = dimer_rise_angstrom / 2
    starts = _starts(protofilaments)
    radius = protofilaments * PROTOFILAMENT_SPACING_ANGSTROM / (2 * np.pi)
    stagger = starts * monomer / protofilaments
    straight = _STRAIGHT_STARTS * monomer / _STRAIGHT_PROTOFILAMENTS
    twist_per_angstrom = (stagger - straight) / (PROTOFILAMENT_SPACING_ANGSTROM * radius)
    number = np.arange(protofilaments)
    height = -stagger * number
    azimuth = 2 * np.pi * number / protofilaments + twist_per_angstrom * height
    cosine, sine = np.cos(azimuth), np.sin(azimuth)
    zero, one = np.zeros_like(cosine), np.ones_like(cosine)
    rotations = np.array([[cosine, -sine, zero], [sine, cosine, zero], [zero, zero, one]]).transpose(2, 0, 1)
    positions = np.stack([radius * cosine, radius * sine, height - height.mean()], axis=1)
    twist = float(np.rad2deg(twist_per_angstrom * dimer_rise_angstrom))
    return Lattice(rotations, positions, dimer_rise_angstrom, twist, radius)


def _starts(protofilaments: int) -> int:
    """Return the starts of the commonest lattice: 10_2, 12_3, 13_3, 14_3, 15_4, 16_4."""
    if protofilaments <= 10:
        return 2
    return 3 if protofilaments <= 14 else 4
