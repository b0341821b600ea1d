"""Cut the regions that a round proposes, for people to correct."""

from pathlib import Path

from segnet.config.rounds import CropConfig
from segnet.rounds.tomograms import read_tomograms
from tomoio import read_class_table
from workflow.crops import crop_proposals
from workflow.logs import log_to

log_to(snakemake.log[0])
crop_proposals(
    Path(snakemake.input.proposals),
    read_tomograms(snakemake.params.tomograms),
    Path(snakemake.params.segmentations),
    Path(snakemake.input.card).parent,
    read_class_table(snakemake.params.classes),
    CropConfig.model_validate(snakemake.params.config),
    Path(snakemake.output.done),
)
