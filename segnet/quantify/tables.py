"""Rows of the result tables; each column that has a unit ends in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segnet.config.quantification import QuantificationConfig
from segnet.quantify.tomogram import MeasuredTomogram

Row = dict[str, Any]
NAN = float("nan")

NOTHING_TO_MEASURE = "not measured: every voxel is 255 (ignore)"
NOTHING_FOUND = "voxels, but no object: too thin, too short, or far from the size in the configuration"

COLUMNS: dict[str, tuple[str, ...]] = {
    "particles": (
        "tomogram_id", "group", "class", "instance_id", "x_nm", "y_nm", "z_nm", "volume_voxels", "volume_nm3",
        "touches_border", "cluster_id", "nearest_neighbour_nm", "nearest_in_cluster_nm",
    ),
    "filaments": (
        "tomogram_id", "group", "class", "instance_id", "length_nm", "end_to_end_nm", "mean_curvature_per_um",
        "maximum_curvature_per_um", "azimuth_deg", "elevation_deg", "breaks_bridged", "bridged_length_nm",
        "decorated_share", "volume_voxels", "touches_border",
    ),
    "filament_points": (
        "tomogram_id", "class", "instance_id", "point", "x_nm", "y_nm", "z_nm", "along_nm", "decorated",
    ),
    "membranes": (
        "tomogram_id", "group", "class", "instance_id", "volume_voxels", "area_nm2", "closed", "compartments",
        "enclosed_volume_nm3", "touches_border",
    ),
    "clusters": (
        "tomogram_id", "group", "class", "cluster_id", "particles", "x_nm", "y_nm", "z_nm",
        "radius_of_gyration_nm", "mean_nearest_neighbour_nm",
    ),
    "tomograms": (
        "tomogram_id", "group", "class", "measured_as", "count", "count_per_um3", "voxels", "voxel_share",
        "islands_removed", "total_length_nm", "mean_length_nm", "length_um_per_um3", "mean_curvature_per_um",
        "decorated_share", "area_nm2", "area_um2_per_um3", "closed_membranes", "enclosed_volume_nm3",
        "clusters", "clustered_share", "mean_cluster_size_particles", "mean_nearest_neighbour_nm",
        "mean_nearest_in_cluster_nm", "volume_um3", "ignored_share", "voxel_size_nm", "note",
    ),
}  # fmt: skip


def tomogram_tables(found: MeasuredTomogram, config: QuantificationConfig) -> dict[str, list[Row]]:
    """Return the rows that one tomogram adds to each table of `COLUMNS`."""
    sizes = found.instances.voxels()
    return {
        "particles": [row for name in found.particles for row in _particle_rows(found, name)],
        "filaments": [row for name in found.filaments for row in _filament_rows(found, name, sizes)],
        "filament_points": [row for name in found.filaments for row in _point_rows(found, name)],
        "membranes": [row for name in found.membranes for row in _membrane_rows(found, name)],
        "clusters": [row for name in found.clusterings for row in _cluster_rows(found, name)],
        "tomograms": list(_tomogram_rows(found, config)),
    }


def _head(found: MeasuredTomogram, name: str) -> Row:
    return {"tomogram_id": found.source.tomogram_id, "group": found.source.group, "class": name}


def _xyz(points: NDArray[np.float64], voxel_nm: float) -> list[Row]:
    """Positions from the centre of the first voxel, nm."""
    positions = (np.asarray(points).reshape(-1, 3) * voxel_nm).tolist()
    return [{"x_nm": x, "y_nm": y, "z_nm": z} for z, y, x in positions]


def _particle_rows(found: MeasuredTomogram, name: str) -> Iterable[Row]:
    particles = found.particles[name]
    clustering = found.clusterings.get(name)
    for i, position in enumerate(_xyz(particles.centre, found.voxel_nm)):
        yield (
            _head(found, name)
            | position
            | {
                "instance_id": int(found.instance_ids[name][i]),
                "volume_voxels": int(particles.voxels[i]),
                "volume_nm3": float(particles.voxels[i]) * found.voxel_nm**3,
                "touches_border": bool(particles.touches_border[i]),
                "cluster_id": int(clustering.cluster[i]) if clustering else "",
                "nearest_neighbour_nm": float(clustering.nearest_nm[i]) if clustering else NAN,
                "nearest_in_cluster_nm": float(clustering.nearest_in_cluster_nm[i]) if clustering else NAN,
            }
        )


def _filament_rows(found: MeasuredTomogram, name: str, sizes: NDArray[np.int64]) -> Iterable[Row]:
    for number, filament in zip(found.instance_ids[name], found.filaments[name].filaments, strict=True):
        yield _head(found, name) | {
            "instance_id": int(number),
            "length_nm": filament.length_nm,
            "end_to_end_nm": filament.end_to_end_nm,
            "mean_curvature_per_um": filament.mean_curvature_per_um,
            "maximum_curvature_per_um": filament.maximum_curvature_per_um,
            "azimuth_deg": filament.azimuth_deg,
            "elevation_deg": filament.elevation_deg,
            "breaks_bridged": filament.breaks,
            "bridged_length_nm": filament.bridged_nm,
            "decorated_share": filament.decorated_share,
            "volume_voxels": int(sizes[number - 1]),
            "touches_border": filament.touches_border,
        }


def _point_rows(found: MeasuredTomogram, name: str) -> Iterable[Row]:
    for number, filament in zip(found.instance_ids[name], found.filaments[name].filaments, strict=True):
        steps = np.linalg.norm(np.diff(filament.points, axis=0), axis=1) * found.voxel_nm
        along = np.concatenate([[0.0], np.cumsum(steps)]).tolist()
        decorated = filament.decorated.tolist() or [""] * len(along)
        for i, position in enumerate(_xyz(filament.points, found.voxel_nm)):
            yield position | {
                "tomogram_id": found.source.tomogram_id,
                "class": name,
                "instance_id": int(number),
                "point": i + 1,
                "along_nm": along[i],
                "decorated": decorated[i],
            }


def _membrane_rows(found: MeasuredTomogram, name: str) -> Iterable[Row]:
    for number, membrane in zip(found.instance_ids[name], found.membranes[name], strict=True):
        yield _head(found, name) | {
            "instance_id": int(number),
            "volume_voxels": membrane.voxels,
            "area_nm2": membrane.area_voxels2 * found.voxel_nm**2,
            "closed": membrane.compartments > 0,
            "compartments": membrane.compartments,
            "enclosed_volume_nm3": membrane.enclosed_voxels * found.voxel_nm**3,
            "touches_border": membrane.touches_border,
        }


def _cluster_rows(found: MeasuredTomogram, name: str) -> Iterable[Row]:
    clustering, centres = found.clusterings[name], found.particles[name].centre * found.voxel_nm
    for number in range(1, int(clustering.cluster.max(initial=0)) + 1):
        members = clustering.cluster == number
        middle = centres[members].mean(axis=0)
        spread = np.sqrt(((centres[members] - middle) ** 2).sum(axis=1).mean())
        yield (
            _head(found, name)
            | _xyz(middle, 1.0)[0]
            | {
                "cluster_id": number,
                "particles": int(members.sum()),
                "radius_of_gyration_nm": float(spread),
                "mean_nearest_neighbour_nm": _mean(clustering.nearest_in_cluster_nm[members]),
            }
        )


def _mean(values: Iterable[float]) -> float:
    """Mean of the finite values; NaN where there is none."""
    array = np.asarray(list(values), float)
    array = array[np.isfinite(array)]
    return float(array.mean()) if array.size else NAN


def _tomogram_rows(found: MeasuredTomogram, config: QuantificationConfig) -> Iterable[Row]:
    """One row for each class, and one for each kind of filament that is traced over several classes."""
    traced = {
        name for kind in config.filaments if kind.class_names == (kind.name,) for name in kind.class_names
    }
    for name in found.voxels:
        row = _common(found, name) | _volume_of_class(found, name)
        if name in found.particles:
            row |= _particle_summary(found, name)
        elif name in found.membranes:
            row |= _membrane_summary(found, name)
        elif name in traced:
            row |= _filament_summary(found, name)
        else:
            row |= {"measured_as": "voxels"}
        yield _with_gaps(row, found)
    for kind in config.filaments:
        if kind.name not in traced:
            voxels = sum(found.voxels[name] for name in kind.class_names)
            note = "" if voxels else "no voxels of its classes in the labels"
            name = f"{kind.name} filaments"
            row = _common(found, name) | _filament_summary(found, kind.name)
            yield _with_gaps(row | {"voxels": voxels, "note": note}, found)


def _with_gaps(row: Row, found: MeasuredTomogram) -> Row:
    """Say why a count is zero though there are voxels; leave empty what could not be measured."""
    if found.volume_um3 == 0:
        gaps = _common(found, row["class"]) | {"measured_as": row["measured_as"]}
        return gaps | {"note": NOTHING_TO_MEASURE}
    if row["count"] == 0 and row["voxels"]:
        return row | {"note": NOTHING_FOUND}
    return row


def _common(found: MeasuredTomogram, name: str) -> Row:
    return (
        dict.fromkeys(COLUMNS["tomograms"], "")
        | _head(found, name)
        | {
            "volume_um3": found.volume_um3,
            "ignored_share": found.ignored_voxels / int(np.prod(found.shape)),
            "voxel_size_nm": found.voxel_nm,
        }
    )


def _volume_of_class(found: MeasuredTomogram, name: str) -> Row:
    voxels, removed = found.voxels[name], found.islands_removed[name]
    note = ""
    if voxels == 0:
        note = "only islands below the minimum size" if removed else "no voxels of this class in the labels"
    return {
        "voxels": voxels,
        "voxel_share": voxels / max(int(np.prod(found.shape)) - found.ignored_voxels, 1),
        "islands_removed": removed,
        "note": note,
    }


def _particle_summary(found: MeasuredTomogram, name: str) -> Row:
    count = len(found.particles[name].centre)
    row: Row = {"measured_as": "particles", "count": count, "count_per_um3": _per_volume(count, found)}
    if name in found.clusterings:
        clustering = found.clusterings[name]
        clusters = int(clustering.cluster.max(initial=0))
        clustered = int((clustering.cluster > 0).sum())
        row |= {
            "clusters": clusters,
            "clustered_share": clustered / count if count else NAN,
            "mean_cluster_size_particles": clustered / clusters if clusters else NAN,
            "mean_nearest_neighbour_nm": _mean(clustering.nearest_nm),
            "mean_nearest_in_cluster_nm": _mean(clustering.nearest_in_cluster_nm),
        }
    return row


def _filament_summary(found: MeasuredTomogram, name: str) -> Row:
    filaments = found.filaments[name].filaments
    lengths = np.array([filament.length_nm for filament in filaments])
    shares = np.array([filament.decorated_share for filament in filaments])
    total = float(lengths.sum())
    return {
        "measured_as": "filaments",
        "count": len(filaments),
        "count_per_um3": _per_volume(len(filaments), found),
        "total_length_nm": total,
        "mean_length_nm": _mean(lengths),
        "length_um_per_um3": _per_volume(total / 1000, found),
        "mean_curvature_per_um": _mean(filament.mean_curvature_per_um for filament in filaments),
        "decorated_share": float((shares * lengths).sum() / total) if total else NAN,
    }


def _membrane_summary(found: MeasuredTomogram, name: str) -> Row:
    membranes = found.membranes[name]
    area = sum(membrane.area_voxels2 for membrane in membranes) * found.voxel_nm**2
    closed = [membrane.enclosed_voxels for membrane in membranes if membrane.compartments]
    return {
        "measured_as": "sheets",
        "count": len(membranes),
        "count_per_um3": _per_volume(len(membranes), found),
        "area_nm2": area,
        "area_um2_per_um3": _per_volume(area / 1e6, found),
        "closed_membranes": len(closed),
        "enclosed_volume_nm3": sum(closed) * found.voxel_nm**3 if closed else NAN,
    }


def _per_volume(amount: float, found: MeasuredTomogram) -> float:
    return amount / found.volume_um3 if found.volume_um3 else NAN
