"""Show what a network is: classes, scores, data, pixel sizes, licence.

segnet model-info results/model          as text
segnet model-info results/model --json   the whole card
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="model folder")
    parser.add_argument("--json", action="store_true", help="print the whole card as JSON")


def run(arguments: argparse.Namespace) -> None:
    from segnet.model_folder import describe, read_card

    card = read_card(arguments.model)
    print(card.model_dump_json(indent=2) if arguments.json else describe(card))
