# Everything here starts from a bare Python 3.11: the first target you run makes .venv, once.
#   make demo         a guided run against the embedded emulator; needs no account
#   make test         the test suite, in three processes, as many of the tests wait   (WORKERS=4 for more)
#   make check        style, types, layers, and every command that the documents show, their site
#   make lint         style, types and layers alone
#   make campaign     kill 200 runs at every point that matters (RUNS=1000 for more), then search for what breaks a law,
#                     a minute for each (SECONDS=3600 for longer)
#   make coverage     fails where no test takes a branch of the journal or the applier; some fifteen minutes
#   make mutants      changes the reading of answers, hundreds of times, and names the changes that no test notices; some minutes
#   make bench        how fast, as ratios inside one run; some minutes
#   make bench-quick  a short slice of it
#   make docs         writes the generated parts of the documents anew
#   make site         makes a site of them, in build/site; a link that leads nowhere fails
#   make clean        removes what the others made

PYTHON ?= $(shell for p in python3.11 python3; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
WORKERS ?= 3
SECONDS ?= 60
RUNS ?= 200
PYTEST_ARGS ?=
COVERING := tests/unit/journal tests/unit/applier tests/integration/journal \
	$(addprefix tests/integration/applier/test_,apply.py copies.py crashes.py increment_receipts.py rare_ways.py reading_together.py verify.py) \
	tests/property/test_applying.py tests/property/test_schedules.py tests/e2e/cli/test_journal.py tests/e2e/cli/test_event_log.py \
	$(addprefix tests/e2e/test_,main_job.py resolve.py canary.py leftovers.py undo.py shards.py shared_journal.py events.py moving_the_journal.py)
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# The tests start hundreds of processes; each would compile the package anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test check lint campaign coverage mutants bench bench-quick docs site clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile

# pip is quiet but for errors; the constraints name versions, never where to get them.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Setting up $(VENV): once, about a minute."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	@touch $@

demo: $(READY)
	@PATH="$(abspath $(BIN)):$$PATH" examples/demo.sh

test: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

check: lint site
	$(BIN)/python -m pytest -q tests/e2e/test_docs.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

campaign: $(READY)
	$(BIN)/python tests/support/crash_campaign.py --runs $(RUNS)
	$(BIN)/python tests/campaign.py --seconds $(SECONDS)

# The tests that touch the two rooms, through both backends and through processes of their own.
coverage: $(READY)
	$(BIN)/python -m coverage erase --rcfile=tests/coverage.ini
	$(BIN)/python -m coverage run --rcfile=tests/coverage.ini -m pytest -q -p no:xdist $(COVERING)
	@# What processes left that were killed while they wrote it does not count.
	-$(BIN)/python -m coverage combine --rcfile=tests/coverage.ini -q
	$(BIN)/python -m coverage report --rcfile=tests/coverage.ini

mutants: $(READY)
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[mutants]'
	rm -rf mutants
	$(BIN)/mutmut run --max-children $(WORKERS) > /dev/null
	$(BIN)/mutmut results

bench: $(READY)
	$(BIN)/python -m pytest -q -s -p no:cacheprovider -o python_files="bench_*.py" tests/benchmarks

bench-quick: $(READY)
	BENCH=quick $(BIN)/python -m pytest -q -s -p no:cacheprovider -o python_files="bench_*.py" tests/benchmarks

docs: $(READY)
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/manual.py
	$(BIN)/python docs/refresh.py

# Every warning is an error: what the navigation has not, links and anchors that lead nowhere, markup that is none.
site: $(READY)
	$(BIN)/sphinx-build -q -W --keep-going -c docs -b html -d build/doctrees . build/site

clean:
	rm -rf .venv .leanplum-sync .hypothesis .mypy_cache .coverage* mutants .pytest_cache .ruff_cache .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
