"""Segment one tomogram with the network of one round."""

from pathlib import Path

from segnet.config.segmentation import SegmentationConfig
from segnet.segment_files import segment_tomograms
from workflow.logs import log_to

log_to(snakemake.log[0])
segment_tomograms(
    Path(snakemake.input.card).parent,
    [Path(snakemake.input.tomogram)],
    Path(snakemake.output.labels).parent,
    SegmentationConfig.model_validate({**snakemake.params.config, "contrast": snakemake.params.contrast}),
    names=[snakemake.wildcards.tomogram],
    pixel_size_angstrom=snakemake.params.pixel_size_angstrom,
    overwrite=True,
)
