"""Particles of a class: one per object, or divided by a watershed on the distance transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

from segnet.config.quantification import ParticleConfig
from segnet.quantify.objects import Objects, Runs, RunsByObject, measure_objects, near_groups

# Geometry of the watershed in particle diameters; benchmarks/quantify.py shows what it does.
_CLOSING = 0.06  # radius over which clefts and pores of one particle are closed
_SMOOTHING = 0.1  # sigma: the halves of a ribosome become one hill, neighbours stay two
_CENTRE_SPACING = 0.7
_SINGLE_EXTENT = 1.25  # a group no larger than this in any direction holds one particle


@dataclass(frozen=True)
class Particles:
    """Particles of one class.

    Attributes
    ----------
    centre
        (n, 3) (z, y, x) in voxels: mean of the labelled voxels.
    voxels
        (n,) labelled voxels.
    touches_border
        (n,) a face of the volume cuts it: size and centre are off.
    run_index
        Places of the class's runs in the list of runs.
    of_voxel
        Particle 0, 1, … of each voxel along these runs; -1 for none.
    """

    class_name: str
    centre: NDArray[np.float64]
    voxels: NDArray[np.int64]
    touches_border: NDArray[np.bool_]
    run_index: NDArray[np.int64]
    of_voxel: NDArray[np.int32]


def find_particles(
    runs: Runs, objects: Objects, label: int, config: ParticleConfig, voxel_nm: float, minimum_voxels: int
) -> Particles:
    """Find the particles of one class.

    Parameters
    ----------
    runs, objects
        The volume's runs and objects, islands removed.
    label
        Label of the class.
    config
        Method and diameter.
    voxel_nm
        Voxel size, nm.
    minimum_voxels
        Smaller parts of a divided group are dropped.
    """
    chosen = np.flatnonzero(runs.label == label)
    own = runs.keep(runs.label == label)
    if config.method == "components":
        group = np.unique(objects.of_run[chosen], return_inverse=True)[1].astype(np.int32)
        of_voxel = np.repeat(group, own.stop - own.start)
    else:
        diameter = config.diameter_nm / voxel_nm
        of_voxel = _divide(own, near_groups(own, 2 * _CLOSING * diameter), diameter, minimum_voxels)
    centre, voxels, border = _measure(own, of_voxel)
    return Particles(config.class_name, centre, voxels, border, chosen, of_voxel)


def _divide(runs: Runs, group: NDArray[np.int32], diameter: float, minimum_voxels: int) -> NDArray[np.int32]:
    """Return the particle of each voxel; groups are looked at in their own boxes."""
    groups = measure_objects(runs, group)
    by_group = RunsByObject(runs, groups)
    first = np.concatenate([[0], np.cumsum(runs.stop - runs.start)])
    of_voxel = np.full(int(first[-1]), -1, np.int32)
    count = 0
    for number in range(groups.label.size):
        table, index = by_group.runs_of(number)
        extent = groups.box_stop[number] - groups.box_start[number]
        if (extent <= _SINGLE_EXTENT * diameter).all():
            values = np.zeros(int(groups.voxels[number]), np.int32)
        else:
            parts = split_object(by_group.mask(number, margin=1), diameter, minimum_voxels)
            values = _along_runs(
                parts, table, groups.box_start[number] - 1, int(groups.voxels[number])
            ) - np.int32(1)
        _store(of_voxel, first, index, np.where(values >= 0, values + count, -1).astype(np.int32))
        count += int(values.max()) + 1
    return of_voxel


def split_object(mask: NDArray[np.bool_], diameter: float, minimum_voxels: int = 1) -> NDArray[np.int32]:
    """Divide a mask into particles by watershed on its distance transform.

    Pores, clefts and cavities are closed first (TRiC is hollow, a ribosome has a cleft). Each maximum of the
    smoothed distance transform is a particle; two are at least about half a diameter apart.

    Parameters
    ----------
    mask
        Objects in their own box, with a margin of at least one empty voxel.
    diameter
        Particle diameter, voxels.
    minimum_voxels
        Parts with fewer voxels of the mask are dropped.

    Returns
    -------
    Parts 1, 2, … in the mask, 0 outside.
    """
    solid = _closed(mask, _CLOSING * diameter)
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(solid), _SMOOTHING * diameter)
    peaks = _apart(peak_local_max(distance, min_distance=1, exclude_border=False), _CENTRE_SPACING * diameter)
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    parts: NDArray[np.int32] = watershed(-distance, markers, mask=solid)
    parts[~mask] = 0
    sizes = np.bincount(parts.ravel())
    kept = np.flatnonzero(sizes >= minimum_voxels)
    table = np.zeros(sizes.size, np.int32)
    table[kept[kept > 0]] = np.arange(1, (kept > 0).sum() + 1)
    return table[parts]


def _apart(peaks: NDArray[np.int64], spacing: float) -> NDArray[np.int64]:
    """Keep the highest peaks (they come first) that are at least ``spacing`` from any higher one kept."""
    kept: list[NDArray[np.int64]] = []
    for peak in peaks:
        if not kept or np.linalg.norm(np.array(kept) - peak, axis=1).min() >= spacing:
            kept.append(peak)
    return np.array(kept)


def _closed(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """Fill cavities, also those with an opening narrower than twice the radius."""
    margin = int(np.ceil(radius)) + 1
    grown = ndimage.distance_transform_edt(~np.pad(mask, margin)) <= radius
    closed = ndimage.distance_transform_edt(ndimage.binary_fill_holes(grown)) > radius
    return np.asarray(closed[(slice(margin, -margin),) * 3] | mask)


@numba.njit(cache=True, nogil=True)
def _along_runs(parts: Any, table: Any, corner: Any, total: int) -> Any:
    values = np.empty(total, np.int32)
    n = 0
    for i in range(table.shape[0]):
        for x in range(table[i, 2], table[i, 3]):
            values[n] = parts[table[i, 0] - corner[0], table[i, 1] - corner[1], x - corner[2]]
            n += 1
    return values


@numba.njit(cache=True, nogil=True)
def _store(of_voxel: Any, first: Any, index: Any, values: Any) -> None:
    n = 0
    for i in index:
        for k in range(first[i], first[i + 1]):
            of_voxel[k] = values[n]
            n += 1


def _measure(
    runs: Runs, of_voxel: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    count = int(of_voxel.max(initial=-1)) + 1
    sums, voxels, border = _moments(runs.rows, runs.start, runs.stop, of_voxel, count, *runs.shape)
    return sums / voxels.reshape(-1, 1), voxels, border


@numba.njit(cache=True, nogil=True)
def _moments(rows: Any, start: Any, stop: Any, of_voxel: Any, count: int, nz: int, ny: int, nx: int) -> Any:
    sums = np.zeros((count, 3))
    voxels = np.zeros(count, np.int64)
    border = np.zeros(count, np.bool_)
    n = 0
    for i in range(rows.size):
        z, y = rows[i] // ny, rows[i] % ny
        for x in range(start[i], stop[i]):
            p = of_voxel[n]
            n += 1
            if p >= 0:
                sums[p, 0] += z
                sums[p, 1] += y
                sums[p, 2] += x
                voxels[p] += 1
                border[p] |= z == 0 or y == 0 or x == 0 or z == nz - 1 or y == ny - 1 or x == nx - 1
    return sums, voxels, border
