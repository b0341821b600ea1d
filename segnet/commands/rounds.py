"""Show the history of rounds: what each was trained on, how long that took, how well it does.

What a network was trained on is read from its card; accepted corrections that no network has seen are listed
below the table. The last column is the share of crops without any object (hard negatives) that the network
calls some class, those apart that it was trained on.

With --report, also writes one self-contained HTML page on a round: Dice by class and domain over the rounds,
what was added, what got better and worse, pictures before and after, and the regions proposed next.

  segnet rounds
  segnet rounds --report 1.2 -o round-1.2.html
"""

from __future__ import annotations

import argparse
from pathlib import Path

from segnet.rounds import layout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("--rounds", type=Path, default=layout.ROUNDS, metavar="DIR", help="results of rounds")
    parser.add_argument("--corrections", type=Path, default=layout.CORRECTIONS, metavar="TSV")
    parser.add_argument("--report", metavar="ROUND", help="write the page of this round")
    parser.add_argument("-o", "--output", type=Path, metavar="HTML", help="default: report.html of the round")
    parser.add_argument("--tomograms", type=Path, default=layout.TOMOGRAMS, metavar="TSV")
    parser.add_argument("--classes", type=Path, default=layout.CLASSES, metavar="TSV")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier page")


def run(arguments: argparse.Namespace) -> None:
    """Print the table and write the page."""
    from segnet.rounds.corrections import read_corrections
    from segnet.rounds.history import format_history, read_history, unseen_corrections
    from segnet.rounds.report import write_round_report
    from segnet.rounds.tomograms import read_tomograms
    from tomoio import read_class_table

    corrections = read_corrections(arguments.corrections) if arguments.corrections.is_file() else ()
    history = read_history(arguments.rounds, corrections)
    if not history:
        raise ValueError(f"{arguments.rounds}: no trained round; wanted ROUND/model/model.json there")
    print(format_history(history))
    for row in unseen_corrections(history, corrections):
        print(f"no network has seen {row.region_id} yet ({row.role}, for round {row.round})")
    if arguments.report:
        output = arguments.output or arguments.rounds / arguments.report / "report.html"
        write_round_report(
            output,
            arguments.report,
            arguments.rounds,
            read_tomograms(arguments.tomograms),
            read_class_table(arguments.classes),
            corrections,
            overwrite=arguments.overwrite,
        )
        print(output)
