# make app: the app on real cells, in a browser.  make test: everything the tests need, then the tests.
# make test-slow: whole sessions that take as long again, before a release.
# make wheel-test PYTHON=python3.13: the wheel in an empty environment of that Python.
PYTHON ?= $(firstword $(foreach v,python3.11 python3.12 python3.13 python3,$(if $(shell command -v $(v) 2>/dev/null),$(v))))
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?=
ADDRESS ?= localhost
# Tests run in so many processes of so many threads; files stay whole, since their fixtures are dear. Three processes on
# two cores were slower than two (23 minutes for 17) and took a third more CPU time.
JOBS ?= 2
THREADS ?= 1
# What a browser waited for in vain on a busy machine is waited for once more; pytest's last line says how often.
AGAIN ?= --reruns 1 --only-rerun TimeoutError --only-rerun 'Locator expected'

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
# On every core, where pip compiles on one and takes half of its time for it; some files are of other Pythons.
COMPILE := $(BIN)/python -m compileall -q -j 0 $(VENV)/lib genediff > /dev/null || true

.PHONY: app install install-test debian test pytest test-slow wheel-test docs lint types clean

app: install
	$(BIN)/genediff app --address $(ADDRESS) $(if $(PORT),--port $(PORT))

install: $(VENV)/.installed

# Debian's Chromium and SLURM come while pip is at work. Where they cannot be had the browser is Playwright's own where
# that can be downloaded, and the tests of what is missing say so.
install-test:
	$(MAKE) -j2 $(VENV)/.installed-test debian
	@$(BIN)/python tests/browser/install.py

debian:
	@$(PYTHON) tests/debian_packages.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The package itself is installed as a link to this checkout, for its command `genediff`.
$(VENV)/.installed: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) -r requirements.txt
	$(PIP) --no-deps --editable .
	$(COMPILE)
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed tests/requirements.txt
	$(PIP) -r tests/requirements.txt --editable ".[docs]"
	$(COMPILE)
	touch $@

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/mypy

# Files in the order of tests/conftest.py: by the number of their tests, one of a single long test came last.
PYTEST := OMP_WAIT_POLICY=PASSIVE OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m pytest -n $(JOBS) --dist loadfile \
	--no-loadscope-reorder $(AGAIN)

# Types are checked on one core; meanwhile the tests begin.
test: install-test
	$(MAKE) lint
	$(MAKE) -j2 types pytest

pytest:
	$(PYTEST) -m "not slow"

test-slow: install-test
	$(PYTEST) -m slow

wheel-test:
	$(PYTHON) tests/check_wheel.py $(if $(TESTED),--tested)

# Tutorials are executed; any warning ends it.
docs: $(VENV)/.installed
	$(PIP) -c requirements.txt --editable ".[docs]"
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache
