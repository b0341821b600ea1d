"""Connected components of a label volume as runs of equal voxels, read slab by slab.

A run is a stretch of one label along x. Memory and time after reading grow with the labelled voxels, not
with the volume.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
Int = NDArray[np.int32]


@dataclass(frozen=True)
class Runs:
    """Runs of equal labels along x.

    Attributes
    ----------
    shape
        Shape of the volume (z, y, x).
    row_start
        Index of the first run of each row ``z * ny + y``, with the total at the end.
    start, stop
        First x and the x after the last, per run.
    label
        Label per run.
    """

    shape: tuple[int, int, int]
    row_start: NDArray[np.int64]
    start: Int
    stop: Int
    label: NDArray[np.uint8]

    @property
    def rows(self) -> Int:
        """Row ``z * ny + y`` of each run."""
        return np.repeat(np.arange(self.row_start.size - 1, dtype=np.int32), np.diff(self.row_start))

    @property
    def z(self) -> Int:
        return self.rows // np.int32(self.shape[1])

    @property
    def y(self) -> Int:
        return self.rows % np.int32(self.shape[1])

    def keep(self, chosen: Bool) -> Runs:
        """Return only the chosen runs."""
        kept_before = np.concatenate([[0], np.cumsum(chosen)])
        row_start = kept_before[self.row_start]
        return Runs(self.shape, row_start, self.start[chosen], self.stop[chosen], self.label[chosen])


@dataclass(frozen=True)
class Objects:
    """Connected components: ``of_run`` (component per run) and, per component, label, voxels, box, centre.

    ``box_start`` and ``box_stop`` are (n, 3), ``centroid`` (n, 3) in voxels, all (z, y, x).
    """

    of_run: Int
    label: NDArray[np.uint8]
    voxels: NDArray[np.int64]
    box_start: Int
    box_stop: Int
    centroid: NDArray[np.float64]

    def touches_border(self, shape: tuple[int, int, int]) -> Bool:
        """Say which objects reach a face of the volume: their size and centre are uncertain."""
        return ((self.box_start == 0) | (self.box_stop == np.asarray(shape))).any(axis=1)


def find_runs(
    slabs: Iterator[NDArray[np.uint8]], shape: tuple[int, int, int], labels: NDArray[np.bool_]
) -> Runs:
    """Collect the runs of chosen labels.

    Parameters
    ----------
    slabs
        Consecutive slabs of the volume (z, y, x), uint8.
    shape
        Shape of the whole volume.
    labels
        (256,) True for each label to collect.
    """
    parts = [_slab_runs(np.ascontiguousarray(slab), labels) for slab in slabs]
    counts = np.concatenate([part[0] for part in parts])
    row_start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    start, stop, label = (np.concatenate([part[i] for part in parts]) for i in (1, 2, 3))
    return Runs(shape, row_start, start, stop, label)


@numba.njit(cache=True, nogil=True)
def _slab_runs(slab: Any, labels: Any) -> Any:
    nz, ny, nx = slab.shape
    counts = np.zeros(nz * ny, np.int64)
    for row in range(nz * ny):
        line = slab[row // ny, row % ny]
        before = np.uint8(0)
        for x in range(nx):
            value = line[x]
            if value != before and labels[value]:
                counts[row] += 1
            before = value
    total = counts.sum()
    start = np.empty(total, np.int32)
    stop = np.empty(total, np.int32)
    label = np.empty(total, np.uint8)
    n = -1
    for row in range(nz * ny):
        if counts[row] == 0:
            continue
        line = slab[row // ny, row % ny]
        before = np.uint8(0)
        for x in range(nx):
            value = line[x]
            if labels[value]:
                if value != before:
                    n += 1
                    start[n] = x
                    label[n] = value
                stop[n] = x + 1
            before = value
    return counts, start, stop, label


def label_objects(runs: Runs, full_connectivity: NDArray[np.bool_]) -> Objects:
    """Join touching runs of equal label into objects, numbered in reading order.

    Parameters
    ----------
    runs
        Runs of a volume.
    full_connectivity
        (256,) per label: True joins voxels that share a face, edge or corner (26), False a face only (6).
    """
    return measure_objects(
        runs,
        _connect(runs.row_start, runs.start, runs.stop, runs.label, full_connectivity, *runs.shape[:2]),
    )


def measure_objects(runs: Runs, component: Int) -> Objects:
    """Measure the objects that runs belong to; ``component`` numbers them 0, 1, … without gaps."""
    count = int(component.max(initial=-1)) + 1
    measured = _measure(runs.rows, runs.start, runs.stop, runs.label, component, count, runs.shape[1])
    return Objects(component, *measured)


def near_groups(runs: Runs, reach: float) -> Int:
    """Return a group per run, 0, 1, …: runs with voxels at most ``reach`` apart are in one group."""
    return np.asarray(_connect_near(runs.row_start, runs.start, runs.stop, reach, *runs.shape[:2]))


@numba.njit(cache=True, nogil=True)
def _root(parent: Any, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@numba.njit(cache=True, nogil=True)
def _connect(row_start: Any, start: Any, stop: Any, label: Any, full: Any, nz: int, ny: int) -> Any:
    parent = np.arange(start.size).astype(np.int32)
    for z in range(nz):
        for y in range(ny):
            row = z * ny + y
            if row_start[row] == row_start[row + 1]:
                continue
            for dz, dy in ((0, -1), (-1, 0), (-1, -1), (-1, 1)):
                if z + dz < 0 or y + dy < 0 or y + dy >= ny:
                    continue
                _join_rows(
                    parent, row_start, start, stop, label, full, row, row + dz * ny + dy, dz != 0 and dy != 0
                )
    return _numbered(parent)


@numba.njit(cache=True, nogil=True)
def _numbered(parent: Any) -> Any:
    """Number the trees 0, 1, … in the order of their first run."""
    component = np.empty(parent.size, np.int32)
    count = 0
    for i in range(parent.size):
        root = _root(parent, i)
        if root == i:
            component[i] = count
            count += 1
        else:
            component[i] = component[root]
    return component


@numba.njit(cache=True, nogil=True)
def _join_rows(
    parent: Any,
    row_start: Any,
    start: Any,
    stop: Any,
    label: Any,
    full: Any,
    row: int,
    other: int,
    diagonal: bool,
) -> None:
    """Join the runs of two rows that touch; a root is its tree's first run, so numbers follow the rows."""
    j = row_start[other]
    for i in range(row_start[row], row_start[row + 1]):
        while j < row_start[other + 1] and stop[j] < start[i]:
            j += 1
        k = j
        while k < row_start[other + 1] and start[k] <= stop[i]:
            reach = 1 if full[label[i]] else 0
            touching = start[k] < stop[i] + reach and stop[k] + reach > start[i]
            if label[k] == label[i] and touching and (reach == 1 or not diagonal):
                a, b = _root(parent, i), _root(parent, k)
                parent[max(a, b)] = min(a, b)
            k += 1


