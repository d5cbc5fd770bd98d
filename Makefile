# The project's commands; each sets itself up (a .venv) on a fresh machine with Python >= 3.11.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

help:
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.venv/.made:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed"'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/.demo: .venv/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	touch $@

.venv/.test: .venv/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

demo: .venv/.demo ## the tutorial, then a fit of real data with compiled gradients
	$(BIN)/python examples/demo.py

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint ## lint, types and tests, with a sample of the long ones (under 8 minutes)
	$(BIN)/python -m pytest -n auto

test-long: lint ## everything in full
	$(BIN)/python -m pytest -n auto --long

bench: .venv/.test ## compile time against graph size, call cost, kernels against NumPy
	$(BIN)/python benchmarks/compile_time.py
	$(BIN)/python benchmarks/calls.py
	$(BIN)/python benchmarks/kernels.py

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: help demo lint test test-long bench clean
