"""Where the files of rounds lie: results can be made again, what people did is under ``resources``."""

from __future__ import annotations

from pathlib import Path

from segnet.config.rounds import RoundsConfig, is_round, round_key
from segnet.rounds.crop import read_crop_record
from segnet.rounds.formats import SUFFIXES
from segnet.rounds.regions import Region, find_region, read_regions
from tomoio import sha256_of
from tomoio.config import load_yaml

REGIONS = Path("config/regions.tsv")
CORRECTIONS = Path("config/corrections.tsv")
TOMOGRAMS = Path("config/tomograms.tsv")
CONFIG = Path("config/config.yaml")
CLASSES = Path("config/classes.tsv")
ROUNDS = Path("results/rounds")
STORE = Path("resources/corrections")


def model_dir(rounds: Path, round_name: str) -> Path:
    return rounds / round_name / "model"


def segmentations_dir(rounds: Path, round_name: str) -> Path:
    return rounds / round_name / "segmentations"


def crops_dir(rounds: Path, round_name: str) -> Path:
    return rounds / round_name / "to_correct"


def proposals_table(rounds: Path, round_name: str) -> Path:
    return rounds / round_name / "regions.tsv"


def draft_path(store: Path, region_id: str, file_format: str = "mrc") -> Path:
    """Return where the editor keeps unaccepted work: never among files that a workflow may make again."""
    return store / "in_progress" / f"{region_id}_labels{SUFFIXES[file_format]}"


def find_draft(store: Path, region_id: str) -> Path | None:
    """Return the unaccepted work on a region in whatever format it was saved, or None."""
    candidates = (draft_path(store, region_id, kind) for kind in SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def _round_names(rounds: Path) -> list[str]:
    """Return the rounds that have a folder, first to last; copies and backups beside them are none."""
    names = [folder.name for folder in rounds.glob("*") if is_round(folder.name)]
    return sorted(names, key=round_key)


def look_up_region(table: Path, rounds: Path, region_id: str) -> Region:
    """Return a region of regions.tsv or, failing that, of the proposals of any round or of a crop.

    A region that someone works on may have left the proposals since; its crop still says where it lies.

    Raises
    ------
    ValueError
        If none of them names it.
    """
    regions = list(read_regions(table)) if table.is_file() else []
    known = {region.region_id for region in regions}
    tables = (proposals_table(rounds, name) for name in _round_names(rounds))
    for proposals in filter(Path.is_file, tables):
        regions += [region for region in read_regions(proposals) if region.region_id not in known]
    record = _find_record(rounds, region_id)
    if record is not None and region_id not in {region.region_id for region in regions}:
        return read_crop_record(record).region
    return find_region(regions, region_id, table)


def _find_record(rounds: Path, region_id: str) -> Path | None:
    records = (crops_dir(rounds, name) / f"{region_id}.json" for name in _round_names(rounds))
    return next((path for path in records if path.is_file()), None)


def read_rounds_config(path: Path | None) -> RoundsConfig | None:
    """Return the rounds of a configuration; without a path the project's own, None where it has none.

    Raises
    ------
    FileNotFoundError, ValueError
        If a file that was named is missing, or a configuration is wrong.
    """
    if path is None and not CONFIG.is_file():
        return None
    return load_yaml(path or CONFIG, RoundsConfig, section="rounds")


def following_round(names: tuple[str, ...], round_name: str) -> str:
    """Return the round that trains on corrections of what an earlier one segmented.

    Raises
    ------
    ValueError
        If there is no later round.
    """
    for name in sorted(names, key=round_key):
        if round_key(name) > round_key(round_name):
            return name
    raise ValueError(
        f"no round after {round_name} among {', '.join(names) or 'none'}; "
        "add one to the configuration (another one: --config), or name an earlier one with --round"
    )


def model_name(folder: Path) -> str:
    """Return what a crop says of the network that labelled it: its folder and the start of its checksum."""
    weights = folder / "weights.safetensors"
    return f"{folder}@{sha256_of(weights)[:12]}" if weights.is_file() else ""


def find_crops(rounds: Path, region_id: str) -> Path:
    """Return the folder that holds the crop of a region; FileNotFoundError says how to make it."""
    record = _find_record(rounds, region_id)
    if record is not None:
        return record.parent
    raise FileNotFoundError(
        f"{rounds}/*/to_correct/{region_id}.json: no such crop; "
        f"make it with segnet crop {region_id}, or say where it is with --crops"
    )
