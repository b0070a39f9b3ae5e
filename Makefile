# Two commands matter: `make demo` and `make test`. Both set up .venv from requirements.lock (hashes, no index named).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOME_DIR ?= var/demo

.PHONY: demo test lint types unit nightly bench install lock clean

demo: $(VENV)/.installed
	$(BIN)/gateway demo $(HOME_DIR)

test: lint types unit

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed
	$(BIN)/mypy

unit: $(VENV)/.installed
	$(BIN)/pytest -n 2 --dist worksteal --cov --cov-report=
	$(BIN)/python -m tests.support.coverage_floor

nightly: $(VENV)/.installed
	GATEWAY_HISTORIES=10000 $(BIN)/pytest -n 2 tests/updates/test_payment_histories.py

bench: $(VENV)/.installed
	$(BIN)/python -m bench

COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links pyproject.toml

# requirements.lock is for working on it, requirements-run.lock, of the same versions, for running it.
lock: $(VENV)/.installed
	$(BIN)/pip install -q uv
	$(COMPILE) --group dev -o requirements.lock
	$(COMPILE) -c requirements.lock -o requirements-run.lock
	! grep -nE 'https?://|index-url|find-links' requirements.lock requirements-run.lock

install: $(VENV)/.installed
	test -n "$(PREFIX)" || { echo "make install: found no PREFIX, expected make install PREFIX=/opt/lease-gateway" >&2; exit 2; }
	rm -rf dist
	$(BIN)/pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w dist .
	$(PYTHON) -m venv $(PREFIX)/.venv
	$(PREFIX)/.venv/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements-run.lock
	$(PREFIX)/.venv/bin/pip install -q --disable-pip-version-check --no-deps --force-reinstall dist/*.whl
	$(PREFIX)/.venv/bin/gateway --version

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

clean:
	rm -rf $(VENV) var dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
