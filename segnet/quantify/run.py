"""Quantify any number of label volumes: measure each, write its files, then compare groups."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm import tqdm

from segnet.config.quantification import QuantificationConfig
from segnet.quantify.files import star_filaments, star_particles, write_csv, write_instances, write_star
from segnet.quantify.groups import COLUMNS as COMPARISON_COLUMNS
from segnet.quantify.groups import compare_groups
from segnet.quantify.measures import GROUP_COLUMNS, group_rows, values_by_group
from segnet.quantify.pictures import plot_tomogram
from segnet.quantify.plots import plot_abundances, plot_clusters
from segnet.quantify.summary import summarise
from segnet.quantify.tables import COLUMNS, Row, tomogram_tables
from segnet.quantify.tomogram import LabelsSource, MeasuredTomogram, fitting_config, measure_tomogram
from tomoio import ClassTable, new_file, read_header, read_manifest, write_manifest
from tomoio.kernels import announced_compilation

_logger = logging.getLogger(__name__)
_MODULE_OF_EXPORT = {"copick": "copick", "ome-zarr": "ome_zarr"}


@announced_compilation()
def quantify(
    labels: Sequence[LabelsSource],
    config: QuantificationConfig,
    output_dir: Path,
    *,
    classes: ClassTable,
    overwrite: bool = False,
) -> None:
    """Measure label volumes and write tables, STAR files, plots, pictures, a summary and a manifest.

    Parameters
    ----------
    labels
        Label volumes with tomogram ids and groups.
    config
        What to measure and how.
    output_dir
        Where to write: ``particles.csv``, ``filaments.csv``, ``filament_points.csv``, ``membranes.csv``,
        ``clusters.csv``, ``tomograms.csv``, ``groups.csv``, ``comparisons.csv``, ``summary.md``,
        ``manifest.json``, and the folders ``star``, ``plots``, ``pictures``; on request ``instances`` and
        the exports.
    classes
        Class table.
    overwrite
        Replace earlier results.

    Raises
    ------
    ValueError, FileNotFoundError
        If there is nothing to measure, a tomogram id comes twice, a file is not a label volume with a voxel
        size, or a class is not in the table. All files are looked at before the first is measured.
    FileExistsError
        If there are results already and ``overwrite`` is not set.
    """
    began = time.perf_counter()
    config = fitting_config(config, classes)
    _check_exports(config)
    _check(labels, output_dir, overwrite)
    tables: dict[str, list[Row]] = {name: [] for name in COLUMNS}
    stars: dict[str, list[Row]] = {}
    timings: dict[str, float] = {}
    with tqdm(labels, desc="tomograms", unit="tomogram", disable=len(labels) < 2) as bar:
        for source in bar:
            found = measure_tomogram(source, config, classes, progress=True)
            if not timings:
                _remove_earlier(output_dir)
            for name, rows in tomogram_tables(found, config).items():
                tables[name] += rows
            _collect_stars(stars, found)
            _write_tomogram(found, config, classes, output_dir, overwrite)
            for step, seconds in found.timings_s.items():
                timings[step] = timings.get(step, 0.0) + seconds
    _write_tables(tables, stars, config, output_dir, overwrite)
    timings["total"] = time.perf_counter() - began
    write_manifest(
        output_dir / "manifest.json",
        verb="segnet quantify",
        configuration=config.model_dump(mode="json"),
        inputs=[source.path for source in labels],
        timings_s=timings,
        results={"groups": {source.tomogram_id: source.group for source in labels}},
        overwrite=overwrite,
    )


def _check(labels: Sequence[LabelsSource], output_dir: Path, overwrite: bool) -> None:
    if not labels:
        raise ValueError("no label volumes; wanted at least one")
    ids = [source.tomogram_id for source in labels]
    repeated = sorted({name for name in ids if ids.count(name) > 1})
    if repeated:
        paths = ", ".join(str(source.path) for source in labels if source.tomogram_id == repeated[0])
        raise ValueError(
            f"tomogram {repeated[0]!r} comes {ids.count(repeated[0])} times ({paths}); wanted each once"
        )
    if (output_dir / "manifest.json").exists() and not overwrite:
        raise FileExistsError(
            f"{output_dir}: holds results already; pass --overwrite or choose another folder"
        )
    for source in labels:
        read_header(source.path, pixel_size_angstrom=source.pixel_size_angstrom)
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{output_dir}: {error.strerror}; wanted a folder that can be written to") from error
    if not os.access(output_dir, os.W_OK):
        raise ValueError(f"{output_dir}: may not be written to; wanted a folder that can be")


def _remove_earlier(output_dir: Path) -> None:
    """Remove what an earlier run wrote and this one may not write again: its lists, pictures, volumes."""
    manifest = output_dir / "manifest.json"
    if not manifest.exists():
        return
    ids = read_manifest(manifest).get("results", {}).get("groups", {})
    # the manifest goes first: without it the folder does not pass for finished
    stale = [manifest, *(output_dir / "star").glob("*_particles.star")]
    stale += [*(output_dir / "star").glob("*_filaments.star")]
    stale += [output_dir / "pictures" / f"{name}.png" for name in ids]
    stale += [output_dir / "instances" / f"{name}_instances.mrc" for name in ids]
    for path in stale:
        path.unlink(missing_ok=True)


def _check_exports(config: QuantificationConfig) -> None:
    for name in config.exports:
        if find_spec(_MODULE_OF_EXPORT[name]) is None:
            raise ValueError(
                f"export to {name}: its library is not installed; wanted `pip install neuralseg[portal]`"
            )


def _collect_stars(stars: dict[str, list[Row]], found: MeasuredTomogram) -> None:
    for name in found.particles:
        stars.setdefault(f"{name}_particles", []).extend(star_particles(found, name))
    for name in found.filaments:
        stars.setdefault(f"{name}_filaments", []).extend(star_filaments(found, name))


def _write_tomogram(
    found: MeasuredTomogram,
    config: QuantificationConfig,
    classes: ClassTable,
    output_dir: Path,
    overwrite: bool,
) -> None:
    name = found.source.tomogram_id
    plot_tomogram(found, output_dir / "pictures" / f"{name}.png", overwrite=overwrite)
    if config.write_instances:
        path = output_dir / "instances" / f"{name}_instances.mrc"
        write_instances(path, found.instances, found.pixel_size_angstrom, overwrite=overwrite)
    if "copick" in config.exports:
        from segnet.quantify.export_copick import export_copick

        export_copick(found, classes, output_dir / "copick", overwrite=overwrite)
    if "ome-zarr" in config.exports:
        from segnet.quantify.export_ome_zarr import export_ome_zarr

        export_ome_zarr(found, classes, output_dir / "ome_zarr" / f"{name}.zarr", overwrite=overwrite)


def _write_tables(
    tables: dict[str, list[Row]],
    stars: dict[str, list[Row]],
    config: QuantificationConfig,
    output_dir: Path,
    overwrite: bool,
) -> None:
    for name, columns in COLUMNS.items():
        write_csv(output_dir / f"{name}.csv", columns, tables[name], overwrite=overwrite)
    for name, rows in stars.items():
        if rows:
            write_star(output_dir / "star" / f"{name}.star", rows, overwrite=overwrite)
    comparisons = compare_groups(values_by_group(tables["tomograms"], tested_only=True), config.comparison)
    write_csv(output_dir / "groups.csv", GROUP_COLUMNS, group_rows(tables["tomograms"]), overwrite=overwrite)
    write_csv(output_dir / "comparisons.csv", COMPARISON_COLUMNS, comparisons, overwrite=overwrite)
    _write_plots(values_by_group(tables["tomograms"]), config, output_dir / "plots", overwrite)
    text = summarise(
        tables["tomograms"],
        tables["particles"],
        tables["filaments"],
        tables["membranes"],
        comparisons,
        config,
    )
    with new_file(output_dir / "summary.md", overwrite=overwrite) as partial:
        partial.write_text(text, encoding="utf-8")


def _write_plots(values: Any, config: QuantificationConfig, plots_dir: Path, overwrite: bool) -> None:
    plot_abundances(values, plots_dir / "abundances.png", overwrite=overwrite)
    for name in config.clusters.class_names:
        plot_clusters(values, name, plots_dir / f"{name}_clusters.png", overwrite=overwrite)
