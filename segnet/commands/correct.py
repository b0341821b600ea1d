"""Correct a region in napari, or from known truth with --oracle.

Opens the crop with its image, the labels with class names and colours, and the network's uncertainty. Paint
with the brush (2), fill whole pieces with the bucket (4), pick a class from the list (or Alt and its
number), undo with Ctrl-Z, and save with S; closing the window saves too. Work is saved to
resources/corrections/in_progress and opened from there the next time; nothing counts before `segnet accept`.
Needs a display, and: pip install "neuralseg[gui]"

  segnet correct 1.1-7f3ac
  segnet correct 1.1-7f3ac --oracle atlas.mrc            # no window: labels from truth
"""

from __future__ import annotations

import argparse
from pathlib import Path

from segnet.rounds import layout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("region", metavar="REGION", help="id of a region that was cropped")
    parser.add_argument("--crops", type=Path, metavar="DIR", help="folder of the crop")
    parser.add_argument("--rounds", type=Path, default=layout.ROUNDS, metavar="DIR", help="results of rounds")
    parser.add_argument("--classes", type=Path, default=layout.CLASSES, metavar="TSV")
    parser.add_argument("--store", type=Path, default=layout.STORE, metavar="DIR", help="corrections")
    parser.add_argument("--oracle", type=Path, metavar="TRUTH", help="true labels of the whole tomogram")
    parser.add_argument(
        "--from-network",
        action="store_true",
        help="start again from the network's labels; keeps one copy of earlier work",
    )
    parser.add_argument("--overwrite", action="store_true", help="let the oracle replace saved work")


def run(arguments: argparse.Namespace) -> None:
    """Open the editor, or ask the oracle."""
    from segnet.rounds.editor import correct_in_napari
    from segnet.rounds.oracle import correct_from_truth
    from tomoio import read_class_table

    crops = arguments.crops or layout.find_crops(arguments.rounds, arguments.region)
    draft = layout.draft_path(arguments.store, arguments.region)
    if arguments.oracle:
        correct_from_truth(crops, arguments.region, arguments.oracle, draft, overwrite=arguments.overwrite)
        print(draft)
        return
    saved = correct_in_napari(
        crops,
        arguments.region,
        read_class_table(arguments.classes),
        draft,
        from_network=arguments.from_network,
    )
    if saved:
        print(f"{draft}\nwhen you are done: segnet accept {arguments.region}")
    else:
        print("nothing was saved")
