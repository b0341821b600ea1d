"""Filaments: repeat units along a worm-like chain, alone, mixed, or in parallel bundles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from cts.canvas import Canvas
from cts.placement import Body, Footprint, Pose, add_poses, first_fit, footprint, joined

_TRIES_PER_FILAMENT = 60
_SHORTENING = 0.93  # a filament that finds no room is tried again a little shorter ...
_SHORTEST = 0.25  # ... down to this share of its length
# a bundle is tried whole this often, down to half its length; then those of its filaments that fit will do
_TRIES_PER_WHOLE_BUNDLE = 30
_SHORTENING_OF_WHOLE_BUNDLE = 0.977


@dataclass(frozen=True)
class Repeat:
    """The repeat unit of a filament: bodies about the axis (z), and the step to the next unit.

    Attributes
    ----------
    structure_id, class_name
        What it is.
    bodies
        Conformers of the body; each member draws one.
    rotations, positions_angstrom
        Members of one unit relative to its frame, (member, 3, 3) and (member, 3), columns x, y, z.
    rise_angstrom, twist_deg
        From one unit to the next.
    protofilaments
        Members side by side; 0 for filaments that are not microtubules.
    """

    structure_id: str
    class_name: str
    bodies: tuple[Body, ...]
    rotations: NDArray[np.float64]
    positions_angstrom: NDArray[np.float64]
    rise_angstrom: float
    twist_deg: float
    protofilaments: int = 0


@dataclass(frozen=True)
class FilamentPoint:
    """One repeat unit of a placed filament: its axis point in voxels (z, y, x) and its frame (3, 3)."""

    structure_id: str
    class_name: str
    conformers: tuple[int, ...]
    position_zyx: NDArray[np.float64]
    rotation: NDArray[np.float64]
    track_angstrom: float
    protofilaments: int


@dataclass(frozen=True)
class PlacedFilament:
    """A filament in the specimen: its instance id, its bundle (0: none) and its points within the volume."""

    instance: int
    bundle: int
    points: tuple[FilamentPoint, ...]


@dataclass(frozen=True)
class Track:
    """The course of a filament before it has a place.

    Attributes
    ----------
    carriers
        Frames (unit, 3, 3) that are carried along without twist: z along the filament, x horizontal at first.
    spins_rad
        Twist of each unit about z.
    positions_angstrom
        Axis points (unit, 3), x, y, z; the first is the origin.
    arc_angstrom
        Length along the filament.
    kinds
        Which repeat each unit is.
    """

    carriers: NDArray[np.float64]
    spins_rad: NDArray[np.float64]
    positions_angstrom: NDArray[np.float64]
    arc_angstrom: NDArray[np.float64]
    kinds: NDArray[np.int64]

    @property
    def frames(self) -> NDArray[np.float64]:
        """Frames of the units, twist included, (unit, 3, 3)."""
        turns = Rotation.from_euler("z", self.spins_rad[:, None]).as_matrix()
        return np.asarray(self.carriers @ turns)


def draw_kinds(
    units: int,
    rises_angstrom: Sequence[float],
    share: float,
    stretch_angstrom: float,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw which of two repeats each unit is: stretches of exponential length that alternate.

    Parameters
    ----------
    units
        Number of units.
    rises_angstrom
        Rise of each kind; one entry gives a uniform filament.
    share
        Mean share of the second kind.
    stretch_angstrom
        Mean length of a stretch of the second kind.
    """
    kinds = np.zeros(units, np.int64)
    if len(rises_angstrom) == 1 or share <= 0:
        return kinds
    if share >= 1:
        return kinds + 1
    means = (stretch_angstrom * (1 - share) / share, stretch_angstrom)
    at, kind = 0, int(rng.random() < share)
    while at < units:
        length = max(1, round(rng.exponential(means[kind]) / rises_angstrom[kind]))
        kinds[at : at + length] = kind
        at, kind = at + length, 1 - kind
    return kinds


