"""Collect the dose experiment into one table and one plot."""

from pathlib import Path

from workflow.dose_experiment import collect_scores, plot_scores
from workflow.logs import log_to

log_to(snakemake.log[0])
rows = collect_scores(snakemake.params.scores, "ribosome", Path(snakemake.output.table))
plot_scores(rows, snakemake.params.networks, Path(snakemake.output.plot))
