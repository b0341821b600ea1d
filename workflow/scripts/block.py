"""Normalise and concatenate tomograms and their labels."""

from pathlib import Path

from segnet.block import BlockSource, make_block
from segnet.config.training import BlockConfig
from tomoio import read_class_table
from workflow.logs import log_to

log_to(snakemake.log[0])
make_block(
    [
        BlockSource(Path(tomogram), Path(labels), domain, name=name)
        for tomogram, labels, domain, name in zip(
            snakemake.input.tomograms,
            snakemake.input.labels,
            snakemake.params.domains,
            snakemake.params.names,
            strict=True,
        )
    ],
    Path(snakemake.output[0]).parent,
    BlockConfig.model_validate(snakemake.params.config),
    read_class_table(snakemake.params.classes),
    overwrite=True,
)