def draw_track(
    repeats: Sequence[Repeat],
    kinds: NDArray[np.int64],
    direction_xyz: NDArray[np.float64],
    persistence_angstrom: float,
    rng: np.random.Generator,
) -> Track:
    """Draw a worm-like chain of repeat units that starts in the origin.

    Between units the tangent turns about two axes across it by normal angles of variance step / persistence
    length, so that <t(0) t(s)> = exp(-s / persistence length).

    Parameters
    ----------
    repeats, kinds
        Kinds of units, and the kind of each.
    direction_xyz
        First tangent.
    persistence_angstrom
        Persistence length.
    """
    rises = np.array([repeat.rise_angstrom for repeat in repeats])[kinds]
    twists = np.deg2rad(np.array([repeat.twist_deg for repeat in repeats]))[kinds]
    angles = rng.standard_normal((len(kinds), 2)) * np.sqrt(rises / persistence_angstrom)[:, None]
    carriers, positions = np.empty((len(kinds), 3, 3)), np.empty((len(kinds), 3))
    _chain(_frame_along(direction_xyz), rises, angles, carriers, positions)
    spins = rng.uniform(0, 2 * np.pi) + np.concatenate([[0.0], np.cumsum(twists[:-1])])
    return Track(carriers, spins, positions, np.concatenate([[0.0], np.cumsum(rises[:-1])]), kinds)


def bundle_offsets(filaments: int, spacing_angstrom: float) -> NDArray[np.float64]:
    """Return the axes of a flat bundle on a hexagonal lattice, (filament, 2), the first at (0, 0)."""
    count = np.arange(-filaments, filaments + 1)
    rows, columns = np.meshgrid(count, count, indexing="ij")
    horizontal = (columns + 0.5 * (rows % 2)) * spacing_angstrom
    vertical = rows * spacing_angstrom * np.sqrt(3) / 2
    sites = np.stack([horizontal.ravel(), vertical.ravel()], axis=1)
    # bundles in thin ice are flat: a row more counts as twice its height
    order = np.argsort(np.hypot(sites[:, 0], 2 * sites[:, 1]), kind="stable")
    return sites[order[:filaments]]


def place_filaments(
    canvas: Canvas,
    repeats: Sequence[Repeat],
    *,
    length_angstrom: float,
    persistence_angstrom: float,
    mixed_share: float,
    stretch_angstrom: float,
    offsets_angstrom: NDArray[np.float64],
    bundle: int,
    positions_per_try: int,
    tolerance: float,
    rng: np.random.Generator,
) -> list[PlacedFilament]:
    """Place a filament, or a bundle of parallel ones (as many as fit), and return those that found room.

    Closed faces keep filaments within; where z is closed they lie as flat as that needs. Open faces cut them.

    Parameters
    ----------
    canvas
        Specimen.
    repeats
        The repeat unit, or two for a mixed filament.
    length_angstrom, persistence_angstrom
        Contour length and persistence length.
    mixed_share, stretch_angstrom
        Share of the second kind and mean length of its stretches.
    offsets_angstrom
        Axes of a bundle's filaments across the first one, (filament, 2), horizontal and vertical; the first
        is (0, 0).
    bundle
        Number of the bundle, 0 for a single filament.
    positions_per_try
        Positions tested for each drawn course.
    tolerance
        Share of a unit's excluded volume that may lie where there is no room.
    """
    rises = [repeat.rise_angstrom for repeat in repeats]
    longest = _longest(canvas, length_angstrom)
    whole = len(offsets_angstrom) > 1
    tries = [(whole, _SHORTENING_OF_WHOLE_BUNDLE**n) for n in range(_TRIES_PER_WHOLE_BUNDLE if whole else 0)]
    tries += [(False, max(_SHORTEST, _SHORTENING**n)) for n in range(_TRIES_PER_FILAMENT)]
    for together, share in tries:
        length = share * longest
        units = max(1, round(length / max(rises)))
        kinds = draw_kinds(units, rises, mixed_share, stretch_angstrom, rng)
        track = draw_track(repeats, kinds, _direction(canvas, length, rng), persistence_angstrom, rng)
        tracks = [track, *(_beside(track, offset, rng) for offset in offsets_angstrom[1:])]
        courses = [_Course(canvas, repeats, own, rng) for own in tracks]
        voxel = _find(canvas, courses if together else courses[:1], positions_per_try, rng)
        if voxel is None:
            continue
        tested = (course.add(voxel, tolerance, bundle) for course in courses)
        if placed := [filament for filament in tested if filament is not None]:
            return placed
    return []


