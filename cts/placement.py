"""Placing rigid objects without overlap: rotate a cloud of points once, test it at many positions.

An object is tested as a cloud of points, one for about each voxel that it fills, against what fills each
voxel of the specimen already; a test ends at the first few hits, which takes about a microsecond. Only an
object that fits is sampled on the voxel grid, tested exactly on its excluded volume, and added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cts.canvas import FREE, Canvas
from cts.potential import RenderedStructure, stamp

_HALF_FILLED = 0.5


@dataclass(frozen=True)
class Placed:
    """An object in the specimen.

    Attributes
    ----------
    structure_id, conformer, parts
        What it is: structure, which of its conformers, and which of that one's submodels.
    class_name
        Class of its first part.
    position_zyx
        Origin of the structure, in voxels (real numbers).
    rotation
        Takes the reference onto the object, xyz columns, (3, 3).
    instance
        Id in ``instances.mrc``.
    """

    structure_id: str
    conformer: int
    parts: tuple[int, ...]
    class_name: str
    position_zyx: NDArray[np.float64]
    rotation: NDArray[np.float64]
    instance: int


@dataclass(frozen=True)
class Body:
    """A rendered structure (or some of its submodels) with its cloud of points, ready to be placed.

    Attributes
    ----------
    rendered
        What is sampled; only the parts that are placed.
    parts
        Their numbers in the structure.
    conformer
        Number of the conformer.
    cloud_xyz
        Points in voxels about the origin, float32 (point, 3), columns x, y, z, in random order.
    core_radius
        Radius of the largest ball about the origin that is filled, voxels; 0 where the origin is not.
    radius
        Distance of the farthest point, voxels.
    """

    rendered: RenderedStructure
    parts: tuple[int, ...]
    conformer: int
    cloud_xyz: NDArray[np.float32]
    core_radius: float
    radius: float

    @property
    def axis(self) -> NDArray[np.float64]:
        """Direction (x, y, z) in which the object is longest."""
        centred = self.cloud_xyz - self.cloud_xyz.mean(axis=0)
        _, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64))
        return np.asarray(vectors[:, 2])

    @property
    def half_width(self) -> float:
        """Radius of the object across its longest direction, voxels."""
        centred = self.cloud_xyz - self.cloud_xyz.mean(axis=0)
        along = centred @ self.axis.astype(np.float32)
        # points stand for voxels: their faces are half a voxel farther out
        return 0.5 + float(np.sqrt(max(0.0, ((centred**2).sum(axis=1) - along**2).max())))


def make_body(rendered: RenderedStructure, conformer: int = 0, parts: tuple[int, ...] | None = None) -> Body:
    """Prepare a rendered structure for placing.

    Parameters
    ----------
    rendered
        Structure.
    conformer
        Number of the conformer that it is.
    parts
        Numbers of the submodels to take; None takes all.

    Raises
    ------
    ValueError
        If no voxel would be half filled: the structure is too small for the pixel size.
    """
    chosen = tuple(range(len(rendered.class_names))) if parts is None else parts
    some = replace(
        rendered,
        coefficients=np.ascontiguousarray(rendered.coefficients[list(chosen)]),
        class_names=tuple(rendered.class_names[part] for part in chosen),
    )
    occupancy = some.occupancy.sum(axis=0)
    step = max(1, int(rendered.pixel_size_angstrom / rendered.sampling_angstrom + 1e-6))
    centre = (np.array(occupancy.shape) - 1) // 2
    lattice = tuple(slice(int(middle) % step, None, step) for middle in centre)
    # a small protein may fill no voxel by half: then the fullest voxels stand for it
    level = min(_HALF_FILLED, 0.9 * float(occupancy[lattice].max()))
    filled = occupancy[lattice] >= level
    indices = np.argwhere(filled) * step + np.array([part.start for part in lattice])
    scale = rendered.sampling_angstrom / rendered.pixel_size_angstrom
    cloud = ((indices - centre) * scale)[:, ::-1]
    order = np.random.Generator(np.random.PCG64(len(cloud))).permutation(len(cloud))
    lengths = np.sqrt((cloud**2).sum(axis=1))
    return Body(
        rendered=some,
        parts=chosen,
        conformer=conformer,
        cloud_xyz=np.ascontiguousarray(cloud[order], dtype=np.float32),
        core_radius=_core_radius(filled, centre // step),
        radius=float(lengths.max()),
    )


def _core_radius(filled: NDArray[np.bool_], centre: NDArray[np.int64]) -> float:
    """Return the distance from the centre to the nearest voxel that is not filled."""
    z, y, x = np.ogrid[
        tuple(slice(-middle, size - middle) for middle, size in zip(centre, filled.shape, strict=True))
    ]
    squares = z * z + y * y + x * x
    return float(np.sqrt(squares[~filled].min(initial=int(min(centre)) ** 2)))


def random_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a rotation matrix drawn uniformly from all rotations."""
    w, x, y, z = rng.standard_normal(4)
    s = 2 / (w * w + x * x + y * y + z * z)
    return np.array(
        [
            [1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)],
            [s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x)],
            [s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y)],
        ]
    )


@dataclass(frozen=True)
class Footprint:
    """Voxels that an object would fill about its position: offsets (point, 3), z, y, x, and their bounds."""

    offsets: NDArray[np.int32]
    bounds: NDArray[np.int64]


