"""regions.tsv: boxes of tomograms that someone should look at and correct."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from segnet.config.rounds import round_key
from segnet.rounds.tables import put_row
from tomoio.tables import read_table, write_table

REGION_COLUMNS = (
    "round",
    "region_id",
    "tomogram_id",
    "z_start",
    "y_start",
    "x_start",
    "z_size",
    "y_size",
    "x_size",
    "reason",
)
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Region:
    """One row of regions.tsv. Starts and sizes are voxels of the tomogram; context slices are not in it."""

    round: str
    region_id: str
    tomogram_id: str
    z_start: int
    y_start: int
    x_start: int
    z_size: int
    y_size: int
    x_size: int
    reason: str = ""

    @property
    def start(self) -> tuple[int, int, int]:
        return self.z_start, self.y_start, self.x_start

    @property
    def size(self) -> tuple[int, int, int]:
        return self.z_size, self.y_size, self.x_size

    @property
    def voxels(self) -> int:
        return self.z_size * self.y_size * self.x_size


def read_regions(path: Path | str) -> tuple[Region, ...]:
    """Read regions.tsv.

    Raises
    ------
    FileNotFoundError
        If there is no such table.
    ValueError
        If a column is missing or unknown, a start or size is not a usable integer, or an id appears twice.
    """
    rows = read_table(path, required=REGION_COLUMNS[:-1], optional=("reason",))
    regions = tuple(_parse_row(path, row) for row in rows)
    seen: set[str] = set()
    for region in regions:
        if region.region_id in seen:
            raise ValueError(f"{path}: region {region.region_id} appears twice; wanted each id once")
        seen.add(region.region_id)
    return regions


def _parse_row(path: Path | str, row: dict[str, str]) -> Region:
    name = f"{path}: region {row['region_id']!r}"
    check_region_id(name, row["region_id"])
    check_round(name, row["round"])
    numbers = {key: _parse_count(name, key, row[key]) for key in REGION_COLUMNS[3:9]}
    return Region(row["round"], row["region_id"], row["tomogram_id"], **numbers, reason=row["reason"])


def _parse_count(name: str, key: str, cell: str) -> int:
    least = 1 if key.endswith("_size") else 0
    if not (cell.isascii() and cell.isdigit()) or int(cell) < least:  # a superscript two is a digit
        raise ValueError(f"{name}: {key} is {cell!r}; wanted an integer of at least {least}")
    return int(cell)


def check_region_id(row_name: str, region_id: str) -> None:
    """Raise ValueError if the id in a row of a table names no folder; ``row_name`` starts the message."""
    if not SAFE_NAME.fullmatch(region_id):
        raise ValueError(f"{row_name}; wanted an id of letters, digits, dots, dashes and underscores")


def check_round(row_name: str, round_name: str) -> None:
    """Raise ValueError if a row of a table names no round; ``row_name`` starts the message."""
    try:
        round_key(round_name)
    except ValueError as error:
        raise ValueError(f"{row_name}: {error}") from None


def write_regions(path: Path | str, regions: Iterable[Region], *, overwrite: bool = False) -> None:
    """Write regions.tsv, whole or not at all."""
    write_table(path, REGION_COLUMNS, [asdict(region) for region in regions], overwrite=overwrite)


def add_region(path: Path | str, region: Region) -> None:
    """Add a row to regions.tsv unless it is there; all other lines, comments included, stay as they are.

    Raises
    ------
    ValueError
        If the table has another box under the same id.
    """
    check_same_box(path, read_regions(path) if Path(path).is_file() else (), region)
    put_row(path, REGION_COLUMNS, asdict(region), key="region_id", replace=False)


def check_same_box(path: Path | str, rows: Iterable[Region], region: Region) -> None:
    """Raise ValueError if the rows of the table ``path`` have another box under the id of a region."""
    for stored in rows:
        if stored.region_id == region.region_id and not _same_box(stored, region):
            raise ValueError(
                f"{path}: region {region.region_id} is {stored.size} voxels at {stored.start} of "
                f"{stored.tomogram_id}; wanted {region.size} at {region.start} of {region.tomogram_id}"
            )


def _same_box(one: Region, other: Region) -> bool:
    return (one.tomogram_id, one.start, one.size) == (other.tomogram_id, other.start, other.size)


def find_region(regions: Sequence[Region], region_id: str, table: Path | str) -> Region:
    """Return the region with an id; ValueError names the ids that exist."""
    for region in regions:
        if region.region_id == region_id:
            return region
    known = ", ".join(region.region_id for region in regions) or "none"
    raise ValueError(f"{table}: no region {region_id!r}; wanted one of: {known}")


def check_region_fits(region: Region, shape: tuple[int, int, int]) -> None:
    """Raise ValueError if a region reaches beyond its tomogram of ``shape`` (z, y, x)."""
    for axis, start, size, length in zip("zyx", region.start, region.size, shape, strict=True):
        if start + size > length:
            raise ValueError(
                f"region {region.region_id}: {axis} from {start} to {start + size}; "
                f"wanted at most {length}, the size of tomogram {region.tomogram_id}"
            )


def shared_voxels(one: Region, other: Region) -> int:
    """Return how many voxels two regions have in common; 0 where they are of different tomograms."""
    if one.tomogram_id != other.tomogram_id:
        return 0
    shared = 1
    for axis in range(3):
        low = max(one.start[axis], other.start[axis])
        high = min(one.start[axis] + one.size[axis], other.start[axis] + other.size[axis])
        shared *= max(0, high - low)
    return shared
