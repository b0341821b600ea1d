"""What a structure is: submodels of atoms (or coarse beads), each with its class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Submodel:
    """A part of a structure with a class of its own.

    Attributes
    ----------
    name
        Name of the part, such as ``large_subunit``.
    class_name
        Class in classes.tsv that its voxels are labelled with.
    positions_angstrom
        Atom (or bead) centres, shape (atom, 3), columns x, y, z, Å, float64.
    scatterers
        Index of each atom into ``Structure.scatterers``, shape (atom,), int32.
    """

    name: str
    class_name: str
    positions_angstrom: NDArray[np.float64]
    scatterers: NDArray[np.int32]


@dataclass(frozen=True)
class Scatterer:
    """A kind of atom or bead.

    Its potential is a sum of Gaussians: sum over i of ``integrals_volt_angstrom3[i]`` times a normalised
    three-dimensional Gaussian of standard deviation ``sigmas_angstrom[i]``.

    Attributes
    ----------
    name
        Element symbol or bead name.
    integrals_volt_angstrom3, sigmas_angstrom
        The Gaussians, in vacuum.
    volume_angstrom3
        Volume of solvent that it displaces.
    mass_da
        Mass.
    """

    name: str
    integrals_volt_angstrom3: tuple[float, ...]
    sigmas_angstrom: tuple[float, ...]
    volume_angstrom3: float
    mass_da: float


@dataclass(frozen=True)
class Structure:
    """A rigid body that can be placed.

    The origin of its coordinates is what is placed and rotated about: the centre of mass; for a membrane
    protein the middle of the membrane with +z pointing outwards; for the repeat unit of a filament a point
    on the filament axis, which is z.
    """

    structure_id: str
    submodels: tuple[Submodel, ...]
    scatterers: tuple[Scatterer, ...]

    @property
    def mass_da(self) -> float:
        """Mass of all submodels, Da."""
        masses = np.array([scatterer.mass_da for scatterer in self.scatterers])
        return float(sum(masses[part.scatterers].sum() for part in self.submodels))
