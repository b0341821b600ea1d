"""CSV tables, RELION STAR files and volumes of instances."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segnet.quantify.instances import InstanceMap
from segnet.quantify.tomogram import MeasuredTomogram
from tomoio import create_volume, new_file

_LARGEST_INT16 = 32767


def write_csv(
    path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, overwrite: bool
) -> None:
    """Write rows as CSV; a value that is missing or not a number is an empty cell."""
    with (
        new_file(path, overwrite=overwrite) as partial,
        open(partial, "w", newline="", encoding="utf-8") as out,
    ):
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row.get(column, "")) for column in columns] for row in rows)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return str(value)


def star_particles(found: MeasuredTomogram, name: str) -> list[dict[str, Any]]:
    """Return RELION rows for the particles of a class; the angles are 0, which means not known."""
    centred = centred_angstrom(found.particles[name].centre, found.shape, found.pixel_size_angstrom)
    return [
        _star_row(found, position, (0.0, 0.0, 0.0))
        | {"neuralsegClassName": name, "neuralsegInstanceID": int(number)}
        for position, number in zip(centred.tolist(), found.instance_ids[name], strict=True)
    ]


def star_filaments(found: MeasuredTomogram, name: str) -> list[dict[str, Any]]:
    """Return RELION rows along the filaments of a kind; tilt and psi turn the reference's z axis along it."""
    rows = []
    for number, filament in zip(found.instance_ids[name], found.filaments[name].filaments, strict=True):
        centred = centred_angstrom(filament.points, found.shape, found.pixel_size_angstrom)
        tangents = np.gradient(filament.points, axis=0)
        steps = np.linalg.norm(np.diff(filament.points, axis=0), axis=1) * found.pixel_size_angstrom
        along = np.concatenate([[0.0], np.cumsum(steps)]).tolist()
        tilts, psis = (angles.tolist() for angles in direction_angles(tangents))
        for position, tilt, psi, length in zip(centred.tolist(), tilts, psis, along, strict=True):
            rows.append(
                _star_row(found, position, (0.0, tilt, psi))
                | {
                    "rlnAngleTiltPrior": tilt,
                    "rlnAnglePsiPrior": psi,
                    "rlnHelicalTubeID": int(number),
                    "rlnHelicalTrackLengthAngst": length,
                    "neuralsegClassName": name,
                    "neuralsegInstanceID": int(number),
                }
            )
    return rows


def _star_row(
    found: MeasuredTomogram, position: Sequence[float], angles: tuple[float, float, float]
) -> dict[str, Any]:
    z, y, x = position
    return {
        "rlnTomoName": found.source.tomogram_id,
        "rlnCenteredCoordinateXAngst": x,
        "rlnCenteredCoordinateYAngst": y,
        "rlnCenteredCoordinateZAngst": z,
        "rlnAngleRot": angles[0],
        "rlnAngleTilt": angles[1],
        "rlnAnglePsi": angles[2],
    }


def centred_angstrom(
    points: NDArray[np.float64], shape: tuple[int, int, int], pixel_size_angstrom: float
) -> NDArray[np.float64]:
    """Return (index - (N - 1) / 2) × pixel size, (n, 3) (z, y, x), Å."""
    return (points - (np.asarray(shape) - 1) / 2) * pixel_size_angstrom


def direction_angles(tangents: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return tilts and psis (degrees) whose matrix takes the reference's z axis onto tangents (…, 3: zyx).

    The matrix that takes the reference onto the particle is the inverse of RELION's, so its third column is
    (-sin tilt cos psi, sin tilt sin psi, cos tilt) in x, y, z.
    """
    z, y, x = np.moveaxis(tangents / np.linalg.norm(tangents, axis=-1, keepdims=True), -1, 0)
    return np.degrees(np.arccos(np.clip(z, -1, 1))), np.degrees(np.arctan2(y, -x))


def write_star(path: Path, rows: list[dict[str, Any]], *, overwrite: bool) -> None:
    """Write a RELION 5 particle list (block ``particles``): rows of one kind, at least one.

    The starfile package takes half a minute for the points of a large tomogram's filaments, and dates its
    files: the same labels are to give the same bytes.
    """
    template = "\t".join("%.4f" if isinstance(value, float) else "%s" for value in rows[0].values()) + "\n"
    with new_file(path, overwrite=overwrite) as partial, open(partial, "w", encoding="utf-8") as out:
        out.write("data_particles\n\nloop_\n")
        out.writelines(f"_{column} #{number}\n" for number, column in enumerate(rows[0], start=1))
        out.writelines(template % tuple(map(_star_value, row.values())) for row in rows)
        out.write("\n")


def _star_value(value: Any) -> Any:
    """Quote text that has white space or is empty."""
    if isinstance(value, str) and (not value or any(letter.isspace() for letter in value)):
        return f'"{value}"'
    return value


def write_instances(
    path: Path, instances: InstanceMap, pixel_size_angstrom: float, *, overwrite: bool
) -> None:
    """Write a volume of instance ids: int16 up to 32,767 objects, else float32."""
    dtype = np.int16 if instances.count <= _LARGEST_INT16 else np.float32
    with create_volume(path, instances.shape, dtype, pixel_size_angstrom, overwrite=overwrite) as volume:
        for z, image in enumerate(instances.slices()):
            volume[z] = image
