"""Follow the axes of hollow filaments by fitting a tube of known diameter to their walls.

A short stretch of tube is laid on the labels where most of its wall meets labels and least of the ring
around it does: position and direction are fitted together, over several radii at once. This needs no closed
lumen, so that short pieces, cut ends and tubes that a face of the volume cuts lengthwise are fitted too, and
touching or crossing neighbours do not draw the axis away. From there the fit walks both ways to where the
wall ends. What a tube explains is taken away before the next is sought. Lengths are in grid steps.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from segnet.quantify.field import FULL, Field, ridge_points
from segnet.quantify.joining import end_directions
from segnet.quantify.tracing import hemisphere, normal_plane, sample

# All in filament radii unless said otherwise.
_ANGLES = 16  # points around a ring
_COSINES = np.cos(2 * np.pi * np.arange(_ANGLES) / _ANGLES)
_SINES = np.sin(2 * np.pi * np.arange(_ANGLES) / _ANGLES)
_WALL_RINGS = (0.2, 0.5, 0.8)  # from the inner to the outer face of the wall
_SURROUND = 1.3  # radius of the ring that should be empty
_SURROUND_WEIGHT = 0.5
_SECTION_STEP = 0.3  # between the sections of a fitted stretch
_SEED_REACH = 1.8  # half of the stretch that is fitted at a seed
_SEED_LEVEL = 0.16  # of the full field
_SEED_SHIFTS = (0.4, 0.15)  # first steps of the two fits at a seed
_SEED_TILTS = (0.14, 0.05)  # the same, tangents
_STARTS = 6  # best directions at a seed that are fitted
_HALVINGS, _CLIMBS = 4, 6  # of the steps of a fit; moves with one step
_STEP = 0.5
_BEHIND, _AHEAD = 3.0, 1.5  # stretch that is fitted while walking
_WALK_SHIFT, _WALK_TILT = 0.06, 0.026  # first steps of a fit while walking
_LEAST_SHARE, _LEAST_FITNESS = 0.15, 0.04  # of a tube: labelled share of the wall, and less surroundings
_START_LEVEL = 0.8  # of the labelled share along the tube, where the walk begins
_END_LEVEL = 0.5  # of the labelled share along the tube
_INSIDE = 0.3  # share of a ring that must lie in the volume
_SECTORS = 8
_COVERED = (0.8, 0.6)  # share of the sectors of the wall that must be labelled: sure tubes first
_SECTOR_LEVEL = 0.4  # of the labelled share along the tube
_SHORTEST = 0.4  # piece: what is left of a tube beside a cut may be shorter than wide
_AXIS, _AHEAD_STEP = 8.0, 0.4  # remains: stretch whose line is followed, step along it
_TAKEN = 1.12  # labels this near an axis belong to its tube
_TAKEN_BEYOND = 0.5  # ragged ends
_TRIED = 0.5  # seeds this near a failed one are passed over
_FAILED, _FOUND = 1, 2  # marks of seeds


class Walls(NamedTuple):
    """What tubes are fitted to.

    Attributes
    ----------
    counts
        Labelled voxels per grid point, (z, y, x).
    full
        Voxels per grid point.
    rings
        Radii of the rings in the wall, and last of the one around it.
    radius
        Outer radius of the tube, grid steps.
    """

    counts: NDArray[np.uint8]
    full: float
    rings: NDArray[np.float64]
    radius: float


def trace_tubes(
    field: Field,
    counts: NDArray[np.uint8],
    *,
    inner_share: float,
    maximum_gap: float,
    progress: bool = False,
) -> list[NDArray[np.float64]]:
    """Find the axes of all tubes.

    Parameters
    ----------
    field
        Gives the seeds; see `filament_field`.
    counts
        Labelled voxels per grid point, (z, y, x).
    inner_share
        Inner over outer diameter.
    maximum_gap
        How far beyond the ends of tubes their short remains are looked for, grid steps.
    progress
        Show a progress bar.

    Returns
    -------
    Ordered points (n, 3) (z, y, x) in grid coordinates, per tube, from one end of its wall to the other.
    """
    wall = [inner_share + (1 - inner_share) * t for t in _WALL_RINGS]
    rings = np.array([*wall, _SURROUND]) * field.radius
    walls = Walls(counts.copy(), float(field.factor**3), rings, field.radius)
    seeds = ridge_points(field, round(_SEED_LEVEL * FULL))
    tracer = _Tracer(walls)
    with tqdm(total=2 * len(seeds), desc="tubes", unit="seed", disable=not progress, leave=False) as bar:
        for covered in _COVERED:
            tracer.tried[tracer.tried == _FAILED] = 0
            for seed in seeds:
                bar.update()
                if not tracer.tried[tuple(seed)]:
                    tracer.trace(seed.astype(np.float64), covered)
    tracer.trace_ahead(maximum_gap)
    return tracer.paths


class _Tracer:
    """Traces tube after tube, and takes from the labels what each explains."""

    def __init__(self, walls: Walls) -> None:
        self.paths: list[NDArray[np.float64]] = []
        self.tried = np.zeros(walls.counts.shape, np.uint8)
        self._walls = walls
        self._directions = hemisphere(120)
        self._buffer = np.empty((8 * sum(walls.counts.shape) + 64, 3))

    def trace(self, seed: NDArray[np.float64], covered: float) -> bool:
        """Trace the tube at a seed; say whether there is one."""
        radius = self._walls.radius
        n = _trace_from(self._walls, seed, self._directions, covered, self._buffer)
        path = self._buffer[:n].copy()
        if n < 2 or _length(path) < _SHORTEST * radius:
            _mark(self.tried, seed, _TRIED * radius)
            return False
        _erase(self._walls.counts, self.tried, path, _TAKEN * radius, _TAKEN_BEYOND * radius)
        inside = inside_part(path, self.tried.shape)
        if len(inside) > 1 and _length(inside) >= _SHORTEST * radius:
            self.paths.append(inside)
        return True

    def trace_ahead(self, maximum_gap: float) -> None:
        """Look along the axes for remains that are too short to have shown themselves."""
        radius = self._walls.radius
        stretch = (-_AHEAD_STEP * radius, _AHEAD_STEP * radius, _SECTION_STEP * radius)
        for path in list(self.paths):
            for tip, outward in zip(path[[0, -1]], end_directions(path, _AXIS * radius), strict=True):
                for t in np.arange(_STEP * radius, maximum_gap, _AHEAD_STEP * radius):
                    seed = tip + t * outward
                    fitness = _fitness(self._walls, seed, outward, stretch)
                    if fitness >= _LEAST_FITNESS and self.trace(seed, _COVERED[-1]):
                        break


def _length(path: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


@numba.njit(cache=True, nogil=True)
def _in_volume(shape: Any, p: Any) -> bool:
    inside = True
    for axis in range(3):
        inside = inside and -0.5 <= p[axis] <= shape[axis] - 0.5
    return inside


@numba.njit(cache=True, nogil=True)
def _ring(counts: Any, p: Any, u: Any, v: Any, radius: float) -> Any:
    """Sum of the labelled voxels on a ring, and how many of its points lie in the volume."""
    nz, ny, nx = counts.shape
    pz, py, px = p[0], p[1], p[2]
    uz, uy, ux, vz, vy, vx = u[0], u[1], u[2], v[0], v[1], v[2]
    total, inside = 0.0, 0
    if (
        min(pz, py, px) >= radius
        and pz + radius < nz - 1.001
        and py + radius < ny - 1.001
        and px + radius < nx - 1.001
    ):
        for k in range(_ANGLES):
            c, s = radius * _COSINES[k], radius * _SINES[k]
            total += _sample_inside(counts, pz + c * uz + s * vz, py + c * uy + s * vy, px + c * ux + s * vx)
        return total, _ANGLES
    for k in range(_ANGLES):
        c, s = radius * _COSINES[k], radius * _SINES[k]
        z, y, x = pz + c * uz + s * vz, py + c * uy + s * vy, px + c * ux + s * vx
        if z < -0.5 or y < -0.5 or x < -0.5 or z > nz - 0.5 or y > ny - 0.5 or x > nx - 0.5:
            continue
        inside += 1
        total += sample(counts, z, y, x)
    return total, inside


@numba.njit(cache=True, nogil=True)
def _sample_inside(values: Any, z: float, y: float, x: float) -> float:
    """As `sample`, between the centres of the outermost voxels: most of the time of a fit goes here."""
    iz, iy, ix = int(z), int(y), int(x)
    fz, fy, fx = z - iz, y - iy, x - ix
    # unsigned indices need no look at whether they count from the end
    jz, jy, jx = np.uintp(iz), np.uintp(iy), np.uintp(ix)
    kz, ky, kx = np.uintp(iz + 1), np.uintp(iy + 1), np.uintp(ix + 1)
    near = (values[jz, jy, jx] * (1 - fx) + values[jz, jy, kx] * fx) * (1 - fy)
    near += (values[jz, ky, jx] * (1 - fx) + values[jz, ky, kx] * fx) * fy
    far = (values[kz, jy, jx] * (1 - fx) + values[kz, jy, kx] * fx) * (1 - fy)
    far += (values[kz, ky, jx] * (1 - fx) + values[kz, ky, kx] * fx) * fy
    return near * (1 - fz) + far * fz


@numba.njit(cache=True, nogil=True)
def _wall_share(walls: Any, p: Any, u: Any, v: Any) -> float:
    """Labelled share of the wall across the tube at ``p``; of the part that lies in the volume."""
    total, inside = 0.0, 0
    for i in range(walls.rings.shape[0] - 1):
        part, n = _ring(walls.counts, p, u, v, walls.rings[i])
        total += part
        inside += n
    if inside < _INSIDE * _ANGLES * (walls.rings.shape[0] - 1):
        return 0.0
    return total / (inside * walls.full)


@numba.njit(cache=True, nogil=True)
def _fitness(walls: Any, p: Any, d: Any, stretch: Any) -> float:
    """Mean over a stretch of the labelled share of the wall less that of the ring around it."""
    first, last, step = stretch
    u, v = normal_plane(d)
    sections = max(3, int((last - first) / step) + 1)
    total = 0.0
    for i in range(sections):
        q = p + (first + (last - first) * i / (sections - 1)) * d
        around, inside = _ring(walls.counts, q, u, v, walls.rings[-1])
        outside = around / (inside * walls.full) if inside > 0 else 0.0
        total += _wall_share(walls, q, u, v) - _SURROUND_WEIGHT * outside
    return total / sections


@numba.njit(cache=True, nogil=True)
def _fit(walls: Any, p: Any, d: Any, stretch: Any, shift: float, tilt: float) -> Any:
    """Climb to the best position and direction by halving steps; return (p, d, fitness).

    ``stretch`` is its (first, last) point along ``d`` from ``p`` and the step between its sections; ``tilt``
    is the tangent of an angle.
    """
    best = _fitness(walls, p, d, stretch)
    for _ in range(_HALVINGS):
        for _ in range(_CLIMBS):
            u, v = normal_plane(d)
            chosen_p, chosen_d, highest = p, d, best
            for k in range(8):
                across = (u if k % 2 == 0 else v) * (1.0 if k % 4 < 2 else -1.0)
                new_p, new_d = p, d
                if k < 4:
                    new_p = p + shift * across
                else:
                    new_d = d + tilt * across
                    new_d = new_d / np.sqrt((new_d**2).sum())
                value = _fitness(walls, new_p, new_d, stretch)
                if value > highest:
                    chosen_p, chosen_d, highest = new_p, new_d, value
            if highest <= best:
                break
            p, d, best = chosen_p, chosen_d, highest
        shift, tilt = shift / 2, tilt / 2
    return p, d, best


@numba.njit(cache=True, nogil=True)
def _fit_seed(walls: Any, seed: Any, directions: Any) -> Any:
    """Fit a stretch at a seed, from the best of all directions: coarsely, then finely."""
    reach, step = _SEED_REACH * walls.radius, _SECTION_STEP * walls.radius
    coarse, fine = (-reach, reach, 2 * step), (-reach, reach, step)
    values = np.empty(directions.shape[0])
    for i in range(directions.shape[0]):
        values[i] = _fitness(walls, seed, directions[i], coarse)
    order = np.argsort(-values)
    best_p, best_d, best = seed, directions[order[0]], -1.0
    for i in range(_STARTS):
        heading = directions[order[i]]
        p, d, value = _fit(walls, seed, heading, coarse, _SEED_SHIFTS[0] * walls.radius, _SEED_TILTS[0])
        if value > best:
            best_p, best_d, best = p, d, value
    return _fit(walls, best_p, best_d, fine, _SEED_SHIFTS[1] * walls.radius, _SEED_TILTS[1])


@numba.njit(cache=True, nogil=True)
def _level(walls: Any, p: Any, d: Any) -> float:
    """Labelled share of the wall in the better half of a stretch: a cut in it does not count."""
    u, v = normal_plane(d)
    shares = np.empty(13)
    for i in range(13):
        shares[i] = _wall_share(walls, p + _SEED_REACH * walls.radius * (i / 6 - 1) * d, u, v)
    return np.sort(shares)[9]


@numba.njit(cache=True, nogil=True)
def _covered(walls: Any, path: Any, n: int, level: float) -> float:
    """Share of the sectors of the wall that are labelled, of those in the volume; mean along a path.

    A sheet or the shell of a ball fills a few sectors of each section.
    """
    d = path[n - 1] - path[0]
    u, v = normal_plane(d / max(np.sqrt((d**2).sum()), 1e-9))
    seen, good = 0, 0
    for i in range(n):
        for sector in range(_SECTORS):
            total, inside = 0.0, 0
            for k in range(sector * _ANGLES // _SECTORS, (sector + 1) * _ANGLES // _SECTORS):
                across = _COSINES[k] * u + _SINES[k] * v
                for j in range(walls.rings.shape[0] - 1):
                    q = path[i] + walls.rings[j] * across
                    if _in_volume(walls.counts.shape, q):
                        inside += 1
                        total += sample(walls.counts, q[0], q[1], q[2])
            if inside > 0:
                seen += 1
                good += total >= _SECTOR_LEVEL * level * inside * walls.full
    return good / max(seen, 1)


@numba.njit(cache=True, nogil=True)
def _trace_from(walls: Any, seed: Any, directions: Any, covered: float, out: Any) -> int:
    """Trace the tube at a seed into ``out``; return how many points it has, 0 where there is none."""
    p, d, fitness = _fit_seed(walls, seed, directions)
    level = _level(walls, p, d)
    if fitness < _LEAST_FITNESS or level < _LEAST_SHARE:
        return 0
    start = _fullest(walls, p, d, level)
    half = out.shape[0] // 2
    n = _walk(walls, start, -d, level, out[:half])
    out[:n] = out[:n][::-1].copy()
    out[n] = start
    n += 1
    n += _walk(walls, start, d, level, out[n:])
    return n if _covered(walls, out, n, level) >= covered else 0


@numba.njit(cache=True, nogil=True)
def _fullest(walls: Any, p: Any, d: Any, level: float) -> Any:
    """Return the point nearest to ``p`` on the fitted stretch whose wall is labelled."""
    u, v = normal_plane(d)
    for i in range(13):
        for sign in (1.0, -1.0):
            q = p + sign * _SEED_REACH * walls.radius * i / 12 * d
            if _wall_share(walls, q, u, v) >= _START_LEVEL * level:
                return q
    return p


@numba.njit(cache=True, nogil=True)
def _walk(walls: Any, start: Any, heading: Any, level: float, out: Any) -> int:
    """Walk from ``start`` (not stored) to where the wall ends; return how many points were written."""
    radius = walls.radius
    p, d, n = start.copy(), heading.copy(), 0
    step, behind = _STEP * radius, -radius
    while n < out.shape[0] - 1:
        ahead = p + step * d
        stretch = (behind, _AHEAD * radius, _SECTION_STEP * radius)
        q, new_d, _ = _fit(walls, ahead, d, stretch, _WALK_SHIFT * radius, _WALK_TILT)
        # the fit may slide along the tube: stay in the plane one step ahead
        q = q + ((ahead - q) * d).sum() * d
        u, v = normal_plane(new_d)
        if _wall_share(walls, q, u, v) < _END_LEVEL * level:
            return n + _to_end(walls, p, d, step, level, out[n:])
        p, d = q, new_d
        out[n] = p
        n += 1
        behind = max(behind - step, -_BEHIND * radius)
    return n


@numba.njit(cache=True, nogil=True)
def _to_end(walls: Any, p: Any, d: Any, step: float, level: float, out: Any) -> int:
    """Add the point ahead of ``p`` where the labelled share of the wall halves."""
    u, v = normal_plane(d)
    end = _END_LEVEL * level
    before = _wall_share(walls, p, u, v)
    if before <= end:
        return 0
    for i in range(1, 9):
        share = _wall_share(walls, p + step * i / 8 * d, u, v)
        if share < end:
            out[0] = p + step / 8 * (i - (end - share) / (before - share)) * d
            return 1
        before = share
    out[0] = p + step * d
    return 1


@numba.njit(cache=True, nogil=True)
def _mark(marks: Any, p: Any, reach: float) -> None:
    r = int(np.ceil(reach))
    cz, cy, cx = p
    for z in range(max(int(cz) - r, 0), min(int(cz) + r + 2, marks.shape[0])):
        for y in range(max(int(cy) - r, 0), min(int(cy) + r + 2, marks.shape[1])):
            for x in range(max(int(cx) - r, 0), min(int(cx) + r + 2, marks.shape[2])):
                if (z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 <= reach**2:
                    marks[z, y, x] = max(marks[z, y, x], _FAILED)


def inside_part(path: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the longest stretch of a path that lies in the volume, cut at the faces.

    The wall of a tube that leaves through a face, or along one, is seen farther than its axis.
    """
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    fine = np.linspace(0, along[-1], max(2, int(along[-1] / 0.1)))
    points = np.stack([np.interp(fine, along, path[:, axis]) for axis in range(3)], axis=1)
    inside = ((points >= -0.5) & (points <= np.asarray(shape) - 0.5)).all(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]]))).reshape(-1, 2)
    if not len(edges):
        return path[:0]
    first, last = edges[np.argmax(edges[:, 1] - edges[:, 0])] - (0, 1)
    kept = (along > fine[first]) & (along < fine[last])
    return np.concatenate([points[[first]], path[kept], points[[last]]])


@numba.njit(cache=True, nogil=True)
def _erase(left: Any, tried: Any, path: Any, reach: float, beyond: float) -> None:
    r = int(np.ceil(reach + beyond))
    last = path.shape[0] - 1
    for i in range(last):
        a, b = path[i], path[i + 1]
        length = np.sqrt(((b - a) ** 2).sum())
        d = (b - a) / max(length, 1e-9)
        low, high = np.minimum(a, b), np.maximum(a, b)
        before = -beyond if i == 0 else -0.5 * reach
        after = length + (beyond if i == last - 1 else 0.5 * reach)
        for z in range(max(int(low[0]) - r, 0), min(int(high[0]) + r + 2, left.shape[0])):
            for y in range(max(int(low[1]) - r, 0), min(int(high[1]) + r + 2, left.shape[1])):
                for x in range(max(int(low[2]) - r, 0), min(int(high[2]) + r + 2, left.shape[2])):
                    oz, oy, ox = z - a[0], y - a[1], x - a[2]
                    t = oz * d[0] + oy * d[1] + ox * d[2]
                    if t < before or t > after:
                        continue
                    if oz * oz + oy * oy + ox * ox - t * t <= reach * reach:
                        left[z, y, x] = 0
                        tried[z, y, x] = _FOUND
