"""Tilt angles, alignments, defocus and exposures of real tilt series, in the formats of other programs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import starfile

from cts.projection import Doubles
from tomoio.tables import read_table


@dataclass(frozen=True)
class CtfEstimate:
    """Fitted defocus of one image: mean, difference and direction as in `OpticsConfig`."""

    defocus_um: float
    astigmatism_um: float = 0.0
    astigmatism_angle_deg: float = 0.0
    phase_shift_deg: float = 0.0


@dataclass(frozen=True)
class AlignedImage:
    """One image of a tilt series, and how it comes to lie with the tilt axis vertical through its centre.

    Attributes
    ----------
    index
        Position in the stack, from 0.
    tilt_deg
        Tilt angle, degrees.
    matrix
        The aligned image is ``matrix`` times the raw one: x_aligned = matrix (x_raw - centre) + shift_px,
        from the centre; columns x, y (IMOD's .xf).
    shift_px
        x, y in raw pixels.
    ctf
        Fitted defocus, where known.
    prior_e_per_angstrom2, dose_e_per_angstrom2
        Exposure before and in this image, where known.
    """

    index: int
    tilt_deg: float
    matrix: Doubles = field(default_factory=lambda: np.eye(2))
    shift_px: Doubles = field(default_factory=lambda: np.zeros(2))
    ctf: CtfEstimate | None = None
    prior_e_per_angstrom2: float | None = None
    dose_e_per_angstrom2: float | None = None

    @property
    def rotation_deg(self) -> float:
        """Rotation from the raw to the aligned image, x towards y."""
        return math.degrees(math.atan2(self.matrix[1, 0], self.matrix[0, 0]))


def axis_matrix(tilt_axis_deg: float) -> Doubles:
    """Return the matrix that turns a tilt axis at this angle upright.

    The angle is that of SerialEM, AreTomo (ROT) and RELION (rlnTomoZRot): counter-clockwise from y, degrees.
    """
    cosine, sine = math.cos(math.radians(tilt_axis_deg)), math.sin(math.radians(tilt_axis_deg))
    return np.array([[cosine, sine], [-sine, cosine]])


def read_alignment(
    angles: Path,
    transforms: Path | None,
    n_images: int,
    pixel_size_angstrom: float,
    tilt_axis_deg: float | None = None,
) -> tuple[AlignedImage, ...]:
    """Read tilt angles and, where there is one, the alignment of a stack.

    Parameters
    ----------
    angles
        ``.tlt``, ``.rawtlt`` or ``.txt`` (one angle a line), ``.mdoc`` (SerialEM), ``.aln`` (AreTomo) or
        ``.star`` (RELION 5 tilt series).
    transforms
        ``.xf`` (IMOD) or ``.aln``, which then holds the angles too; None where ``angles`` holds the alignment
        or the stack is aligned already.
    n_images
        Number of images in the stack.
    pixel_size_angstrom
        Pixel size of the stack, for shifts in Å.
    tilt_axis_deg
        Rotation of the tilt axis; replaces that of an .mdoc.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file cannot be read or its number of images does not fit the stack.
    """
    images = _reader_of(angles)(angles, pixel_size_angstrom)
    if transforms is not None:
        images = _with_transforms(images, transforms, pixel_size_angstrom)
    if tilt_axis_deg is not None:
        matrix = axis_matrix(tilt_axis_deg)
        images = tuple(replace(image, matrix=matrix) for image in images)
    if not images or max(image.index for image in images) >= n_images:
        raise ValueError(f"{angles}: {len(images)} images; wanted at most the stack's {n_images}")
    if len(images) != n_images and angles.suffix not in {".aln", ".star"}:
        raise ValueError(
            f"{angles}: {len(images)} tilt angles; wanted {n_images}, one for each image of the stack"
        )
    return images


def _with_transforms(
    images: tuple[AlignedImage, ...], transforms: Path, pixel_size_angstrom: float
) -> tuple[AlignedImage, ...]:
    if transforms.suffix == ".aln":
        return read_aln(transforms, pixel_size_angstrom)
    matrices, shifts = read_xf(transforms)
    if len(matrices) != len(images):
        raise ValueError(
            f"{transforms}: {len(matrices)} transforms; wanted {len(images)}, one for each tilt angle"
        )
    return tuple(
        replace(image, matrix=matrix, shift_px=shift)
        for image, matrix, shift in zip(images, matrices, shifts, strict=True)
    )


def _reader_of(path: Path) -> Callable[[Path, float], tuple[AlignedImage, ...]]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; wanted tilt angles")
    readers: dict[str, Callable[[Path, float], tuple[AlignedImage, ...]]] = {
        ".mdoc": read_mdoc,
        ".aln": read_aln,
        ".star": read_relion_star,
    }
    return readers.get(path.suffix, _read_tlt_images)


def _numbers(path: Path, columns: int | None = None) -> Doubles:
    """Read rows of numbers, skipping empty lines and lines that start with #."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    try:
        rows = [[float(word) for word in line.split()] for line in lines if line.lstrip()[0] != "#"]
    except ValueError as error:
        raise ValueError(f"{path}: {error}; wanted rows of numbers") from None
    wanted = columns or (len(rows[0]) if rows else 0)
    for number, row in enumerate(rows, 1):
        if len(row) < wanted:
            raise ValueError(f"{path}: {len(row)} numbers in row {number}; wanted {wanted}")
    if not rows:
        raise ValueError(f"{path}: no rows of numbers")
    return np.array([row[:wanted] for row in rows])


def read_tlt(path: Path) -> Doubles:
    """Read tilt angles, degrees, one a line (IMOD's .tlt and .rawtlt)."""
    angles = _numbers(path, 1)[:, 0]
    if np.abs(angles).max() > 90:
        raise ValueError(f"{path}: tilt angle {angles[np.abs(angles).argmax()]:g}; wanted -90 to 90 degrees")
    return angles


def _read_tlt_images(path: Path, _pixel_size_angstrom: float) -> tuple[AlignedImage, ...]:
    return tuple(AlignedImage(index, float(angle)) for index, angle in enumerate(read_tlt(path)))


def read_xf(path: Path) -> tuple[Doubles, Doubles]:
    """Read IMOD transforms: matrices (image, 2, 2) and shifts (image, 2), raw to aligned, in pixels."""
    rows = _numbers(path, 6)
    return rows[:, :4].reshape(-1, 2, 2), rows[:, 4:]


def read_aln(path: Path, _pixel_size_angstrom: float = 0.0) -> tuple[AlignedImage, ...]:
    """Read AreTomo's global alignment: columns SEC ROT GMAG TX TY ... TILT, until the local alignment.

    AreTomo takes an image back by its shift and then turns it: aligned = R (raw - T), so that an .xf of it
    has the shift -R T, as its own ``-OutImod`` writes.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    images = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            if "Local Alignment" in line:
                break
            continue
        words = line.split()
        if len(words) < 10:
            continue
        section, rotation, _, x, y = (float(word) for word in words[:5])
        matrix = axis_matrix(rotation)
        images.append(AlignedImage(int(section), float(words[9]), matrix, -matrix @ np.array([x, y])))
    if not images:
        raise ValueError(
            f"{path}: no rows SEC ROT GMAG TX TY SMEAN SFIT SCALE BASE TILT; wanted AreTomo's .aln"
        )
    return tuple(images)


def read_mdoc(path: Path, _pixel_size_angstrom: float = 0.0) -> tuple[AlignedImage, ...]:
    """Read SerialEM's metadata: angle, tilt-axis rotation, exposure. The stack is in the order of ZValue."""
    sections: dict[int, dict[str, str]] = {}
    values: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        start = re.match(r"\[ZValue\s*=\s*(\d+)\]", line.strip())
        if start:
            values = sections.setdefault(int(start[1]), {})
        elif "=" in line and not line.startswith("["):
            key, _, value = line.partition("=")
            values[key.strip()] = value.strip()
    missing = [number for number, section in sections.items() if "TiltAngle" not in section]
    if not sections or missing:
        raise ValueError(
            f"{path}: no TiltAngle {f'in section {missing[0]}' if missing else ''}; wanted an .mdoc"
        )
    return tuple(_mdoc_image(index, sections[index]) for index in sorted(sections))


def _mdoc_image(index: int, values: dict[str, str]) -> AlignedImage:
    prior, dose = values.get("PriorRecordDose"), values.get("ExposureDose")
    return AlignedImage(
        index,
        float(values["TiltAngle"]),
        axis_matrix(float(values.get("RotationAngle", 0))),
        prior_e_per_angstrom2=None if prior is None else float(prior),
        dose_e_per_angstrom2=None if dose is None else float(dose),
    )


def read_relion_star(path: Path, pixel_size_angstrom: float) -> tuple[AlignedImage, ...]:
    """Read the tilt-series STAR of a tomogram (RELION 5).

    RELION turns a projection by rlnTomoZRot and then shifts it onto the raw image. Images are in the order of
    the rows unless their names say ``number@stack``.
    """
    table = _series_block(path)
    return tuple(_relion_image(order, row, pixel_size_angstrom) for order, row in table.iterrows())


def _series_block(path: Path) -> pd.DataFrame:
    blocks = starfile.read(path, always_dict=True)
    for block in blocks.values():
        if isinstance(block, pd.DataFrame) and {"rlnTomoYTilt"} <= set(block.columns):
            return block.reset_index(drop=True)
    for block in blocks.values():
        if isinstance(block, pd.DataFrame) and {"rlnTomoNominalStageTiltAngle"} <= set(block.columns):
            return block.reset_index(drop=True)
    raise ValueError(
        f"{path}: no column rlnTomoYTilt or rlnTomoNominalStageTiltAngle; wanted a tilt-series STAR"
    )


def _relion_image(order: Any, row: pd.Series, pixel_size_angstrom: float) -> AlignedImage:
    numbered = re.match(r"0*(\d+)@", str(row.get("rlnMicrographName", "")))
    matrix = axis_matrix(float(row.get("rlnTomoZRot", 0.0)))
    shift = np.array([row.get("rlnTomoXShiftAngst", 0.0), row.get("rlnTomoYShiftAngst", 0.0)], float)
    angle = row.get("rlnTomoYTilt", row.get("rlnTomoNominalStageTiltAngle"))
    prior = row.get("rlnMicrographPreExposure")
    ctf = None
    if "rlnDefocusU" in row and "rlnDefocusV" in row:
        ctf = _two_defocus(
            float(row["rlnDefocusU"]) * 1e-4,
            float(row["rlnDefocusV"]) * 1e-4,
            float(row.get("rlnDefocusAngle", 0.0)),
            float(row.get("rlnPhaseShift", 0.0)),
        )
    return AlignedImage(
        int(numbered[1]) - 1 if numbered else int(order),
        float(angle),
        matrix,
        -matrix @ shift / pixel_size_angstrom,
        ctf,
        None if prior is None else float(prior),
    )


def _two_defocus(first_um: float, second_um: float, angle_deg: float, phase_shift_deg: float) -> CtfEstimate:
    return CtfEstimate(0.5 * (first_um + second_um), first_um - second_um, angle_deg, phase_shift_deg)


def with_ctf(images: tuple[AlignedImage, ...], path: Path, n_images: int) -> tuple[AlignedImage, ...]:
    """Add defocus (and exposure, where the file has it) from a file in the order of the stack.

    ``.txt`` CTFFIND4, ``.defocus`` IMOD, ``.star`` RELION 5, or a table (.tsv) with ``defocus_um`` and
    perhaps ``astigmatism_um``, ``astigmatism_angle_deg``, ``phase_shift_deg``,
    ``prior_exposure_e_per_angstrom2``.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; wanted defocus values")
    if path.suffix == ".star":
        by_index = {image.index: image for image in read_relion_star(path, 1.0)}
        if set(by_index) < {image.index for image in images}:
            raise ValueError(f"{path}: {len(by_index)} images; wanted each of {len(images)}")
        return tuple(
            replace(
                image,
                ctf=by_index[image.index].ctf,
                prior_e_per_angstrom2=by_index[image.index].prior_e_per_angstrom2,
            )
            for image in images
        )
    if path.suffix == ".tsv":
        return _with_table(images, path, n_images)
    estimates = read_imod_defocus(path, n_images) if path.suffix == ".defocus" else read_ctffind(path)
    if len(estimates) != n_images:
        raise ValueError(
            f"{path}: {len(estimates)} defocus values; wanted {n_images}, one for each image of the stack"
        )
    return tuple(replace(image, ctf=estimates[image.index]) for image in images)


def _with_table(images: tuple[AlignedImage, ...], path: Path, n_images: int) -> tuple[AlignedImage, ...]:
    rows = read_table(path, required=("defocus_um",))
    if len(rows) != n_images:
        raise ValueError(f"{path}: {len(rows)} rows; wanted {n_images}, one for each image of the stack")
    names = ("defocus_um", "astigmatism_um", "astigmatism_angle_deg", "phase_shift_deg")
    updated = []
    for image in images:
        row = rows[image.index]
        ctf = CtfEstimate(**{name: float(row[name]) for name in names if name in row})
        prior = row.get("prior_exposure_e_per_angstrom2", row.get("prior_exposure_e_per_A2"))
        dose = row.get("dose_e_per_angstrom2")
        updated.append(
            replace(
                image,
                ctf=ctf,
                prior_e_per_angstrom2=image.prior_e_per_angstrom2 if prior is None else float(prior),
                dose_e_per_angstrom2=image.dose_e_per_angstrom2 if dose is None else float(dose),
            )
        )
    return tuple(updated)


def read_ctffind(path: Path) -> tuple[CtfEstimate, ...]:
    """Read CTFFIND4's text: defocus 1 and 2 in Å, azimuth in degrees, phase shift in radians."""
    rows = _numbers(path, 5)
    return tuple(
        _two_defocus(row[1] * 1e-4, row[2] * 1e-4, float(row[3]), math.degrees(row[4])) for row in rows
    )


def read_imod_defocus(path: Path, n_images: int) -> tuple[CtfEstimate, ...]:
    """Read IMOD's .defocus (nm), versions 2 and 3, interpolated between the views that it gives.

    https://bio3d.colorado.edu/imod/doc/man/ctfphaseflip.html: version 3 starts with a line of flags, of which
    1 says that astigmatism is there, 2 that its angle is in radians, 4 phase shift, 8 that it is in radians.
    """
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    try:
        rows = [[float(word) for word in line] for line in lines]
    except ValueError as error:
        raise ValueError(f"{path}: {error}; wanted IMOD's .defocus") from None
    flags = 0
    if rows and len(rows[0]) == 6 and rows[0][5] == 3:
        flags, rows = int(rows[0][0]), rows[1:]
    columns = 5 + 2 * bool(flags & 1) + bool(flags & 4)
    if not rows or min(len(row) for row in rows) < columns:
        raise ValueError(f"{path}: {min(map(len, rows), default=0)} numbers in a row; wanted {columns}")
    table = np.array([row[:columns] for row in rows])
    views = 0.5 * (table[:, 0] + table[:, 1]) - 1
    order = np.argsort(views)
    at = np.stack([np.interp(np.arange(n_images), views[order], column[order]) for column in table.T])
    second = at[5] if flags & 1 else at[4]
    angle = at[6] if flags & 1 else np.zeros(n_images)
    phase = at[-1] if flags & 4 else np.zeros(n_images)
    angle = np.degrees(angle) if flags & 2 else angle
    phase = np.degrees(phase) if flags & 8 else phase
    return tuple(
        _two_defocus(float(at[4, i]) * 1e-3, float(second[i]) * 1e-3, float(angle[i]), float(phase[i]))
        for i in range(n_images)
    )