def _find(
    canvas: Canvas, courses: Sequence[_Course], tries: int, rng: np.random.Generator
) -> NDArray[np.int64] | None:
    """Return a voxel to which filaments can be shifted together, or None."""
    whole = joined([course.footprint for course in courses])
    low, high = np.zeros(3, np.int64), np.array(canvas.shape)
    for axis in np.flatnonzero(canvas.closed):
        low[axis] = 1 - whole.bounds[0, axis]
        high[axis] = canvas.shape[axis] - 1 - whole.bounds[1, axis]
    if (high <= low).any():
        return None
    positions = rng.integers(low, high, size=(tries, 3))
    # an open face is passed at any point of a filament, not only at its start
    anchors = courses[0].anchors(tries, rng)
    anchors[:, list(canvas.closed)] = 0
    number = first_fit(canvas, whole, positions - anchors, 0.0)
    return None if number < 0 else (positions - anchors)[number]


class _Course:
    """A filament with all its members about a position that is still to be found."""

    def __init__(
        self, canvas: Canvas, repeats: Sequence[Repeat], track: Track, rng: np.random.Generator
    ) -> None:
        self._canvas, self._repeats, self._track = canvas, repeats, track
        self._frames = track.frames
        self._axis_zyx = track.positions_angstrom[:, ::-1] / canvas.pixel_size_angstrom
        self._conformers = [
            rng.integers(len(repeats[kind].bodies), size=len(repeats[kind].rotations)) for kind in track.kinds
        ]
        self._reach = max(
            max(body.radius for body in repeat.bodies)
            + np.linalg.norm(repeat.positions_angstrom, axis=1).max() / canvas.pixel_size_angstrom
            for repeat in repeats
        )
        self.footprint = self._fill()

    def add(self, voxel: NDArray[np.int64], tolerance: float, bundle: int) -> PlacedFilament | None:
        """Add the filament at a voxel; None where it does not fit there."""
        if first_fit(self._canvas, self.footprint, voxel[None], 0.0) < 0:
            return None
        units = self._visible(voxel)
        if not len(units):
            return None
        instance = add_poses(self._canvas, [p for unit in units for p in self._poses(unit, voxel)], tolerance)
        if instance is None:
            return None
        return PlacedFilament(instance, bundle, tuple(self._point(unit, voxel) for unit in units))

    def _fill(self) -> Footprint:
        parts = []
        for number, repeat in enumerate(self._repeats):
            units = np.flatnonzero(self._track.kinds == number)
            for member, (turn, place) in enumerate(
                zip(repeat.rotations, repeat.positions_angstrom, strict=True)
            ):
                chosen = np.array([self._conformers[unit][member] for unit in units], dtype=np.int64)
                shifts = self._axis_zyx[units] + self._offsets(units, place)
                for conformer in np.unique(chosen):
                    own = chosen == conformer
                    body = repeat.bodies[conformer]
                    parts.append(footprint(body, (self._frames[units] @ turn)[own], shifts[own]))
        return joined(parts)

    def _offsets(self, units: NDArray[np.int64], place_xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((self._frames[units] @ place_xyz)[:, ::-1] / self._canvas.pixel_size_angstrom)

    def anchors(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return random voxels on the axis, (count, 3), z, y, x."""
        return np.rint(self._axis_zyx[rng.integers(len(self._axis_zyx), size=count)]).astype(np.int64)

    def _visible(self, voxel: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the units that may reach into the volume; their axis may leave it before they do."""
        at = self._axis_zyx + voxel
        reach = self._reach
        return np.flatnonzero(((at >= -reach) & (at <= np.array(self._canvas.shape) - 1 + reach)).all(axis=1))

    def _poses(self, unit: int, voxel: NDArray[np.int64]) -> list[Pose]:
        repeat, frame = self._repeats[self._track.kinds[unit]], self._frames[unit]
        places = frame @ repeat.positions_angstrom.T / self._canvas.pixel_size_angstrom
        return [
            Pose(repeat.bodies[conformer], voxel + self._axis_zyx[unit] + place[::-1], frame @ turn)
            for conformer, place, turn in zip(self._conformers[unit], places.T, repeat.rotations, strict=True)
        ]

    def _point(self, unit: int, voxel: NDArray[np.int64]) -> FilamentPoint:
        repeat = self._repeats[self._track.kinds[unit]]
        return FilamentPoint(
            structure_id=repeat.structure_id,
            class_name=repeat.class_name,
            conformers=tuple(int(c) for c in self._conformers[unit]),
            position_zyx=voxel + self._axis_zyx[unit],
            rotation=self._frames[unit],
            track_angstrom=float(self._track.arc_angstrom[unit]),
            protofilaments=repeat.protofilaments,
        )


def _beside(track: Track, offset_angstrom: NDArray[np.float64], rng: np.random.Generator) -> Track:
    """Return a parallel track; its units have a spin and a phase along the axis of their own."""
    rise = np.diff(track.arc_angstrom, append=track.arc_angstrom[-1])[0]
    place = np.array([*offset_angstrom, rng.uniform(-0.5, 0.5) * rise])
    spins = track.spins_rad + rng.uniform(0, 2 * np.pi)
    positions = track.positions_angstrom + track.carriers @ place
    return Track(track.carriers, spins, positions, track.arc_angstrom, track.kinds)


def _longest(canvas: Canvas, length_angstrom: float) -> float:
    """Cut a length to what can be seen, or to what fits where all faces are closed."""
    sizes = np.array(canvas.shape) * canvas.pixel_size_angstrom
    greatest = 0.9 * np.linalg.norm(sizes) if all(canvas.closed) else 2 * np.linalg.norm(sizes)
    return min(length_angstrom, float(greatest))


def _direction(canvas: Canvas, length_angstrom: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a direction (x, y, z) along which a filament of some length may fit between closed faces."""
    direction = rng.standard_normal(3)
    direction /= np.linalg.norm(direction)
    if all(canvas.closed):
        return direction
    closed = np.array(canvas.closed)[::-1]
    sizes = np.array(canvas.shape)[::-1] * canvas.pixel_size_angstrom
    steepest = np.minimum(0.7, 0.8 * sizes / length_angstrom)
    direction[closed] = rng.uniform(-steepest[closed], steepest[closed])
    rest = np.sqrt(1 - (direction[closed] ** 2).sum())
    direction[~closed] *= rest / np.linalg.norm(direction[~closed])
    return direction


def _frame_along(direction_xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a frame whose z column is a direction and whose x column is horizontal."""
    along = direction_xyz / np.linalg.norm(direction_xyz)
    flat = np.cross([0.0, 0.0, 1.0], along)
    if np.linalg.norm(flat) < 1e-9:
        flat = np.array([1.0, 0.0, 0.0])
    flat /= np.linalg.norm(flat)
    return np.stack([flat, np.cross(along, flat), along], axis=1)


@njit(cache=True)
def _chain(frame, steps, angles, carriers, positions):  # type: ignore[no-untyped-def]
    """Turn a frame about its own x and y before each step along its z."""
    at = np.zeros(3)
    for i in range(len(steps)):
        carriers[i] = frame
        positions[i] = at
        at = at + steps[i] * frame[:, 2]
        angle = np.sqrt(angles[i, 0] ** 2 + angles[i, 1] ** 2)
        if angle < 1e-12:
            continue
        x, y = angles[i, 0] / angle, angles[i, 1] / angle
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array(
            [
                [c + x * x * (1 - c), x * y * (1 - c), y * s],
                [x * y * (1 - c), c + y * y * (1 - c), -x * s],
                [-y * s, x * s, c],
            ]
        )
        frame = frame @ turn
