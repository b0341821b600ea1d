"""Segment a stored crop, which a round is scored on, with the network of that round."""

from pathlib import Path

from segnet.config.segmentation import SegmentationConfig
from segnet.rounds.corrections import check_corrections, find_correction, read_corrections
from segnet.rounds.crop import read_crop_record
from segnet.segment_files import segment_tomograms
from workflow.logs import log_to

log_to(snakemake.log[0])
correction = find_correction(read_corrections(snakemake.params.table), snakemake.wildcards.region)
check_corrections([correction])
contrast = read_crop_record(correction.provenance_path).contrast
segment_tomograms(
    Path(snakemake.input.card).parent,
    [correction.image_path],
    Path(snakemake.output.labels).parent,
    SegmentationConfig.model_validate({**snakemake.params.config, "contrast": contrast}),
    names=[correction.region_id],
    overwrite=True,
)
