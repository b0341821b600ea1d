"""Solid shapes and the beads that fill them: the bricks of the built-in assemblies.

A shape is a yes-or-no function of points. Beads stand on a cubic lattice inside it, and the shape is scaled
about its own centre until their mass is the published one, so proportions come from published dimensions and
volume from the mass (1.21 Å³/Da for protein, 0.91 Å³/Da for nucleic acid).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cts.scattering import NUCLEIC_ACID_ANGSTROM3_PER_DA, PROTEIN_ANGSTROM3_PER_DA
from cts.structure import Scatterer, Structure, Submodel

BEAD_SPACING_ANGSTROM = 6.0
# half a spacing: a lattice of such Gaussians is level to a few per cent
_BEAD_SIGMA_ANGSTROM = BEAD_SPACING_ANGSTROM / 2
# mean inner potentials in vacuum of the compositions of protein and of ribosomal RNA
_PROTEIN_VOLT = 8.0
_NUCLEIC_ACID_VOLT = 9.3
_SCALING_STEPS = 4
# shapes are drawn near their size; beyond this the drawing is wrong
_MOST_SCALE = 1.2


@dataclass(frozen=True)
class Shape:
    """A solid: whether points (n, 3) in Å lie inside, and the corners (x, y, z) of a box that holds it."""

    inside: Callable[[NDArray[np.float64]], NDArray[np.bool_]]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """A submodel to be: a shape with a mass, a class and the share of the mass that is nucleic acid.

    Where there is both, nucleic acid lies deepest, as in a ribosome.
    """

    name: str
    class_name: str
    shape: Shape
    mass_da: float
    nucleic_acid_share: float = 0.0


def ellipsoid(centre: ArrayLike, semi_axes: ArrayLike) -> Shape:
    """Return an ellipsoid with its axes along x, y, z."""
    middle, axes = np.asarray(centre, float), np.asarray(semi_axes, float)
    return Shape(
        lambda points: (((points - middle) / axes) ** 2).sum(axis=1) <= 1, middle - axes, middle + axes
    )


def ball(centre: ArrayLike, radius: float) -> Shape:
    """Return a ball."""
    return ellipsoid(centre, (radius, radius, radius))


def capsule(start: ArrayLike, end: ArrayLike, radius: float) -> Shape:
    """Return a rod with round ends; the ends' centres are given."""
    first, last = np.asarray(start, float), np.asarray(end, float)
    axis = last - first

    def inside(points: NDArray[np.float64]) -> NDArray[np.bool_]:
        along = np.clip((points - first) @ axis / (axis @ axis), 0, 1)
        return np.square(points - first - along[:, None] * axis).sum(axis=1) <= radius**2

    return Shape(inside, np.minimum(first, last) - radius, np.maximum(first, last) + radius)


def chain(points: Sequence[ArrayLike], radius: float) -> Shape:
    """Return rods one after another through the points."""
    return union(*(capsule(a, b, radius) for a, b in itertools.pairwise(points)))


def tube(inner: float, outer: float, low: float, high: float) -> Shape:
    """Return a hollow cylinder about z from ``low`` to ``high``."""

    def inside(points: NDArray[np.float64]) -> NDArray[np.bool_]:
        radius = np.hypot(points[:, 0], points[:, 1])
        return (radius >= inner) & (radius <= outer) & (points[:, 2] >= low) & (points[:, 2] <= high)

    return Shape(inside, np.array([-outer, -outer, low]), np.array([outer, outer, high]))


def union(*shapes: Shape) -> Shape:
    """Return what lies in any of the shapes."""

    def inside(points: NDArray[np.float64]) -> NDArray[np.bool_]:
        found = np.zeros(len(points), dtype=bool)
        for shape in shapes:
            near = ((points >= shape.low) & (points <= shape.high)).all(axis=1)
            found[near] |= shape.inside(points[near])
        return found

    return Shape(
        inside,
        np.min([shape.low for shape in shapes], axis=0),
        np.max([shape.high for shape in shapes], axis=0),
    )


def without(shape: Shape, *holes: Shape) -> Shape:
    """Return a shape less others."""
    hole = union(*holes)
    return Shape(lambda points: shape.inside(points) & ~hole.inside(points), shape.low, shape.high)


def turned(shape: Shape, matrix: NDArray[np.float64]) -> Shape:
    """Return a shape turned about the origin by a rotation matrix (xyz columns)."""
    corners = np.array(list(itertools.product(*zip(shape.low, shape.high, strict=True)))) @ matrix.T
    return Shape(lambda points: shape.inside(points @ matrix), corners.min(axis=0), corners.max(axis=0))


def about_axis(angle_deg: float, axis: int = 2) -> NDArray[np.float64]:
    """Return the matrix of a right-handed rotation about x (0), y (1) or z (2)."""
    cos, sin = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    matrix = np.eye(3)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[first, first] = matrix[second, second] = cos
    matrix[first, second], matrix[second, first] = -sin, sin
    return matrix


def cyclic(shape: Shape, order: int) -> Shape:
    """Return ``order`` copies about z."""
    return union(*(turned(shape, about_axis(360 / order * copy)) for copy in range(order)))


def dihedral(shape: Shape, order: int) -> Shape:
    """Return ``2 × order`` copies: about z, and each of these turned about x by 180 degrees."""
    ring = cyclic(shape, order)
    return union(ring, turned(ring, about_axis(180, axis=0)))


