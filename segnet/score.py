"""Scores of a segmentation against the truth, class by class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segnet.config.segmentation import ScoringConfig
from segnet.dataset import channel_lookup, trained_classes
from segnet.metrics import (
    centreline_dice,
    confusion_matrix,
    dice_precision_recall,
    object_score,
    surface_dice,
)
from tomoio import IGNORE, ClassTable, Volume, read_labels
from tomoio.tables import write_table

SCORE_COLUMNS = (
    "round",
    "domain",
    "tomogram_id",
    "class",
    "dice",
    "precision",
    "recall",
    "surface_dice",
    "centreline_dice",
    "object_f1",
    "object_precision",
    "object_recall",
    "truth_voxels",
    "predicted_voxels",
)
_THIN_ROLES = ("membrane", "filament")
_SAME_VOXELS = 0.01  # relative; programs round what they write into a header


def score_files(
    prediction: Path | str,
    truth: Path | str,
    classes: ClassTable,
    config: ScoringConfig,
    *,
    output: Path | str | None = None,
    confusion: Path | str | None = None,
    round_name: str = "",
    domain: str = "",
    tomogram_id: str = "",
    merge: dict[str, str] | None = None,
    pixel_size_angstrom: float | None = None,
    overwrite: bool = False,
) -> list[dict[str, Any]]:
    """Compare two label files and return one row a class, with the columns `SCORE_COLUMNS`.

    Parameters
    ----------
    prediction, truth
        Label volumes of one shape. Where the truth is 255 (ignore), nothing counts.
    classes
        The class table.
    config
        Tolerances.
    output
        Also write the rows there, as TSV.
    confusion
        Also write the confusion matrix there: a row for each true class, a column for each predicted one,
        voxels.
    round_name, domain, tomogram_id
        Stand in the rows.
    merge
        Class to class, applied to both volumes before anything is counted.
    pixel_size_angstrom
        Overrides the headers.
    overwrite
        Replace existing tables.

    Raises
    ------
    FileExistsError
        If a table exists and ``overwrite`` is not set: before anything is counted or written.
    ValueError
        If the shapes or voxel sizes differ, a label is not in the table, or both tables have one name.
    """
    _check_tables(output, confusion, overwrite)
    found, true = (
        read_labels(path, classes, pixel_size_angstrom=pixel_size_angstrom) for path in (prediction, truth)
    )
    _check_grids(prediction, found, truth, true)
    rows, matrix = score(found.data, true.data, true.pixel_size_angstrom, classes, config, merge)
    named = {"round": round_name, "domain": domain, "tomogram_id": tomogram_id}
    rows = [named | row for row in rows]
    if output is not None:
        write_table(output, SCORE_COLUMNS, rows, overwrite=overwrite)
    if confusion is not None:
        names = [entry.name for entry in classes if entry.name not in (merge or {})]
        lines = [
            {"truth": name, **dict(zip(names, counts, strict=True))}
            for name, counts in zip(names, matrix.tolist(), strict=True)
        ]
        write_table(confusion, ["truth", *names], lines, overwrite=overwrite)
    return rows


def _check_tables(output: Path | str | None, confusion: Path | str | None, overwrite: bool) -> None:
    tables = [Path(path) for path in (output, confusion) if path is not None]
    if len({path.resolve() for path in tables}) < len(tables):
        raise ValueError(f"{output}: asked for both tables; wanted two names")
    for path in tables:
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path}: exists already; pass --overwrite or choose another name")


def _check_grids(prediction: Path | str, found: Volume, truth: Path | str, true: Volume) -> None:
    if found.data.shape != true.data.shape:
        raise ValueError(
            f"{prediction}: shape {found.data.shape} (z, y, x), but {truth} has "
            f"{true.data.shape}; wanted one grid"
        )
    sizes = found.pixel_size_angstrom, true.pixel_size_angstrom
    if abs(sizes[0] - sizes[1]) > _SAME_VOXELS * sizes[1]:
        raise ValueError(
            f"{prediction}: voxel size {sizes[0]:g} Å, but {truth} has {sizes[1]:g} Å; wanted one grid, or "
            "the true size with --pixel-size-angstrom"
        )


def score(
    predicted: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    pixel_size_angstrom: float,
    classes: ClassTable,
    config: ScoringConfig,
    merge: dict[str, str] | None = None,
) -> tuple[list[dict[str, Any]], NDArray[np.int64]]:
    """Compare two label arrays (z, y, x); return a row a class and the confusion matrix (true, predicted).

    A column that does not suit a class (object scores of a membrane) and every score of a class that is in
    neither volume are NaN.
    """
    kept = list(trained_classes(classes, merge or {}))
    lookup = channel_lookup(classes, merge or {})
    found, true = lookup[predicted], lookup[truth]
    matrix = confusion_matrix(found, true, len(kept))
    dice, precision, recall = dice_precision_recall(matrix)
    counted = true != IGNORE
    rows = []
    for channel, entry in enumerate(kept):
        row = {
            "class": entry.name,
            "dice": float(dice[channel]),
            "precision": float(precision[channel]),
            "recall": float(recall[channel]),
            "truth_voxels": int(matrix[channel].sum()),
            "predicted_voxels": int(matrix[:, channel].sum()),
        }
        masks = (found == channel) & counted, (true == channel) & counted
        rows.append(row | _shape_scores(masks[0], masks[1], entry.role, pixel_size_angstrom, config))
    return rows, matrix


def _shape_scores(
    predicted: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    role: str,
    pixel_size_angstrom: float,
    config: ScoringConfig,
) -> dict[str, float]:
    nan = float("nan")
    scores = dict.fromkeys(SCORE_COLUMNS[7:12], nan)
    if role in _THIN_ROLES:
        scores["surface_dice"] = surface_dice(predicted, truth, config.thin_tolerance_px)
        scores["centreline_dice"] = centreline_dice(predicted, truth, sheets=role == "membrane")
    if role == "particle":
        tolerance_px = config.object_tolerance_angstrom / pixel_size_angstrom
        objects = object_score(predicted, truth, tolerance_px, config.min_object_voxels)
        scores |= {
            "object_f1": objects.f1,
            "object_precision": objects.precision,
            "object_recall": objects.recall,
        }
    return scores
