"""Tilt angles, alignments and exposures of real tilt series, in the formats of other programs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import starfile

from cts.projection import Doubles


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
    with naming(angles):
        images = _reader_of(angles)(angles, pixel_size_angstrom)
    if transforms is not None:
        with naming(transforms):
            images = _with_transforms(images, transforms, pixel_size_angstrom)
    if tilt_axis_deg is not None:
        if not math.isfinite(tilt_axis_deg):
            raise ValueError(f"tilt axis {tilt_axis_deg}; wanted degrees from y")
        matrix = axis_matrix(tilt_axis_deg)
        images = tuple(replace(image, matrix=matrix) for image in images)
    unknown = [image.index for image in images if not 0 <= image.index < n_images]
    if unknown:
        raise ValueError(f"{angles}: image {unknown[0]}, from 0; wanted one of the stack's {n_images}")
    if len({image.index for image in images}) < len(images):
        raise ValueError(
            f"{angles}: an image that is given twice; wanted each image of the stack once at most"
        )
    for image in images:
        _check_image(image, angles, transforms or angles)
    if len(images) != n_images and angles.suffix not in {".aln", ".star"}:
        raise ValueError(
            f"{angles}: {len(images)} tilt angles; wanted {n_images}, one for each image of the stack"
        )
    return images


def _check_image(image: AlignedImage, angles: Path, alignment: Path) -> None:
    if not abs(image.tilt_deg) <= 90:
        raise ValueError(
            f"{angles}: tilt angle {image.tilt_deg:g} of image {image.index}; wanted -90 to 90 degrees"
        )
    if not np.isfinite([*image.matrix.ravel(), *image.shift_px]).all():
        raise ValueError(
            f"{alignment}: rotation or shift of image {image.index} is not finite; wanted numbers"
        )


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let errors from reading a file, such as a word for a number, begin with its name."""
    try:
        yield
    except ValueError as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path}: {error}; wanted a {path.suffix} file as its program writes it") from None


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


def read_numbers(path: Path, columns: int | None = None) -> Doubles:
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
        raise ValueError(f"{path}: no rows of numbers; wanted some")
    values = np.array([row[:wanted] for row in rows])
    if not np.isfinite(values).all():
        raise ValueError(f"{path}: {values[~np.isfinite(values)][0]}; wanted rows of finite numbers")
    return values


def read_tlt(path: Path) -> Doubles:
    """Read tilt angles, degrees, one a line (IMOD's .tlt and .rawtlt)."""
    return read_numbers(path, 1)[:, 0]


def _read_tlt_images(path: Path, _pixel_size_angstrom: float) -> tuple[AlignedImage, ...]:
    return tuple(AlignedImage(index, float(angle)) for index, angle in enumerate(read_tlt(path)))


def read_xf(path: Path) -> tuple[Doubles, Doubles]:
    """Read IMOD transforms: matrices (image, 2, 2) and shifts (image, 2), raw to aligned, in pixels."""
    rows = read_numbers(path, 6)
    matrices = rows[:, :4].reshape(-1, 2, 2)
    areas = np.abs(np.linalg.det(matrices))
    wrong = np.flatnonzero((areas < 0.25) | (areas > 4))
    if wrong.size:
        raise ValueError(
            f"{path}: transform {wrong[0] + 1} makes areas {areas[wrong[0]]:.3g} times as large; wanted "
            "A11 A12 A21 A22 DX DY at the images' own scale"
        )
    return matrices, rows[:, 4:]


def read_aln(path: Path, _pixel_size_angstrom: float = 0.0) -> tuple[AlignedImage, ...]:
    """Read AreTomo's global alignment: columns SEC ROT GMAG TX TY ... TILT, until the local alignment.

    AreTomo takes an image back by its shift and then turns it: aligned = R (raw - T), so that an .xf of it
    has the shift -R T, as its own ``-OutImod`` writes. SEC counts from 0 (AreTomo 1, 2) or from 1 (3): where
    no section, dark frames included, is 0, from 1.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    images, first = [], 1
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            if dark := re.match(r"#\s*DarkFrame\s*=\s*\S+\s+(\d+)", line):
                first = min(first, int(dark[1]))
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
    first = max(0, min(first, *(image.index for image in images)))
    return tuple(replace(image, index=image.index - first) for image in images)


def read_mdoc(path: Path, _pixel_size_angstrom: float = 0.0) -> tuple[AlignedImage, ...]:
    """Read SerialEM's metadata: angle, tilt-axis rotation, exposure. The stack is in the order of ZValue.

    The axis is that of the title, ``Tilt axis angle``; without one, RotationAngle - 90: SerialEM's
    RotationAngle is that of the x axis.
    """
    sections: dict[int, dict[str, str]] = {}
    values: dict[str, str] = {}
    axis = None
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        start = re.match(r"\[ZValue\s*=\s*(\d+)\]", line.strip())
        title = re.match(r"\[T\s*=.*tilt\s*axis\s*angle\s*=\s*([-+.\d]+)", line.strip(), re.IGNORECASE)
        if title:
            axis = float(title[1])
        elif start:
            values = sections.setdefault(int(start[1]), {})
        elif "=" in line and not line.startswith("["):
            key, _, value = line.partition("=")
            values[key.strip()] = value.strip()
    missing = [number for number, section in sections.items() if "TiltAngle" not in section]
    if not sections or missing:
        where = f"in section {missing[0]}" if missing else "and no section [ZValue = 0]"
        raise ValueError(f"{path}: no TiltAngle {where}; wanted an .mdoc")
    return tuple(_mdoc_image(index, sections[index], axis) for index in sorted(sections))


def _mdoc_image(index: int, values: dict[str, str], tilt_axis_deg: float | None) -> AlignedImage:
    prior, dose = values.get("PriorRecordDose"), values.get("ExposureDose")
    if tilt_axis_deg is None:
        tilt_axis_deg = float(values.get("RotationAngle", 90)) - 90
    return AlignedImage(
        index,
        float(values["TiltAngle"]),
        axis_matrix(tilt_axis_deg),
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
    angle = row["rlnTomoYTilt" if "rlnTomoYTilt" in row else "rlnTomoNominalStageTiltAngle"]
    prior = row.get("rlnMicrographPreExposure")
    ctf = None
    if "rlnDefocusU" in row and "rlnDefocusV" in row:
        ctf = two_defocus(
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


def two_defocus(first_um: float, second_um: float, angle_deg: float, phase_shift_deg: float) -> CtfEstimate:
    """Return the estimate that has these principal defocus values, the first of them at the angle."""
    return CtfEstimate(0.5 * (first_um + second_um), first_um - second_um, angle_deg, phase_shift_deg)
