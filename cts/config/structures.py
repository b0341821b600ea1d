"""The structures table: which structures a specimen is made of, where they come from, how they are placed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from tomoio.config import Strict, parse_config
from tomoio.labels import ClassTable
from tomoio.tables import read_table

Placement = Literal[
    "single",
    "complex",
    "assembly",
    "bundle",
    "cluster",
    "membrane",
    "vesicle",
    "cytosol",
    "filament",
    "microtubule",
]
SOURCE_KINDS = ("builtin", "pdb", "file")
REQUIRED_COLUMNS = ("structure_id", "source", "class", "role", "size", "placement")
OPTIONAL_COLUMNS = (
    "twist_deg",
    "rise_angstrom",
    "persistence_length_um",
    "length_nm",
    "assembly",
    "chains",
    "conformers",
    "note",
)


class StructureRow(Strict):
    """One row of structures.tsv."""

    # the column is called class, which Python reserves
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    structure_id: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", title="Structure", description="Name, once in the table"
    )
    source: str = Field(
        title="Source",
        description="builtin:NAME (built in), pdb:ID (downloaded), file:PATH (PDB, mmCIF, MRC; .gz too)",
    )
    classes: tuple[str, ...] = Field(
        alias="class",
        min_length=1,
        title="Class",
        description="Class in classes.tsv; one for all submodels, or one for each, separated by commas",
    )
    role: Literal["target", "distractor"] = Field(title="Role", description="What it is for")
    size: Literal["large", "small"] = Field(
        title="Size", description="Layer that it belongs to; the paper divides at 200 kDa"
    )
    placement: Placement = Field(title="Placement", description="How it is placed in the specimen")
    twist_deg: float | None = Field(
        default=None, ge=-180, le=180, title="Helical twist", description="Turn from unit to unit, degrees"
    )
    rise_angstrom: float | None = Field(
        default=None, ge=1, title="Helical rise", description="Distance from unit to unit along the axis, Å"
    )
    persistence_length_um: float | None = Field(
        default=None, gt=0, title="Persistence length", description="Stiffness of a filament, µm"
    )
    length_nm: tuple[float, float] | None = Field(
        default=None, title="Length", description="Range of filament lengths, min-max, nm"
    )
    assembly: str | None = Field(
        default=None, title="Assembly", description="Biological assembly to expand to, such as 1"
    )
    chains: tuple[tuple[str, ...], ...] | None = Field(
        default=None,
        title="Chains",
        description="Chains to keep, separated by commas; `;` divides them into submodels",
    )
    conformers: tuple[str, ...] | None = Field(
        default=None,
        title="Conformers",
        description="`models`: each MODEL is a conformer; or further sources, separated by commas",
    )
    note: str = Field(default="", title="Note", description="What it stands for")

    @field_validator("source")
    @classmethod
    def _known_source(cls, value: str) -> str:
        kind, _, name = value.partition(":")
        if kind not in SOURCE_KINDS or not name:
            raise ValueError("wanted builtin:NAME, pdb:ID or file:PATH")
        return value

    @field_validator("conformers")
    @classmethod
    def _known_conformers(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for source in () if value in (None, ("models",)) else value or ():
            kind, _, name = source.partition(":")
            if kind not in SOURCE_KINDS or not name:
                raise ValueError(f"conformer {source!r}; wanted models, or sources such as file:PATH")
        return value

    @field_validator("chains")
    @classmethod
    def _whole_groups(cls, value: tuple[tuple[str, ...], ...] | None) -> tuple[tuple[str, ...], ...] | None:
        names = [name for group in value or () for name in group]
        if value is not None and not all(value):
            raise ValueError("an empty group of chains; wanted names between the semicolons")
        if len(set(names)) < len(names):
            raise ValueError("a chain that is listed twice; wanted each once")
        return value

    @field_validator("length_nm")
    @classmethod
    def _ordered_range(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 < value[0] <= value[1]:
            raise ValueError("wanted min-max with 0 < min <= max")
        return value

    @model_validator(mode="after")
    def _has_what_its_placement_needs(self) -> StructureRow:
        wanted = {"filament": ("twist_deg", "rise_angstrom"), "microtubule": ("rise_angstrom",)}
        for name in (*wanted.get(self.placement, ()), *self._filament_needs()):
            if getattr(self, name) is None:
                raise ValueError(f"placement {self.placement} needs {name}")
        return self

    def _filament_needs(self) -> tuple[str, ...]:
        is_filament = self.placement in ("filament", "microtubule")
        return ("persistence_length_um", "length_nm") if is_filament else ()


class DownloadConfig(Strict):
    """Where `pdb:ID` structures come from."""

    base_url: str = Field(
        default="https://files.rcsb.org/download",
        min_length=1,
        title="Source of PDB entries",
        description="Address under which ID.cif.gz lies, or a folder with such files",
    )
    attempts: int = Field(default=4, ge=1, le=20, title="Attempts", description="How often to try")
    timeout_seconds: float = Field(
        default=30, gt=0, title="Timeout", description="Longest silence of the server, s"
    )
    pause_seconds: float = Field(
        default=2, ge=0, title="Pause", description="Wait before the second attempt, s; doubles each time"
    )


def read_structure_table(path: Path | str, classes: ClassTable) -> tuple[StructureRow, ...]:
    """Read structures.tsv.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        One line that names the table, the row, the key, what was found and what was wanted: an unknown
        class or column, a structure that appears twice, a placement without what it needs.
    """
    cells = read_table(path, required=REQUIRED_COLUMNS, optional=OPTIONAL_COLUMNS)
    rows = tuple(_parse_row(path, row) for row in cells)
    seen: set[str] = set()
    for row in rows:
        if row.structure_id in seen:
            raise ValueError(f"{path}: structure {row.structure_id!r} appears twice; wanted each once")
        seen.add(row.structure_id)
        for name in row.classes:
            try:
                classes.label_of(name)
            except ValueError as error:
                raise ValueError(f"{path}: {row.structure_id}: {error}") from None
    return rows


def _parse_row(path: Path | str, cells: dict[str, str]) -> StructureRow:
    values: dict[str, Any] = {key: text for key, text in cells.items() if text}
    name = f"{path}: {cells['structure_id'] or 'a row without a structure_id'}"
    values |= {key: _split(values[key]) for key in ("class", "conformers") if key in values}
    if "chains" in values:
        values["chains"] = tuple(_split(group) for group in values["chains"].split(";"))
    if "length_nm" in values:
        values["length_nm"] = tuple(values["length_nm"].split("-"))
    return parse_config(values, StructureRow, name)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
