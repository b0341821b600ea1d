"""Reconstruct a tilt series in files: align, bin, correct, back-project."""

from __future__ import annotations

import logging
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cts.alignment import AlignedImage, read_alignment
from cts.config.imaging import StackReconstructionConfig
from cts.defocus import with_ctf
from cts.projection import Doubles, Floats
from cts.reconstruction import (
    Exposure,
    correct_image,
    normalise_images,
    reconstruct,
    reconstruct_rows,
    write_rows,
)
from cts.resample import align_image, aligned_shape, bin_image, binned_length
from tomoio import VolumeReader, create_volume, read_stack, write_manifest, write_stack
from tomoio.kernels import announced_compilation

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TiltSeries:
    """An aligned, binned, corrected tilt series around zero, protein dark: ready for back-projection.

    ``images`` (image, y, x), ``tilt_deg`` in the project's hand, pixel size in Å.
    """

    images: Floats
    tilt_deg: Doubles
    pixel_size_angstrom: float


@announced_compilation()
def reconstruct_tilt_series(
    stack: Path,
    angles: Path,
    config: StackReconstructionConfig,
    output: Path,
    *,
    transforms: Path | None = None,
    ctf: Path | None = None,
    tilt_axis_deg: float | None = None,
    pixel_size_angstrom: float | None = None,
    overwrite: bool = False,
) -> None:
    """Write a tomogram (protein dark) of a tilt series, and a manifest beside it.

    Parameters
    ----------
    stack
        MRC stack of images (image, y, x).
    angles
        Tilt angles, or angles and alignment: see `cts.alignment.read_alignment`.
    config
        Thickness, binning, hand, method.
    output
        Tomogram to write; its manifest is ``{stem}.manifest.json``.
    transforms
        Alignment, where it is in a file of its own.
    ctf
        Defocus (and exposures) of the images: see `cts.defocus.with_ctf`.
    tilt_axis_deg
        Rotation of the tilt axis, where no file tells it.
    pixel_size_angstrom
        Pixel size of the stack, where its header is wrong.
    overwrite
        Replace existing files.

    Raises
    ------
    FileNotFoundError, ValueError
        One line that names the file, what was found and what was wanted.
    FileExistsError
        If the output exists and ``overwrite`` is not set.
    """
    output = Path(output)
    manifest = output.with_suffix(".manifest.json")
    inputs = [path for path in (stack, angles, transforms, ctf) if path is not None]
    _check_outputs((output, manifest), inputs, overwrite)
    start = time.perf_counter()
    series = load_tilt_series(
        stack,
        angles,
        config,
        transforms=transforms,
        ctf=ctf,
        tilt_axis_deg=tilt_axis_deg,
        pixel_size_angstrom=pixel_size_angstrom,
    )
    loaded = time.perf_counter()
    write_tomogram(output, series, config, overwrite=overwrite)
    write_manifest(
        manifest,
        verb="cts reconstruct",
        configuration=config.model_dump(),
        inputs=inputs,
        timings_s={"load": loaded - start, "reconstruct": time.perf_counter() - loaded},
        results={
            "images": len(series.images),
            "pixel_size_angstrom": series.pixel_size_angstrom,
            "shape": [depth_voxels(config, series), *series.images.shape[1:]],
        },
        overwrite=overwrite,
    )
    _log.info("%s: %d images, %g Å per voxel", output, len(series.images), series.pixel_size_angstrom)


def _check_outputs(outputs: Sequence[Path], inputs: Sequence[Path], overwrite: bool) -> None:
    """Stop before the work where it would end on a file that exists, or on what it was made from."""
    for output in outputs:
        if output.exists() and not overwrite:
            raise FileExistsError(f"{output}: exists already; pass --overwrite or choose another name")
        if output.resolve() in [Path(path).resolve() for path in inputs]:
            raise ValueError(f"{output}: an input; wanted another name for the result")


def depth_voxels(config: StackReconstructionConfig, series: TiltSeries) -> int:
    """Return the thickness of the tomogram in voxels."""
    return max(1, round(config.thickness_angstrom / series.pixel_size_angstrom))


