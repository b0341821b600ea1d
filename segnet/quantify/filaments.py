"""Filament instances: traced, joined across breaks, and measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numba
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from segnet.config.quantification import FilamentConfig
from segnet.quantify.field import Field, coarse_counts, filament_field
from segnet.quantify.joining import Path, chain_points, end_directions, join_paths
from segnet.quantify.objects import Runs
from segnet.quantify.tracing import claim, normal_plane, sample, trace_field
from segnet.quantify.tubes import trace_tubes

_SPACING = 0.5  # of the stored points, in radii
_SMOOTHING_SPAN = 6.0  # of the stored points, in radii
_END_SPAN = 8.0  # over which the direction of an end is fitted, in radii
_REDRAWN = 1.0  # how much of an end is drawn anew, in radii
_END_AHEAD = 2.0  # how far beyond the end of the path the true end is looked for, in radii
_DOUBLE_LENGTH, _DOUBLE_REACH, _DOUBLE_SHARE = 12.0, 1.25, 0.7  # see `_without_doubles`; in radii, share
_TUBE_ERROR, _RIDGE_ERROR = 0.25, 0.5  # of a traced axis, in radii
_SMALLEST_LUMEN = 2.0  # that shows, in grid steps
_DECORATED_SHARE = 0.5  # of the labelled voxels around a point
_PAINTED = (0.5, 1.0, 1.6)  # labelled voxels go to the filament that paints them first, in radii


@dataclass(frozen=True)
class Filament:
    """One filament: ordered points and what was measured on them.

    Attributes
    ----------
    points
        (n, 3) (z, y, x) in voxels, evenly spaced.
    decorated
        (n,) True where the decorated class prevails; empty where the filament has no such class.
    length_nm, end_to_end_nm
        Along the filament, bridged breaks included, and straight.
    mean_curvature_per_um, maximum_curvature_per_um
        1/µm; NaN where the filament is shorter than a third of the window.
    azimuth_deg, elevation_deg
        Direction of the line between the ends: in the plane from +x towards +y, 0-180; against the plane,
        0-90.
    breaks, bridged_nm
        Number of bridged breaks and their summed length.
    decorated_share
        Share of the length that is decorated; NaN where the filament has no such class.
    touches_border
        An end lies at a face of the volume: the length is a lower bound.
    """

    points: Path
    decorated: NDArray[np.bool_]
    length_nm: float
    end_to_end_nm: float
    mean_curvature_per_um: float
    maximum_curvature_per_um: float
    azimuth_deg: float
    elevation_deg: float
    breaks: int
    bridged_nm: float
    decorated_share: float
    touches_border: bool


@dataclass(frozen=True)
class FilamentSet:
    """All filaments of one kind, and which of them each grid point of ``painted`` belongs to (1, 2, …)."""

    name: str
    filaments: tuple[Filament, ...]
    painted: NDArray[np.integer[Any]]
    factor: int


def find_filaments(
    runs: Runs, labels: dict[str, int], config: FilamentConfig, voxel_nm: float, *, progress: bool = False
) -> FilamentSet:
    """Trace, join and measure the filaments of one kind.

    Parameters
    ----------
    runs
        Runs of the whole volume, islands removed.
    labels
        Label by class name; holds the filament's classes that the class table has.
    config
        Kind of filament.
    voxel_nm
        Voxel size, nm.
    progress
        Show progress bars.
    """
    own = runs.keep(np.isin(runs.label, list(labels.values())))
    field = filament_field(own, config, voxel_nm)
    counts = coarse_counts(own, field.factor)
    pieces = _trace(field, counts, config, voxel_nm, progress)
    step_nm = voxel_nm * field.factor
    chains = join_paths(
        pieces,
        maximum_gap=config.maximum_gap_nm / step_nm,
        maximum_angle_deg=config.maximum_angle_deg,
        radius=field.radius,
        span=_END_SPAN * field.radius,
        error=(_TUBE_ERROR if _shows_lumen(config, step_nm) else _RIDGE_ERROR) * field.radius,
    )
    decorated = _decorated_counts(own, labels, config, field.factor)
    joined = [chain_points(pieces, chain) for chain in chains]
    joined = [found for found in joined if _length(found[0]) * step_nm >= config.minimum_length_nm]
    filaments = [
        _measure(points, breaks, counts, decorated, field, config, voxel_nm, runs.shape)
        for points, breaks in _without_doubles(joined, field.radius)
    ]
    painted = _paint([f.points for f in filaments], field)
    return FilamentSet(config.name, tuple(filaments), painted, field.factor)


def _trace(
    field: Field, counts: NDArray[np.uint8], config: FilamentConfig, voxel_nm: float, progress: bool
) -> list[Path]:
    """Return the pieces of filaments; a tube too coarse to show its lumen is followed as a solid one."""
    grid_nm = voxel_nm * field.factor
    if _shows_lumen(config, grid_nm):
        return trace_tubes(
            field,
            counts,
            inner_share=config.lumen_diameter_nm / config.diameter_nm,
            maximum_gap=config.maximum_gap_nm / grid_nm,
            progress=progress,
        )
    # a piece may be shorter than a filament: breaks are bridged first
    shortest = max(min(config.minimum_length_nm / 2 / grid_nm, 6 * field.radius), 2 * field.radius)
    return [_to_true_ends(path, counts, field) for path in trace_field(field, shortest, progress=progress)]


def _shows_lumen(config: FilamentConfig, grid_nm: float) -> bool:
    return config.lumen_diameter_nm > _SMALLEST_LUMEN * grid_nm


def _without_doubles(
    joined: list[tuple[Path, list[tuple[int, float]]]], radius: float
) -> list[tuple[Path, list[tuple[int, float]]]]:
    """Drop filaments that run inside longer ones: the wall of an open end can be taken for a filament."""
    order = sorted(range(len(joined)), key=lambda i: -_length(joined[i][0]))
    kept: list[int] = []
    tree: cKDTree | None = None
    for i in order:
        path = joined[i][0]
        short = _length(path) < _DOUBLE_LENGTH * radius
        if short and tree is None and kept:
            tree = cKDTree(np.concatenate([joined[k][0] for k in kept]))
        if (
            short
            and tree is not None
            and (tree.query(path)[0] <= _DOUBLE_REACH * radius).mean() >= _DOUBLE_SHARE
        ):
            continue
        kept.append(i)
    return [joined[i] for i in sorted(kept)]


def _length(points: Path) -> float:
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def _decorated_counts(
    runs: Runs, labels: dict[str, int], config: FilamentConfig, factor: int
) -> NDArray[np.uint8] | None:
    if config.decorated_class is None or config.decorated_class not in labels:
        return None
    return coarse_counts(runs.keep(runs.label == labels[config.decorated_class]), factor)


def _to_true_ends(path: Path, counts: NDArray[np.uint8], field: Field) -> Path:
    """Move both ends to where the labelled share of the cross-section halves.

    The last stretch is drawn anew as a straight line: the field fades before the end.
    """
    half = float(np.median(_sections(counts, *_inner_points(path), field.radius))) / 2
    for _ in range(2):
        path = _redraw_end(path, counts, half, field.radius, _REDRAWN * field.radius)[::-1]
    return path


def _inner_points(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    index = np.unique(np.linspace(len(path) * 0.2, len(path) * 0.8, 15).astype(int).clip(0, len(path) - 1))
    return path[index], _tangents(path)[index]


def _tangents(path: Path) -> NDArray[np.float64]:
    tangents = np.gradient(path, axis=0)
    return np.asarray(tangents / np.linalg.norm(tangents, axis=1, keepdims=True))


def _redraw_end(path: Path, counts: NDArray[np.uint8], half: float, radius: float, redrawn: float) -> Path:
    """Replace the first stretch of a path by a straight line to where the cross-section halves."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    # at least three points stay, to fit a direction to
    removed = min(int(np.searchsorted(along, min(redrawn, along[-1] / 3))), len(path) - 3)
    path = path[removed:]
    direction = end_directions(path, _END_SPAN * radius)[0]
    ahead = np.arange(0, redrawn + _END_AHEAD * radius, 0.25)
    points = path[0] + ahead[:, np.newaxis] * direction
    full = _sections(counts, points, np.broadcast_to(direction, points.shape), radius) >= half
    # the path went through what was removed: a break there is no end
    passed = np.flatnonzero(full & (ahead <= along[removed]))
    first = int(passed[-1]) if passed.size else 0
    last = len(full) if full[first:].all() else first + int(np.argmin(full[first:]))
    if last == 0:
        return path
    end = path[0] + (ahead[last - 1] + 0.125) * direction
    return np.concatenate([end[np.newaxis], path])


