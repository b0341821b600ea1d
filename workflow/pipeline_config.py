"""The whole configuration of a run: sections of the packages, tables, and what must agree between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from cts.config.imaging import SimulationConfig, StackReconstructionConfig
from cts.config.specimen import SpecimenConfig
from cts.config.structures import StructureRow, read_structure_table
from cts.species import check_structures
from cts.structures import check_sources
from segnet.config.quantification import QuantificationConfig
from segnet.config.rounds import RoundsConfig
from segnet.config.segmentation import ScoringConfig, SegmentationConfig
from segnet.config.training import BlockConfig, TrainingConfig
from segnet.rounds.corrections import Correction, read_corrections
from segnet.rounds.regions import Region, read_regions
from segnet.rounds.tomograms import TomogramRow, read_tomograms
from tomoio import ClassTable, read_class_table
from tomoio.config import Strict, parse_config
from workflow.correction_checks import check_accepted
from workflow.fetch import Archive


class SyntheticConfig(Strict):
    """How many synthetic tomograms there are; each draws its own numbers from the ranges."""

    training_tomograms: int = Field(4, ge=1, description="Synthetic tomograms that networks are trained on")
    test_tomograms: int = Field(1, ge=0, description="Synthetic tomograms that no network sees; scored")
    seeds: dict[str, int] = Field(
        default_factory=dict, description="Seed of single tomograms by name, in place of the seed of the run"
    )


class TiltSeriesConfig(Strict):
    """A real tilt series that the workflow reconstructs before it is segmented."""

    stack: Path = Field(description="Image stack (MRC)")
    angles: Path = Field(description="Tilt angles (.tlt, .rawtlt)")
    transforms: Path | None = Field(None, description="Alignment of each image (.xf)")
    reconstruction: StackReconstructionConfig = Field(description="How it is reconstructed")


class PipelineConfig(Strict):
    """config.yaml as a whole."""

    seed: int = Field(1, ge=0, description="Seed of the synthetic tomograms")
    training_seed: int = Field(1, ge=0, description="Seed of the trainings")
    classes: Path = Field(Path("config/classes.tsv"), description="Class table")
    tomograms: Path = Field(Path("config/tomograms.tsv"), description="Table of real tomograms")
    regions: Path = Field(Path("config/regions.tsv"), description="Table of regions to correct")
    corrections: Path = Field(Path("config/corrections.tsv"), description="Table of corrected regions")
    structure_store: Path = Field(Path("resources/structures"), description="Where downloads are kept")
    synthetic: SyntheticConfig = Field(
        SyntheticConfig(), description="Number and seeds of synthetic tomograms"
    )
    specimen: SpecimenConfig = Field(description="What is modelled")
    simulation: SimulationConfig = Field(description="How it is imaged and reconstructed")
    blocks: BlockConfig = Field(BlockConfig(), description="How tomograms become training blocks")
    training: TrainingConfig = Field(description="How networks are trained")
    segmentation: SegmentationConfig = Field(description="How tomograms are segmented")
    quantification: QuantificationConfig = Field(
        QuantificationConfig(), description="What is counted and measured"
    )
    scoring: ScoringConfig = Field(ScoringConfig(), description="How labels are compared")
    rounds: RoundsConfig = Field(description="Rounds of co-training: their order, crops and proposals")
    archives: dict[str, Archive] = Field(
        default_factory=dict, description="Published archives with real data"
    )
    tilt_series: dict[str, TiltSeriesConfig] = Field(
        default_factory=dict, description="Real tilt series to reconstruct, by tomogram_id"
    )

    @model_validator(mode="after")
    def _check_names(self) -> PipelineConfig:
        unknown = set(self.synthetic.seeds) - set(self.all_tomograms)
        if unknown:
            raise ValueError(
                f"synthetic.seeds names {sorted(unknown)[0]}; wanted one of {', '.join(self.all_tomograms)}"
            )
        return self

    @property
    def training_tomograms(self) -> tuple[str, ...]:
        """Identifiers of the synthetic tomograms that networks are trained on."""
        return tuple(f"synthetic_{i + 1:02d}" for i in range(self.synthetic.training_tomograms))

    @property
    def test_tomograms(self) -> tuple[str, ...]:
        """Identifiers of the synthetic tomograms that no network sees."""
        return tuple(f"unseen_{i + 1:02d}" for i in range(self.synthetic.test_tomograms))

    @property
    def all_tomograms(self) -> tuple[str, ...]:
        """Identifiers of all synthetic tomograms."""
        return self.training_tomograms + self.test_tomograms

    def seed_of(self, tomogram: str) -> int:
        """Return the seed of a synthetic tomogram."""
        return self.synthetic.seeds.get(tomogram, self.seed)


@dataclass(frozen=True)
class Tables:
    """The tables that a configuration names, read and checked against each other."""

    classes: ClassTable
    structures: tuple[StructureRow, ...]
    tomograms: tuple[TomogramRow, ...]
    regions: tuple[Region, ...]
    corrections: tuple[Correction, ...]


def load_pipeline(values: Mapping[str, Any]) -> PipelineConfig:
    """Check the configuration that Snakemake read; ValueError is one line that names the key."""
    return parse_config(dict(values), PipelineConfig, "configuration")


def load_tables(pipeline: PipelineConfig) -> Tables:
    """Read the tables and check that they fit the configuration and each other.

    Raises
    ------
    FileNotFoundError, ValueError
        One line that names the table, what was found and what was wanted.
    """
    classes = read_class_table(pipeline.classes)
    tables = Tables(
        classes,
        read_structure_table(pipeline.specimen.structures, classes),
        read_tomograms(pipeline.tomograms),
        read_regions(pipeline.regions),
        read_corrections(pipeline.corrections),
    )
    check_structures(pipeline.specimen, tables.structures)
    check_sources(tables.structures)
    for name in (*pipeline.training.merge, *pipeline.training.merge.values()):
        classes.label_of(name)
    _check_files(pipeline, tables)
    _check_models(pipeline, tables)
    _check_rounds(pipeline, tables)
    check_accepted(
        pipeline.corrections,
        tables.corrections,
        classes=classes,
        regions_table=pipeline.regions,
        regions=tables.regions,
        normalisation=pipeline.blocks.normalisation,
    )
    return tables


def _check_files(pipeline: PipelineConfig, tables: Tables) -> None:
    """Every file that no rule makes must be there before any job starts."""
    fetched = {path for archive in pipeline.archives.values() for path in archive.files}
    for name, series in pipeline.tilt_series.items():
        for path in (series.stack, series.angles, series.transforms):
            if path is not None and str(path) not in fetched and not path.is_file():
                raise FileNotFoundError(f"tilt_series.{name}: {path}: no such file")
    for tomogram in tables.tomograms:
        if tomogram.tomogram_id not in pipeline.tilt_series and not tomogram.path.is_file():
            raise FileNotFoundError(
                f"{pipeline.tomograms}: {tomogram.tomogram_id}: {tomogram.path}: no such file"
            )
        if tomogram.tomogram_id in pipeline.all_tomograms:
            raise ValueError(
                f"{pipeline.tomograms}: {tomogram.tomogram_id} is the name of a synthetic tomogram"
            )


def _check_models(pipeline: PipelineConfig, tables: Tables) -> None:
    """A network that a row names must be there, unless a round trains it."""
    trained = {Path(f"results/rounds/{name}/model") for name in pipeline.rounds.names}
    for row in tables.tomograms:
        card = Path(row.model) / "model.json"
        if row.model and Path(row.model) not in trained and not card.is_file():
            raise FileNotFoundError(
                f"{pipeline.tomograms}: {row.tomogram_id}: {card}: no such file; wanted a model folder"
            )


def _check_rounds(pipeline: PipelineConfig, tables: Tables) -> None:
    tomograms = {tomogram.tomogram_id for tomogram in tables.tomograms}
    for entry in pipeline.rounds.sequence:
        missing = () if entry.tomograms == "all" else set(entry.tomograms) - tomograms
        if missing:
            raise ValueError(
                f"round {entry.name}: tomogram {sorted(missing)[0]} is not in {pipeline.tomograms}"
            )
    regions = {region.region_id for region in tables.regions}
    for row in tables.corrections:
        if row.round not in pipeline.rounds.names:
            raise ValueError(
                f"{pipeline.corrections}: round {row.round!r} of {row.region_id}; "
                f"wanted one of {', '.join(pipeline.rounds.names)}"
            )
        if row.region_id not in regions:
            raise ValueError(f"{pipeline.corrections}: region {row.region_id} is not in {pipeline.regions}")
