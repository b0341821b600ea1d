"""The generated schema and table are in step with the configuration models."""

from __future__ import annotations

from pathlib import Path

from workflow.schema import render_schema, with_table

CONFIG = Path(__file__).parents[2] / "config"


def test_schema_is_in_step():
    assert (CONFIG / "schema.json").read_text(encoding="utf-8") == render_schema(), "run `make schema`"


def test_table_of_keys_is_in_step():
    readme = (CONFIG / "README.md").read_text(encoding="utf-8")
    assert readme == with_table(readme), "run `make schema`"
