"""Check a correction, show what it changed, store it, and add its row to corrections.tsv.

LABELS is what `segnet correct` saved (the default; of a region that was accepted already the newer of that
and the accepted labels), one label volume of another program (MRC, TIFF or NRRD, of the crop's shape with or
without its context slices; --map names the classes of its numbers), or layers over the network's labels:
files named add_CLASS, remove_CLASS and ignore, such as add_actin.nrrd. Hard negatives (ice, gold, carbon,
fringes) need no labels: all of the region is background, apart from what is 255 in the editor's file or in
an ignore layer.

  segnet accept 1.1-7f3ac
  segnet accept 1.1-7f3ac fixed.nrrd --round 1.2 --annotator "A. Person"
  segnet accept 1.1-7f3ac exported.tif --map 1=membrane 2=actin 3=ignore
  segnet accept 1.1-02b9e add_actin.tif remove_microtubule.tif ignore.tif
  segnet accept 1.1-c41d0 --role held_out                # never trained on, scored after each round
  segnet accept 3.1-9a650 --role hard_negative --note "ice on the carbon edge"
  segnet accept 1.1-7f3ac --replace                      # keeps role, round, annotator and note
  segnet accept 1.1-7f3ac --replace --note "checked"     # keeps the labels too, unless newer work is saved
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
    from segnet.rounds.corrections import Correction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("region", metavar="REGION", help="id of a region that was cropped")
    parser.add_argument("labels", nargs="*", type=Path, metavar="LABELS", help="default: the editor's file")
    parser.add_argument(
        "--map",
        nargs="+",
        action="extend",
        default=[],
        metavar="OLD=NEW",
        help="numbers of your program to class names or ids",
    )
    parser.add_argument(
        "--role", choices=("train", "held_out", "hard_negative"), help="default: as before, else train"
    )
    parser.add_argument(
        "--round", metavar="NAME", help="round that trains on it; default: as before, else the next one"
    )
    parser.add_argument(
        "--config", type=Path, metavar="YAML", help=f"lists the rounds; default: {layout.CONFIG}"
    )
    parser.add_argument("--annotator", metavar="NAME", help="default: as before, else the user's name")
    parser.add_argument("--note", help="free text for the table; default: as before")
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
    from segnet.remap import parse_mapping
    from segnet.rounds.accept import accept_correction, check_correction
    from tomoio import read_class_table

    crops = arguments.crops or layout.find_crops(arguments.rounds, arguments.region)
    earlier = _earlier_row(arguments)
    role = arguments.role or (earlier.role if earlier else "train")
    pairs, more = _split_map(arguments.map)
    named = [*arguments.labels, *more]
    if pairs and not named:
        raise ValueError(f"--map {pairs[0]}: no labels whose numbers it could name; wanted LABELS too")
    paths, left_out = _choose_labels(arguments, named, earlier, role)
    classes = read_class_table(arguments.classes)
    mapping = parse_mapping(pairs)
    checked = check_correction(crops, arguments.region, paths, classes, role=role, mapping=mapping)
    _show(checked, paths, left_out)
    if arguments.dry_run:
        return
    acceptance = accept_correction(
        checked,
        arguments.corrections,
        arguments.regions_table,
        arguments.store,
        round_name=_choose_round(arguments, earlier, checked),
        role=role,
        annotator=_choose_annotator(arguments, earlier),
        note=arguments.note if arguments.note is not None else (earlier.note if earlier else ""),
        replace=arguments.replace or _agreed_to_replace(earlier),
    )
    _say_where(acceptance, arguments.corrections)


def _earlier_row(arguments: argparse.Namespace) -> Correction | None:
    """Return the row that this correction would take the place of: what is not said anew stays as it is."""
    from segnet.rounds.corrections import find_correction, read_corrections

    table = arguments.corrections
    return find_correction(read_corrections(table), arguments.region) if table.is_file() else None


def _split_map(items: list[str]) -> tuple[list[str], list[Path]]:
    """Return what follows --map as pairs OLD=NEW and LABELS: files that were named after it."""
    files = [item for item in items if "=" not in item and Path(item).suffix]
    return [item for item in items if item not in files], [Path(file) for file in files]


def _choose_labels(
    arguments: argparse.Namespace, named: list[Path], earlier: Correction | None, role: str
) -> tuple[list[Path], Path | None]:
    """Return the files to accept, and saved or accepted labels that a newer file takes the place of.

    Labels of a hard negative hold no class any more, so that they make no other correction.
    """
    if named:
        return named, None
    draft = layout.find_draft(arguments.store, arguments.region)
    if earlier is None or (earlier.role == "hard_negative" and role != "hard_negative"):
        return [draft] if draft else [], None
    accepted = earlier.labels_path
    if draft is None:
        if not accepted.is_file():
            raise FileNotFoundError(
                f"{accepted}: no such file; it belongs to correction {arguments.region}; bring it back from "
                "a backup, or name other LABELS"
            )
        return [accepted], None
    if not accepted.is_file():
        return [draft], None
    if draft.stat().st_mtime_ns > accepted.stat().st_mtime_ns:
        return [draft], accepted
    return [accepted], draft


def _choose_round(
    arguments: argparse.Namespace, earlier: Correction | None, checked: CheckedCorrection
) -> str:
    name = arguments.round or (earlier.round if earlier else None)
    config = layout.read_rounds_config(arguments.config)
    if config is None and name is None:
        raise ValueError(
            f"{layout.CONFIG}: no such file, so the next round is unknown; name it with --round, or the "
            "configuration with --config"
        )
    if config is not None and name is None:
        return layout.following_round(config.names, checked.record.round)
    if config is not None and name not in config.names:
        raise ValueError(
            f"round {name!r} is not in {arguments.config or layout.CONFIG}; "
            f"wanted one of {', '.join(config.names)}, or another configuration with --config"
        )
    return str(name)


def _choose_annotator(arguments: argparse.Namespace, earlier: Correction | None) -> str:
    if arguments.annotator is not None:
        return str(arguments.annotator)
    if earlier is not None:
        return earlier.annotator
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise ValueError("this user has no name here; wanted one with --annotator NAME") from error


def _show(checked: CheckedCorrection, paths: list[Path], left_out: Path | None) -> None:
    print(f"labels from {', '.join(map(str, paths))}" if paths else "no labels; all of it is background")
    if left_out is not None:
        print(f"note: {left_out} is older and is not used; name it as LABELS to use it")
    print(f"{'class':<14}{'before':>12}{'after':>12}{'added':>12}{'removed':>12}   (voxels)")
    for change in checked.changes:
        print(
            f"{change.name:<14}{change.before:>12,}{change.after:>12,}{change.added:>12,}{change.removed:>12,}"
        )
    for note in checked.notes:
        print(f"note: {note}")


def _say_where(acceptance: Acceptance, table: Path) -> None:
    row, earlier = acceptance.correction, acceptance.replaced
    for note in acceptance.notes:
        print(f"note: {note}")
    print(f"{row.labels_path} is in {table} for round {row.round} ({row.role})")
    if earlier is None:
        return
    for name in ("role", "round", "annotator", "note"):
        before, now = getattr(earlier, name), getattr(row, name)
        if before != now:
            print(f"{name}: {now or 'none'}; was {before or 'none'}")
    if earlier.labels_path != row.labels_path and earlier.labels_path.is_file():
        print(f"it takes the place of {earlier.labels_path}, which is kept")


def _agreed_to_replace(earlier: Correction | None) -> bool:
    """Ask before a second acceptance where someone can answer; elsewhere --replace is the answer."""
    if earlier is None or not sys.stdin.isatty():
        return False
    question = (
        f"{earlier.region_id} was accepted for round {earlier.round} already. Use the new one instead? [y/N] "
    )
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D is no answer
        print()
        return False
