# Everything here works on a machine that has Python and make; each target makes the environment
# that it needs, and makes it anew only when pyproject.toml or what is in C has changed.
#
#   make demo                                        profile a web shop, write stack.svg
#   make test                                        all tests but those by hand, with coverage
#   make test PYTHON=python3.12 VENV=.venv-3.12      on another Python, in an environment beside
#   make test MARKED='not once'                      some tests, without coverage
#   make test EXTRA=test-lowest MARKED=...           without what keeps anyio from being old
#
# Tests are marked `once` or `edges` (pyproject.toml). CI runs all of them on one Python (3.14),
# and those that are `not once and not edges` on the others.

PYTHON ?= python3
VENV ?= .venv
# The least branch coverage that the tests may have, in percent.
COVERED ?= 90
# The extra of pyproject.toml that the tests are run with.
EXTRA ?= test
# The tests that are run, as pytest's option -m has it; all but those `by_hand` if it is empty.
MARKED ?=

BIN := $(VENV)/bin
# What the native core is built from; where that cannot be done, the Python reference is used.
NATIVE := $(wildcard src/tracetools/core/native/*.[ch] src/tracetools/core/native/version.py)
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.PHONY: help demo test foreign servers lint types docs bench clean

help:
	@echo "make demo | test | foreign | servers | lint | types | docs | bench | clean"
	@echo "variables: PYTHON=$(PYTHON) VENV=$(VENV) COVERED=$(COVERED) EXTRA=$(EXTRA) MARKED=$(MARKED)"

demo: $(VENV)/.has-demo
	$(BIN)/python -m tracetools demo

PYTEST := pytest -q -o cache_dir=$(VENV)/.pytest_cache

# Several environments may be tested at once: what a run leaves behind stays in its own.
test: export COVERAGE_FILE = $(abspath $(VENV))/.coverage
test: $(VENV)/.has-$(EXTRA)
ifeq ($(MARKED),)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m $(PYTEST) -m 'not by_hand'
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --skip-covered --fail-under=$(COVERED)
else
	$(BIN)/python -m $(PYTEST) -m '$(MARKED)'
endif

# Other projects' test suites, with our instrument in every run.
foreign: $(VENV)/.has-test
	$(BIN)/python tests/foreign/run.py

# Servers of others under load, each started, asked and stopped as its users do.
servers: $(VENV)/.has-servers
	$(BIN)/python -m $(PYTEST) tests/commands/under_load.py -m 'not by_hand'

lint: $(VENV)/.has-lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.has-lint
	$(BIN)/mypy
	$(BIN)/pyright

docs: $(VENV)/.has-docs
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build

bench: $(VENV)/.has-bench
	$(BIN)/python benchmarks/costs.py

clean:
	rm -rf .venv .venv-* build dist docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -f src/tracetools/core/native/_extension.* .coverage .coverage.* stack.folded stack.svg stack.html stack.profile.json

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The packages of one extra of pyproject.toml, and tracetools itself from its source.
$(VENV)/.has-%: pyproject.toml setup.py $(NATIVE) | $(VENV)/.made
	$(PIP) install -e '.[$*]'
	@touch $@
