"""Reconstruct one real tilt series."""

from pathlib import Path

from cts.config.imaging import StackReconstructionConfig
from cts.reconstruct import reconstruct_tilt_series
from workflow.logs import log_to

log_to(snakemake.log[0])
reconstruct_tilt_series(
    Path(snakemake.input.stack),
    Path(snakemake.input.angles),
    StackReconstructionConfig.model_validate(snakemake.params.config),
    Path(snakemake.output.tomogram),
    transforms=Path(snakemake.input.transforms) if snakemake.input.transforms else None,
    overwrite=True,
)
