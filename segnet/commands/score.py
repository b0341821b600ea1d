"""Score a segmentation against the truth, class by class.

  segnet score results/segmentations/tomogram_labels.mrc synthetic/x/atlas.mrc -o scores.tsv

Prints Dice, precision and recall; surface Dice and centreline Dice (clDice) for membranes and
filaments; the F1 of connected pieces, matched within a distance, for particles. NaN: the class is in
neither volume, or the score does not suit it. Where the truth is 255 nothing counts.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prediction", type=Path, help="label volume (MRC)")
    parser.add_argument("truth", type=Path, help="label volume (MRC) on the same grid")
    parser.add_argument("-o", "--output", type=Path, metavar="TSV", help="also write the table")
    parser.add_argument(
        "--confusion", type=Path, metavar="TSV", help="also write the confusion matrix, voxels"
    )
    parser.add_argument("--config", type=Path, help="YAML file with scoring settings, or a config.yaml")
    parser.add_argument("--merge", nargs="+", default=[], metavar="OLD=NEW", help="classes counted as one")
    parser.add_argument("--pixel-size-angstrom", type=float, help="overrides the headers, Å")
    parser.add_argument("--round", default="", help="stands in the table")
    parser.add_argument("--domain", default="", help="stands in the table")
    parser.add_argument("--tomogram-id", default="", help="stands in the table")
    parser.add_argument("--classes", type=Path, default=Path("config/classes.tsv"), help="class table (TSV)")
    parser.add_argument("--overwrite", action="store_true", help="replace existing tables")


def run(arguments: argparse.Namespace) -> None:
    from segnet.config.segmentation import ScoringConfig
    from segnet.score import SCORE_COLUMNS, score_files
    from tomoio import read_class_table
    from tomoio.config import load_yaml

    config = (
        load_yaml(arguments.config, ScoringConfig, section="scoring") if arguments.config else ScoringConfig()
    )
    rows = score_files(
        arguments.prediction,
        arguments.truth,
        read_class_table(arguments.classes),
        config,
        output=arguments.output,
        confusion=arguments.confusion,
        round_name=arguments.round,
        domain=arguments.domain,
        tomogram_id=arguments.tomogram_id,
        merge=_merged(arguments.merge),
        pixel_size_angstrom=arguments.pixel_size_angstrom,
        overwrite=arguments.overwrite,
    )
    columns = SCORE_COLUMNS[3:]
    print("  ".join(f"{name:>12}" for name in columns))
    for row in rows:
        print("  ".join(f"{_text(row[name]):>{max(12, len(name))}}" for name in columns))


def _merged(items: list[str]) -> dict[str, str]:
    merge: dict[str, str] = {}
    for item in items:
        old, separator, new = item.partition("=")
        if not (old and separator and new):
            raise ValueError(f"--merge {item}: wanted OLD=NEW, as in cofilactin=actin")
        if old in merge:
            raise ValueError(
                f"--merge {item}: {old} goes to {merge[old]} already; wanted one new class for each"
            )
        merge[old] = new
    return merge


def _text(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
