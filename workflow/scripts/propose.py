"""Rank the regions of a segmented round that are worth correcting."""

from pathlib import Path

from segnet.config.rounds import RoundsConfig
from segnet.rounds.corrections import corrected_regions
from segnet.rounds.propose import propose_regions, read_network_classes, write_proposals
from segnet.rounds.tomograms import read_tomograms
from tomoio import read_class_table
from workflow.logs import log_to

log_to(snakemake.log[0])
config = RoundsConfig.model_validate(snakemake.params.config)
model = Path(snakemake.input.card).parent
classes = read_network_classes(model, read_class_table(snakemake.input.classes))
tomograms = [
    row for row in read_tomograms(snakemake.params.tomograms) if row.tomogram_id in snakemake.params.chosen
]
segmentations = Path(snakemake.params.segmentations)
proposals = propose_regions(
    tomograms,
    segmentations,
    classes,
    snakemake.wildcards.round,
    config.proposal,
    config.crop,
    model_dir=model,
    avoid=corrected_regions(snakemake.params.regions, snakemake.params.corrections),
)
write_proposals(Path(snakemake.output.table), proposals, tomograms, segmentations, classes, overwrite=True)
