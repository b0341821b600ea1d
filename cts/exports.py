"""Tilt-series tables that other programs read: .tlt, .tsv, .mdoc and RELION 5's STAR files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import starfile

from cts.config.imaging import OpticsConfig, number
from cts.imaging import Shot
from tomoio import new_file
from tomoio.tables import write_table

SERIES_COLUMNS = (
    "image",
    "tilt_deg",
    "prior_exposure_e_per_angstrom2",
    "dose_e_per_angstrom2",
    "defocus_um",
    "order",
    "true_tilt_deg",
    "shift_x_angstrom",
    "shift_y_angstrom",
)


def write_tlt(path: Path, shots: Sequence[Shot], *, overwrite: bool = False) -> None:
    """Write nominal tilt angles, one a line (IMOD)."""
    lines = [f"{shot.tilt_deg:.2f}\n" for shot in shots]
    with new_file(path, overwrite=overwrite) as partial:
        partial.write_text("".join(lines), encoding="ascii")


def write_series_table(path: Path, shots: Sequence[Shot], *, overwrite: bool = False) -> None:
    """Write one row for each image, in the order of the stack: angle, exposure, defocus, what went wrong."""
    rows = [
        {
            "image": index,
            "tilt_deg": shot.tilt_deg,
            "prior_exposure_e_per_angstrom2": shot.prior_e_per_angstrom2,
            "dose_e_per_angstrom2": shot.dose_e_per_angstrom2,
            "defocus_um": shot.defocus_um,
            "order": shot.order,
            "true_tilt_deg": shot.true_tilt_deg,
            "shift_x_angstrom": shot.shift_angstrom[0],
            "shift_y_angstrom": shot.shift_angstrom[1],
        }
        for index, shot in enumerate(shots)
    ]
    write_table(path, SERIES_COLUMNS, rows, overwrite=overwrite)


def write_mdoc(
    path: Path,
    stack: Path,
    shots: Sequence[Shot],
    shape: tuple[int, int],
    pixel_size_angstrom: float,
    optics: OpticsConfig,
    *,
    overwrite: bool = False,
) -> None:
    """Write SerialEM's metadata of a stack (https://bio3d.colorado.edu/SerialEM/hlp/html/about_formats.htm).

    The tilt axis of the stack is y: angle 0 in the title, where IMOD looks for it, and RotationAngle, that of
    the x axis, is 90. Defocus is negative for underfocus there.
    """
    lines = [
        f"PixelSpacing = {pixel_size_angstrom:g}",
        f"Voltage = {optics.voltage_kv:g}",
        f"ImageFile = {stack.name}",
        f"ImageSize = {shape[1]} {shape[0]}",
        "DataMode = 2",
        "",
        "[T = Simulated tilt series]",
        "",
        "[T =     Tilt axis angle = 0.0, binning = 1  spot = 1  camera = 0]",
        "",
    ]
    for index, shot in enumerate(shots):
        lines += [
            f"[ZValue = {index}]",
            f"TiltAngle = {shot.tilt_deg:.4f}",
            f"ExposureDose = {shot.dose_e_per_angstrom2:.6g}",
            f"PriorRecordDose = {shot.prior_e_per_angstrom2:.6g}",
            f"PixelSpacing = {pixel_size_angstrom:g}",
            f"Defocus = {-shot.defocus_um:.6g}",
            "RotationAngle = 90",
            "",
        ]
    with new_file(path, overwrite=overwrite) as partial:
        partial.write_text("\n".join(lines), encoding="ascii")


def write_relion_star(
    path: Path,
    tomogram_id: str,
    stack: Path,
    shots: Sequence[Shot],
    optics: OpticsConfig,
    *,
    overwrite: bool = False,
) -> None:
    """Write a tilt-series STAR as RELION 5 keeps one for each tomogram: one block of the tomogram's name."""
    spread = 0.5 * number(optics.astigmatism_um)
    series = pd.DataFrame(
        {
            "rlnMicrographName": [f"{index + 1}@{stack.name}" for index in range(len(shots))],
            "rlnTomoNominalStageTiltAngle": [shot.tilt_deg for shot in shots],
            "rlnTomoXTilt": 0.0,
            "rlnTomoYTilt": [shot.tilt_deg for shot in shots],
            "rlnTomoZRot": 0.0,
            "rlnTomoXShiftAngst": 0.0,
            "rlnTomoYShiftAngst": 0.0,
            "rlnMicrographPreExposure": [shot.prior_e_per_angstrom2 for shot in shots],
            "rlnDefocusU": [1e4 * (shot.defocus_um + spread) for shot in shots],
            "rlnDefocusV": [1e4 * (shot.defocus_um - spread) for shot in shots],
            "rlnDefocusAngle": number(optics.astigmatism_angle_deg),
            "rlnPhaseShift": number(optics.phase_shift_deg),
        }
    )
    _write_star(path, tomogram_id, series, overwrite=overwrite)


def write_relion_tomograms(
    path: Path,
    tomogram_id: str,
    series: Path,
    shots: Sequence[Shot],
    shape: tuple[int, int, int],
    pixel_size_angstrom: float,
    optics: OpticsConfig,
    *,
    overwrite: bool = False,
) -> None:
    """Write what RELION 5 opens first: a block ``global`` that names the tilt-series STAR beside it.

    ``shape`` (z, y, x) is that of the tomogram.
    """
    header = pd.DataFrame(
        {
            "rlnTomoName": [tomogram_id],
            "rlnTomoTiltSeriesStarFile": series.name,
            "rlnVoltage": optics.voltage_kv,
            "rlnSphericalAberration": optics.spherical_aberration_mm,
            "rlnAmplitudeContrast": optics.amplitude_contrast,
            "rlnMicrographOriginalPixelSize": pixel_size_angstrom,
            "rlnTomoTiltSeriesPixelSize": pixel_size_angstrom,
            # RELION adds hand × height to the defocus; here what is higher is less underfocused.
            "rlnTomoHand": -1.0,
            "rlnOpticsGroupName": "opticsGroup1",
            "rlnTomoImportFractionalDose": sum(shot.dose_e_per_angstrom2 for shot in shots) / len(shots),
            "rlnTomoSizeX": shape[2],
            "rlnTomoSizeY": shape[1],
            "rlnTomoSizeZ": shape[0],
        }
    )
    _write_star(path, "global", header, overwrite=overwrite)


def _write_star(path: Path, block: str, table: pd.DataFrame, *, overwrite: bool) -> None:
    text = starfile.to_string({block: table})
    with new_file(path, overwrite=overwrite) as partial:
        # Without the date that starfile begins with: the same seed is to give the same bytes.
        partial.write_text(text[text.index("data_") :], encoding="utf-8")