@numba.njit(cache=True, nogil=True)
def _sections(counts: Any, points: Any, directions: Any, radius: float) -> Any:
    """Mean labelled share of a disc across the filament, at each point."""
    shares = np.empty(points.shape[0])
    for i in range(points.shape[0]):
        p = points[i]
        u, v = normal_plane(directions[i])
        total = sample(counts, p[0], p[1], p[2])
        n = 1
        for ring in range(1, 4):
            r = radius * ring / 3
            for k in range(4 * ring):
                angle = k * np.pi / (2 * ring)
                c, s = r * np.cos(angle), r * np.sin(angle)
                total += sample(
                    counts, p[0] + c * u[0] + s * v[0], p[1] + c * u[1] + s * v[1], p[2] + c * u[2] + s * v[2]
                )
                n += 1
        shares[i] = total / n
    return shares


def _measure(
    grid_points: Path,
    breaks: list[tuple[int, float]],
    counts: NDArray[np.uint8],
    decorated: NDArray[np.uint8] | None,
    field: Field,
    config: FilamentConfig,
    voxel_nm: float,
    shape: tuple[int, int, int],
) -> Filament:
    grid_points = smooth_path(grid_points, _SPACING * field.radius, _SMOOTHING_SPAN * field.radius)
    points = field.to_voxels(grid_points)
    marks = _is_decorated(grid_points, counts, decorated, field.radius)
    curvature = path_curvature(points * voxel_nm / 1000, config.curvature_window_nm / 1000)
    chord = points[-1] - points[0]
    reach = field.radius * field.factor
    ends = points[[0, -1]]
    return Filament(
        points=points,
        decorated=marks,
        length_nm=_length(points) * voxel_nm,
        end_to_end_nm=float(np.linalg.norm(chord)) * voxel_nm,
        mean_curvature_per_um=float(curvature.mean()) if curvature.size else float("nan"),
        maximum_curvature_per_um=float(curvature.max()) if curvature.size else float("nan"),
        azimuth_deg=float(np.degrees(np.arctan2(chord[1], chord[2])) % 180),
        elevation_deg=float(np.degrees(np.arctan2(abs(chord[0]), np.hypot(chord[1], chord[2])))),
        breaks=len(breaks),
        bridged_nm=sum(length for _, length in breaks) * field.factor * voxel_nm,
        decorated_share=float(marks.mean()) if marks.size else float("nan"),
        touches_border=bool(((ends < reach) | (ends > np.asarray(shape) - 1 - reach)).any()),
    )


