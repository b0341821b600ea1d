"""What is known about a specimen: lists of particles and filaments in RELION 5 columns."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import starfile
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from cts.filament import PlacedFilament
from cts.placement import Placed
from tomoio import new_file

_COORDINATES = ("rlnCenteredCoordinateXAngst", "rlnCenteredCoordinateYAngst", "rlnCenteredCoordinateZAngst")
_ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_OWN = (
    "neuralsegClassName",
    "neuralsegInstanceID",
    "neuralsegStructureID",
    "neuralsegConformers",
)
PARTICLE_COLUMNS = ("rlnTomoName", *_COORDINATES, *_ANGLES, *_OWN, "neuralsegSubmodels")
FILAMENT_COLUMNS = (
    "rlnTomoName",
    *_COORDINATES,
    *_ANGLES,
    "rlnHelicalTubeID",
    "rlnHelicalTrackLengthAngst",
    *_OWN,
    "neuralsegBundle",
    "neuralsegProtofilaments",
)


def particle_table(
    placed: Sequence[Placed], tomogram_id: str, shape: tuple[int, int, int], pixel_size_angstrom: float
) -> pd.DataFrame:
    """Return one row for each particle, in the order of placement.

    Parameters
    ----------
    placed
        Particles.
    tomogram_id
        Name of the tomogram.
    shape, pixel_size_angstrom
        Volume (z, y, x) and voxel size: coordinates are (index - (N-1)/2) × voxel size.

    Returns
    -------
    pandas.DataFrame
        Columns `PARTICLE_COLUMNS`; submodels that were placed are numbers joined by commas.
    """
    positions = np.array([item.position_zyx for item in placed]).reshape(-1, 3)
    rotations = np.array([item.rotation for item in placed]).reshape(-1, 3, 3)
    table = _poses(positions, rotations, tomogram_id, shape, pixel_size_angstrom)
    table["neuralsegClassName"] = [item.class_name for item in placed]
    table["neuralsegInstanceID"] = [item.instance for item in placed]
    table["neuralsegStructureID"] = [item.structure_id for item in placed]
    table["neuralsegConformers"] = [str(item.conformer) for item in placed]
    table["neuralsegSubmodels"] = [_joined(item.parts) for item in placed]
    return table[list(PARTICLE_COLUMNS)]


def filament_table(
    placed: Sequence[PlacedFilament],
    tomogram_id: str,
    shape: tuple[int, int, int],
    pixel_size_angstrom: float,
) -> pd.DataFrame:
    """Return one row for each repeat unit, ordered along each filament.

    The point lies on the filament's axis; the orientation takes the frame of the repeat unit (z along the
    filament) onto the filament. For microtubules a unit is a turn of ``neuralsegProtofilaments`` dimers.
    Points of units that reach in from outside lie a little outside the volume.

    Parameters
    ----------
    placed
        Filaments.
    tomogram_id, shape, pixel_size_angstrom
        As in `particle_table`.

    Returns
    -------
    pandas.DataFrame
        Columns `FILAMENT_COLUMNS`; the tube id counts filaments from 1.
    """
    points = [(number + 1, item, point) for number, item in enumerate(placed) for point in item.points]
    positions = np.array([point.position_zyx for _, _, point in points]).reshape(-1, 3)
    rotations = np.array([point.rotation for _, _, point in points]).reshape(-1, 3, 3)
    table = _poses(positions, rotations, tomogram_id, shape, pixel_size_angstrom)
    table["rlnHelicalTubeID"] = [tube for tube, _, _ in points]
    table["rlnHelicalTrackLengthAngst"] = [point.track_angstrom for _, _, point in points]
    table["neuralsegClassName"] = [point.class_name for _, _, point in points]
    table["neuralsegInstanceID"] = [item.instance for _, item, _ in points]
    table["neuralsegStructureID"] = [point.structure_id for _, _, point in points]
    table["neuralsegConformers"] = [_joined(point.conformers) for _, _, point in points]
    table["neuralsegBundle"] = [item.bundle for _, item, _ in points]
    table["neuralsegProtofilaments"] = [point.protofilaments for _, _, point in points]
    return table[list(FILAMENT_COLUMNS)]


def write_star(path: Path, table: pd.DataFrame, block: str, *, overwrite: bool = False) -> None:
    """Write a table as one block of a STAR file, whole or not at all."""
    with new_file(path, overwrite=overwrite) as partial:
        starfile.write({block: table}, partial, overwrite=True, float_format="%.4f")
        # starfile dates its files: the same specimen is to give the same bytes
        text = partial.read_text(encoding="utf-8")
        start = text.index("data_")
        partial.write_text(text[start:], encoding="utf-8")


def relion_angles(rotations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rot, tilt, psi (n, 3), degrees, of rotations (n, 3, 3): reference onto particle, xyz columns."""
    if not len(rotations):
        return np.empty((0, 3))
    with warnings.catch_warnings():
        # at a tilt of 0 or 180 degrees rot is set to 0, which is as good as any
        warnings.filterwarnings("ignore", message="Gimbal lock")
        return np.asarray(Rotation.from_matrix(rotations).inv().as_euler("ZYZ", degrees=True))


def rotation_of(angles_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotations (n, 3, 3) that rot, tilt, psi (n, 3) mean; the inverse of `relion_angles`."""
    return np.asarray(Rotation.from_euler("ZYZ", angles_deg, degrees=True).inv().as_matrix())


def _poses(
    positions_zyx: NDArray[np.float64],
    rotations: NDArray[np.float64],
    tomogram_id: str,
    shape: tuple[int, int, int],
    pixel_size_angstrom: float,
) -> pd.DataFrame:
    centred = (positions_zyx - (np.array(shape) - 1) / 2)[:, ::-1] * pixel_size_angstrom
    angles = relion_angles(rotations)
    table = pd.DataFrame({"rlnTomoName": [tomogram_id] * len(centred)})
    for axis in range(3):
        table[_COORDINATES[axis]] = centred[:, axis]
    for axis in range(3):
        table[_ANGLES[axis]] = angles[:, axis]
    return table


def _joined(numbers: Sequence[int]) -> str:
    return ",".join(str(number) for number in numbers)
