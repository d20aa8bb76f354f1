# One front door; CI opens the same one. `make help` lists the rooms.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint type docs docs-site bench format clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,yolo,dev]'
	@touch $@

demo: $(INSTALLED)  ## Train, measure, enrol and search on drawn faces (some minutes, and at first as many to install)
	$(BIN)/facenet demo

test: $(INSTALLED)  ## Run the tests, without the slow ones
	$(BIN)/python -m pytest -m "not slow"

test-all: $(INSTALLED)  ## Run all tests
	$(BIN)/python -m pytest

lint: $(INSTALLED)  ## Check style and architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

type: $(INSTALLED)  ## Check types
	$(BIN)/mypy

docs: $(INSTALLED)  ## Regenerate the references in docs/
	$(BIN)/python -m facenet.config.reference > docs/configuration.md
	$(BIN)/python docs/references.py

docs-site: $(INSTALLED)  ## Build the documentation as pages, in artifacts/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(INSTALLED)  ## Run the benchmarks
	for name in startup mining epoch inference pipeline evaluation live store store_writes; do $(BIN)/python benchmarks/$$name.py; done

format: $(INSTALLED)  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove the environment and what tools have cached
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
