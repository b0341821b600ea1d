"""CSV tables, RELION STAR files and volumes of instances."""

from __future__ import annotations

import csv
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
        return "" if np.isnan(value) else f"{value:.6g}"
    return str(value)


def star_particles(found: MeasuredTomogram, name: str) -> list[dict[str, Any]]:
    """Return RELION rows for the particles of a class; the angles are 0, which means not known."""
    centred = centred_angstrom(found.particles[name].centre, found.shape, found.pixel_size_angstrom)
    return [
        _star_row(found, position, (0.0, 0.0, 0.0))
        | {"neuralsegClassName": name, "neuralsegInstanceID": int(number)}
        for position, number in zip(centred, found.instance_ids[name], strict=True)
    ]


def star_filaments(found: MeasuredTomogram, name: str) -> list[dict[str, Any]]:
    """Return RELION rows along the filaments of a kind; tilt and psi turn the reference's z axis along it."""
    rows = []
    for number, filament in zip(found.instance_ids[name], found.filaments[name].filaments, strict=True):
        centred = centred_angstrom(filament.points, found.shape, found.pixel_size_angstrom)
        tangents = np.gradient(filament.points, axis=0)
        steps = np.linalg.norm(np.diff(filament.points, axis=0), axis=1) * found.pixel_size_angstrom
        along = np.concatenate([[0.0], np.cumsum(steps)])
        for position, tangent, length in zip(centred, tangents, along, strict=True):
            tilt, psi = direction_angles(tangent)
            rows.append(
                _star_row(found, position, (0.0, tilt, psi))
                | {
                    "rlnAngleTiltPrior": tilt,
                    "rlnAnglePsiPrior": psi,
                    "rlnHelicalTubeID": int(number),
                    "rlnHelicalTrackLengthAngst": float(length),
                    "neuralsegClassName": name,
                    "neuralsegInstanceID": int(number),
                }
            )
    return rows


def _star_row(
    found: MeasuredTomogram, position: NDArray[np.float64], angles: tuple[float, float, float]
) -> dict[str, Any]:
    z, y, x = (float(value) for value in position)
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


def direction_angles(tangent: NDArray[np.float64]) -> tuple[float, float]:
    """Return tilt and psi (degrees) whose matrix takes the reference's z axis onto a tangent (z, y, x).

    The matrix that takes the reference onto the particle is the inverse of RELION's, so its third column is
    (-sin tilt cos psi, sin tilt sin psi, cos tilt) in x, y, z.
    """
    z, y, x = tangent / np.linalg.norm(tangent)
    tilt = float(np.degrees(np.arccos(np.clip(z, -1, 1))))
    return tilt, float(np.degrees(np.arctan2(y, -x)))


def write_star(path: Path, rows: list[dict[str, Any]], *, overwrite: bool) -> None:
    """Write a RELION 5 particle list (block ``particles``)."""
    import pandas
    import starfile

    with new_file(path, overwrite=overwrite) as partial:
        starfile.write({"particles": pandas.DataFrame(rows)}, partial, overwrite=True, float_format="%.4f")
        # starfile dates its files: the same labels are to give the same bytes
        text = partial.read_text(encoding="utf-8")
        partial.write_text(text[text.index("data_") :], encoding="utf-8")


def write_instances(
    path: Path, instances: InstanceMap, pixel_size_angstrom: float, *, overwrite: bool
) -> None:
    """Write a volume of instance ids: int16 up to 32,767 objects, else float32."""
    dtype = np.int16 if instances.count <= _LARGEST_INT16 else np.float32
    with create_volume(path, instances.shape, dtype, pixel_size_angstrom, overwrite=overwrite) as volume:
        for z, image in enumerate(instances.slices()):
            volume[z] = image
