"""Removal of small connected pieces, two slices at a time."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from tomoio import BACKGROUND, IGNORE

_SHIFTS = tuple(itertools.product((-1, 0, 1), repeat=2))  # 26 neighbours: 9 of them in the slice above


def remove_small_islands(labels: NDArray[Any], min_voxels: int) -> int:
    """Turn connected pieces of one class with fewer voxels than ``min_voxels`` into background, in place.

    Voxels that touch by a corner are connected. Only two slices and a table of pieces stand in memory, so
    ``labels`` (z, y, x) may be a memory map.

    Returns
    -------
    Number of voxels that became background.
    """
    sizes, joints, firsts = _pieces_of_slices(labels)
    if not len(sizes):
        return 0
    group = _connected(len(sizes), joints)
    small = np.bincount(group, weights=sizes)[group] < min_voxels
    removed = 0
    for z, first in enumerate(firsts):
        pieces = _pieces(labels[z])
        drop = np.concatenate([[False], small[first : first + pieces.max()]])[pieces]
        removed += int(drop.sum())
        labels[z][drop] = BACKGROUND
    return removed


def _pieces(plane: NDArray[Any]) -> NDArray[np.int64]:
    """Number the pieces of a slice from 1, class by class."""
    result = np.zeros(plane.shape, np.int64)
    for label in np.unique(plane):
        if label in (BACKGROUND, IGNORE):
            continue
        pieces, _ = ndimage.label(plane == label, structure=np.ones((3, 3)))
        result += np.where(pieces, pieces + result.max(), 0)
    return result


def _pieces_of_slices(labels: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64], list[int]]:
    """Return the size of each piece of a slice, pairs (n, 2) that touch, and each slice's first piece."""
    sizes, joints, firsts = [], [np.empty((0, 2), np.int64)], []
    above: tuple[NDArray[Any], NDArray[np.int64]] | None = None
    count = 0
    for plane in labels:
        plane = np.array(plane)
        pieces = _pieces(plane)
        numbers = np.where(pieces, pieces + count - 1, -1)
        if above is not None:
            joints.append(_touching(above, (plane, numbers)))
        sizes.append(np.bincount(pieces.ravel())[1:])
        firsts.append(count)
        count += int(pieces.max(initial=0))
        above = plane, numbers
    return np.concatenate(sizes), np.concatenate(joints), firsts


def _touching(
    above: tuple[NDArray[Any], NDArray[np.int64]], below: tuple[NDArray[Any], NDArray[np.int64]]
) -> NDArray[np.int64]:
    pairs = []
    height, width = above[0].shape
    for dy, dx in _SHIFTS:
        here = np.s_[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
        there = np.s_[max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)]
        joined = (above[0][here] == below[0][there]) & (above[1][here] >= 0) & (below[1][there] >= 0)
        pairs.append(np.stack([above[1][here][joined], below[1][there][joined]], axis=1))
    return np.unique(np.concatenate(pairs), axis=0)


def _connected(count: int, joints: NDArray[np.int64]) -> NDArray[np.int32]:
    ones = np.ones(len(joints), bool)
    graph = sparse.coo_array((ones, (joints[:, 0], joints[:, 1])), shape=(count, count))
    return sparse.csgraph.connected_components(graph, directed=False)[1]
