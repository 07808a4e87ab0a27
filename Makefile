# The project's chores; `make` alone lists them. Everything runs in .venv, which is made when needed.
# ARGS go to the command behind the target: make demo ARGS=--help, make coverage ARGS="-k store".

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test lint types contracts browser coverage format bench gates screenshots lock clean

BIN := .venv/bin
INSTALLED := .venv/.installed

# A .venv that was made in another folder, or whose Python is gone, is made again.
ifneq ($(shell test -x $(BIN)/python && cat $(INSTALLED) 2>/dev/null),$(CURDIR))
.PHONY: $(INSTALLED)
endif

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

setup: $(INSTALLED)  ## make .venv from the lock (PYTHON=... chooses the interpreter)

$(INSTALLED): pyproject.toml requirements.lock
	@.ci/setup

demo: $(INSTALLED)  ## show the dashboard on the bundled sample (PORT=8501)
	@$(BIN)/concord demo $(if $(PORT),--port $(PORT)) $(ARGS)

test: $(INSTALLED) lint types contracts browser coverage  ## everything that CI runs

lint: $(INSTALLED)  ## format and lint, changing nothing
	@echo "== ruff format --check"
	@$(BIN)/ruff format --check .
	@echo "== ruff check"
	@$(BIN)/ruff check .

types: $(INSTALLED)  ## type-check the four packages
	@echo "== mypy"
	@$(BIN)/mypy

contracts: $(INSTALLED)  ## check that each floor imports only the floors below it
	@echo "== lint-imports"
	@$(BIN)/lint-imports

browser: $(INSTALLED)  ## find or install a Chromium for the browser tests
	@echo "== browser"
	@$(BIN)/python tests/browser_setup.py

coverage: $(INSTALLED)  ## the tests, with coverage of data, judges and pipelines
	@echo "== pytest"
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --cov --cov-report=term-missing:skip-covered $(ARGS)

format: $(INSTALLED)  ## format and mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(INSTALLED)  ## run every benchmarks/*.py
	@set -e; for file in benchmarks/*.py; do \
		[ -e "$$file" ] || { echo "no benchmarks yet"; exit 0; }; \
		echo "== $$file"; $(BIN)/python "$$file" $(ARGS); \
	done

gates: $(INSTALLED)  ## coverage of the intervals in 1,000 simulated worlds a gate (some minutes)
	@$(BIN)/python -m tests.gates $(ARGS)

screenshots: $(INSTALLED)  ## take the pictures of README.md anew, from the demo's store
	@$(BIN)/python -m tests.screenshots $(ARGS)

lock:  ## write requirements.lock anew from pyproject.toml (ARGS=--upgrade takes newer versions)
	@uv --version >/dev/null 2>&1 || { echo "make lock needs uv (pip install uv)" >&2; exit 1; }
	@uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-strip-extras --quiet $(ARGS) --output-file requirements.lock

clean:  ## remove caches and build output; .venv, stores and ./demo stay
	@rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
	@find . -path ./.venv -prune -o -path ./.git -prune -o -name __pycache__ -prune -exec rm -rf {} +
