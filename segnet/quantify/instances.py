"""One number per object over a whole tomogram: for pictures, volumes of instances and exports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from segnet.quantify.filaments import FilamentSet
from segnet.quantify.objects import Objects, Runs
from segnet.quantify.particles import Particles


class InstanceMap:
    """Instance id per labelled voxel, kept along the runs. Ids start at 1; 0 is nothing.

    Every object that is neither split into particles nor part of a traced filament kind is one instance.
    """

    def __init__(self, runs: Runs, objects: Objects) -> None:
        self.shape = runs.shape
        self._runs = runs
        self._length = (runs.stop - runs.start).astype(np.int64)
        self._first = np.concatenate([[0], np.cumsum(self._length)])
        self._of_run = objects.of_run
        self._ids = np.zeros(int(self._first[-1]), np.int32)
        self.count = 0

    def add_objects(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give one id to each object; return the ids."""
        table = np.zeros(int(self._of_run.max(initial=0)) + 1, np.int32)
        ids = self._next(len(numbers))
        table[numbers] = ids
        chosen = table[self._of_run]
        _set_runs(self._ids, self._first, np.flatnonzero(chosen), chosen)
        return ids

    def add_particles(self, particles: Particles) -> NDArray[np.int64]:
        """Give one id to each particle."""
        ids = self._next(len(particles.centre))
        table = np.concatenate([ids, [0]]).astype(np.int32)  # the last stands for -1, no particle
        _set_voxels(self._ids, self._first, particles.run_index, table[particles.of_voxel])
        return ids

    def add_filaments(self, found: FilamentSet, labels: list[int]) -> NDArray[np.int64]:
        """Give one id to each filament; labelled voxels that no filament claims stay 0."""
        ids = self._next(len(found.filaments))
        table = np.concatenate([[0], ids]).astype(np.int32)
        chosen = np.flatnonzero(np.isin(self._runs.label, labels))
        runs = self._runs
        _set_painted(
            self._ids,
            self._first,
            chosen,
            runs.rows,
            runs.start,
            runs.shape[1],
            found.painted,
            found.factor,
            table,
        )
        return ids

    def voxels(self) -> NDArray[np.int64]:
        """Return the number of voxels per instance, from id 1."""
        return np.bincount(self._ids, minlength=self.count + 1)[1:]

    def slices(self) -> Iterator[NDArray[np.int32]]:
        """Yield the instance ids slice by slice, (y, x) int32."""
        runs = self._runs
        for z in range(self.shape[0]):
            image = np.zeros(self.shape[1:], np.int32)
            first = z * self.shape[1]
            _draw_slice(image, runs.row_start, runs.start, self._first, self._ids, first)
            yield image

    def first_along_z(self, kind: NDArray[np.uint8], kinds: int, thin: int) -> NDArray[np.int32]:
        """Return the first id along z at every ``thin``-th pixel, for each kind of instance by itself.

        Parameters
        ----------
        kind
            (count + 1,) which kind an id is of, from 1; 0 for none.
        kinds
            How many there are.
        thin
            Pixels per pixel of the result, (kinds, y, x).
        """
        runs = self._runs
        flat = np.zeros((kinds, -(-self.shape[1] // thin), -(-self.shape[2] // thin)), np.int32)
        _project(flat, runs.row_start, runs.start, self._first, self._ids, self.shape[1], kind, thin)
        return flat

    def _next(self, count: int) -> NDArray[np.int64]:
        ids = np.arange(self.count + 1, self.count + count + 1)
        self.count += count
        return ids


@numba.njit(cache=True, nogil=True)
def _set_runs(ids: Any, first: Any, chosen: Any, values: Any) -> None:
    for i in chosen:
        ids[first[i] : first[i + 1]] = values[i]


@numba.njit(cache=True, nogil=True)
def _set_voxels(ids: Any, first: Any, chosen: Any, values: Any) -> None:
    n = 0
    for i in chosen:
        length = first[i + 1] - first[i]
        ids[first[i] : first[i + 1]] = values[n : n + length]
        n += length


@numba.njit(cache=True, nogil=True)
def _set_painted(
    ids: Any, first: Any, chosen: Any, rows: Any, start: Any, ny: int, painted: Any, factor: int, table: Any
) -> None:
    for i in chosen:
        z, y = (rows[i] // ny) // factor, (rows[i] % ny) // factor
        for k in range(first[i + 1] - first[i]):
            ids[first[i] + k] = table[painted[z, y, (start[i] + k) // factor]]


@numba.njit(cache=True, nogil=True)
def _draw_slice(image: Any, row_start: Any, start: Any, first: Any, ids: Any, first_row: int) -> None:
    for y in range(image.shape[0]):
        for i in range(row_start[first_row + y], row_start[first_row + y + 1]):
            for k in range(first[i + 1] - first[i]):
                image[y, start[i] + k] = ids[first[i] + k]


@numba.njit(cache=True, nogil=True)
def _project(
    flat: Any, row_start: Any, start: Any, first: Any, ids: Any, ny: int, kind: Any, thin: int
) -> None:
    for row in range(row_start.size - 1):
        y = row % ny
        if y % thin:
            continue
        for i in range(row_start[row], row_start[row + 1]):
            for k in range(first[i + 1] - first[i]):
                x, number = start[i] + k, ids[first[i] + k]
                own = kind[number]
                if x % thin == 0 and own > 0 and flat[own - 1, y // thin, x // thin] == 0:
                    flat[own - 1, y // thin, x // thin] = number
