"""Put the scores of one round into one table."""

from pathlib import Path

from workflow.logs import log_to
from workflow.score_tables import concatenate

log_to(snakemake.log[0])
concatenate([Path(path) for path in snakemake.input], Path(snakemake.output.table))
