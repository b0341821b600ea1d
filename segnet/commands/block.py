"""Normalise tomograms and concatenate them with their labels into a training block.

Each part is normalised by its own whole volume. A part is TOMOGRAM:LABELS, or TOMOGRAM:LABELS:DOMAIN with the
domain synthetic (where none is given), real or hard_negative (labels become background).

  segnet block -o results/block synthetic/a/tomogram.mrc:synthetic/a/atlas.mrc crop.mrc:crop_labels.mrc:real

A crop.normalisation.json beside crop.mrc (as `segnet crop` writes it) is used instead of the crop's own grey
values. Settings come from a YAML file, as normalisation: zscore and pixel_size_range_angstrom: [12, 14].
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segnet.block import BlockSource


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pairs", nargs="+", metavar="TOMOGRAM:LABELS[:DOMAIN]", help="MRC files of one shape")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the block")
    parser.add_argument(
        "--config", type=Path, help="YAML file with block settings, or a pipeline config.yaml"
    )
    parser.add_argument("--pixel-size-angstrom", type=float, help="overrides the headers of all tomograms, Å")
    parser.add_argument(
        "--contrast", choices=("dark", "bright"), default="dark", help="protein is (default: dark)"
    )
    parser.add_argument("--classes", type=Path, default=Path("config/classes.tsv"), help="class table (TSV)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing block")


def run(arguments: argparse.Namespace) -> None:
    from segnet.block import make_block
    from segnet.config.training import BlockConfig
    from tomoio import read_class_table
    from tomoio.config import load_yaml

    config = load_yaml(arguments.config, BlockConfig, section="block") if arguments.config else BlockConfig()
    make_block(
        [_source(pair, arguments.pixel_size_angstrom, arguments.contrast) for pair in arguments.pairs],
        arguments.output,
        config,
        read_class_table(arguments.classes),
        overwrite=arguments.overwrite,
    )


def _source(pair: str, pixel_size_angstrom: float | None, contrast: str) -> BlockSource:
    from segnet.block import BlockSource

    fields = pair.split(":")
    if len(fields) not in (2, 3) or not all(fields):
        raise ValueError(f"{pair}: wanted TOMOGRAM:LABELS or TOMOGRAM:LABELS:DOMAIN")
    domain = fields[2] if len(fields) == 3 else "synthetic"
    return BlockSource(Path(fields[0]), Path(fields[1]), domain, pixel_size_angstrom, contrast)
