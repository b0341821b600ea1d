"""Image a specimen: model folder to tilt series and tomogram, in files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cts.config.imaging import SimulationConfig
from cts.detector import count_electrons, split_electrons, transfer_noise
from cts.dose import nominal_tilts_deg
from cts.exports import (
    write_mdoc,
    write_relion_star,
    write_relion_tomograms,
    write_series_table,
    write_tlt,
)
from cts.imaging import (
    Shot,
    Specimen,
    clean_contrast,
    expected_electrons,
    image_contrast,
    plan_series,
    recorded_contrast,
    view_specimens,
)
from cts.projection import Floats, load_kernels, read_rows
from cts.reconstruction import (
    Exposure,
    correct_image,
    normalise_images,
    reconstruct,
    reconstruct_rows,
    write_rows,
)
from cts.sample import rough_surfaces
from cts.timings import Timings
from tomoio import VolumeReader, create_volume, read_header, write_manifest, write_stack, write_volume
from tomoio.config import resolve
from tomoio.kernels import announced_compilation
from tomoio.randomness import generator

_log = logging.getLogger(__name__)


@announced_compilation()
def simulate_tomogram(
    model_dir: Path,
    config: SimulationConfig,
    output_dir: Path,
    *,
    seed: int,
    tomogram_id: str,
    overwrite: bool = False,
) -> None:
    """Image the specimen of a model folder and reconstruct it.

    Writes tiltseries.mrc (electrons per pixel) with .tlt, .tsv, .mrc.mdoc and a RELION 5 .star beside it (and
    tomograms.star, which names that), tomogram.mrc (protein dark, on the model's grid), manifest.json, and
    what ``config.output`` asks for: clean.mrc, ctf.mrc, dose.mrc, tiltseries and tomogram of two halves
    (_even, _odd), ideal.mrc.

    Parameters
    ----------
    model_dir
        Folder with model.mrc: potential in V, protein high.
    config
        Imaging; ranges in it are drawn from the seed.
    output_dir
        Where to write.
    seed, tomogram_id
        They determine every random draw: same bytes on any number of cores.
    overwrite
        Replace existing files.

    Raises
    ------
    FileNotFoundError
        If the folder has no model.mrc.
    FileExistsError
        If a result exists and ``overwrite`` is not set.
    """
    model_path, output_dir = Path(model_dir) / "model.mrc", Path(output_dir)
    header = read_header(model_path)
    _refuse_existing(output_dir, model_path.parent, config, overwrite)
    config = resolve(config, generator(seed, tomogram_id, "imaging"))
    shots = plan_series(config, generator(seed, tomogram_id, "series"))
    timings = Timings()
    with timings.of("load kernels"):
        load_kernels()
    with timings.of("read"):
        specimen = read_specimen(model_path)
    if config.output.ideal:
        with timings.of("ideal"):
            _write_ideal(output_dir / "ideal.mrc", specimen, config, header.origin_angstrom, overwrite)
    stacks = image_series(specimen, shots, config, timings, seed=seed, tomogram_id=tomogram_id)
    pixel_size, depth = specimen.pixel_size_angstrom, header.shape[0]
    del specimen  # its memory is wanted for the tomogram
    with timings.of("write"):
        for name, stack in stacks.items():
            write_stack(output_dir / f"{name}.mrc", stack, pixel_size, overwrite=overwrite)
        _write_tables(output_dir, tomogram_id, shots, header.shape, pixel_size, config, overwrite)
    for name in [name for name in stacks if name.startswith("tiltseries")]:
        counts = stacks.pop(name)
        with timings.of("reconstruct"):
            prepare_counts(counts, shots, pixel_size, config)
            path = output_dir / f"{name.replace('tiltseries', 'tomogram')}.mrc"
            shape = (depth, counts.shape[1], counts.shape[2])
            with create_volume(
                path,
                shape,
                np.float32,
                pixel_size,
                origin_angstrom=header.origin_angstrom,
                overwrite=overwrite,
            ) as out:
                angles = np.array([shot.tilt_deg for shot in shots])
                write_rows(out, reconstruct_rows(counts, angles, depth, config.reconstruction))
    write_manifest(
        output_dir / "manifest.json",
        verb="cts simulate",
        configuration=config.model_dump(),
        seed=seed,
        inputs=[model_path],
        timings_s=timings,
        results={"tomogram_id": tomogram_id, "images": len(shots), "pixel_size_angstrom": pixel_size},
        overwrite=overwrite,
    )
    _log.info("%s: %d images, tomogram %s at %g Å", output_dir, len(shots), header.shape, pixel_size)


def output_names(config: SimulationConfig) -> list[str]:
    """Return the names of all files that a simulation writes."""
    kept = [name for name in ("clean", "ctf", "dose", "ideal") if getattr(config.output, name)]
    halves = ["_even", "_odd"] if config.output.halves else []
    volumes = [f"{name}{half}" for name in ("tiltseries", "tomogram") for half in ("", *halves)]
    tables = ["tiltseries.tlt", "tiltseries.tsv", "tiltseries.mrc.mdoc", "tiltseries.star", "tomograms.star"]
    return [*(f"{name}.mrc" for name in volumes + kept), *tables, "manifest.json"]


def _refuse_existing(output_dir: Path, model_dir: Path, config: SimulationConfig, overwrite: bool) -> None:
    """Stop before the work rather than after it."""
    if output_dir.exists() and not output_dir.is_dir():
        raise FileExistsError(f"{output_dir}: a file; wanted a folder, or a name for a new one")
    if output_dir.resolve() == model_dir.resolve():
        raise ValueError(
            f"{output_dir}: the model's own folder, whose manifest.json would be lost; wanted another folder"
        )
    for name in output_names(config):
        if (output_dir / name).exists() and not overwrite:
            raise FileExistsError(
                f"{output_dir / name}: exists already; pass --overwrite or choose another folder"
            )


def read_specimen(model_path: Path) -> Specimen:
    """Read a model and subtract its mean: a uniform slab gives no contrast, only inelastic loss."""
    with VolumeReader(model_path) as reader:
        rows, pixel_size = read_rows(reader), reader.header.pixel_size_angstrom
    nz, ny, nx = rows.shape
    mean = rows.data.sum(dtype=np.float64) / (nz * ny * nx)  # rows of padding are zero
    if not np.isfinite(mean):
        raise ValueError(f"{model_path}: NaN or infinite values; wanted a potential in V")
    rows.data[...] -= np.float32(mean)
    return Specimen(rows, pixel_size)


def image_series(
    specimen: Specimen,
    shots: Sequence[Shot],
    config: SimulationConfig,
    timings: Timings,
    *,
    seed: int,
    tomogram_id: str,
) -> dict[str, Floats]:
    """Take all images; return stacks (image, y, x) by name: tiltseries and those that are asked for."""
    names = ["tiltseries"] + [name for name in ("clean", "ctf", "dose") if getattr(config.output, name)]
    names += ["tiltseries_even", "tiltseries_odd"] if config.output.halves else []
    stacks = {name: np.empty((len(shots), *specimen.image_shape), np.float32) for name in names}
    surfaces = rough_surfaces(
        (specimen.image_shape[0], 2 * specimen.image_shape[1]),
        config.sample,
        specimen.pixel_size_angstrom,
        generator(seed, tomogram_id, "surfaces"),
    )
    pixel_size, views = specimen.pixel_size_angstrom, view_specimens(specimen, shots, config)
    for index, shot in enumerate(tqdm(shots, desc="imaging", unit="image", disable=None)):
        with timings.of("project"):
            view = next(views)
        with timings.of("optics"):
            contrast = recorded_contrast(view, shot, pixel_size, config)
            electrons = expected_electrons(contrast, shot, specimen, config, surfaces)
        with timings.of("camera"):
            counts = count_electrons(electrons, generator(seed, tomogram_id, "counts", str(index)))
            stacks["tiltseries"][index] = transfer_noise(counts, config.detector)
        with timings.of("stages"):
            if config.output.clean:
                stacks["clean"][index] = 1 + clean_contrast(
                    specimen, shot.tilt_deg, config.optics, config.sample
                )
            if config.output.ctf:
                stacks["ctf"][index] = 1 + image_contrast(view, shot, pixel_size, config)
            if config.output.dose:
                stacks["dose"][index] = electrons
            if config.output.halves:
                halves = split_electrons(counts, generator(seed, tomogram_id, "halves", str(index)))
                for name, half in zip(("tiltseries_even", "tiltseries_odd"), halves, strict=True):
                    stacks[name][index] = transfer_noise(half, config.detector)
    return stacks


def prepare_counts(
    counts: Floats, shots: Sequence[Shot], pixel_size_angstrom: float, config: SimulationConfig
) -> None:
    """Bring counts (image, y, x) around zero and correct them as configured, in place."""
    normalise_images(counts, config.reconstruction)
    for image, shot in zip(counts, shots, strict=True):
        known = Exposure(
            shot.tilt_deg, shot.defocus_um, shot.prior_e_per_angstrom2, shot.dose_e_per_angstrom2
        )
        image[:] = correct_image(image, known, pixel_size_angstrom, config.optics, config.reconstruction)


def _write_ideal(
    path: Path,
    specimen: Specimen,
    config: SimulationConfig,
    origin_angstrom: tuple[float, float, float],
    overwrite: bool,
) -> None:
    """Reconstruct clean projections over the tilt range of the ideal tomogram."""
    angles = nominal_tilts_deg(config.output.ideal_tilt)
    images = np.stack([clean_contrast(specimen, angle, config.optics, config.sample) for angle in angles])
    volume = reconstruct(images, angles, specimen.potential.shape[0], config.reconstruction)
    write_volume(
        path, volume, specimen.pixel_size_angstrom, origin_angstrom=origin_angstrom, overwrite=overwrite
    )


def _write_tables(
    output_dir: Path,
    tomogram_id: str,
    shots: Sequence[Shot],
    shape: tuple[int, int, int],
    pixel_size_angstrom: float,
    config: SimulationConfig,
    overwrite: bool,
) -> None:
    """Write what other programs read; ``shape`` (z, y, x) is that of the tomogram."""
    path = output_dir / "tiltseries.mrc"
    write_tlt(path.with_suffix(".tlt"), shots, overwrite=overwrite)
    write_series_table(path.with_suffix(".tsv"), shots, overwrite=overwrite)
    write_mdoc(
        output_dir / "tiltseries.mrc.mdoc",
        path,
        shots,
        shape[1:],
        pixel_size_angstrom,
        config.optics,
        overwrite=overwrite,
    )
    series = path.with_suffix(".star")
    write_relion_star(series, tomogram_id, path, shots, config.optics, overwrite=overwrite)
    write_relion_tomograms(
        output_dir / "tomograms.star",
        tomogram_id,
        series,
        shots,
        shape,
        pixel_size_angstrom,
        config.optics,
        overwrite=overwrite,
    )
