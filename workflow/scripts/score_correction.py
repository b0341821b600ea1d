"""Score what a round found in a stored crop against the labels of the person."""

from pathlib import Path

from segnet.config.segmentation import ScoringConfig
from segnet.rounds.corrections import check_corrections, find_correction, read_corrections
from segnet.score import score_files
from tomoio import read_class_table
from workflow.logs import log_to

log_to(snakemake.log[0])
correction = find_correction(read_corrections(snakemake.params.table), snakemake.wildcards.region)
check_corrections([correction])
score_files(
    Path(snakemake.input.prediction),
    correction.labels_path,
    read_class_table(snakemake.params.classes),
    ScoringConfig.model_validate(snakemake.params.config),
    output=Path(snakemake.output.table),
    round_name=snakemake.wildcards.round,
    domain=snakemake.params.domain,
    tomogram_id=correction.region_id,
    merge=snakemake.params.merge,
    overwrite=True,
)
