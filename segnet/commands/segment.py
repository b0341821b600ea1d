"""Segment tomograms of any pixel size with a trained network.

  segnet segment results/model tomograms/*.mrc -o results/segmentations

Labels come on the grid of each tomogram, as {stem}_labels.mrc. Tomograms that are done already are passed
over, so the same command goes on after an interruption. Protein is taken as dark; where it is bright, say
--contrast bright. A voxel size that the header does not know is given with --pixel-size-angstrom.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="model folder of `segnet train`")
    parser.add_argument("tomograms", type=Path, nargs="+", metavar="TOMOGRAM", help="MRC files")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the results"
    )
    parser.add_argument("--config", type=Path, help="YAML file with segmentation settings, or a config.yaml")
    contrast = parser.add_mutually_exclusive_group()
    contrast.add_argument("--contrast", choices=("dark", "bright"), help="protein is dark or bright")
    contrast.add_argument(
        "--invert",
        dest="contrast",
        action="store_const",
        const="bright",
        help="the same as --contrast bright",
    )
    parser.add_argument("--pixel-size-angstrom", type=float, help="overrides the headers, Å")
    parser.add_argument(
        "--probabilities", nargs="+", metavar="CLASS", help="also write probability maps (all: every class)"
    )
    parser.add_argument(
        "--uncertainty", action="store_true", default=None, help="also write the uncertainty map"
    )
    parser.add_argument(
        "--test-time-augmentation", type=int, choices=(1, 2, 4), help="orientations that are averaged"
    )
    parser.add_argument("--min-island-voxels", type=int, help="smaller pieces become background (paper: 50)")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--overwrite", action="store_true", help="replace results of other settings")


def run(arguments: argparse.Namespace) -> None:
    from segnet.config.segmentation import SegmentationConfig
    from segnet.segment_files import segment_tomograms
    from tomoio.config import load_yaml, parse_config

    config = SegmentationConfig()
    if arguments.config:
        config = load_yaml(arguments.config, SegmentationConfig, section="segmentation")
    given = {
        name: value
        for name in SegmentationConfig.model_fields
        if (value := getattr(arguments, name, None)) is not None
    }
    segment_tomograms(
        arguments.model,
        arguments.tomograms,
        arguments.output,
        parse_config(config.model_dump() | given, SegmentationConfig, "segnet segment"),
        pixel_size_angstrom=arguments.pixel_size_angstrom,
        overwrite=arguments.overwrite,
    )
