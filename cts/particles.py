"""Placing the particles of all layers: a fair schedule of attempts, and the modes of placement."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from cts.canvas import Canvas
from cts.free_room import FreeRoom
from cts.membrane_field import MembraneField
from cts.placement import (
    Body,
    Footprint,
    Placed,
    Pose,
    add_poses,
    first_fit,
    footprint,
    make_body,
    random_rotation,
)
from cts.potential import RenderedStructure

LOGGER = logging.getLogger(__name__)

# the map of free room is renewed this often in a run, however long: its cost stays linear in the volume
_RENEWALS = 25
_MEMBRANE_POINTS = 12
_PROPOSALS = 40
_EXACT_TESTS = 3
_NEIGHBOUR_POSITIONS = 60


@dataclass
class Species:
    """One structure of a layer.

    Attributes
    ----------
    structure_id, layer, placement, is_large
        From the structures table and the layer.
    conformers
        Rendered structures, of which each placement draws one.
    attempts, placed
        What it may try and what it got.
    """

    structure_id: str
    layer: int
    placement: str
    is_large: bool
    conformers: tuple[RenderedStructure, ...]
    attempts: int
    placed: int = 0
    _bodies: dict[tuple[int, tuple[int, ...]], Body] = field(default_factory=dict)

    def draw(self, rng: np.random.Generator) -> Body:
        """Draw a conformer and, where the mode says so, some of its submodels."""
        conformer = int(rng.integers(len(self.conformers)))
        parts = _draw_parts(self.placement, len(self.conformers[conformer].class_names), rng)
        if (conformer, parts) not in self._bodies:
            self._bodies[conformer, parts] = make_body(self.conformers[conformer], conformer, parts)
        return self._bodies[conformer, parts]


@dataclass(frozen=True)
class PlacementRules:
    """What all attempts obey: tolerance of overlap, positions per attempt, sizes of groups, when to stop."""

    tolerance: float
    positions: int
    bundle_members: int
    cluster_members: int
    density: float
    layer_occupancies: tuple[float, ...]


def place_particles(
    canvas: Canvas,
    species: Sequence[Species],
    membranes: MembraneField,
    rules: PlacementRules,
    rng: np.random.Generator,
) -> list[Placed]:
    """Place particles and return them in the order of their placement.

    Membrane proteins come first, then large species, then small ones, which still find room between them.
    Within these groups the attempts of all species and layers alternate, so that none is starved for standing
    late in a list.

    Parameters
    ----------
    canvas
        Specimen.
    species
        What to place; their counts are updated.
    membranes
        Membranes, for proteins in them and for insides.
    rules
        See `PlacementRules`.
    """
    run = _Run(canvas, membranes, rules, rng)
    order = schedule(species, bool(membranes.surfaces))
    renew_every = max(1, len(order) // _RENEWALS)
    placed: list[Placed] = []
    if order and canvas.filled_fraction >= rules.density:
        LOGGER.warning(
            "density %g is reached before the first particle: membranes, filaments and carbon fill %.3f",
            rules.density,
            canvas.filled_fraction,
        )
    filled_by_layer = np.zeros(len(rules.layer_occupancies))
    limits = np.array(rules.layer_occupancies) * float(np.prod(canvas.shape))
    for number, index in enumerate(
        tqdm(order, desc="placing particles", unit="try", delay=2, leave=False, disable=None)
    ):
        own = species[index]
        if canvas.filled_fraction >= rules.density:
            break
        if filled_by_layer[own.layer] >= limits[own.layer]:
            continue
        if number % renew_every == 0:
            run.room.renew()
        before = canvas.filled_voxels
        done = run.attempt(own)
        own.placed += len(done)
        filled_by_layer[own.layer] += canvas.filled_voxels - before
        placed += done
    return placed


def schedule(species: Sequence[Species], has_membranes: bool) -> list[int]:
    """Return the species of each attempt: membrane proteins, large, small; within each evenly alternating.

    Attempts of a species that is bound to membranes are left out where there are none.
    """
    phases: list[list[tuple[float, int]]] = [[], [], []]
    for index, own in enumerate(species):
        if own.placement == "membrane":
            if not has_membranes:
                LOGGER.info(
                    "%s needs a membrane that takes proteins; there is none: left out", own.structure_id
                )
                continue
            phase = phases[0]
        else:
            phase = phases[1 if own.is_large else 2]
        phase += [((attempt + 0.5) / own.attempts, index) for attempt in range(own.attempts)]
    return [index for phase in phases for _, index in sorted(phase)]


class _Run:
    """One placement run: the modes share the specimen, the map of free room and the generator."""

    def __init__(
        self, canvas: Canvas, membranes: MembraneField, rules: PlacementRules, rng: np.random.Generator
    ) -> None:
        self._canvas, self._membranes, self._rules, self._rng = canvas, membranes, rules, rng
        self.room = FreeRoom(canvas, membranes.compartments if membranes.bilayers else None)
        self._vacancies = np.array([surface.proteins for surface in membranes.surfaces])
        self._modes: dict[str, Callable[[Species], list[Placed]]] = {
            "membrane": self._in_membrane,
            "bundle": self._bundle,
            "cluster": self._cluster,
        }

    def attempt(self, species: Species) -> list[Placed]:
        """Try to place one object (a bundle or cluster: several)."""
        return self._modes.get(species.placement, self._alone)(species)

    def _alone(self, species: Species) -> list[Placed]:
        done = self._seed(species, species.draw(self._rng))
        return [] if done is None else [done]

    def _seed(self, species: Species, body: Body) -> Placed | None:
        where = species.placement if species.placement in ("vesicle", "cytosol") else ""
        rotation, subvoxel = random_rotation(self._rng), self._rng.uniform(-0.5, 0.5, 3)
        shape = _footprint(body, rotation, subvoxel)
        # most objects find a place among the first few positions
        for start in range(0, self._rules.positions, _PROPOSALS):
            count = min(_PROPOSALS, self._rules.positions - start)
            positions = self.room.propose(body.core_radius, count, self._rng, where)
            done = self._add_at(body, rotation, subvoxel, shape, positions)
            if done is not None:
                return done
        return None

    def _try(self, body: Body, rotation: NDArray[np.float64], positions: NDArray[np.int64]) -> Placed | None:
        """Place a body at the first of some voxels where it fits."""
        subvoxel = self._rng.uniform(-0.5, 0.5, 3)
        return self._add_at(body, rotation, subvoxel, _footprint(body, rotation, subvoxel), positions)

    def _add_at(
        self,
        body: Body,
        rotation: NDArray[np.float64],
        subvoxel: NDArray[np.float64],
        shape: Footprint,
        positions: NDArray[np.int64],
    ) -> Placed | None:
        """Add a body at the first voxel where it fits, its soft rim too; look closely at a few."""
        for _ in range(_EXACT_TESTS):
            found = first_fit(self._canvas, shape, positions, self._rules.tolerance)
            if found < 0:
                return None
            pose = Pose(body, positions[found] + subvoxel, rotation)
            done = _placed(pose, add_poses(self._canvas, [pose], self._rules.tolerance))
            if done is not None:
                return done
            positions = positions[found + 1 :]
        return None

    def _in_membrane(self, species: Species) -> list[Placed]:
        """Stand a protein upright in a membrane: its +z along the outward normal."""
        if not self._vacancies.any():
            return []
        body = species.draw(self._rng)
        chances = self._vacancies / self._vacancies.sum()
        for number in self._rng.choice(len(chances), size=_MEMBRANE_POINTS, p=chances):
            surface = self._membranes.surfaces[number]
            point = int(self._rng.integers(len(surface.points)))
            position = surface.points[point]
            rotation = _upright(surface.normals[point], self._rng.uniform(0, 2 * np.pi))
            voxel = np.rint(position).astype(np.int64)
            shape = _footprint(body, rotation, position - voxel)
            fits = first_fit(self._canvas, shape, voxel[None], self._rules.tolerance, own_code=surface.code)
            if fits < 0:
                continue
            pose = Pose(body, position, rotation)
            done = _placed(pose, add_poses(self._canvas, [pose], self._rules.tolerance, in_membrane=True))
            if done is not None:
                self._vacancies[number] -= 1
                return [done]
        return []

    def _bundle(self, species: Species) -> list[Placed]:
        """Place one, then parallel neighbours about it, spun about their axes and slid along them."""
        body = species.draw(self._rng)
        first = self._seed(species, body)
        if first is None:
            return []
        placed = [first]
        axis = first.rotation @ body.axis
        for _ in range(self._rules.bundle_members):
            spin = Rotation.from_rotvec(axis * self._rng.uniform(0, 2 * np.pi)).as_matrix()
            distances = body.half_width * np.sort(self._rng.uniform(1.6, 6, _NEIGHBOUR_POSITIONS))
            across = _across(axis, self._rng.uniform(0, 2 * np.pi, _NEIGHBOUR_POSITIONS))
            slides = self._rng.uniform(-0.25, 0.25, _NEIGHBOUR_POSITIONS) * body.radius
            shifts = across * distances[:, None] + np.outer(slides, axis)
            done = self._try(body, spin @ first.rotation, self._near(first, shifts))
            if done is not None:
                placed.append(done)
        return placed

    def _cluster(self, species: Species) -> list[Placed]:
        """Place one, then neighbours at random orientations close about it."""
        body = species.draw(self._rng)
        first = self._seed(species, body)
        if first is None:
            return []
        placed = [first]
        for _ in range(self._rules.cluster_members):
            neighbour = species.draw(self._rng)
            shifts = self._rng.standard_normal((_NEIGHBOUR_POSITIONS, 3))
            distances = np.sort(self._rng.uniform(0.7, 2.0, _NEIGHBOUR_POSITIONS)) * (
                body.radius + neighbour.radius
            )
            shifts *= (distances / np.linalg.norm(shifts, axis=1))[:, None]
            done = self._try(neighbour, random_rotation(self._rng), self._near(first, shifts))
            if done is not None:
                placed.append(done)
        return placed

    def _near(self, first: Placed, shifts_xyz: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the voxels at some shifts from an object whose centre lies within the volume."""
        voxels = np.rint(first.position_zyx + shifts_xyz[:, ::-1]).astype(np.int64)
        inside = ((voxels >= 0) & (voxels < np.array(self._canvas.shape))).all(axis=1)
        return voxels[inside]


