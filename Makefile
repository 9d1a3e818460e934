# The virtual environment .venv comes first where it exists, else what is on PATH.
SHELL := bash
PYTHON ?= python3.12
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: results install test test-slow lint format types laws bench bench-quick agreement demo ladder ladder-smoke ci

install:
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -c constraints.txt -e ".[dev]"

test:
	python -m pytest

test-slow:
	python -m pytest -m slow

lint:
	ruff check .
	ruff format --check .

format:
	ruff check --fix .
	ruff format .

types:
	mypy

# the page of all laws: a test holds it to what the law files say
laws:
	bayes-scaling laws --markdown > models/README.md

# recovery and calibration of laws that have changed: a minute or two each
results:
	python tests/results.py

# these need the extra: pip install -c constraints.txt -e ".[benchmarks]"
bench:
	python -m benchmarks.speed --write

# small sizes, one round; without the extra it leaves out PyMC's lines
bench-quick:
	python -m benchmarks.speed --quick --fresh

agreement:
	python -m benchmarks.agreement

# ladder and ladder-smoke need the extra: pip install -c constraints.txt -e ".[ladder]"
ladder:
	python -m case_studies.ladder sweep

ladder-smoke:
	python -m case_studies.ladder smoke

demo:
	bayes-scaling demo

ci:
	.ci/run
