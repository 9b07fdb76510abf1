# `make` alone lists the targets.

.DEFAULT_GOAL := help
.PHONY: help run test quick static check build bytecode deploy test-sam-local format

# No word to SAM CLI's makers.
export SAM_CLI_TELEMETRY := 0
# Where nothing is deployed any region will do; `make deploy` takes the environment's or the AWS profile's.
run test quick check build: export AWS_DEFAULT_REGION ?= eu-central-1

PORT ?= 3000
# Processes that the tests run in; each has engines of its own.
WORKERS ?= auto
BIN := .venv/bin
BUILD := .aws-sam/build

# The functions' own interpreter where the machine has it, else the newest one from 3.11 on. A name on the path may be
# a shim that refuses, so each candidate is tried.
CANDIDATES := python3.13 python3.14 python3.12 python3.11 python3
PYTHON ?= $(shell for python in $(CANDIDATES); do \
	$$python -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

# The functions' Runtime, and a Python of that very version. pyenv keeps its versions off the path.
RUNTIME := $(shell sed -n 's/^ *Runtime: *//p' template.yaml)
RUNTIME_PYTHON ?= $(shell for python in $(RUNTIME) '$(CURDIR)/$(BIN)/python' \
	"$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/*/bin/$(RUNTIME); do \
	"$$python" -c 'import sys; sys.exit("python%d.%d" % sys.version_info[:2] != "$(RUNTIME)")' 2>/dev/null && \
	echo "$$python" && break; done)

help:
	@echo 'make run      the local stack on http://127.0.0.1:$(PORT)  (PORT=... for another port)'
	@echo 'make quick    format, lint, types, the order of the layers, unit and contract tests: while you work'
	@echo 'make test     the whole test suite, on the sources'
	@echo 'make check    format, lint, types, tests with coverage, template, build, the built functions: what CI runs'
	@echo 'make format   format the code and sort its imports'
	@echo 'make build    what is deployed, in .aws-sam/build'
	@echo 'make deploy   build, then create or update the stack  (STACK=... REGION=... PARAMETERS="Name=value ...")'
	@echo 'make test-sam-local   each function once in its container, where a container engine answers'

.venv/installed: pyproject.toml constraints.txt layers/common/requirements.txt
	@test -n '$(PYTHON)' || { echo 'Polypost needs Python 3.11 or newer, with its module venv' >&2; exit 1; }
	@echo 'Installing into .venv with $(PYTHON); the first time takes a minute'
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

# The second DynamoDB engine of the tests.
.venv-ministack/installed: tests/ministack-requirements.txt | .venv/installed
	@echo 'Installing into .venv-ministack, for the tests; the first time takes a few seconds'
	@$(BIN)/python -m venv --clear .venv-ministack
	@.venv-ministack/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

run: .venv/installed
	@exec $(BIN)/polypost local --port $(PORT)

test: .venv/installed .venv-ministack/installed
	$(BIN)/pytest -n $(WORKERS)

static: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

quick: static
	$(BIN)/pytest -q -n $(WORKERS) tests/unit tests/contract

check: static .venv-ministack/installed
	$(BIN)/sam validate --lint
	@$(MAKE) --no-print-directory build
	RUNTIME_PYTHON='$(RUNTIME_PYTHON)' $(BIN)/pytest -n $(WORKERS) tests/artifact
	$(BIN)/pytest -n $(WORKERS) --cov --cov-report=term --durations=20

build: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/sam build
	@$(MAKE) --no-print-directory bytecode

# For every function and layer in BUILD, so that no cold start compiles. Unchecked, since the dates in the zip are not
# the sources'; with the paths that they have on Lambda, which tracebacks show; with one hash seed, so that two builds
# give the same bytes.
bytecode:
	@python='$(RUNTIME_PYTHON)'; \
	if [ -z "$$python" ]; then \
		echo 'No $(RUNTIME) runs on this machine: the build ships no bytecode, and cold starts take longer.'; exit; \
	fi; \
	test -d '$(BUILD)' || { echo 'Nothing is built in $(BUILD) yet' >&2; exit 1; }; \
	for artifact in $(BUILD)/*/; do \
		artifact=$${artifact%/}; \
		if [ -d "$$artifact/python" ]; then root=/opt; else root=/var/task; fi; \
		PYTHONHASHSEED=0 "$$python" -m compileall -qf --invalidation-mode unchecked-hash \
			-s "$$artifact" -p "$$root" "$$artifact" || exit; \
	done; \
	echo "Bytecode of $(RUNTIME) in $(BUILD)"

deploy: build
	$(BIN)/sam deploy $(if $(STACK),--stack-name '$(STACK)') $(if $(REGION),--region '$(REGION)') \
		$(if $(PARAMETERS),--parameter-overrides $(PARAMETERS))

test-sam-local: .venv/installed
	@if docker info >/dev/null 2>&1; then $(MAKE) --no-print-directory build && $(BIN)/pytest tests/sam_local; \
	else echo 'Docker does not answer: no function ran in a container.'; fi

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
