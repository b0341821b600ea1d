"""`cts model`: draw a specimen, build it, write the model and its truth."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from cts.config.specimen import SpecimenConfig
from cts.config.structures import StructureRow, read_structure_table
from cts.potential import RenderedStructure, render
from cts.species import choose_species, draw_configuration, filament_structures
from cts.specimen import (
    SpecimenModel,
    build_specimen,
    check_classes,
)
from cts.structure import Structure
from cts.structures import load_structures, sources_of
from cts.timings import Timings
from cts.truth import filament_table, particle_table, write_star
from tomoio import ClassTable, write_labels, write_manifest, write_volume
from tomoio.kernels import announced_compilation
from tomoio.randomness import generator

LOGGER = logging.getLogger(__name__)

_OUTPUTS = ("model.mrc", "atlas.mrc", "instances.mrc", "particles.star", "filaments.star", "manifest.json")
Item = TypeVar("Item")
_DISTANCE = "membrane_distance.mrc"
_INT16_OBJECTS = 32_767
# of all arrays together: measured from 2 to 32 million voxels
_BYTES_PER_VOXEL = 55


def model_specimen(
    config: SpecimenConfig,
    classes: ClassTable,
    output_dir: Path,
    *,
    seed: int,
    tomogram_id: str,
    store: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Build a specimen and write ``model.mrc``, ``atlas.mrc``, ``instances.mrc``, lists and a manifest.

    Parameters
    ----------
    config
        What to place; ranges are drawn here, and the drawn values go to the manifest.
    classes
        The classes that structures are labelled with.
    output_dir
        Folder to write to.
    seed, tomogram_id
        Together they fix every random number.
    store
        Folder that keeps downloaded and parsed structures.
    overwrite
        Replace files that exist.

    Raises
    ------
    ValueError, FileNotFoundError, FileExistsError
        If a structure, class or file is missing, or the output exists already.
    """
    output_dir = Path(output_dir)
    _refuse_existing(output_dir, config, overwrite)
    check_classes(config, classes)
    timings = Timings()
    rng = generator(seed, tomogram_id, "configuration")
    drawn = draw_configuration(config, rng)
    _check_memory(drawn)
    rows = {row.structure_id: row for row in read_structure_table(config.structures, classes)}
    chosen = choose_species(drawn, list(rows.values()), rng)
    used = [item.row for item in chosen] + [rows[name] for name in filament_structures(drawn)]
    with timings.of("load"):
        unique = {row.structure_id: row for row in used}.values()
        structures = load_structures(unique, store, config.download)
    with announced_compilation():
        with timings.of("render"):
            rendered = _render_all(structures, drawn.pixel_size_angstrom)
        specimen = build_specimen(
            drawn, chosen, rows, rendered, classes, seed=seed, tomogram_id=tomogram_id, timings=timings
        )
    with timings.of("write"):
        _write(output_dir, specimen, drawn, tomogram_id, overwrite)
    write_manifest(
        output_dir / "manifest.json",
        verb="cts model",
        configuration=drawn.model_dump(mode="json"),
        seed=seed,
        inputs=[config.structures, *_files(used)],
        timings_s=timings,
        results={"tomogram_id": tomogram_id, **specimen.statistics},
        overwrite=overwrite,
    )
    LOGGER.info(
        "%s: %d objects, %.0f %% of the voxels at least half filled, %.1f s",
        output_dir,
        specimen.statistics["objects"],
        100 * float(str(specimen.statistics["filled_fraction"])),
        sum(timings.values()),
    )


def _check_memory(config: SpecimenConfig) -> None:
    """Refuse a volume that this machine cannot hold, before anything is allocated."""
    needed = math.prod(config.shape_voxels) * _BYTES_PER_VOXEL
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > available:
        raise ValueError(
            f"shape_voxels {' × '.join(str(size) for size in config.shape_voxels)}: about "
            f"{needed / 1e9:.0f} GB; this machine has {available / 1e9:.0f} GB"
        )


def _refuse_existing(output_dir: Path, config: SpecimenConfig, overwrite: bool) -> None:
    if output_dir.exists() and not output_dir.is_dir():
        raise NotADirectoryError(f"{output_dir}: is a file; wanted a folder to write to")
    names = (*_OUTPUTS, _DISTANCE) if config.write_membrane_distance else _OUTPUTS
    existing = [output_dir / name for name in names if (output_dir / name).exists()]
    if existing and not overwrite:
        raise FileExistsError(f"{existing[0]}: exists already; pass --overwrite or choose another folder")


def _render_all(
    structures: Mapping[str, tuple[Structure, ...]], pixel_size_angstrom: float
) -> dict[str, tuple[RenderedStructure, ...]]:
    return {
        name: tuple(render(conformer, pixel_size_angstrom) for conformer in conformers)
        for name, conformers in _progress(structures.items(), "rendering structures")
    }


def _files(rows: Iterable[StructureRow]) -> list[str]:
    """Return the structure files that rows name, each once."""
    sources = (source for row in rows for source in sources_of(row))
    return sorted({source.removeprefix("file:") for source in sources if source.startswith("file:")})


def _progress(items: Iterable[Item], what: str) -> Iterable[Item]:
    return tqdm(list(items), desc=what, unit="structure", delay=2, leave=False, disable=None)


def _write(
    output_dir: Path, specimen: SpecimenModel, config: SpecimenConfig, tomogram_id: str, overwrite: bool
) -> None:
    pixel = config.pixel_size_angstrom
    write_volume(output_dir / "model.mrc", specimen.model, pixel, overwrite=overwrite)
    write_labels(output_dir / "atlas.mrc", specimen.atlas, pixel, overwrite=overwrite)
    few = specimen.instances.max(initial=0) <= _INT16_OBJECTS
    instances = specimen.instances.astype(np.int16 if few else np.float32)
    write_volume(output_dir / "instances.mrc", instances, pixel, overwrite=overwrite)
    if specimen.membrane_distance_angstrom is not None:
        write_volume(output_dir / _DISTANCE, specimen.membrane_distance_angstrom, pixel, overwrite=overwrite)
    shape = config.shape_voxels
    particles = particle_table(specimen.particles, tomogram_id, shape, pixel)
    write_star(output_dir / "particles.star", particles, "particles", overwrite=overwrite)
    filaments = filament_table(specimen.filaments, tomogram_id, shape, pixel)
    write_star(output_dir / "filaments.star", filaments, "particles", overwrite=overwrite)
