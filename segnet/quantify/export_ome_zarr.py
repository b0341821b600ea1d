"""OME-Zarr 0.4: the labels as an image, and label images of classes and of instances with their measures."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segnet.quantify.tomogram import MeasuredTomogram
from tomoio import ClassTable, read_labels

_LEVELS = 3
_CHUNKS = (32, 256, 256)
_AXES = [{"name": axis, "type": "space", "unit": "angstrom"} for axis in "zyx"]


def export_ome_zarr(found: MeasuredTomogram, classes: ClassTable, path: Path, *, overwrite: bool) -> None:
    """Write one tomogram as an OME-Zarr folder.

    The image and ``labels/classes`` hold the class of each voxel; ``labels/instances`` the instance ids.
    OME-Zarr 0.4 has no points: particle centres and filament paths (z, y, x in Å from the centre of the first
    voxel) are properties of their instances.

    Raises
    ------
    FileExistsError
        If ``path`` exists and ``overwrite`` is not set.
    """
    import zarr
    from ome_zarr.format import FormatV04
    from ome_zarr.writer import write_multiscale, write_multiscale_labels

    if path.exists() and not overwrite:
        raise FileExistsError(f"{path}: exists already; pass --overwrite or choose another folder")
    source = found.source
    labels = read_labels(source.path, classes, pixel_size_angstrom=source.pixel_size_angstrom).data
    instances = np.stack(list(found.instances.slices()))
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    common: dict[str, Any] = {
        "fmt": FormatV04(),
        "axes": _AXES,
        "coordinate_transformations": _scales(found.pixel_size_angstrom),
        "storage_options": {"chunks": _CHUNKS},
    }
    try:
        group = zarr.group(zarr.DirectoryStore(str(partial), dimension_separator="/"), overwrite=True)
        write_multiscale(_pyramid(labels), group, name=source.tomogram_id, **common)
        write_multiscale_labels(
            _pyramid(labels), group, name="classes", label_metadata=_class_metadata(classes), **common
        )
        write_multiscale_labels(
            _pyramid(instances),
            group,
            name="instances",
            label_metadata={"properties": _properties(found)},
            **common,
        )
        if path.exists():
            shutil.rmtree(path)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _pyramid(volume: NDArray[Any]) -> list[NDArray[Any]]:
    """Every second voxel at each level: labels cannot be averaged."""
    return [volume[:: 2**level, :: 2**level, :: 2**level] for level in range(_LEVELS)]


def _scales(pixel_size_angstrom: float) -> list[list[dict[str, Any]]]:
    return [[{"type": "scale", "scale": [pixel_size_angstrom * 2**level] * 3}] for level in range(_LEVELS)]


def _class_metadata(classes: ClassTable) -> dict[str, Any]:
    shown = [entry for entry in classes if entry.label != 0]
    return {
        "colors": [{"label-value": e.label, "rgba": [*e.rgb, 255]} for e in shown],
        "properties": [{"label-value": e.label, "class": e.name} for e in shown],
    }


def _properties(found: MeasuredTomogram) -> list[dict[str, Any]]:
    """Return what is known of each instance; lengths in Å and nm as their names say."""
    rows: list[dict[str, Any]] = []
    for name, numbers in found.instance_ids.items():
        for i, number in enumerate(numbers):
            row: dict[str, Any] = {"label-value": int(number), "class": name}
            if name in found.particles:
                row["centre_angstrom"] = _rounded(found.particles[name].centre[i], found)
            elif name in found.filaments:
                filament = found.filaments[name].filaments[i]
                row |= {
                    "length_nm": round(filament.length_nm, 2),
                    "path_angstrom": _rounded(filament.points, found),
                }
            rows.append(row)
    return rows


def _rounded(points: NDArray[np.float64], found: MeasuredTomogram) -> list[Any]:
    rounded: list[Any] = np.round(points * found.pixel_size_angstrom, 2).tolist()
    return rounded
