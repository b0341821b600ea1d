"""Whether a volume of another program lies where its crop does, the same way round."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segnet.rounds.crop import CropRecord
from segnet.rounds.formats import AnyVolume
from tomoio import BACKGROUND, IGNORE

_SIZE_TOLERANCE = 1e-3
_LEAST_AGREEMENT = 0.25  # of the voxels with an object; chance is far below
_CLEARLY_BETTER = 2.0


def place_in_crop(
    path: Path, volume: AnyVolume, record: CropRecord, fill: int
) -> tuple[NDArray[Any], list[str]]:
    """Return a volume in the shape of its crop, and notes on what was restored.

    Parameters
    ----------
    path
        Its file, for messages.
    volume
        A volume of the crop's shape, or of its labelled slices alone.
    record
        Record of the crop.
    fill
        What the context slices hold where the volume has none.

    Raises
    ------
    ValueError
        If shape, voxel size or origin are those of something else.
    """
    data, notes = _unsigned(path, volume.data)
    missing = _missing_slices(path, data.shape, record)
    notes += _check_voxel_size(path, volume.pixel_size_angstrom, record)
    notes += _check_origin(path, volume.origin_angstrom, record, first_slice=missing)
    if data.shape == record.shape:
        return data, notes
    padded = np.full(record.shape, fill, dtype=np.result_type(data.dtype, np.uint8))
    padded[record.core] = data
    return padded, [*notes, f"{path.name} has no context slices; they are 255 (ignore)"]


def _unsigned(path: Path, data: NDArray[Any]) -> tuple[NDArray[Any], list[str]]:
    """Undo the storage of 128-255 as negative numbers: MRC has no other bytes."""
    if data.dtype != np.int8 or not data.size or data.min() >= 0:
        return data, []
    return data.view(np.uint8), [f"{path.name} holds signed bytes; -1 is taken as 255, and so on"]


def _missing_slices(path: Path, found: tuple[int, ...], record: CropRecord) -> int:
    """Return how many slices of the crop lie before the first of a volume."""
    wanted = record.shape
    if found == wanted:
        return 0
    if found == record.size_voxels:
        return record.context_before
    hint = "; its axes are in the order x, y, z" if found == wanted[::-1] else ""
    raise ValueError(
        f"{path}: shape {_times(found)} (z, y, x); wanted {_times(wanted)} as in the crop, context slices "
        f"included, or {_times(record.size_voxels)} without them{hint}"
    )


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def _check_voxel_size(path: Path, size: float | None, record: CropRecord) -> list[str]:
    if size is None:
        return [f"{path.name} states no voxel size; taken as {record.pixel_size_angstrom:g} Å"]
    if abs(size / record.pixel_size_angstrom - 1) > _SIZE_TOLERANCE:
        raise ValueError(
            f"{path}: voxel size {size:g} Å; wanted {record.pixel_size_angstrom:g} Å as in the crop"
        )
    return []


def _check_origin(
    path: Path, found: tuple[float, float, float] | None, record: CropRecord, *, first_slice: int
) -> list[str]:
    x, y, z = record.origin_angstrom
    wanted = (x, y, z + first_slice * record.pixel_size_angstrom)
    if found is None or not any(found):
        return [f"{path.name} states no origin; taken as that of {record.region_id}"] if any(wanted) else []
    if not np.allclose(found, wanted, atol=0.5 * record.pixel_size_angstrom):
        raise ValueError(
            f"{path}: origin {_listed(found)} Å (x, y, z); wanted {_listed(wanted)} Å: "
            f"this is not region {record.region_id}, or it was moved"
        )
    return []


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def describe_turn(labels: NDArray[np.uint8], seed: NDArray[np.uint8]) -> str | None:
    """Return a note where labels fit the network's much better the other way round; None elsewhere.

    Square crops keep their shape when a program turns them, so that shape and voxel size show nothing.

    Parameters
    ----------
    labels, seed
        Corrected labels and those of the network (z, y, x), without context.
    """
    as_is = _agreement(labels, seed)
    if as_is * _CLEARLY_BETTER >= 1:
        return None
    turns = [
        (_agreement(turned, seed), names) for names, turned in _turned(labels) if turned.shape == seed.shape
    ]
    best, names = max(turns)
    if best < max(_LEAST_AGREEMENT, _CLEARLY_BETTER * as_is):
        return None
    return (
        f"with {names} the labels agree with the network's in {best:.0%} of the voxels with an object, "
        f"as they are in {as_is:.0%}: look whether a program turned them, and if so accept them again"
    )


def _turned(labels: NDArray[np.uint8]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield the labels with x and y exchanged, mirrored along any axes, or both."""
    for exchanged, *mirrored in itertools.product((False, True), repeat=4):
        axes = tuple(axis for axis in range(3) if mirrored[axis])
        names = ["x and y exchanged"] * exchanged + [f"{'zyx'[axis]} mirrored" for axis in axes]
        if names:
            yield ", ".join(names), np.flip(labels.transpose(0, 2, 1) if exchanged else labels, axes)


def _agreement(labels: NDArray[np.uint8], seed: NDArray[np.uint8]) -> float:
    """Return in which part of the voxels where either has an object both have the same."""
    judged = (labels != IGNORE) & (seed != IGNORE)
    objects = judged & ((labels != BACKGROUND) | (seed != BACKGROUND))
    return int(np.count_nonzero(objects & (labels == seed))) / max(1, int(np.count_nonzero(objects)))