def _draw_parts(placement: str, parts: int, rng: np.random.Generator) -> tuple[int, ...]:
    """Draw submodels: ``single`` one of them, ``assembly`` the first and a random subset, else all."""
    if placement == "single" and parts > 1:
        return (int(rng.integers(parts)),)
    if placement == "assembly" and parts > 1:
        others = rng.permutation(np.arange(1, parts))[: rng.integers(parts)]
        return (0, *sorted(int(part) for part in others))
    return tuple(range(parts))


def _footprint(body: Body, rotation: NDArray[np.float64], subvoxel: NDArray[np.float64]) -> Footprint:
    return footprint(body, rotation[None], subvoxel[None])


def _placed(pose: Pose, instance: int | None) -> Placed | None:
    if instance is None:
        return None
    rendered = pose.body.rendered
    return Placed(
        structure_id=rendered.structure_id,
        conformer=pose.body.conformer,
        parts=pose.body.parts,
        class_name=rendered.class_names[0],
        position_zyx=pose.position_zyx,
        rotation=pose.rotation,
        instance=instance,
    )


def _upright(normal_zyx: NDArray[np.float64], spin_rad: float) -> NDArray[np.float64]:
    """Return a rotation that takes z onto a normal after a spin about z."""
    x, y, z = normal_zyx[::-1]
    tilt, azimuth = np.arccos(np.clip(z, -1, 1)), np.arctan2(y, x)
    return np.asarray(Rotation.from_euler("ZYZ", [azimuth, tilt, spin_rad]).as_matrix())


def _across(axis_xyz: NDArray[np.float64], angles_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return unit vectors (angle, 3) across an axis."""
    helper = np.eye(3)[int(np.argmin(np.abs(axis_xyz)))]
    first = np.cross(axis_xyz, helper)
    first /= np.linalg.norm(first)
    second = np.cross(axis_xyz, first)
    return np.outer(np.cos(angles_rad), first) + np.outer(np.sin(angles_rad), second)
