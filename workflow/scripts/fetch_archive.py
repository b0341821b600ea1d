"""Fetch the files of one published archive."""

from pathlib import Path

from workflow.fetch import Archive, fetch_archive
from workflow.logs import log_to

log_to(snakemake.log[0])
fetch_archive(Archive.model_validate(snakemake.params.archive), Path("resources/archives"))
