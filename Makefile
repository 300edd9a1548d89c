# Two commands do everything on a machine with Python 3.11, pip and make:  make demo  and  make test.

SHELL := bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
BASE := $(VENV)/.installed-base
FULL := $(VENV)/.installed-full
DOCS := $(VENV)/.installed-docs
# Says what pip fetches, one line each, and nothing else; its errors come through as they are.
PIP_INSTALL := set -o pipefail; $(BIN)/python -m pip install --disable-pip-version-check --editable
PIP_LINES := sed -nE 's/^ *(Downloading|Using cached) ([^ ]+).*/  \2/p'

.DEFAULT_GOAL := help
.PHONY: help demo test check format wheel release story bench docs docs-serve clean

help: ## show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1@\2/p' Makefile | awk -F@ '{ printf "%-18s %s\n", $$1, $$2 }'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "ivm needs Python 3.11 or newer: make PYTHON=python3.11 ..." >&2; exit 1; }
	@echo "Setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(BASE): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing ivm (no PyTorch, about 115 MB to fetch the first time)"
	@$(PIP_INSTALL) . --constraint constraints.txt | $(PIP_LINES)
	@touch $@

$(FULL): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing ivm with all that its tests need (PyTorch among it: minutes the first time)"
	@ldconfig -p 2> /dev/null | grep -q libOSMesa \
		|| echo "Without OSMesa (scripts/install_system.sh) the tests of MuJoCo's scenes may be skipped"
	@$(PIP_INSTALL) '.[data,dev,docs,full,label,openvino,robot,train,eval,serve]' --constraint constraints.txt | $(PIP_LINES)
	@touch $(BASE) $@

$(DOCS): pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP_INSTALL) '.[docs]' --constraint constraints.txt | $(PIP_LINES)
	@touch $(BASE) $@

demo: $(BASE) ## mask a picture that ships with the project
	@$(BIN)/ivm mask examples/tabletop.jpg "pick up the red cup" --output demo

test: $(FULL) ## run all tests; ARGS="-k name" for some of them
	@$(BIN)/python -m pytest $(ARGS)

check: $(FULL) ## formatting, lint, types (strict), import layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests/test_layers.py

format: $(FULL) ## put the code in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

wheel: $(FULL) ## build sdist and wheel, install the wheel without PyTorch and use it there
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist > /dev/null
	@PYTHON=$(PYTHON) scripts/check_wheel.sh dist/*.whl

release: $(FULL) ## build dist/ and use it in fresh environments, base and each extra; SBOMs, licences; ARGS="--only train"
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist > /dev/null
	@$(BIN)/python -m scripts.release $(ARGS)

story: $(FULL) ## the paper's chain from nothing to one page, in minutes; run it again to go on
	@$(BIN)/python -m scripts.story $(ARGS)

bench: $(FULL) ## speed and memory of every part against the plain way; ARGS="--strict" for an error
	@$(BIN)/python -m benchmarks all $(ARGS)

docs: $(DOCS) ## build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs --quiet build --strict
	@echo "site/index.html"

docs-serve: $(DOCS) ## show the documentation at http://127.0.0.1:8090, following changes
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve --dev-addr 127.0.0.1:8090

clean: ## remove everything that make made, the environment too
	@rm -rf $(VENV) build dist demo site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find src tests benchmarks -name __pycache__ -type d -exec rm -rf {} +
