"""Normalise and concatenate the corrections that one round trains on."""

from pathlib import Path

from segnet.block import make_block
from segnet.config.training import BlockConfig
from segnet.rounds.corrections import check_corrections, read_corrections, training_corrections
from segnet.rounds.training_data import block_sources
from tomoio import read_class_table
from workflow.logs import log_to

log_to(snakemake.log[0])
corrections = training_corrections(read_corrections(snakemake.params.table), snakemake.wildcards.round)
check_corrections(corrections)
make_block(
    block_sources(corrections),
    Path(snakemake.output[0]).parent,
    BlockConfig.model_validate(snakemake.params.config),
    read_class_table(snakemake.params.classes),
    overwrite=True,
)
