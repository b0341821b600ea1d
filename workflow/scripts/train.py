"""Train the network of one round; an interrupted training goes on from its checkpoint."""

from pathlib import Path

from segnet.config.training import TrainingConfig
from segnet.train import train
from tomoio import read_class_table
from workflow.logs import log_to

log_to(snakemake.log[0])
blocks = [snakemake.input.synthetic, snakemake.input.corrections]
train(
    TrainingConfig.model_validate(snakemake.params.config),
    [Path(table).parent for table in blocks if table],
    Path(snakemake.output.card).parent,
    classes=read_class_table(snakemake.params.classes),
    validation=[Path(table).parent for table in [snakemake.input.validation] if table],
    seed=snakemake.params.seed,
    resume=True,
    overwrite=True,
)
