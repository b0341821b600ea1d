"""Rename the labels of a volume.

Labels are class names or numbers of the class table, or "ignore" (255); OLD may be any number from 0 to 255.
What is not named stays.

  segnet remap atlas.mrc --map cofilactin=actin carbon=background gold=ignore -o labels.mrc
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("labels", type=Path, help="label volume (MRC)")
    parser.add_argument(
        "--map", nargs="+", required=True, metavar="OLD=NEW", help="class names, numbers, or ignore"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="label volume to write")
    parser.add_argument("--pixel-size-angstrom", type=float, help="overrides the header, Å")
    parser.add_argument("--classes", type=Path, default=Path("config/classes.tsv"), help="class table (TSV)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")


def run(arguments: argparse.Namespace) -> None:
    from segnet.remap import parse_mapping, remap_file
    from tomoio import read_class_table

    remap_file(
        arguments.labels,
        parse_mapping(arguments.map),
        read_class_table(arguments.classes),
        arguments.output,
        pixel_size_angstrom=arguments.pixel_size_angstrom,
        overwrite=arguments.overwrite,
    )
