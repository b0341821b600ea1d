"""Configuration, table and plot of the dose experiment (the paper's Figure S2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from pydantic import Field, model_validator

from cts.config.imaging import SimulationConfig
from cts.config.specimen import SpecimenConfig
from segnet.config.training import TrainingConfig
from tomoio import new_file
from tomoio.config import Strict
from tomoio.tables import read_table, write_table

COLUMNS = ("network", "dose_e_per_angstrom2", "dice", "precision", "recall")
MARKERS = "os^Dv"


class SpecimenCounts(Strict):
    """How many specimens of each kind are built."""

    training: int = Field(2, ge=1, description="Specimens that networks are trained on")
    test: int = Field(1, ge=1, description="Specimens that networks are tested on")


class DoseExperimentConfig(Strict):
    """The experiment: one network for each set of doses, tested at each test dose."""

    seed: int = Field(1, ge=0, description="Seed of the specimens and their images")
    training_seed: int = Field(1, ge=0, description="Seed of the trainings")
    specimens: SpecimenCounts = Field(SpecimenCounts(), description="Number of specimens")
    specimen: SpecimenConfig = Field(description="What is modelled")
    simulation: SimulationConfig = Field(description="How it is imaged; the dose is replaced")
    networks: dict[str, tuple[float, ...]] = Field(description="Doses that each network is trained at, e/Å²")
    test_doses_e_per_angstrom2: tuple[float, ...] = Field(description="Doses of the test tomograms, e/Å²")
    training: TrainingConfig = Field(description="How networks are trained")

    @model_validator(mode="after")
    def _check(self) -> DoseExperimentConfig:
        if not self.networks or not all(self.networks.values()):
            raise ValueError("networks: wanted at least one dose for each network")
        return self

    def simulation_at(self, dose: float) -> SimulationConfig:
        """Return the imaging at a total dose in e/Å²."""
        dose_config = self.simulation.dose.model_copy(update={"total_e_per_angstrom2": dose})
        return self.simulation.model_copy(update={"dose": dose_config})


def collect_scores(
    scores: Mapping[tuple[str, float], Sequence[Path]], class_name: str, output: Path
) -> list[dict[str, object]]:
    """Average the scores of a class over the test specimens and write one row a network and dose.

    Parameters
    ----------
    scores
        Score tables by network and dose in e/Å².
    class_name
        The class that is reported.
    output
        TSV to write.
    """
    rows: list[dict[str, object]] = []
    for (network, dose), paths in scores.items():
        found = [row for path in paths for row in read_table(path, required=("class", *COLUMNS[2:]))]
        chosen = [row for row in found if row["class"] == class_name]
        means = {name: sum(float(row[name]) for row in chosen) / len(chosen) for name in COLUMNS[2:]}
        rows.append({"network": network, "dose_e_per_angstrom2": dose, **means})
    write_table(output, COLUMNS, rows, overwrite=True)
    return rows


def plot_scores(
    rows: Sequence[Mapping[str, object]], networks: Mapping[str, Sequence[float]], output: Path
) -> None:
    """Plot Dice against dose, one line a network."""
    figure = Figure(figsize=(6, 4))
    axis = figure.subplots()
    for marker, (name, doses) in zip(MARKERS, networks.items(), strict=False):
        chosen = [row for row in rows if row["network"] == name]
        label = f"trained at {' and '.join(f'{dose:g}' for dose in doses)} e/Å²"
        axis.plot(
            [float(str(row["dose_e_per_angstrom2"])) for row in chosen],
            [float(str(row["dice"])) for row in chosen],
            marker=marker,
            label=label,
        )
    axis.set_xscale("log")
    axis.set_ylim(0, 1)
    axis.set_xlabel("total dose of the test tomogram (e/Å²)")
    axis.set_ylabel("Dice of ribosomes")
    axis.legend()
    with new_file(output, overwrite=True) as partial:
        figure.savefig(partial, dpi=150, bbox_inches="tight", format="png")
