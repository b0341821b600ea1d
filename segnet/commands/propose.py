"""Rank regions of segmented tomograms in which a correction would help most.

Reads what `segnet segment` wrote with uncertainty (or with the probabilities of all classes) and looks for
windows with a large expected error in each class, classes confused with one another, filaments and membranes
in short pieces, places where another network (--other) says something else, and places unlike the training
data. Writes ranked rows with a reason each, and a picture of each beside the table.

  segnet propose results/rounds/1.1/model results/rounds/1.1/segmentations -o results/rounds/1.1/regions.tsv
  segnet crop 1.1-7f3ac 1.1-02b9e
"""

from __future__ import annotations

import argparse
from pathlib import Path

from segnet.rounds import layout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder of the network that segmented")
    parser.add_argument("segmentations", type=Path, metavar="SEGMENTATIONS_DIR", help="what it wrote")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="TSV", help="ranked regions")
    parser.add_argument("--round", metavar="NAME", help="default: the name of the folder above MODEL")
    parser.add_argument(
        "--other", type=Path, action="append", default=[], metavar="DIR", help="another network"
    )
    parser.add_argument(
        "--config", type=Path, metavar="YAML", help=f"its rounds hold the settings; default: {layout.CONFIG}"
    )
    parser.add_argument("-n", type=int, metavar="N", help="number of regions")
    parser.add_argument("--size", type=int, nargs=3, metavar=("Z", "Y", "X"), help="voxels of a region")
    parser.add_argument("--tomograms", type=Path, default=layout.TOMOGRAMS, metavar="TSV")
    parser.add_argument("--classes", type=Path, default=layout.CLASSES, metavar="TSV")
    parser.add_argument("--regions-table", type=Path, default=layout.REGIONS, metavar="TSV")
    parser.add_argument("--corrections", type=Path, default=layout.CORRECTIONS, metavar="TSV")
    parser.add_argument("--no-pictures", action="store_true")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier table and its pictures")


def run(arguments: argparse.Namespace) -> None:
    """Rank, write, draw."""
    from segnet.config.rounds import CropConfig, ProposalConfig
    from segnet.rounds.corrections import corrected_regions
    from segnet.rounds.propose import propose_regions, read_network_classes, write_proposals
    from segnet.rounds.tomograms import read_tomograms, segmentation_file
    from tomoio import read_class_table
    from tomoio.config import parse_config

    round_name = arguments.round or _round_of(arguments.model)
    rounds = layout.read_rounds_config(arguments.config)
    crop, proposal = (rounds.crop, rounds.proposal) if rounds else (CropConfig(), ProposalConfig())
    if arguments.n:
        proposal = parse_config(proposal.model_dump() | {"n_regions": arguments.n}, ProposalConfig, "-n")
    if arguments.size:
        crop = parse_config(crop.model_dump() | {"size_voxels": arguments.size}, CropConfig, "--size")
    classes = read_network_classes(arguments.model, read_class_table(arguments.classes))
    tomograms = [
        row
        for row in read_tomograms(arguments.tomograms)
        if segmentation_file(arguments.segmentations, row, "labels")
    ]
    if not tomograms:
        raise ValueError(
            f"{arguments.segmentations}: no segmentation of a tomogram in {arguments.tomograms}; "
            "wanted files such as TOMOGRAM_labels.mrc"
        )
    proposals = propose_regions(
        tomograms,
        arguments.segmentations,
        classes,
        round_name,
        proposal,
        crop,
        model_dir=arguments.model,
        others=arguments.other,
        avoid=corrected_regions(arguments.regions_table, arguments.corrections),
    )
    write_proposals(
        arguments.output,
        proposals,
        tomograms,
        arguments.segmentations,
        classes,
        pictures=not arguments.no_pictures,
        overwrite=arguments.overwrite,
    )
    for number, entry in enumerate(proposals, start=1):
        region = entry.region
        print(f"{number:2d}  {entry.score:.2f}  {region.region_id}  {region.tomogram_id}: {region.reason}")


def _round_of(model: Path) -> str:
    """Return the round that a model folder belongs to by the folder above it."""
    from segnet.config.rounds import round_key

    name = model.resolve().parent.name
    try:
        round_key(name)
    except ValueError as error:
        raise ValueError(
            f"{model}: the folder above it is no round ({error}); name one with --round"
        ) from None
    return name
