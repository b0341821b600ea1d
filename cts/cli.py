"""The command line ``cts``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tomoio.command import run_command_line

VERBS = ("structures", "model", "simulate", "reconstruct", "show")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``cts`` and return its exit status."""
    return run_command_line(
        "cts",
        "Model crowded cryo-electron tomography specimens, image them, reconstruct tomograms.",
        "cts",
        VERBS,
        arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
