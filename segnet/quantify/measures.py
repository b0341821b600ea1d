"""Which numbers of a tomogram are compared between groups, and the table of groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Row = dict[str, Any]

GROUP_COLUMNS = (
    "group", "measure", "tomograms", "tomograms_without_value", "total", "mean", "standard_deviation",
    "median", "minimum", "maximum",
)  # fmt: skip

# What is summed up per group, and what of it is tested: counts per volume, because tomograms differ in size.
_SUMMARISED = {
    "particles": (
        "count", "count_per_um3", "clusters", "clustered_share", "mean_cluster_size_particles",
        "mean_nearest_neighbour_nm", "mean_nearest_in_cluster_nm",
    ),
    "filaments": (
        "count", "count_per_um3", "length_um_per_um3", "mean_length_nm", "decorated_share",
        "voxels",
    ),
    "sheets": ("area_um2_per_um3", "voxels"),
    "voxels": ("voxels", "voxel_share"),
}  # fmt: skip
_TESTED = (
    "count_per_um3", "length_um_per_um3", "mean_length_nm", "decorated_share", "area_um2_per_um3",
    "voxel_share", "clustered_share", "mean_cluster_size_particles", "mean_nearest_in_cluster_nm",
)  # fmt: skip


def values_by_group(rows: Sequence[Row], *, tested_only: bool = False) -> dict[str, dict[str, list[float]]]:
    """Return the values of tomograms by measure (``class column``) and group, from the table of tomograms.

    Measures that no tomogram has a value for are left out; groups keep the order of the rows.
    """
    groups = list(dict.fromkeys(row["group"] for row in rows))
    values: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        for column in _SUMMARISED[row["measured_as"]]:
            if tested_only and column not in _TESTED:
                continue
            by_group = values.setdefault(f"{row['class']} {column}", {group: [] for group in groups})
            value = row[column]
            by_group[row["group"]].append(float(value) if value != "" else float("nan"))
    return {
        measure: by_group
        for measure, by_group in values.items()
        if any(np.isfinite(value) for sample in by_group.values() for value in sample)
    }


def group_rows(rows: Sequence[Row]) -> list[Row]:
    """Summarise each measure in each group; tomograms are the unit."""
    return [
        _summary(group, measure, np.asarray(sample))
        for measure, by_group in values_by_group(rows).items()
        for group, sample in by_group.items()
    ]


def _summary(group: str, measure: str, sample: Any) -> Row:
    finite = sample[np.isfinite(sample)]
    row: Row = {"group": group, "measure": measure, "tomograms": int(finite.size)}
    row["tomograms_without_value"] = int(sample.size - finite.size)
    if not finite.size:
        return row
    additive = measure.split()[-1] in ("count", "clusters", "voxels")
    return row | {
        "total": float(finite.sum()) if additive else "",
        "mean": float(finite.mean()),
        "standard_deviation": float(finite.std(ddof=1)) if finite.size > 1 else float("nan"),
        "median": float(np.median(finite)),
        "minimum": float(finite.min()),
        "maximum": float(finite.max()),
    }
