"""Build a crowded, labelled specimen from structures.

CONFIG is a YAML file with the keys of a specimen (config/README.md), or a whole pipeline configuration, of
which the section `specimen` is read. Writes into DIR: model.mrc (potential, V), atlas.mrc (class
of each voxel), instances.mrc (object of each voxel), particles.star and filaments.star (positions and
orientations, RELION 5 columns), manifest.json (drawn values, counts, timings).

Example:
  cts model config/config.yaml -o results/try --seed 1
  cts show results/try/model.mrc results/try/atlas.mrc -o try.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cts.commands.structures import DEFAULT_STORE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``cts model``."""
    parser.add_argument(
        "config", type=Path, metavar="CONFIG", help="specimen or pipeline configuration, YAML"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--seed", type=int, default=1, help="seed of every random number (default: 1)")
    parser.add_argument(
        "--tomogram-id", metavar="ID", help="tomogram id, which also enters the seed (default: name of DIR)"
    )
    parser.add_argument(
        "--classes", type=Path, default=Path("config/classes.tsv"), help="class table (default: %(default)s)"
    )
    parser.add_argument(
        "--store",
        type=Path,
        default=DEFAULT_STORE,
        help="folder of downloaded and read structures (default: %(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")


def run(arguments: argparse.Namespace) -> None:
    """Run ``cts model``."""
    from cts.config.specimen import SpecimenConfig
    from cts.model import model_specimen
    from tomoio import read_class_table
    from tomoio.config import load_yaml

    model_specimen(
        load_yaml(arguments.config, SpecimenConfig, section="specimen"),
        read_class_table(arguments.classes),
        arguments.output,
        seed=arguments.seed,
        tomogram_id=arguments.tomogram_id or arguments.output.resolve().name,
        store=arguments.store,
        overwrite=arguments.overwrite,
    )
