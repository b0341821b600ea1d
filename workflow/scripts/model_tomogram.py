"""Build the specimen of one synthetic tomogram."""

from pathlib import Path

from cts.config.specimen import SpecimenConfig
from cts.model import model_specimen
from tomoio import read_class_table
from workflow.logs import log_to

log_to(snakemake.log[0])
model_specimen(
    SpecimenConfig.model_validate(snakemake.params.config),
    read_class_table(snakemake.params.classes),
    Path(snakemake.output[0]).parent,
    seed=snakemake.params.seed,
    tomogram_id=snakemake.wildcards.tomogram,
    store=Path(snakemake.params.store),
    overwrite=True,
)
