"""Check a correction, show what it changed, store it, and add its row to corrections.tsv.

LABELS is what `segnet correct` saved (the default), one label volume of another program (MRC, TIFF or NRRD,
of the crop's shape with its context slices), or layers over the network's labels: files named add_CLASS,
remove_CLASS and ignore, such as add_actin.nrrd. Hard negatives (ice, gold, carbon, fringes) need no labels:
all of the region is background, apart from what an ignore layer covers.

  segnet accept 1.1-7f3ac
  segnet accept 1.1-7f3ac fixed.nrrd --round 1.2 --annotator "A. Person"
  segnet accept 1.1-02b9e add_actin.tif remove_microtubule.tif ignore.tif
  segnet accept 1.1-c41d0 --role held_out                # never trained on, scored after each round
  segnet accept 3.1-9a650 --role hard_negative --note "ice on the carbon edge"
"""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from segnet.rounds import layout

if TYPE_CHECKING:
    from segnet.rounds.accept import Acceptance, CheckedCorrection


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("region", metavar="REGION", help="id of a region that was cropped")
    parser.add_argument("labels", nargs="*", type=Path, metavar="LABELS", help="default: the editor's file")
    parser.add_argument("--role", choices=("train", "held_out", "hard_negative"), default="train")
    parser.add_argument("--round", metavar="NAME", help="round that trains on it; default: the next one")
    parser.add_argument(
        "--config", type=Path, default=Path("config/config.yaml"), metavar="YAML", help="lists the rounds"
    )
    parser.add_argument("--annotator", default=getpass.getuser(), help="default: the user's name")
    parser.add_argument("--note", default="", help="free text for the table")
    parser.add_argument("--crops", type=Path, metavar="DIR", help="folder of the crop")
    parser.add_argument("--rounds", type=Path, default=layout.ROUNDS, metavar="DIR", help="results of rounds")
    parser.add_argument("--classes", type=Path, default=layout.CLASSES, metavar="TSV")
    parser.add_argument("--corrections", type=Path, default=layout.CORRECTIONS, metavar="TSV")
    parser.add_argument("--regions-table", type=Path, default=layout.REGIONS, metavar="TSV")
    parser.add_argument("--store", type=Path, default=layout.STORE, metavar="DIR", help="corrections go here")
    parser.add_argument(
        "--replace", action="store_true", help="use this instead of an earlier correction, which is kept"
    )
    parser.add_argument("--dry-run", action="store_true", help="check and show, store nothing")


def run(arguments: argparse.Namespace) -> None:
    """Check, show, store."""
    from segnet.rounds.accept import accept_correction, check_correction
    from tomoio import read_class_table

    crops = arguments.crops or layout.find_crops(arguments.rounds, arguments.region)
    draft = layout.find_draft(arguments.store, arguments.region)
    paths = arguments.labels or ([draft] if draft and arguments.role != "hard_negative" else [])
    classes = read_class_table(arguments.classes)
    checked = check_correction(crops, arguments.region, paths, classes, role=arguments.role)
    _show(checked)
    if arguments.dry_run:
        return
    acceptance = accept_correction(
        checked,
        arguments.corrections,
        arguments.regions_table,
        arguments.store,
        round_name=arguments.round or _next_round(arguments.config, checked),
        role=arguments.role,
        annotator=arguments.annotator,
        note=arguments.note,
        replace=arguments.replace or _agreed_to_replace(arguments.corrections, arguments.region),
    )
    _say_where(acceptance, arguments.corrections)


def _show(checked: CheckedCorrection) -> None:
    print(f"{'class':<14}{'before':>12}{'after':>12}{'added':>12}{'removed':>12}   (voxels)")
    for change in checked.changes:
        print(
            f"{change.name:<14}{change.before:>12,}{change.after:>12,}{change.added:>12,}{change.removed:>12,}"
        )
    for note in checked.notes:
        print(f"note: {note}")


def _say_where(acceptance: Acceptance, table: Path) -> None:
    row = acceptance.correction
    print(f"{row.labels_path} is in {table} for round {row.round} ({row.role})")
    if acceptance.replaced is not None:
        print(f"it takes the place of {acceptance.replaced.labels_path}, which is kept")


def _next_round(config: Path, checked: CheckedCorrection) -> str:
    from segnet.config.rounds import RoundsConfig
    from tomoio.config import load_yaml

    if not config.is_file():
        raise ValueError(f"{config}: no such file, so the next round is unknown; name it with --round")
    names = load_yaml(config, RoundsConfig, section="rounds").names
    return layout.following_round(names, checked.record.round)


def _agreed_to_replace(table: Path, region_id: str) -> bool:
    """Ask before a second acceptance where someone can answer; elsewhere --replace is the answer."""
    from segnet.rounds.corrections import find_correction, read_corrections

    earlier = find_correction(read_corrections(table), region_id) if table.is_file() else None
    if earlier is None or not sys.stdin.isatty():
        return False
    question = f"{region_id} was accepted for round {earlier.round} already. Use the new one instead? [y/N] "
    return input(question).strip().lower() in ("y", "yes")
