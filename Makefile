# `make` alone lists the targets.

.DEFAULT_GOAL := help
.PHONY: help run test check format

# No word to SAM CLI's makers, and no look at the machine's AWS profile.
export SAM_CLI_TELEMETRY := 0
export AWS_DEFAULT_REGION ?= eu-central-1

PORT ?= 3000
BIN := .venv/bin

# The functions' own interpreter where the machine has it, else the newest one from 3.11 on. A name on the path may be
# a shim that refuses, so each candidate is tried.
CANDIDATES := python3.13 python3.14 python3.12 python3.11 python3
PYTHON ?= $(shell for python in $(CANDIDATES); do \
	$$python -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

help:
	@echo 'make run      the local stack on http://127.0.0.1:$(PORT)  (PORT=... for another port)'
	@echo 'make test     the whole test suite'
	@echo 'make check    format, lint, types, tests with coverage, template, build: what CI runs'
	@echo 'make format   format the code and sort its imports'

.venv/installed: pyproject.toml constraints.txt layers/common/requirements.txt
	@test -n '$(PYTHON)' || { echo 'Polypost needs Python 3.11 or newer, with its module venv' >&2; exit 1; }
	@echo 'Installing into .venv with $(PYTHON); the first time takes a minute'
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: .venv/installed
	@exec $(BIN)/polypost local --port $(PORT)

test: .venv/installed
	$(BIN)/pytest

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest --cov --cov-report=term
	$(BIN)/sam validate --lint
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/sam build

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
