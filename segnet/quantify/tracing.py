"""Follow the ridges of a filament field, one filament at a time, straight through crossings.

From the highest ridge point left over, the path goes both ways in small steps. Each step looks ahead
within a narrow cone, so that a crossing filament or a rough patch does not turn it, and is then centred on
the ridge. It ends where the field has fallen to half of what it was along the path, at the border, or where
it runs along a filament that was traced before. Lengths are in grid steps of the field.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from segnet.quantify.field import FULL, Field, ridge_points

# All in filament radii unless said otherwise.
_STEP = 0.5
_LOOK_AHEAD = 3.0
_SEED_REACH = 4.0
_CONE_DEG = (2.0, 5.0)
_CENTRING = 0.7
_SHARPNESS = 4.0  # power of the field in the centroid: a touching neighbour must not pull
_LARGEST_SHIFT = 0.1
_CLAIM = 0.95
_CROSSING = 5.0  # how far a path may run inside another filament before it ends there
_HEADING = 4.0
_SEED_LEVEL = 0.16  # of the full field
_END_LEVEL = 0.5  # of the level along the path
_NEW_SHARE = 0.5  # of a path that must not belong to an earlier one


def trace_field(field: Field, minimum_length: float, *, progress: bool = False) -> list[NDArray[np.float64]]:
    """Trace all filaments of a field.

    Parameters
    ----------
    field
        See `filament_field`.
    minimum_length
        Shorter pieces are dropped, grid steps.
    progress
        Show a progress bar.

    Returns
    -------
    Ordered points (n, 3) (z, y, x) in grid coordinates, per filament, about half a radius apart.
    """
    seeds = ridge_points(field, round(_SEED_LEVEL * FULL))
    claimed = np.zeros(field.values.shape, np.int8)  # 1: of a filament, -1: of a path that was dropped
    buffer = np.empty((2 * sum(field.values.shape) * 4 + 64, 3))
    directions = hemisphere(120)
    paths: list[NDArray[np.float64]] = []
    position = 0
    with tqdm(total=len(seeds), desc="tracing", unit="seed", disable=not progress, leave=False) as bar:
        while position < len(seeds):
            before = position
            position, n, new = _trace_next(
                field.values, claimed, seeds, position, directions, field.radius, buffer
            )
            bar.update(position - before)
            if n == 0:
                continue
            path = buffer[:n].copy()
            keep = new >= _NEW_SHARE and _length(path) >= minimum_length
            claim(claimed, path, _CLAIM * field.radius, 1 if keep else -1)
            if keep:
                paths.append(path)
    return paths


def _length(path: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def hemisphere(count: int) -> NDArray[np.float64]:
    """Return about evenly spread directions (count, 3), one of each opposite pair (a Fibonacci lattice)."""
    i = np.arange(count) + 0.5
    z = i / count
    azimuth = np.pi * (1 + 5**0.5) * i
    flat = np.sqrt(1 - z**2)
    return np.stack([z, flat * np.sin(azimuth), flat * np.cos(azimuth)], axis=1)


@numba.njit(cache=True, nogil=True)
def sample(values: Any, z: float, y: float, x: float) -> float:
    """Interpolate linearly; 0 beyond the outer faces, constant over the outer half voxel."""
    nz, ny, nx = values.shape
    if z < -0.5 or y < -0.5 or x < -0.5 or z > nz - 0.5 or y > ny - 0.5 or x > nx - 0.5:
        return 0.0
    z, y, x = min(max(z, 0.0), nz - 1.0), min(max(y, 0.0), ny - 1.0), min(max(x, 0.0), nx - 1.0)
    iz, iy, ix = int(z), int(y), int(x)
    jz, jy, jx = min(iz + 1, nz - 1), min(iy + 1, ny - 1), min(ix + 1, nx - 1)
    fz, fy, fx = z - iz, y - iy, x - ix
    near = (values[iz, iy, ix] * (1 - fx) + values[iz, iy, jx] * fx) * (1 - fy)
    near += (values[iz, jy, ix] * (1 - fx) + values[iz, jy, jx] * fx) * fy
    far = (values[jz, iy, ix] * (1 - fx) + values[jz, iy, jx] * fx) * (1 - fy)
    far += (values[jz, jy, ix] * (1 - fx) + values[jz, jy, jx] * fx) * fy
    return near * (1 - fz) + far * fz


@numba.njit(cache=True, nogil=True)
def _along(values: Any, p: Any, d: Any, first: float, last: float, count: int) -> float:
    """Mean of the field on a line from ``p``."""
    total = 0.0
    for i in range(count):
        t = first + (last - first) * i / (count - 1)
        total += sample(values, p[0] + t * d[0], p[1] + t * d[1], p[2] + t * d[2])
    return total / count


@numba.njit(cache=True, nogil=True)
def normal_plane(d: Any) -> Any:
    """Return two unit vectors at right angles to ``d`` and to each other."""
    a = np.zeros(3)
    a[np.argmin(np.abs(d))] = 1.0
    u = np.cross(d, a)
    u /= np.sqrt((u**2).sum())
    return u, np.cross(d, u)


@numba.njit(cache=True, nogil=True)
def _centred(values: Any, p: Any, d: Any, radius: float) -> Any:
    """Move a point towards the middle of the ridge, in the plane across the path."""
    u, v = normal_plane(d)
    weight = sample(values, p[0], p[1], p[2]) ** _SHARPNESS
    shift = np.zeros(3)
    for ring in range(1, 3):
        r = radius * _CENTRING * ring / 2
        for k in range(8):
            angle = k * np.pi / 4
            offset = r * (np.cos(angle) * u + np.sin(angle) * v)
            q = p + offset
            w = sample(values, q[0], q[1], q[2]) ** _SHARPNESS
            weight += w
            shift += w * offset
    if weight == 0:
        return p
    shift /= weight
    # the centroid of a disc cut off at r moves by less than the offset of the ridge
    shift *= 2.0
    size = np.sqrt((shift**2).sum())
    if size > _LARGEST_SHIFT * radius:
        shift *= _LARGEST_SHIFT * radius / size
    return p + shift


@numba.njit(cache=True, nogil=True)
def _best_heading(values: Any, p: Any, d: Any, radius: float) -> Any:
    """Return the direction within a cone around ``d`` with the most field ahead."""
    u, v = normal_plane(d)
    best = d.copy()
    ahead = _LOOK_AHEAD * radius
    highest = _along(values, p, d, _STEP * radius, ahead, 6) * 1.002
    for ring in range(len(_CONE_DEG)):
        tilt = _CONE_DEG[ring] * np.pi / 180
        for k in range(8):
            angle = k * np.pi / 4
            candidate = np.cos(tilt) * d + np.sin(tilt) * (np.cos(angle) * u + np.sin(angle) * v)
            value = _along(values, p, candidate, _STEP * radius, ahead, 6)
            if value > highest:
                highest, best = value, candidate
    return best


@numba.njit(cache=True, nogil=True)
def _owner(claimed: Any, p: Any) -> int:
    z, y, x = int(np.floor(p[0] + 0.5)), int(np.floor(p[1] + 0.5)), int(np.floor(p[2] + 0.5))
    if z < 0 or y < 0 or x < 0 or z >= claimed.shape[0] or y >= claimed.shape[1] or x >= claimed.shape[2]:
        return 0
    return claimed[z, y, x]


@numba.njit(cache=True, nogil=True)
def _follow(
    values: Any, claimed: Any, start: Any, heading: Any, level: float, radius: float, out: Any
) -> int:
    """Walk one way from ``start`` (not stored); return how many points were written."""
    step = _STEP * radius
    back = max(1, round(_HEADING * radius / step))
    p, d = start.copy(), heading.copy()
    n, in_other = 0, 0
    while n < out.shape[0]:
        d = _best_heading(values, p, d, radius)
        q = _centred(values, p + step * d, d, radius)
        value = sample(values, q[0], q[1], q[2])
        if value < _END_LEVEL * level:
            n += _to_half_level(values, p, q, _END_LEVEL * level, out, n)
            break
        out[n] = q
        n += 1
        level = 0.95 * level + 0.05 * value
        anchor = out[n - 1 - back] if n > back else start
        course = q - anchor
        d = 0.4 * d + 0.6 * course / max(np.sqrt((course**2).sum()), 1e-9)
        d /= np.sqrt((d**2).sum())
        p = q
        in_other = in_other + 1 if _owner(claimed, q) > 0 else 0
        if in_other * step > _CROSSING * radius:
            break
    return n - in_other


@numba.njit(cache=True, nogil=True)
def _to_half_level(values: Any, p: Any, q: Any, level: float, out: Any, n: int) -> int:
    """Add the point between ``p`` and ``q`` where the field crosses ``level``."""
    a, b = sample(values, p[0], p[1], p[2]), sample(values, q[0], q[1], q[2])
    if a <= level:
        return 0
    out[n] = p + (q - p) * (a - level) / (a - b)
    return 1


@numba.njit(cache=True, nogil=True)
def _trace_next(
    values: Any,
    claimed: Any,
    seeds: Any,
    position: int,
    directions: Any,
    radius: float,
    buffer: Any,
) -> Any:
    """Trace from the next free seed; return the seed after it, the points written and their new share."""
    while position < seeds.shape[0]:
        seed = seeds[position]
        position += 1
        if claimed[seed[0], seed[1], seed[2]] == 0:
            break
    else:
        return position, 0, 0.0
    start = seed.astype(np.float64)
    reach = _SEED_REACH * radius
    best, highest = directions[0], -1.0
    for i in range(directions.shape[0]):
        value = _along(values, start, directions[i], -reach, reach, 17)
        if value > highest:
            highest, best = value, directions[i]
    start = _centred(values, start, best, radius)
    level = sample(values, start[0], start[1], start[2])
    half = buffer.shape[0] // 2
    n_back = _follow(values, claimed, start, -best, level, radius, buffer[:half])
    buffer[:n_back] = buffer[:n_back][::-1].copy()
    buffer[n_back] = start
    n = n_back + 1
    heading = best if n_back < 2 else _course(buffer, n, radius)
    n += _follow(values, claimed, start, heading, level, radius, buffer[n:])
    new = 0
    for i in range(n):
        new += _owner(claimed, buffer[i]) <= 0
    return position, n, new / n


@numba.njit(cache=True, nogil=True)
def _course(path: Any, n: int, radius: float) -> Any:
    """Direction at the last of ``n`` points, over a few radii."""
    first = max(0, n - 1 - round(_HEADING / _STEP))
    d = path[n - 1] - path[first]
    return d / max(np.sqrt((d**2).sum()), 1e-9)


@numba.njit(cache=True, nogil=True)
def claim(claimed: Any, path: Any, reach: float, own: int) -> None:
    """Mark the free grid points within ``reach`` of a path."""
    nz, ny, nx = claimed.shape
    for i in range(path.shape[0]):
        cz, cy, cx = path[i]
        for z in range(max(int(np.ceil(cz - reach)), 0), min(int(np.floor(cz + reach)) + 1, nz)):
            flat = np.sqrt(reach**2 - (z - cz) ** 2)
            for y in range(max(int(np.ceil(cy - flat)), 0), min(int(np.floor(cy + flat)) + 1, ny)):
                half = np.sqrt(max(flat**2 - (y - cy) ** 2, 0.0))
                for x in range(max(int(np.ceil(cx - half)), 0), min(int(np.floor(cx + half)) + 1, nx)):
                    if claimed[z, y, x] <= 0:
                        claimed[z, y, x] = own