def load_tilt_series(
    stack: Path,
    angles: Path,
    config: StackReconstructionConfig,
    *,
    transforms: Path | None = None,
    ctf: Path | None = None,
    tilt_axis_deg: float | None = None,
    pixel_size_angstrom: float | None = None,
) -> TiltSeries:
    """Read, align, bin, normalise and correct a tilt series, one image at a time.

    Arguments and errors as `reconstruct_tilt_series`.
    """
    with VolumeReader(stack, pixel_size_angstrom=pixel_size_angstrom, stack=True) as reader:
        header = reader.header
        n_images, pixel_size = header.shape[0], header.pixel_size_angstrom
        known = read_alignment(angles, transforms, n_images, pixel_size, tilt_axis_deg)
        if ctf is not None:
            known = with_ctf(known, ctf, n_images)
        binned_size = config.output_pixel_size_angstrom or pixel_size
        if binned_size < pixel_size * 0.9999:
            raise ValueError(
                f"{stack}: pixel size {pixel_size:g} Å; wanted an output pixel size of at least that, "
                f"not {binned_size:g} Å"
            )
        factor = max(1.0, binned_size / pixel_size)
        shapes = [aligned_shape((header.shape[1], header.shape[2]), image.matrix) for image in known]
        if len(set(shapes)) > 1:
            raise ValueError(
                f"{transforms or angles}: some images turned by more than 45 degrees, some by less; wanted "
                "one direction of the tilt axis"
            )
        shape = shapes[0]
        for image in known:
            if (abs(image.shift_px) >= shape[::-1]).any():
                x, y = image.shift_px
                raise ValueError(
                    f"{transforms or angles}: image {image.index} shifted by {x:g}, {y:g} pixels; "
                    f"wanted less than its size, {shape[1]} x {shape[0]}"
                )
        height, width = (binned_length(n, factor) for n in shape)
        images = np.empty((len(known), height, width), np.float32)
        for image, out in zip(tqdm(known, desc="aligning", unit="image", disable=None), images, strict=True):
            raw = reader.read(image.index, image.index + 1)[0].astype(np.float32)
            if not np.isfinite(raw).all():
                raise ValueError(f"{stack}: NaN or infinite values in image {image.index}; wanted numbers")
            out[:] = bin_image(align_image(raw, image.matrix, image.shift_px), factor)
    normalise_images(images, config)
    if config.invert_contrast:
        np.negative(images, out=images)
    sign = -1.0 if config.invert_angles else 1.0
    for image, out in zip(known, images, strict=True):
        try:
            out[:] = _corrected(out, image, sign, binned_size, config)
        except ValueError as error:
            raise ValueError(f"{ctf or angles}: {error}") from None
    return TiltSeries(images, sign * np.array([image.tilt_deg for image in known]), binned_size)


def _corrected(
    image: Floats,
    known: AlignedImage,
    sign: float,
    pixel_size_angstrom: float,
    config: StackReconstructionConfig,
) -> Floats:
    """Correct one image; the hand of the angles is also that of the defocus gradient."""
    optics = config.optics
    if known.ctf is not None:
        optics = optics.model_copy(
            update={
                "astigmatism_um": known.ctf.astigmatism_um,
                "astigmatism_angle_deg": known.ctf.astigmatism_angle_deg + known.rotation_deg,
                "phase_shift_deg": known.ctf.phase_shift_deg,
            }
        )
    exposure = Exposure(
        sign * known.tilt_deg,
        None if known.ctf is None else known.ctf.defocus_um,
        known.prior_e_per_angstrom2,
        known.dose_e_per_angstrom2,
    )
    return correct_image(image, exposure, pixel_size_angstrom, optics, config)


def write_tomogram(
    output: Path, series: TiltSeries, config: StackReconstructionConfig, *, overwrite: bool = False
) -> None:
    """Reconstruct a loaded tilt series into a file."""
    depth = depth_voxels(config, series)
    shape = (depth, series.images.shape[1], series.images.shape[2])
    engine = _ENGINES[config.engine]
    with create_volume(output, shape, np.float32, series.pixel_size_angstrom, overwrite=overwrite) as target:
        engine(target, series, config)


def _own_engine(target: Floats, series: TiltSeries, config: StackReconstructionConfig) -> None:
    rows = reconstruct_rows(series.images, series.tilt_deg, target.shape[0], config)
    write_rows(target, iter(tqdm(rows, desc="reconstructing", unit="block", disable=None)))


