"""Rank the regions of a segmented round that are worth correcting."""

from pathlib import Path

from segnet.config.rounds import CropConfig, ProposalConfig
from segnet.rounds.propose import propose_regions, read_network_classes, write_proposals
from segnet.rounds.regions import Region
from segnet.rounds.tomograms import read_tomograms
from tomoio import read_class_table
from workflow.logs import log_to

log_to(snakemake.log[0])
model = Path(snakemake.input.card).parent
classes = read_class_table(snakemake.input.classes)
tomograms = [
    row for row in read_tomograms(snakemake.params.tomograms) if row.tomogram_id in snakemake.params.chosen
]
segmentations = Path(snakemake.params.segmentations)
proposals = propose_regions(
    tomograms,
    segmentations,
    read_network_classes(model, classes),
    snakemake.wildcards.round,
    ProposalConfig.model_validate(snakemake.params.proposal),
    CropConfig.model_validate(snakemake.params.crop),
    model_dir=model,
    others=[Path(path) for path in snakemake.input.others],
    avoid=[Region(**box) for box in snakemake.params.avoid],
)
write_proposals(Path(snakemake.output.table), proposals, tomograms, segmentations, classes, overwrite=True)
