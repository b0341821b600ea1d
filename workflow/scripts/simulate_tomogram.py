"""Image one specimen and reconstruct its tomogram."""

from pathlib import Path

from cts.config.imaging import SimulationConfig
from cts.simulate import simulate_tomogram
from workflow.logs import log_to

log_to(snakemake.log[0])
simulate_tomogram(
    Path(snakemake.input[0]).parent,
    SimulationConfig.model_validate(snakemake.params.config),
    Path(snakemake.output[0]).parent,
    seed=snakemake.params.seed,
    tomogram_id=snakemake.wildcards.tomogram,
    overwrite=True,
)
