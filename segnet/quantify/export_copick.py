"""A copick project: class labels, particle picks and traced filaments of each tomogram (a copick run)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segnet.quantify.tomogram import MeasuredTomogram
from tomoio import ClassTable, new_file, read_labels

_USER = "neuralseg"
_SESSION = "0"  # copick's sign for data made by a tool
_SEGMENTATION = "classes"


def export_copick(
    found: MeasuredTomogram, classes: ClassTable, project_dir: Path, *, overwrite: bool
) -> None:
    """Add a tomogram to a copick project on disk; make the project where there is none.

    Positions are Å from the centre of the first voxel, x first, as copick wants them. Particle orientations
    are not known and stay the identity. ``project_dir/config.json`` opens with ``copick.from_file``.

    Raises
    ------
    FileExistsError
        If the project has a run of this name and ``overwrite`` is not set.
    """
    import copick

    config_path = project_dir / "config.json"
    if not config_path.exists():
        _write_config(found, classes, config_path)
    root = copick.from_file(str(config_path))
    name = found.source.tomogram_id
    if root.get_run(name) is not None:
        if not overwrite:
            raise FileExistsError(f"{project_dir}: run {name!r} exists already; pass --overwrite")
        root.get_run(name).delete()
        root.refresh()
    run = root.new_run(name)
    run.new_voxel_spacing(found.pixel_size_angstrom)
    _add_labels(run, found, classes)
    for class_name, particles in found.particles.items():
        if len(particles.centre):
            picks = run.new_picks(object_name=class_name, user_id=_USER, session_id=_SESSION)
            picks.from_numpy(
                _xyz(particles.centre, found.pixel_size_angstrom), instance_ids=found.instance_ids[class_name]
            )
    for kind in found.filaments:
        _add_filaments(run, found, kind)


def _write_config(found: MeasuredTomogram, classes: ClassTable, path: Path) -> None:
    objects = [
        {
            "name": entry.name,
            "is_particle": entry.name in found.particles or entry.name in found.filaments,
            "label": entry.label,
            "color": [*entry.rgb, 255],
            "metadata": {"copick": {"filament": {}}} if entry.name in found.filaments else {},
        }
        for entry in classes
        if entry.label != 0
    ]
    beyond = [name for name in found.filaments if name not in classes.names]
    objects += [
        {
            "name": name,
            "is_particle": True,
            "label": max(classes.labels) + 1 + i,
            "metadata": {"copick": {"filament": {}}},
        }
        for i, name in enumerate(beyond)
    ]
    config = {
        "config_type": "filesystem",
        "name": "neuralseg",
        "description": "Labels, particles and filaments measured by segnet quantify",
        "version": "1.31.0",
        "pickable_objects": objects,
        "user_id": _USER,
        "session_id": _SESSION,
        "overlay_root": f"local://{path.parent.resolve() / 'data'}",
        "overlay_fs_args": {"auto_mkdir": True},
    }
    (path.parent / "data").mkdir(parents=True, exist_ok=True)
    with new_file(path) as partial:
        partial.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _add_labels(run: Any, found: MeasuredTomogram, classes: ClassTable) -> None:
    source = found.source
    labels = read_labels(source.path, classes, pixel_size_angstrom=source.pixel_size_angstrom).data
    segmentation = run.new_segmentation(
        voxel_size=found.pixel_size_angstrom,
        name=_SEGMENTATION,
        session_id=_SESSION,
        is_multilabel=True,
        user_id=_USER,
    )
    segmentation.from_numpy(labels, dtype=np.uint8)


def _add_filaments(run: Any, found: MeasuredTomogram, kind: str) -> None:
    from copick.models import CopickFilament

    traced = [
        CopickFilament(
            instance_id=int(number),
            points=_xyz(_dense(filament.points), found.pixel_size_angstrom).tolist(),
            metadata={"length_nm": filament.length_nm, "breaks_bridged": filament.breaks},
        )
        for number, filament in zip(found.instance_ids[kind], found.filaments[kind].filaments, strict=True)
    ]
    if traced:
        target = run.new_filaments(object_name=kind, user_id=_USER, session_id=_SESSION)
        target.filaments = traced
        target.store()


def _xyz(points: NDArray[np.float64], pixel_size_angstrom: float) -> NDArray[np.float64]:
    return np.ascontiguousarray(points[:, ::-1]) * pixel_size_angstrom


def _dense(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Resample a path to steps of at most a voxel, which copick asks for."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.linspace(0, along[-1], int(np.ceil(along[-1])) + 1)
    return np.stack([np.interp(at, along, points[:, axis]) for axis in range(3)], axis=1)
