"""Join pieces of one filament across a break: ends that point at each other over a short distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Path = NDArray[np.float64]

_LINE_SCATTER = 0.5  # of pieces along one straight line, in radii


def end_directions(path: Path, span: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the unit vectors that lead out of the first and last point, fitted over ``span`` of the path."""
    return _outward(path, span), _outward(path[::-1], span)


def _length(path: Path) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def _near(path: Path, span: float) -> Path:
    """Return the points of a path within ``span`` of its first."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    return path[along <= max(span, along[1])]


def _outward(path: Path, span: float) -> NDArray[np.float64]:
    near = _near(path, span)
    centred = near - near.mean(axis=0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    return np.asarray(direction * np.sign(direction @ (near[0] - near[-1]) or 1.0))


def join_paths(
    paths: list[Path],
    *,
    maximum_gap: float,
    maximum_angle_deg: float,
    radius: float,
    span: float,
    error: float,
) -> list[list[tuple[int, bool]]]:
    """Group pieces into filaments.

    Two ends may join where the break is at most ``maximum_gap`` long and not longer than the longer piece,
    and an arc over it fits both: it may turn by ``maximum_angle_deg`` over the longest break, in proportion
    over a shorter one, and leaves the line of each end by half of that. What the fitted direction of a short
    piece may be wrong by is allowed for. Or where both pieces lie along one straight line. The
    closest and straightest pairs join first; an end joins once; no filament closes on itself.

    Parameters
    ----------
    paths
        Pieces, each (n, 3) with n >= 2.
    maximum_gap, radius, span, error
        Longest break, filament radius, length over which an end's direction is fitted, and what the paths may
        be off by: units of the paths.
    maximum_angle_deg
        Largest turn over the longest break.

    Returns
    -------
    Per filament its pieces in order, each with True where it is to be reversed.
    """
    if not paths:
        return []
    tips = np.array([path[i] for path in paths for i in (0, -1)])
    outward = np.array([direction for path in paths for direction in end_directions(path, span)])
    partner = np.full(len(tips), -1)
    group = np.arange(len(paths))
    near = [_near(path, span) for whole in paths for path in (whole, whole[::-1])]
    lengths = np.repeat([_length(path) for path in paths], 2)
    candidates = _candidates(tips, outward, near, lengths, maximum_gap, maximum_angle_deg, radius, error)
    for _, a, b in sorted(candidates):
        if partner[a] < 0 and partner[b] < 0 and group[a // 2] != group[b // 2]:
            partner[a], partner[b] = b, a
            group[group == group[b // 2]] = group[a // 2]
    return _chains(partner)


def _candidates(
    tips: NDArray[np.float64],
    outward: NDArray[np.float64],
    near: list[Path],
    lengths: NDArray[np.float64],
    maximum_gap: float,
    angle_deg: float,
    radius: float,
    error: float,
) -> list[tuple[float, int, int]]:
    """Return (cost, end, end) of the pairs of ends that may join."""
    pairs = cKDTree(tips).query_pairs(maximum_gap + radius, output_type="ndarray")
    pairs = pairs[pairs[:, 0] // 2 != pairs[:, 1] // 2]
    # pieces shorter than the break between them say too little of where they lead
    longer = np.maximum(lengths[pairs[:, 0]], lengths[pairs[:, 1]])
    short = np.linalg.norm(tips[pairs[:, 0]] - tips[pairs[:, 1]], axis=1) <= np.maximum(longer, 3 * radius)
    a, b = pairs[short].T
    gap = tips[b] - tips[a]
    distance = np.linalg.norm(gap, axis=1)
    bend = np.degrees(np.arccos(np.clip(-(outward[a] * outward[b]).sum(axis=1), -1, 1)))
    # an arc turns in proportion to its length, and leaves each end's line by half of that
    turn = angle_deg * np.minimum(distance / maximum_gap, 1)
    slack = np.degrees(np.arctan2(error, [_length(path) for path in near]))
    aside_a, aside_b = _sideways(gap, outward[a]), _sideways(-gap, outward[b])
    forward = np.minimum((gap * outward[a]).sum(axis=1), (-gap * outward[b]).sum(axis=1))
    fits = (forward > -3 * radius) & (forward <= maximum_gap)
    fits &= bend <= turn + slack[a] + slack[b]
    for aside, end in ((aside_a, a), (aside_b, b)):
        fits &= aside <= 2 * error + distance * np.tan(np.radians(turn / 2 + slack[end]))
    inner = np.array([path[-1] for path in near])
    straight = _may_be_one_line(inner[a], tips[a], tips[b], inner[b], _LINE_SCATTER * radius)
    for i in np.flatnonzero(~fits & (distance <= maximum_gap) & straight):
        fits[i] = _on_one_line(near[a[i]], near[b[i]], _LINE_SCATTER * radius)
    cost = distance + 2 * np.maximum(aside_a, aside_b) + radius * bend / angle_deg
    return [(float(c), int(i), int(j)) for c, i, j in zip(cost[fits], a[fits], b[fits], strict=True)]


def _may_be_one_line(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    third: NDArray[np.float64],
    last: NDArray[np.float64],
    scatter: float,
) -> NDArray[np.bool_]:
    """Say which four points, each (n, 3), can lie in order within ``scatter`` of a line; others need no fit.

    The middle ones are then no farther than twice that from the chord between the outer ones.
    """
    chord = last - first
    direction = chord / np.maximum(np.linalg.norm(chord, axis=1, keepdims=True), 1e-9)
    away = np.maximum(_sideways(second - first, direction), _sideways(third - first, direction))
    return away <= 2 * scatter + 1e-6


def _on_one_line(before: Path, after: Path, scatter: float) -> bool:
    """Say whether two stretches, each from its tip inwards, lie one after the other along a straight line.

    The direction of a piece that is hardly longer than wide means little; where it lies says more.
    """
    both = np.concatenate([before, after])
    centred = both - both.mean(axis=0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    along = centred @ direction
    away = np.linalg.norm(centred - along[:, np.newaxis] * direction, axis=1)
    along *= np.sign(along[-1] - along[0]) or 1.0
    first, second = along[: len(before)], along[len(before) :]
    return bool(
        away.max() <= scatter and first[0] >= first[-1] and second[0] <= second[-1] and first[0] < second[0]
    )


def _sideways(gap: NDArray[np.float64], direction: NDArray[np.float64]) -> NDArray[np.float64]:
    along = (gap * direction).sum(axis=1, keepdims=True)
    return np.linalg.norm(gap - along * direction, axis=1)


def _chains(partner: NDArray[np.int64]) -> list[list[tuple[int, bool]]]:
    """Follow partners from free ends; end 2i is the first point of piece i, 2i + 1 its last."""
    chains = []
    seen = np.zeros(partner.size // 2, bool)
    for end in np.flatnonzero(partner < 0):
        if seen[end // 2]:
            continue
        chain = []
        while True:
            piece = end // 2
            seen[piece] = True
            chain.append((int(piece), bool(end % 2)))
            end = partner[end ^ 1]
            if end < 0:
                break
        chains.append(chain)
    return chains


def chain_points(paths: list[Path], chain: list[tuple[int, bool]]) -> tuple[Path, list[tuple[int, float]]]:
    """Return the points of a joined filament and its breaks as (index of the point before it, length).

    Points of overlapping ends (a piece that ends inside a crossing) are dropped, so that the path goes on
    forwards.
    """
    points = _oriented(paths, chain[0])
    breaks: list[tuple[int, float]] = []
    for link in chain[1:]:
        following = _oriented(paths, link)
        points, following = _without_overlap(points, following)
        breaks.append((len(points) - 1, float(np.linalg.norm(following[0] - points[-1]))))
        points = np.concatenate([points, following])
    return points, breaks


def _oriented(paths: list[Path], link: tuple[int, bool]) -> Path:
    return paths[link[0]][::-1] if link[1] else paths[link[0]]


def _without_overlap(before: Path, after: Path) -> tuple[Path, Path]:
    direction = after[min(len(after) - 1, 4)] - before[max(len(before) - 5, 0)]
    ahead = (after - before[-1]) @ direction > 0
    first = int(np.argmax(ahead)) if ahead.any() else len(after) - 1
    return before, after[first:]
