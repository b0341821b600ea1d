# Everything a newcomer needs: `make demo` and `make test`. Both make the environment first and reuse it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
export MPLBACKEND := Agg

.PHONY: help environment demo test test-slow lint schema

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); NeuralSeg needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing NeuralSeg and what it needs into $(VENV) (about two minutes, once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

environment: $(READY) ## make the local environment .venv

demo: $(READY) ## run the main job on config/config.yaml
	@PATH="$(abspath $(BIN)):$$PATH" snakemake --cores all
	@echo
	@echo "Done. Open results/report.html; the segmented real tomogram is in results/rounds/."

test: $(READY) ## run the quick tests
	@$(BIN)/python -m pytest -n 2 -q

test-slow: $(READY) ## run the slow tests too
	@$(BIN)/python -m pytest -q -m 'slow or gui or browser or slurm'

lint: $(READY) ## run the linters
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	@$(BIN)/snakefmt --check Snakefile workflow/rules

schema: $(READY) ## write config/schema.json and the table in config/README.md
	@$(BIN)/python -m workflow.schema
