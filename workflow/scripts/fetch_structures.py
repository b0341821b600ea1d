"""Download what structures.tsv names by id, and check that every structure can be read."""

from pathlib import Path

from cts.config.structures import DownloadConfig, read_structure_table
from cts.structures import load_structures
from tomoio import read_class_table, write_manifest
from workflow.logs import log_to

log_to(snakemake.log[0])
rows = read_structure_table(snakemake.input.table, read_class_table(snakemake.params.classes))
download = DownloadConfig.model_validate(snakemake.params.download)
structures = load_structures(rows, Path(snakemake.params.store), download)
write_manifest(
    snakemake.output.manifest,
    verb="cts structures fetch",
    configuration={row.structure_id: row.source for row in rows},
    inputs=[snakemake.input.table, snakemake.params.classes, *snakemake.input.files],
    results={name: {"mass_da": round(found[0].mass_da)} for name, found in structures.items()},
    overwrite=True,
)
