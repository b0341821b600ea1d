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

    def add_particles(self, particles: Particles, runs_of: Any) -> NDArray[np.int64]:
        """Give one id to each particle; ``runs_of(object)`` are places in the list of runs."""
        split = np.isin(particles.of_object, list(particles.split))
        ids = np.zeros(particles.of_object.size, np.int64)
        ids[~split] = self.add_objects(particles.of_object[~split])
        for number, parts in particles.split.items():
            own = np.flatnonzero(particles.of_object == number)
            ids[own] = self._next(own.size)
            table = np.concatenate([[0], ids[own]]).astype(np.int32)
            places = np.concatenate([np.arange(self._first[i], self._first[i + 1]) for i in runs_of(number)])
            self._ids[places] = table[parts + 1]
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

    def _next(self, count: int) -> NDArray[np.int64]:
        ids = np.arange(self.count + 1, self.count + count + 1)
        self.count += count
        return ids


@numba.njit(cache=True)
def _set_runs(ids: Any, first: Any, chosen: Any, values: Any) -> None:
    for i in chosen:
        ids[first[i] : first[i + 1]] = values[i]


@numba.njit(cache=True)
def _set_painted(
    ids: Any, first: Any, chosen: Any, rows: Any, start: Any, ny: int, painted: Any, factor: int, table: Any
) -> None:
    for i in chosen:
        z, y = (rows[i] // ny) // factor, (rows[i] % ny) // factor
        for k in range(first[i + 1] - first[i]):
            ids[first[i] + k] = table[painted[z, y, (start[i] + k) // factor]]


@numba.njit(cache=True)
def _draw_slice(image: Any, row_start: Any, start: Any, first: Any, ids: Any, first_row: int) -> None:
    for y in range(image.shape[0]):
        for i in range(row_start[first_row + y], row_start[first_row + y + 1]):
            for k in range(first[i + 1] - first[i]):
                image[y, start[i] + k] = ids[first[i] + k]
