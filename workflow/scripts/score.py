"""Score one segmentation against its truth."""

from pathlib import Path

from segnet.config.segmentation import ScoringConfig
from segnet.score import score_files
from tomoio import read_class_table
from workflow.logs import log_to

log_to(snakemake.log[0])
score_files(
    Path(snakemake.input.prediction),
    Path(snakemake.input.truth),
    read_class_table(snakemake.params.classes),
    ScoringConfig.model_validate(snakemake.params.config),
    output=Path(snakemake.output.table),
    round_name=snakemake.params.round,
    domain=snakemake.params.domain,
    tomogram_id=snakemake.params.tomogram,
    merge=snakemake.params.merge,
    overwrite=True,
)
