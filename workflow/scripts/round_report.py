"""Write the page of one round."""

from pathlib import Path

from segnet.rounds.corrections import read_corrections
from segnet.rounds.report import write_round_report
from segnet.rounds.tomograms import read_tomograms
from tomoio import read_class_table
from workflow.logs import log_to

log_to(snakemake.log[0])
write_round_report(
    Path(snakemake.output.html),
    snakemake.wildcards.round,
    Path(snakemake.params.rounds),
    read_tomograms(snakemake.params.tomograms),
    read_class_table(snakemake.input.classes),
    read_corrections(snakemake.params.corrections),
    purpose=snakemake.params.purpose,
    overwrite=True,
)