@numba.njit(cache=True, nogil=True)
def _connect_near(row_start: Any, start: Any, stop: Any, reach: float, nz: int, ny: int) -> Any:
    parent = np.arange(start.size).astype(np.int32)
    far = int(reach)
    for z in range(nz):
        for y in range(ny):
            row = z * ny + y
            if row_start[row] == row_start[row + 1]:
                continue
            for dz in range(-far, 1):
                for dy in range(-far, far + 1 if dz < 0 else 1):
                    left = reach**2 - dz**2 - dy**2
                    if left >= 0 and z + dz >= 0 and 0 <= y + dy < ny:
                        other = row + dz * ny + dy
                        _join_near_rows(parent, row_start, start, stop, row, other, int(np.sqrt(left)))
    return _numbered(parent)


@numba.njit(cache=True, nogil=True)
def _join_near_rows(
    parent: Any, row_start: Any, start: Any, stop: Any, row: int, other: int, reach: int
) -> None:
    j = row_start[other]
    for i in range(row_start[row], row_start[row + 1]):
        while j < row_start[other + 1] and stop[j] - 1 + reach < start[i]:
            j += 1
        k = j
        while k < row_start[other + 1] and start[k] <= stop[i] - 1 + reach:
            a, b = _root(parent, i), _root(parent, k)
            parent[max(a, b)] = min(a, b)
            k += 1


