"""Particles from objects: one per object, or several where a watershed on the distance transform says so."""

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
from segnet.quantify.objects import Objects, Runs, RunsByObject

# Geometry of the split, in particle diameters; benchmarks/quantify.py shows what they do.
_CENTRE_SPACING = 0.55
_CLOSING = 0.15
_SMOOTHING = 0.1
_SINGLE_EXTENT = 1.25


@dataclass(frozen=True)
class Particles:
    """Particles of one class: centre (n, 3) (z, y, x) and voxels, and whether a face of the volume cuts them.

    ``of_object`` is the object that each was found in; ``split`` maps an object that was divided to the
    part (0, 1, …; -1 nowhere) of each of its voxels, in the order of its runs.
    """

    class_name: str
    centre: NDArray[np.float64]
    voxels: NDArray[np.int64]
    touches_border: NDArray[np.bool_]
    of_object: NDArray[np.int64]
    split: dict[int, NDArray[np.int32]]


def find_particles(
    runs: Runs, objects: Objects, by_object: RunsByObject, label: int, config: ParticleConfig, voxel_nm: float
) -> Particles:
    """Find the particles of one class.

    Parameters
    ----------
    runs, objects, by_object
        The volume's objects, islands removed.
    label
        Label of the class.
    config
        Method and diameter.
    voxel_nm
        Voxel size, nm.
    """
    numbers = np.flatnonzero(objects.label == label)
    touching = objects.touches_border(runs.shape)
    diameter = config.diameter_nm / voxel_nm
    centres, voxels, border, of_object = [], [], [], []
    split: dict[int, NDArray[np.int32]] = {}
    for number in numbers:
        parts = None
        if config.method == "watershed" and not _is_single(objects, number, diameter):
            parts = split_object(by_object.mask(number, margin=1), diameter)
        if parts is None or parts.max() <= 1:
            centres.append(objects.centroid[number][np.newaxis])
            voxels.append(objects.voxels[number : number + 1])
            border.append(touching[number : number + 1])
            of_object.append([number])
            continue
        corner = objects.box_start[number] - 1
        measured = _measure_parts(parts, corner, runs.shape)
        centres.append(measured[0])
        voxels.append(measured[1])
        border.append(measured[2])
        of_object.append([number] * len(measured[1]))
        split[int(number)] = _parts_along_runs(parts, by_object.runs_of(number)[0], corner)
    if not centres:
        empty = np.zeros(0, np.int64)
        return Particles(config.class_name, np.zeros((0, 3)), empty, empty.astype(bool), empty, {})
    return Particles(
        config.class_name,
        np.concatenate(centres),
        np.concatenate(voxels),
        np.concatenate(border),
        np.concatenate([np.asarray(item, np.int64) for item in of_object]),
        split,
    )


def _is_single(objects: Objects, number: int, diameter: float) -> bool:
    """Say whether an object is too small in every direction to hold two particles."""
    extent = objects.box_stop[number] - objects.box_start[number]
    return bool((extent <= _SINGLE_EXTENT * diameter).all())


def split_object(mask: NDArray[np.bool_], diameter: float) -> NDArray[np.int32]:
    """Divide a mask into particles by watershed on its distance transform.

    Cavities are closed first (TRiC is hollow). One marker is set at each maximum of the smoothed distance
    transform; centres are at least about half a diameter apart.

    Parameters
    ----------
    mask
        Object in its own box, with a margin of at least one empty voxel.
    diameter
        Particle diameter, voxels.

    Returns
    -------
    Parts 1, 2, … in the mask, 0 outside.
    """
    solid = _close(mask, _CLOSING * diameter)
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(solid), _SMOOTHING * diameter)
    peaks = peak_local_max(
        distance,
        min_distance=max(1, round(_CENTRE_SPACING * diameter)),
        exclude_border=False,
        labels=solid.astype(int),
    )
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    parts: NDArray[np.int32] = watershed(-distance, markers, mask=solid)
    parts[~mask] = 0
    return _renumber(parts)


def _close(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """Fill cavities, also those with an opening narrower than twice the radius."""
    margin = int(np.ceil(radius)) + 1
    padded = np.pad(mask, margin)
    grown = ndimage.distance_transform_edt(~padded) <= radius
    grown = ndimage.binary_fill_holes(grown)
    closed = ndimage.distance_transform_edt(grown) > radius
    inner = (slice(margin, -margin),) * 3
    return np.asarray(closed[inner] | mask)


def _renumber(parts: NDArray[np.int32]) -> NDArray[np.int32]:
    """Number parts 1, 2, … without gaps (a marker in a cavity can have lost all its voxels)."""
    present = np.unique(parts[parts > 0])
    table = np.zeros(parts.max(initial=0) + 1, np.int32)
    table[present] = np.arange(1, present.size + 1)
    return table[parts]


def _measure_parts(
    parts: NDArray[np.int32], corner: NDArray[np.int32], shape: tuple[int, int, int]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    index = np.arange(1, parts.max() + 1)
    voxels = np.bincount(parts.ravel())[1:]
    centre = np.asarray(ndimage.center_of_mass(parts > 0, parts, index)) + corner
    border = []
    for box in ndimage.find_objects(parts):
        start = np.array([part.start for part in box]) + corner
        stop = np.array([part.stop for part in box]) + corner
        border.append(bool((start == 0).any() or (stop == np.asarray(shape)).any()))
    return centre, voxels, np.asarray(border)


def _parts_along_runs(parts: NDArray[np.int32], table: Any, corner: NDArray[np.int32]) -> NDArray[np.int32]:
    found: NDArray[np.int32] = _sample_runs(parts, table, corner, int((table[:, 3] - table[:, 2]).sum()))
    return found - np.int32(1)


@numba.njit(cache=True)
def _sample_runs(parts: Any, table: Any, corner: Any, total: int) -> Any:
    values = np.empty(total, np.int32)
    n = 0
    for i in range(table.shape[0]):
        for x in range(table[i, 2], table[i, 3]):
            values[n] = parts[table[i, 0] - corner[0], table[i, 1] - corner[1], x - corner[2]]
            n += 1
    return values