def footprint(body: Body, rotations: NDArray[np.float64], positions_zyx: NDArray[np.float64]) -> Footprint:
    """Return what copies of a body would fill.

    Parameters
    ----------
    body
        Object.
    rotations
        Of each copy, (copy, 3, 3).
    positions_zyx
        Of each copy, voxels, (copy, 3).
    """
    shifts = np.ascontiguousarray(positions_zyx, dtype=np.float32)
    offsets = np.empty((len(rotations) * len(body.cloud_xyz), 3), np.int32)
    turns = np.ascontiguousarray(rotations, dtype=np.float32)
    return Footprint(offsets, _rotate_cloud(body.cloud_xyz, turns, shifts, offsets))


def bounded(offsets: NDArray[np.int32]) -> Footprint:
    """Return a footprint of voxels (point, 3)."""
    return Footprint(offsets, np.stack([offsets.min(axis=0), offsets.max(axis=0)]).astype(np.int64))


def joined(shapes: Sequence[Footprint]) -> Footprint:
    """Return the footprint of several objects together."""
    low = np.min([shape.bounds[0] for shape in shapes], axis=0)
    high = np.max([shape.bounds[1] for shape in shapes], axis=0)
    return Footprint(np.concatenate([shape.offsets for shape in shapes]), np.stack([low, high]))


def first_fit(
    canvas: Canvas,
    shape: Footprint,
    positions: NDArray[np.int64],
    tolerance: float,
    *,
    own_code: int = FREE,
    code: NDArray[np.int16] | None = None,
    closed: tuple[bool, bool, bool] | None = None,
) -> int:
    """Return the number of the first of the positions at which a footprint fits, or -1.

    Parameters
    ----------
    canvas
        Specimen.
    shape
        Footprint.
    positions
        Voxels (position, 3), z, y, x.
    tolerance
        Share of its points that may lie in voxels that are filled.
    own_code
        Code of the membrane that it may stand in.
    code, closed
        Codes and closed faces to test against instead of the canvas's.
    """
    allowed = int(tolerance * len(shape.offsets))
    codes = canvas.code if code is None else code
    faces = np.array(canvas.closed if closed is None else closed)
    return int(_first_fit(codes, own_code, shape.offsets, shape.bounds, positions, faces, allowed))


@dataclass(frozen=True)
class Pose:
    """A body somewhere: its origin in voxels (z, y, x), and its rotation (3, 3)."""

    body: Body
    position_zyx: NDArray[np.float64]
    rotation: NDArray[np.float64]


def add_poses(
    canvas: Canvas, poses: Sequence[Pose], tolerance: float, *, in_membrane: bool = False
) -> int | None:
    """Sample bodies of one object, test their excluded volume exactly, add them; return the object's id.

    Parameters
    ----------
    canvas
        Specimen.
    poses
        The bodies that make up the object.
    tolerance
        Share of each body's excluded volume that may lie where there is no room; more, and None is returned.
    in_membrane
        Whether lipids make room for them.
    """
    filled = 0.0
    stamps = []
    for pose in poses:
        voxel = np.rint(pose.position_zyx).astype(np.int64)
        sampled = stamp(pose.body.rendered, pose.rotation, pose.position_zyx - voxel)
        z, y, x = (int(own) + first for own, first in zip(voxel, sampled.corner, strict=True))
        total = sampled.occupancy.sum(axis=0) if len(sampled.occupancy) > 1 else sampled.occupancy[0]
        excess, volume = canvas.excess(total, (z, y, x), in_membrane=in_membrane)
        if excess > tolerance * volume:
            return None
        filled += volume
        stamps.append((sampled, (z, y, x), pose.body.rendered.class_names))
    if filled == 0:
        return None
    instance = canvas.new_instance()
    for sampled, corner, class_names in stamps:
        canvas.add(sampled.potential_volt, sampled.occupancy, corner, class_names, instance)
    return instance


@njit(cache=True)
def _rotate_cloud(cloud, rotations, positions, offsets):  # type: ignore[no-untyped-def]
    """Write the voxels (z, y, x) of all copies of a cloud, copy by copy; return least and greatest."""
    bounds = np.empty((2, 3), np.int64)
    bounds[0], bounds[1] = 1 << 30, -(1 << 30)
    at = 0
    for copy in range(len(rotations)):
        for i in range(len(cloud)):
            for axis in range(3):
                row = 2 - axis
                value = positions[copy, axis] + np.float32(0.5)
                for k in range(3):
                    value += rotations[copy, row, k] * cloud[i, k]
                index = int(np.floor(value))
                offsets[at, axis] = index
                bounds[0, axis] = min(bounds[0, axis], index)
                bounds[1, axis] = max(bounds[1, axis], index)
            at += 1
    return bounds


@njit(cache=True)
def _first_fit(code, own, offsets, bounds, positions, closed, allowed):  # type: ignore[no-untyped-def]
    for p in range(len(positions)):
        inside = True
        for axis in range(3):
            # one voxel more than the half-filled ones keeps the soft rim within a closed face too
            low, high = positions[p, axis] + bounds[0, axis] - 1, positions[p, axis] + bounds[1, axis] + 1
            if closed[axis] and (low < 0 or high >= code.shape[axis]):
                inside = False
        if not inside:
            continue
        hits = 0
        for i in range(len(offsets)):
            z, y, x = (
                positions[p, 0] + offsets[i, 0],
                positions[p, 1] + offsets[i, 1],
                positions[p, 2] + offsets[i, 2],
            )
            if z < 0 or y < 0 or x < 0 or z >= code.shape[0] or y >= code.shape[1] or x >= code.shape[2]:
                continue
            if code[z, y, x] != 0 and code[z, y, x] != own:
                hits += 1
                if hits > allowed:
                    break
        if hits <= allowed:
            return p
    return -1