def cylindrical(radius: float, angle_deg: float, z: float) -> NDArray[np.float64]:
    """Return the x, y, z of cylindrical coordinates."""
    angle = np.radians(angle_deg)
    return np.array([radius * np.cos(angle), radius * np.sin(angle), z])


_BEAD_ANGSTROM3 = BEAD_SPACING_ANGSTROM**3


def _bead(name: str, volt: float, angstrom3_per_da: float) -> Scatterer:
    return Scatterer(
        name=name,
        integrals_volt_angstrom3=(volt * _BEAD_ANGSTROM3,),
        sigmas_angstrom=(_BEAD_SIGMA_ANGSTROM,),
        volume_angstrom3=_BEAD_ANGSTROM3,
        mass_da=_BEAD_ANGSTROM3 / angstrom3_per_da,
    )


_BEADS = (
    _bead("protein_bead", _PROTEIN_VOLT, PROTEIN_ANGSTROM3_PER_DA),
    _bead("nucleic_acid_bead", _NUCLEIC_ACID_VOLT, NUCLEIC_ACID_ANGSTROM3_PER_DA),
)


def build(name: str, *parts: Part, centred: bool = True) -> Structure:
    """Fill parts with beads; parts of one name become one submodel.

    Parameters
    ----------
    name
        Structure id.
    parts
        Parts; where one has the name of an earlier one, its beads join that submodel.
    centred
        Whether the origin is moved to the centre of mass.
    """
    filled: dict[str, Submodel] = {}
    for part in parts:
        submodel = _fill(part)
        filled[part.name] = _join(filled[part.name], submodel) if part.name in filled else submodel
    structure = Structure(name, tuple(filled.values()), _BEADS)
    return centre_on_mass(structure) if centred else structure


def centre_on_mass(structure: Structure) -> Structure:
    """Return a structure with its centre of mass at the origin."""
    masses = np.array([scatterer.mass_da for scatterer in structure.scatterers])
    weights = [part.multiplicities * masses[part.scatterers] for part in structure.submodels]
    moments = [w @ part.positions_angstrom for w, part in zip(weights, structure.submodels, strict=True)]
    return moved(structure, -np.sum(moments, axis=0) / sum(w.sum() for w in weights))


def moved(structure: Structure, by: ArrayLike) -> Structure:
    """Return a structure shifted by a vector (x, y, z), Å."""
    vector = np.asarray(by, float)
    parts = tuple(
        Submodel(part.name, part.class_name, part.positions_angstrom + vector, part.scatterers, part.weights)
        for part in structure.submodels
    )
    return Structure(structure.structure_id, parts, structure.scatterers)


def _fill(part: Part) -> Submodel:
    nucleic_angstrom3 = part.mass_da * part.nucleic_acid_share * NUCLEIC_ACID_ANGSTROM3_PER_DA
    protein_angstrom3 = part.mass_da * (1 - part.nucleic_acid_share) * PROTEIN_ANGSTROM3_PER_DA
    wanted = (nucleic_angstrom3 + protein_angstrom3) / _BEAD_ANGSTROM3
    lattice = _lattice(part.shape)
    inside = _scaled_inside(part.shape, lattice, wanted)
    depth = ndimage.distance_transform_edt(inside)[inside]
    # stable, so that equal depths keep the lattice's order on every machine
    deepest = np.argsort(-depth, kind="stable")[
        : round(len(depth) * nucleic_angstrom3 / _BEAD_ANGSTROM3 / wanted)
    ]
    kinds = np.zeros(len(depth), dtype=np.int32)
    kinds[deepest] = 1
    return Submodel(
        name=part.name,
        class_name=part.class_name,
        positions_angstrom=lattice[inside],
        scatterers=kinds,
        # what a whole number of beads misses of the mass, a few per mille
        weights=np.full(len(depth), part.mass_da / sum(_BEADS[kind].mass_da for kind in kinds.tolist())),
    )


def _scaled_inside(shape: Shape, lattice: NDArray[np.float64], wanted: float) -> NDArray[np.bool_]:
    """Scale a shape about its centre until it holds the wanted number of points; return which it holds."""
    points = lattice.reshape(-1, 3)
    inside = shape.inside(points)
    centre, scale = points[inside].mean(axis=0), 1.0
    for _ in range(_SCALING_STEPS):
        scale = min(scale * (wanted / np.count_nonzero(inside)) ** (1 / 3), _MOST_SCALE)
        inside = shape.inside((points - centre) / scale + centre)
    return inside.reshape(lattice.shape[:-1])


def _lattice(shape: Shape) -> NDArray[np.float64]:
    """Return the beads' lattice about a shape with room to scale it, shape (x, y, z, 3)."""
    middle, half = (shape.low + shape.high) / 2, (shape.high - shape.low) / 2 * _MOST_SCALE
    first = np.floor((middle - half) / BEAD_SPACING_ANGSTROM)
    last = np.ceil((middle + half) / BEAD_SPACING_ANGSTROM)
    # half a step off the origin, so that flat faces at round numbers do not fall between beads
    axes = [
        (np.arange(low, high) + 0.5) * BEAD_SPACING_ANGSTROM for low, high in zip(first, last, strict=True)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def _join(first: Submodel, second: Submodel) -> Submodel:
    return Submodel(
        name=first.name,
        class_name=first.class_name,
        positions_angstrom=np.concatenate([first.positions_angstrom, second.positions_angstrom]),
        scatterers=np.concatenate([first.scatterers, second.scatterers]),
        weights=np.concatenate([first.multiplicities, second.multiplicities]),
    )