def imod_command(
    images: Path, volume: Path, angles: Path, depth: int, config: StackReconstructionConfig
) -> list[str]:
    """Return the command line of IMOD's ``tilt`` for an aligned stack."""
    return [
        "tilt",
        *("-InputProjections", str(images), "-OutputFile", str(volume), "-TILTFILE", str(angles)),
        *("-THICKNESS", str(depth), "-RADIAL", f"{config.radial_cutoff:g},{config.radial_falloff:g}"),
        *("-MODE", "2"),
    ]


def _imod_engine(target: Floats, series: TiltSeries, config: StackReconstructionConfig) -> None:
    """Run IMOD's ``tilt`` and turn its slices, (y, z downwards, x), as ``trimvol -rx`` does."""
    if config.method != "wbp":
        raise ValueError(f"method {config.method} with engine imod; wanted wbp")
    with tempfile.TemporaryDirectory(prefix="cts-imod-") as folder:
        images, volume, angles = (Path(folder) / name for name in ("images.mrc", "volume.mrc", "angles.tlt"))
        write_stack(images, series.images, series.pixel_size_angstrom)
        angles.write_text("".join(f"{angle:.4f}\n" for angle in series.tilt_deg), encoding="ascii")
        command = imod_command(images, volume, angles, target.shape[0], config)
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True)
        except FileNotFoundError:
            raise FileNotFoundError(
                "tilt: no such program; wanted IMOD on the PATH for engine imod"
            ) from None
        if done.returncode != 0 or not volume.is_file():
            said = " ".join((done.stderr + done.stdout).split()) or "nothing"
            raise ValueError(f"tilt (IMOD) ended with status {done.returncode} and said: {said}")
        slices = read_stack(volume, pixel_size_angstrom=series.pixel_size_angstrom).data
    wanted = (target.shape[1], target.shape[0], target.shape[2])
    if slices.shape != wanted:
        raise ValueError(f"tilt (IMOD) made a volume of shape {slices.shape}; wanted {wanted}")
    target[:] = slices[:, ::-1].swapaxes(0, 1)


_ENGINES: dict[str, Callable[[Floats, TiltSeries, StackReconstructionConfig], None]] = {
    "own": _own_engine,
    "imod": _imod_engine,
}


def half_set_correlation(
    series: TiltSeries, config: StackReconstructionConfig
) -> tuple[Sequence[float], Sequence[float]]:
    """Reconstruct odd and even images apart; return shell frequencies (1/Å) and their Fourier correlation.

    Each half has every other tilt, so this says less than it would with halves of the electrons.

    Raises
    ------
    ValueError
        If there is one image only.
    """
    if len(series.images) < 2:
        raise ValueError("Fourier shell correlation of 1 image; wanted at least 2, for two halves")
    depth = depth_voxels(config, series)
    halves = [
        reconstruct(series.images[part], series.tilt_deg[part], depth, config)
        for part in (slice(0, None, 2), slice(1, None, 2))
    ]
    return fourier_shell_correlation(halves[0], halves[1], series.pixel_size_angstrom)


def fourier_shell_correlation(
    first: Floats, second: Floats, pixel_size_angstrom: float, n_shells: int = 25
) -> tuple[Sequence[float], Sequence[float]]:
    """Return shell frequencies (1/Å) up to Nyquist and the correlation of two volumes in each shell."""
    spectra = [np.fft.rfftn(volume - volume.mean()) for volume in (first, second)]
    nz, ny, nx = first.shape
    frequency = np.sqrt(
        np.fft.fftfreq(nz)[:, None, None] ** 2 + np.fft.fftfreq(ny)[:, None] ** 2 + np.fft.rfftfreq(nx) ** 2
    )
    shell = np.minimum((frequency * 2 * n_shells).astype(int), n_shells).ravel()
    cross, *powers = (
        np.bincount(shell, value.ravel(), n_shells + 1)[:n_shells]
        for value in ((spectra[0] * spectra[1].conj()).real, abs(spectra[0]) ** 2, abs(spectra[1]) ** 2)
    )
    centres = (np.arange(n_shells) + 0.5) / (2 * n_shells * pixel_size_angstrom)
    return centres.tolist(), (cross / np.maximum(np.sqrt(powers[0] * powers[1]), 1e-30)).tolist()
