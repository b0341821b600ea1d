"""Membranes: area of the middle surface, and the volume that a closed one encloses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes, mesh_surface_area

from segnet.quantify.objects import Objects, Runs, RunsByObject, label_objects
from segnet.quantify.smoothing import smoothed

_BRICK = 32
_HALO = 4
_SMOOTHING_VOXELS = 0.8  # takes the stairs off the surface; a sheet of two voxels survives it
_LEVEL = 0.5
_SMALLEST_LUMEN_VOXELS = 8


@dataclass(frozen=True)
class Membrane:
    """One membrane object.

    ``area_voxels2`` is half the surface of the labelled sheet, which is the area of its middle.
    ``enclosed_voxels`` counts the voxels that it shuts off from the outside, NaN where it encloses none or
    reaches a face of the volume without closing; ``compartments`` is the number of separate lumina.
    """

    object_number: int
    voxels: int
    area_voxels2: float
    enclosed_voxels: float
    compartments: int
    touches_border: bool


def find_membranes(runs: Runs, objects: Objects, by_object: RunsByObject, label: int) -> list[Membrane]:
    """Measure every membrane object of a label."""
    border = objects.touches_border(runs.shape)
    membranes = []
    for number in np.flatnonzero(objects.label == label):
        table = by_object.runs_of(int(number))[0]
        start, stop = objects.box_start[number], objects.box_stop[number]
        enclosed, compartments = enclosed_volume(table, start, stop)
        membranes.append(
            Membrane(
                int(number),
                int(objects.voxels[number]),
                sheet_area(table, start, stop, runs.shape),
                float(enclosed) if compartments else float("nan"),
                compartments,
                bool(border[number]),
            )
        )
    return membranes


def sheet_area(
    table: Any, start: NDArray[np.int32], stop: NDArray[np.int32], shape: tuple[int, int, int]
) -> float:
    """Return half the surface area of an object, voxels².

    The surface is the half level of the slightly smoothed mask, by marching cubes, brick by brick. Faces of
    the volume do not count: a sheet that is cut there has no edge there.

    Parameters
    ----------
    table
        Runs of the object (n, 4: z, y, start, stop).
    start, stop
        Its box.
    shape
        Shape of the volume.
    """
    total = 0.0
    for corner, chosen in _bricks(table, start, stop):
        low = np.maximum(corner - _HALO, 0)
        stop_here = np.minimum(np.minimum(corner + _BRICK, stop + 2), np.asarray(shape) - 1)
        high = np.minimum(stop_here + 1 + _HALO, shape)
        mask = np.zeros(tuple(high - low), bool)
        _fill_clipped(mask, chosen, low)
        box = tuple(slice(int(a), int(b)) for a, b in zip(corner - low, stop_here + 1 - low, strict=True))
        inner = smoothed(mask.astype(np.float32), _SMOOTHING_VOXELS, box)
        if min(inner.shape) >= 2 and inner.min() < _LEVEL < inner.max():
            vertices, faces, _, _ = marching_cubes(inner, _LEVEL)
            total += float(mesh_surface_area(vertices, faces))
    return total / 2


def _bricks(
    table: Any, start: NDArray[np.int32], stop: NDArray[np.int32]
) -> Iterator[tuple[NDArray[np.int32], Any]]:
    """Yield the corner of each brick that the surface may reach, and the runs near it."""
    first = np.maximum(start - 2, 0)
    counts = -(-(stop + 2 - first) // _BRICK)
    for i in range(counts[0]):
        slab = _near(table, first[0] + i * _BRICK, table[:, 0], table[:, 0])
        for j in range(counts[1]):
            rows = _near(slab, first[1] + j * _BRICK, slab[:, 1], slab[:, 1])
            for k in range(counts[2]):
                chosen = _near(rows, first[2] + k * _BRICK, rows[:, 2], rows[:, 3])
                if len(chosen):
                    yield first + np.array((i, j, k), np.int32) * np.int32(_BRICK), chosen


def _near(table: Any, corner: int, low: Any, high: Any) -> Any:
    """Return the runs that come near a brick along one axis."""
    return table[(high >= corner - _HALO - 1) & (low <= corner + _BRICK + _HALO + 1)]


@numba.njit(cache=True, nogil=True)
def _fill_clipped(mask: Any, table: Any, corner: Any) -> None:
    """As `fill_runs`, leaving out what lies outside the mask."""
    nz, ny, nx = mask.shape
    for i in range(table.shape[0]):
        z, y = table[i, 0] - corner[0], table[i, 1] - corner[1]
        if z < 0 or y < 0 or z >= nz or y >= ny:
            continue
        for x in range(max(table[i, 2] - corner[2], 0), min(table[i, 3] - corner[2], nx)):
            mask[z, y, x] = True


def enclosed_volume(table: Any, start: NDArray[np.int32], stop: NDArray[np.int32]) -> tuple[int, int]:
    """Return how many voxels an object shuts off from the outside, and in how many compartments.

    Works on the runs between the object's own runs, so that the cost follows the surface, not the box. The
    rest is outside where it is joined by faces to the rim of the box; a sheet that is cut by a face of the
    volume is therefore open there.
    """
    gaps = _gaps(table, start.astype(np.int64), stop.astype(np.int64))
    # voxels that meet at an edge only are apart here, because the object's voxels join across edges
    parts = label_objects(gaps, np.zeros(256, bool))
    rim = (parts.box_start == 0) | (parts.box_stop == np.asarray(gaps.shape))
    inside = ~rim.any(axis=1) & (parts.voxels >= _SMALLEST_LUMEN_VOXELS)
    return int(parts.voxels[inside].sum()), int(inside.sum())


def _gaps(table: Any, start: NDArray[np.int64], stop: NDArray[np.int64]) -> Runs:
    """Return the complement of an object in its box with a rim of one voxel, as runs of label 1."""
    shape = (int(stop[0] - start[0]), int(stop[1] - start[1]), int(stop[2] - start[2]))
    order = np.lexsort((table[:, 2], table[:, 1], table[:, 0]))
    row = (table[order, 0] - start[0]) * shape[1] + table[order, 1] - start[1]
    row_start, first, last = _complement(
        row, table[order, 2] - start[2], table[order, 3] - start[2], shape[0] * shape[1], shape[2]
    )
    return Runs(shape, row_start, first, last, np.ones(first.size, np.uint8))


@numba.njit(cache=True, nogil=True)
def _complement(row: Any, first: Any, last: Any, rows: int, nx: int) -> Any:
    row_start = np.zeros(rows + 1, np.int64)
    out_first = np.empty(rows + row.size, np.int32)
    out_last = np.empty(rows + row.size, np.int32)
    n, i = 0, 0
    for r in range(rows):
        row_start[r] = n
        x = 0
        while i < row.size and row[i] == r:
            if first[i] > x:
                out_first[n], out_last[n] = x, first[i]
                n += 1
            x = last[i]
            i += 1
        if x < nx:
            out_first[n], out_last[n] = x, nx
            n += 1
    row_start[rows] = n
    return row_start, out_first[:n], out_last[:n]
