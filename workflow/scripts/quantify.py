"""Count and measure what a round found in real tomograms."""

from pathlib import Path

from segnet.config.quantification import QuantificationConfig
from segnet.quantify.run import quantify
from segnet.quantify.tomogram import LabelsSource
from tomoio import read_class_table
from workflow.logs import log_to

log_to(snakemake.log[0])
quantify(
    [
        LabelsSource(Path(path), name, group or "all")
        for path, name, group in zip(
            snakemake.input.labels, snakemake.params.tomograms, snakemake.params.groups, strict=True
        )
    ],
    QuantificationConfig.model_validate(snakemake.params.config),
    Path(snakemake.output.summary).parent,
    classes=read_class_table(snakemake.input.classes),
    overwrite=True,
)
