"""Count, measure and compare what label volumes hold.

Particles are counted, filaments traced, membranes measured, clusters found, and groups of tomograms
compared. Writes CSV and RELION STAR tables, plots, a picture of each tomogram and summary.md.

The tomogram id is the file name without `_labels.mrc`. Groups come from a table with the columns
tomogram_id and group (config/tomograms.tsv has them).

Examples:
  segnet quantify seg/*_labels.mrc -o quantification
  segnet quantify seg/*_labels.mrc --tomograms config/tomograms.tsv --islands ribosome -o quantification
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segnet.config.quantification import QuantificationConfig
    from segnet.quantify.tomogram import LabelsSource
    from tomoio import ClassTable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``segnet quantify``."""
    parser.add_argument("labels", nargs="+", type=Path, metavar="LABELS", help="label volumes (MRC)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="where to write")
    parser.add_argument(
        "--config", type=Path, metavar="YAML", help="what to measure (default: as in the paper)"
    )
    parser.add_argument("--tomograms", type=Path, metavar="TSV", help="table with tomogram_id and group")
    parser.add_argument("--classes", type=Path, default=Path("config/classes.tsv"), help="class table")
    parser.add_argument("--pixel-size-angstrom", type=float, help="voxel size, where the headers have none")
    parser.add_argument(
        "--islands",
        action="append",
        default=[],
        metavar="CLASS",
        help="count islands of this particle class as they are, as the paper did for ribosomes",
    )
    parser.add_argument(
        "--export",
        action="append",
        default=[],
        choices=("copick", "ome-zarr"),
        help="also export; needs [portal]",
    )
    parser.add_argument("--instances", action="store_true", help="also write volumes of instance ids")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier results")


def run(arguments: argparse.Namespace) -> None:
    """Run ``segnet quantify``."""
    from segnet.quantify.run import quantify
    from tomoio import read_class_table

    classes = read_class_table(arguments.classes)
    config = _config(arguments, classes)
    quantify(_sources(arguments), config, arguments.output, classes=classes, overwrite=arguments.overwrite)
    print(f"{arguments.output / 'summary.md'}")


def _sources(arguments: argparse.Namespace) -> list[LabelsSource]:
    from segnet.quantify.tomogram import LabelsSource, tomogram_id_of
    from tomoio.tables import read_table

    ids = [tomogram_id_of(path) for path in arguments.labels]
    groups = dict.fromkeys(ids, "all")
    if arguments.tomograms is not None:
        rows = read_table(arguments.tomograms, required=("tomogram_id", "group"))
        groups = _groups(arguments.tomograms, rows)
        missing = [name for name in ids if name not in groups]
        if missing:
            raise ValueError(
                f"{arguments.tomograms}: no row for tomogram {missing[0]!r}; wanted one per label volume"
            )
    return [
        LabelsSource(path, name, groups[name], arguments.pixel_size_angstrom)
        for path, name in zip(arguments.labels, ids, strict=True)
    ]


def _groups(table: Path, rows: list[dict[str, str]]) -> dict[str, str]:
    groups: dict[str, str] = {}
    for row in rows:
        name, group = row["tomogram_id"], row["group"] or "none"
        if groups.setdefault(name, group) != group:
            raise ValueError(
                f"{table}: tomogram {name!r} is in {groups[name]!r} and {group!r}; wanted one group"
            )
    return groups


def _config(arguments: argparse.Namespace, classes: ClassTable) -> QuantificationConfig:
    from segnet.config.quantification import QuantificationConfig
    from segnet.quantify.tomogram import fitting_config
    from tomoio.config import load_yaml

    config = QuantificationConfig()
    if arguments.config is not None:
        config = load_yaml(arguments.config, QuantificationConfig, section="quantification")
    config = fitting_config(config, classes)
    particles = tuple(
        entry.model_copy(update={"method": "components"}) if entry.class_name in arguments.islands else entry
        for entry in config.particles
    )
    unknown = [name for name in arguments.islands if name not in {entry.class_name for entry in particles}]
    if unknown:
        counted = ", ".join(entry.class_name for entry in particles)
        raise ValueError(f"--islands {unknown[0]}: not counted as particles; wanted one of {counted}")
    update: dict[str, object] = {}
    if arguments.islands:
        update["particles"] = particles
    if arguments.export:
        update["exports"] = tuple(dict.fromkeys([*config.exports, *arguments.export]))
    if arguments.instances:
        update["write_instances"] = True
    return config.model_copy(update=update)