@numba.njit(cache=True, nogil=True)
def _measure(rows: Any, start: Any, stop: Any, label: Any, component: Any, count: int, ny: int) -> Any:
    labels = np.zeros(count, np.uint8)
    voxels = np.zeros(count, np.int64)
    low = np.full((count, 3), np.iinfo(np.int32).max, np.int32)
    high = np.zeros((count, 3), np.int32)
    total = np.zeros((count, 3))
    for i in range(start.size):
        c = component[i]
        z, y, n = rows[i] // ny, rows[i] % ny, stop[i] - start[i]
        labels[c] = label[i]
        voxels[c] += n
        total[c, 0] += n * z
        total[c, 1] += n * y
        total[c, 2] += n * (start[i] + stop[i] - 1) / 2
        low[c, 0], low[c, 1], low[c, 2] = min(low[c, 0], z), min(low[c, 1], y), min(low[c, 2], start[i])
        high[c, 0], high[c, 1] = max(high[c, 0], z + 1), max(high[c, 1], y + 1)
        high[c, 2] = max(high[c, 2], stop[i])
    return labels, voxels, low, high, total / voxels.reshape(-1, 1)


def without_islands(runs: Runs, objects: Objects, minimum_voxels: NDArray[np.int64]) -> tuple[Runs, Objects]:
    """Remove objects with fewer voxels than ``minimum_voxels`` (256,) says for their label."""
    large = objects.voxels >= minimum_voxels[objects.label]
    chosen = large[objects.of_run]
    new_number = (np.cumsum(large) - 1).astype(np.int32)
    kept = Objects(
        new_number[objects.of_run[chosen]],
        objects.label[large],
        objects.voxels[large],
        objects.box_start[large],
        objects.box_stop[large],
        objects.centroid[large],
    )
    return runs.keep(chosen), kept


class RunsByObject:
    """Runs sorted by object, to look at one object at a time.

    Parameters
    ----------
    runs, objects
        Runs and their objects.
    """

    def __init__(self, runs: Runs, objects: Objects) -> None:
        self._objects = objects
        self._order = np.argsort(objects.of_run, kind="stable")
        self._offset = np.concatenate(
            [[0], np.cumsum(np.bincount(objects.of_run, minlength=objects.label.size))]
        )
        self._z, self._y, self._start, self._stop = runs.z, runs.y, runs.start, runs.stop

    def runs_of(self, number: int) -> tuple[Int, NDArray[np.intp]]:
        """Return the runs of an object as (n, 4) z, y, start, stop and their places in the list of runs."""
        index = self._order[self._offset[number] : self._offset[number + 1]]
        table = np.stack([self._z[index], self._y[index], self._start[index], self._stop[index]], axis=1)
        return table, index

    def mask(self, number: int, margin: int = 0) -> Bool:
        """Return an object as a mask (z, y, x) in its own box, grown by ``margin`` empty voxels."""
        corner = self._objects.box_start[number] - margin
        mask = np.zeros(tuple(self._objects.box_stop[number] + margin - corner), bool)
        fill_runs(mask, self.runs_of(number)[0], corner)
        return mask


@numba.njit(cache=True, nogil=True)
def fill_runs(mask: Any, table: Any, corner: Any) -> None:
    """Set the voxels of runs (n, 4: z, y, start, stop) in a mask whose first voxel is ``corner``."""
    for i in range(table.shape[0]):
        for x in range(table[i, 2] - corner[2], table[i, 3] - corner[2]):
            mask[table[i, 0] - corner[0], table[i, 1] - corner[1], x] = True
