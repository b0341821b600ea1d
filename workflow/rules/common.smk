# Configuration and tables are read and checked here, before any job starts. Rules see `pipeline` and `tables`.
import sys

from workflow.pipeline_config import load_pipeline, load_tables

try:
    pipeline = load_pipeline(config)
    tables = load_tables(pipeline)
except (ValueError, OSError) as error:
    print(f"snakemake: error: {error}", file=sys.stderr)
    sys.exit(2)


wildcard_constraints:
    tomogram=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    round=r"\d+(\.\d+)*",
    region=r"[A-Za-z0-9][A-Za-z0-9._-]*",


# What modelling and training know of a class, and what scoring knows. These are parameters in place of the table's file,
# so that a new colour draws pictures and reports again and makes nothing else.
CLASS_LABELS = {entry.name: entry.label for entry in tables.classes}
CLASS_ROLES = {entry.name: [entry.label, entry.role] for entry in tables.classes}

MODEL_FILES = [
    "model.mrc",
    "atlas.mrc",
    "instances.mrc",
    "particles.star",
    "filaments.star",
    "manifest.json",
]
SIMULATION_FILES = [
    "tiltseries.mrc",
    "tiltseries.tlt",
    "tiltseries.tsv",
    "tomogram.mrc",
    "manifest.json",
]
BLOCK_FILES = ["tomogram.mrc", "labels.mrc", "parts.tsv"]
