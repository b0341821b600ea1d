"""Configuration of co-training rounds: their order, the crops that people correct, the choice of regions."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tomoio.config import Strict

_ROUND_NAME = re.compile(r"\d+(\.\d+)*")


def round_key(name: str) -> tuple[int, ...]:
    """Return what rounds are ordered by: 1.2 comes before 1.10, and 1.10 before 2.1.

    Raises
    ------
    ValueError
        If the name is not numbers separated by dots.
    """
    if not is_round(name):
        raise ValueError(f"round {name!r}; wanted numbers separated by dots, such as 1.1")
    return tuple(int(part) for part in name.split("."))


def is_round(name: str) -> bool:
    """Return whether a name is that of a round, as folders of results are named."""
    return _ROUND_NAME.fullmatch(name) is not None


def _as_round_name(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError('a round that YAML reads as a number; wanted quotes around it, such as "1.1"')
    return str(value) if isinstance(value, int) else value


def _check_round_name(name: str) -> str:
    round_key(name)
    return name


RoundName = Annotated[str, BeforeValidator(_as_round_name), AfterValidator(_check_round_name)]


class RoundConfig(Strict):
    """One round: a new network, and the tomograms that it segments."""

    name: RoundName = Field(
        title="Round",
        description='Name of the round in quotes, such as "1.1"; rounds follow one another in this order',
    )
    tomograms: tuple[str, ...] | Literal["all"] = Field(
        default="all", title="Tomograms", description="Tomograms to segment: ids in tomograms.tsv, or all"
    )
    purpose: str = Field(
        default="", title="Purpose", description="What the round is for, in words; shown in its report"
    )


class CropConfig(Strict):
    """The subvolumes that a person corrects."""

    size_voxels: tuple[int, int, int] = Field(
        default=(20, 400, 400),
        title="Size",
        description="Labelled voxels of a region along z, y and x; the paper: 10-50, 400, 400",
    )
    context_slices: int = Field(
        default=5,
        ge=0,
        le=50,
        title="Context slices",
        description="Slices of image above and below it, labelled 255 (ignore)",
    )
    format: Literal["mrc", "tiff", "nrrd"] = Field(
        default="mrc", title="File format", description="File format of the crops"
    )

    @model_validator(mode="after")
    def _sizes_are_positive(self) -> CropConfig:
        if min(self.size_voxels) < 1:
            raise ValueError(f"size_voxels {list(self.size_voxels)}; wanted positive numbers z, y, x")
        return self


class ProposalConfig(Strict):
    """How regions to correct are ranked. Weights are relative; zero switches a criterion off."""

    n_regions: int = Field(
        default=8, ge=1, le=1000, title="Regions", description="Regions to propose in a round"
    )
    binning: int = Field(
        default=4,
        ge=1,
        le=16,
        title="Binning",
        description="Voxels per side over which maps are averaged first",
    )
    stride_fraction: float = Field(
        default=0.25,
        gt=0,
        le=1,
        title="Stride",
        description="Step between candidate windows as a fraction of their size",
    )
    max_overlap_fraction: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        title="Largest overlap",
        description="Largest part that a proposed region may share with another one",
    )
    error_weight: float = Field(
        default=1.0, ge=0, title="Expected error", description="Weight of the expected loss of Dice"
    )
    coverage_weight: float = Field(
        default=0.5,
        ge=0,
        title="Coverage",
        description="Weight of showing every class, first those that no corrected region shows",
    )
    disagreement_weight: float = Field(
        default=0.5,
        ge=0,
        title="Disagreement",
        description="Weight of the share of voxels on which two networks disagree",
    )
    confusion_weight: float = Field(
        default=0.05,
        ge=0,
        title="Confusion",
        description="Weight of confusion between two classes that are not background",
    )
    broken_weight: float = Field(
        default=0.05,
        ge=0,
        title="Broken objects",
        description="Weight of short pieces of filaments and membranes, per voxel of these",
    )
    novelty_weight: float = Field(
        default=0.25,
        ge=0,
        title="Novelty",
        description="Weight of the distance from what the network was trained on",
    )
    repeat_discount: float = Field(
        default=0.7,
        gt=0,
        le=1,
        title="Discount for repeats",
        description="Factor on the score for each region chosen from the same tomogram",
    )
    class_saturation: float = Field(
        default=1.0,
        ge=0,
        le=100,
        title="Class saturation",
        description="How soon a class counts less, the more of it is corrected or chosen already; 0: never",
    )
    short_piece_angstrom: float = Field(
        default=600.0,
        gt=0,
        title="Short piece",
        description="Longest extent in Å of a filament or membrane piece that counts as broken",
    )


class RoundsConfig(Strict):
    """All rounds of a project."""

    sequence: tuple[RoundConfig, ...] = Field(
        min_length=1, title="Rounds", description="The rounds, first to last"
    )
    crop: CropConfig = Field(default=CropConfig(), title="Crops", description="Subvolumes to correct")
    proposal: ProposalConfig = Field(
        default=ProposalConfig(), title="Proposals", description="Choice of regions"
    )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.sequence)

    @model_validator(mode="after")
    def _rounds_follow_one_another(self) -> RoundsConfig:
        for earlier, later in zip(self.names, self.names[1:], strict=False):
            if round_key(earlier) >= round_key(later):
                raise ValueError(f"round {later} after {earlier}; wanted each round once, in rising order")
        return self
