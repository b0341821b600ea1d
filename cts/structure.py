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
    weights
        How often each atom is there, shape (atom,): its occupancy, the mean number of hydrogens that ride
        on a heavy atom, or the value of a map's voxel. None means once each.
    """

    name: str
    class_name: str
    positions_angstrom: NDArray[np.float64]
    scatterers: NDArray[np.int32]
    weights: NDArray[np.float64] | None = None

    @property
    def multiplicities(self) -> NDArray[np.float64]:
        """``weights``, or ones where there are none; shape (atom,)."""
        return np.ones(len(self.scatterers)) if self.weights is None else self.weights


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
    on the filament axis, which is z; for the tubulin dimer of a microtubule the dimer's own centre of mass,
    with +z along the protofilament towards the plus end and +x pointing out of the tube.
    """

    structure_id: str
    submodels: tuple[Submodel, ...]
    scatterers: tuple[Scatterer, ...]

    @property
    def mass_da(self) -> float:
        """Mass of all submodels, Da."""
        masses = np.array([scatterer.mass_da for scatterer in self.scatterers])
        return float(sum(part.multiplicities @ masses[part.scatterers] for part in self.submodels))

    @property
    def radius_angstrom(self) -> float:
        """Distance of the farthest atom from the origin."""
        squares = [np.square(part.positions_angstrom).sum(axis=1).max() for part in self.submodels]
        return float(np.sqrt(max(squares)))
