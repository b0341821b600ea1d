"""Image a specimen: model folder to tilt series and tomogram."""

from __future__ import annotations

from pathlib import Path

from cts.config.imaging import SimulationConfig


def simulate_tomogram(
    model_dir: Path,
    config: SimulationConfig,
    output_dir: Path,
    *,
    seed: int,
    tomogram_id: str,
    overwrite: bool = False,
) -> None:
    """Write tiltseries.mrc, tiltseries.tlt, tiltseries.tsv, tomogram.mrc and manifest.json of a model."""
    raise NotImplementedError