def smooth_path(points: Path, spacing: float, span: float) -> Path:
    """Resample a path evenly and smooth it by quadratic fits over ``span``; the ends stay."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    count = max(3, round(along[-1] / spacing) + 1)
    even = np.stack(
        [np.interp(np.linspace(0, along[-1], count), along, points[:, axis]) for axis in range(3)], axis=1
    )
    window = min(2 * round(span / spacing / 2) + 1, count - (count + 1) % 2)
    if window < 5:
        return even
    smooth = local_fits(even, window, 2)
    smooth[[0, -1]] = even[[0, -1]]
    return smooth


def local_fits(points: Path, window: int, order: int, derivative: int = 0) -> Path:
    """Return a derivative of polynomials fitted around each point; at the ends, of the outermost fits.

    As ``scipy.signal.savgol_filter(points, window, order, derivative, axis=0, mode="interp")``, whose
    coefficients cost more than the filter on the short paths here: they are kept.

    Parameters
    ----------
    points
        (n, 3), n >= ``window``, evenly spaced by 1.
    window
        Odd number of points of a fit, above ``order``.
    order, derivative
        Of the polynomial, and which of its derivatives is wanted.
    """
    weights = _fit_weights(window, order, derivative)
    half = window // 2
    middle = np.tensordot(sliding_window_view(points, window, axis=0), weights[half], axes=(2, 0))
    return np.concatenate([weights[:half] @ points[:window], middle, weights[half + 1 :] @ points[-window:]])


@lru_cache(maxsize=512)
def _fit_weights(window: int, order: int, derivative: int) -> NDArray[np.float64]:
    """Weights (window, window): row i times the points of a window is the derivative of their fit at i."""
    at = np.arange(window) - window // 2
    coefficients = np.linalg.pinv(np.vander(at, order + 1, increasing=True).astype(np.float64))
    powers = np.arange(derivative, order + 1)
    factors = np.array([math.perm(power, derivative) for power in powers], float)
    return np.asarray((at[:, np.newaxis] ** (powers - derivative) * factors) @ coefficients[derivative:])


def path_curvature(points: Path, window: float) -> NDArray[np.float64]:
    """Return the curvature along an even path, from cubic fits over ``window``.

    κ = |r' × r''| / |r'|³, in one over the unit of the points. A path shorter than the window is fitted as
    a whole; empty below a third of the window, where noise would decide.
    """
    spacing = float(np.linalg.norm(np.diff(points, axis=0), axis=1).mean())
    if spacing * (len(points) - 1) < window / 3 or len(points) < 5:
        return np.zeros(0)
    length = min(2 * round(window / spacing / 2) + 1, len(points) - (len(points) + 1) % 2)
    if length < 5:
        length = 5
    first = local_fits(points, length, 3, derivative=1) / spacing
    second = local_fits(points, length, 2, derivative=2) / spacing**2
    cross = np.linalg.norm(np.cross(first, second), axis=1)
    return np.asarray(cross / np.linalg.norm(first, axis=1) ** 3)


def _is_decorated(
    points: Path, counts: NDArray[np.uint8], decorated: NDArray[np.uint8] | None, radius: float
) -> NDArray[np.bool_]:
    if decorated is None:
        return np.zeros(0, bool)
    tangents = _tangents(points)
    total = _sections(counts, points, tangents, radius)
    part = _sections(decorated, points, tangents, radius)
    return part > _DECORATED_SHARE * np.maximum(total, 1e-9)


def _paint(paths: list[Path], field: Field) -> NDArray[np.integer[Any]]:
    painted = np.zeros(field.values.shape, np.uint16 if len(paths) < 2**16 else np.int32)
    for share in _PAINTED:
        for number, path in enumerate(paths, start=1):
            claim(painted, (path + 0.5) / field.factor - 0.5, share * field.radius, number)
    return painted
