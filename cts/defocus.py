"""Fitted defocus of real tilt series, in the formats of other programs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from cts.alignment import AlignedImage, CtfEstimate, naming, read_numbers, read_relion_star, two_defocus
from cts.config.imaging import UNDERFOCUS_SENTENCE
from tomoio.tables import read_table


def with_ctf(images: tuple[AlignedImage, ...], path: Path, n_images: int) -> tuple[AlignedImage, ...]:
    """Add defocus (and exposure, where the file has it) from a file in the order of the stack.

    ``.txt`` CTFFIND4, ``.defocus`` IMOD, ``.star`` RELION 5, or a table (.tsv) with ``defocus_um`` and
    perhaps ``astigmatism_um``, ``astigmatism_angle_deg``, ``phase_shift_deg``,
    ``prior_exposure_e_per_angstrom2``.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; wanted defocus values")
    with naming(path):
        images = _with_estimates(images, path, n_images)
    for image in images:
        if image.ctf is not None:
            _check_estimate(image.ctf, f"{path}: image {image.index}")
    return images


def _check_estimate(ctf: CtfEstimate, where: str) -> None:
    if ctf.defocus_um < 0:
        raise ValueError(f"{where}: negative defocus {ctf.defocus_um:g} µm: {UNDERFOCUS_SENTENCE}")
    if not ctf.defocus_um <= 20:
        raise ValueError(f"{where}: defocus {ctf.defocus_um:g} µm; wanted 0 to 20")
    if not all(map(math.isfinite, (ctf.astigmatism_um, ctf.astigmatism_angle_deg, ctf.phase_shift_deg))):
        raise ValueError(f"{where}: astigmatism or phase shift is not finite; wanted numbers")


def _with_estimates(images: tuple[AlignedImage, ...], path: Path, n_images: int) -> tuple[AlignedImage, ...]:
    if path.suffix == ".star":
        by_index = {image.index: image for image in read_relion_star(path, 1.0)}
        missing = {image.index for image in images} - set(by_index)
        if missing:
            raise ValueError(
                f"{path}: {len(by_index)} images, image {min(missing)} (from 0) not among them; "
                f"wanted each of {len(images)}"
            )
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
    rows = read_numbers(path, 5)
    return tuple(
        two_defocus(row[1] * 1e-4, row[2] * 1e-4, float(row[3]), math.degrees(row[4])) for row in rows
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
        two_defocus(float(at[4, i]) * 1e-3, float(second[i]) * 1e-3, float(angle[i]), float(phase[i]))
        for i in range(n_images)
    )
