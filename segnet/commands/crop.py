"""Cut regions out of tomograms for correction: image, labels, uncertainty, and where they belong.

A region is a row of regions.tsv or of the proposals of a round (results/rounds/*/regions.tsv). Each becomes
REGION_image, REGION_labels, REGION_uncertainty and REGION.json in one folder. Slices of image above and below
are added as context, as many as the configuration says (five); their labels are 255 (ignore) and stay so.

  segnet crop 1.1-7f3ac 1.1-02b9e
  segnet crop 1.1-7f3ac -o crops --format nrrd          # for MITK, 3D Slicer or Amira
"""

from __future__ import annotations

import argparse
from pathlib import Path

from segnet.rounds import layout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("regions", nargs="+", metavar="REGION", help="ids of regions")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="default: to_correct of the round")
    parser.add_argument("--regions-table", type=Path, default=layout.REGIONS, metavar="TSV")
    parser.add_argument("--tomograms", type=Path, default=layout.TOMOGRAMS, metavar="TSV")
    parser.add_argument("--classes", type=Path, default=layout.CLASSES, metavar="TSV")
    parser.add_argument("--rounds", type=Path, default=layout.ROUNDS, metavar="DIR", help="results of rounds")
    parser.add_argument(
        "--segmentations", type=Path, metavar="DIR", help="default: segmentations of the region's round"
    )
    parser.add_argument(
        "--config", type=Path, metavar="YAML", help=f"its rounds hold crop settings; default: {layout.CONFIG}"
    )
    parser.add_argument("--context", type=int, metavar="N", help="context slices on each side")
    parser.add_argument("--format", choices=("mrc", "tiff", "nrrd"), help="file format")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier crops of these regions")


def run(arguments: argparse.Namespace) -> None:
    """Cut the regions."""
    from segnet.config.rounds import CropConfig
    from segnet.rounds.crop import crop_region
    from segnet.rounds.propose import labelling_classes
    from segnet.rounds.tomograms import find_tomogram, labelling_model, read_tomograms
    from tomoio import read_class_table
    from tomoio.config import parse_config

    rounds = layout.read_rounds_config(arguments.config)
    config = rounds.crop if rounds else CropConfig()
    chosen = {"context_slices": arguments.context, "format": arguments.format}
    given = {key: value for key, value in chosen.items() if value is not None}
    config = parse_config(config.model_dump() | given, CropConfig, "segnet crop")
    tomograms = read_tomograms(arguments.tomograms)
    classes = read_class_table(arguments.classes)
    for region_id in arguments.regions:
        region = layout.look_up_region(arguments.regions_table, arguments.rounds, region_id)
        output = arguments.output or layout.crops_dir(arguments.rounds, region.round)
        tomogram = find_tomogram(tomograms, region.tomogram_id, arguments.tomograms)
        model = labelling_model(tomogram, layout.model_dir(arguments.rounds, region.round))
        record = crop_region(
            region,
            tomogram,
            output,
            config,
            segmentations=arguments.segmentations or layout.segmentations_dir(arguments.rounds, region.round),
            model=layout.model_name(model),
            classes=labelling_classes(model, classes),
            overwrite=arguments.overwrite,
        )
        print(f"{output / record.image_file}  {'×'.join(map(str, record.shape))} (z, y, x)")
