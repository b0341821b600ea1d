"""The command line ``segnet``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tomoio.command import run_command_line

VERBS = (
    "remap",
    "block",
    "train",
    "segment",
    "score",
    "propose",
    "crop",
    "correct",
    "accept",
    "rounds",
    "quantify",
    "model-info",
    "export",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``segnet`` and return its exit status."""
    return run_command_line(
        "segnet",
        "Train a multi-class 2.5D U-Net on tomograms, segment, co-train in rounds, measure.",
        "segnet",
        VERBS,
        arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
