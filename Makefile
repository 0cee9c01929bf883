# Everything here needs only Python 3.11 and make: the first target you run creates .venv.
#   make demo         a guided run against the embedded emulator; needs no account
#   make test         the whole test suite, in four processes (WORKERS=8 for more)
#   make check        style, types, imports, the site, and every command shown in the docs
#   make lint         style, types and imports alone
#   make campaign     long searches that are not part of the suite: 200 runs killed at every critical point (RUNS=1000 for more),
#                     200 more with other answers to the open questions about the API, `make doubts`, 200 more with lost connections to PostgreSQL, half as many with sixteen workers, 200 lost journals, 200 plans that read few users while an adversary is at work, the cost of a nightly sync of 20,000 users (USERS=1000000 for more) in each mode, small files that ask for much, one minute of random tests for each law (SECONDS=3600 for longer), then `make fuzz`
#   make doubts       runs the end-to-end tests under each combination of answers to the open questions (ROWS="0 7" for some); takes hours
#   make fuzz         mutates specs, data files, snapshots, plans, journals and answers of the API, one minute for each (SECONDS=600 for longer)
#   make coverage     fails if a branch of the journal or the applier is not covered by a test; takes about 15 minutes
#   make mutants      mutation tests of the code that reads the API's answers; takes about 5 minutes
#   make kubernetes   checks the manifests in examples/kubernetes against the schema of Kubernetes
#   make pipelines    the pipelines of init, on a machine that has only what they install; takes about 5 minutes
#   make bench        benchmarks, as ratios within one run; takes several minutes
#   make bench-quick  a short version of the benchmarks
#   make bench-largest  a plan of 100,000,000 users with the baseline (USERS=30000000 for fewer); takes an hour or more, and 40 GB of disk
#   make requirements pins again what pipelines install, in requirements.txt, with hashes
#   make dist         builds a release in dist/: wheel, sdist, requirements and a list of all components (SBOM)
#   make docs         regenerates the generated parts of the docs
#   make site         builds the docs as a site in build/site; fails on broken links
#   make clean        removes everything the other targets created

PYTHON ?= $(shell for p in python3.11 python3; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
WORKERS ?= 4
SECONDS ?= 60
RUNS ?= 200
ROWS ?=
USERS ?=
PYTEST_ARGS ?=
COVERING := tests/unit/journal tests/unit/applier tests/integration/journal \
	$(addprefix tests/integration/applier/test_,apply.py copies.py crashes.py increment_receipts.py rare_ways.py reading_together.py verify.py) \
	$(addprefix tests/property/test_,applying.py schedules.py plan_tampering.py) \
	$(addprefix tests/e2e/cli/test_,journal.py event_log.py library.py migration.py refused_plans.py) \
	$(addprefix tests/e2e/test_,main_job.py resolve.py canary.py leftovers.py undo.py shards.py shared_journal.py events.py moving_the_journal.py lost_journal.py rebuilt_journal.py rejected_before.py \
	older_plans.py renames.py signed_journal.py kept_files.py restarted_database.py adopt.py devices_without_users.py shared_baseline.py past_events.py subscriptions.py)
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# The tests start hundreds of processes. Without cached bytecode each would compile the whole package.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test check lint campaign doubts fuzz coverage mutants pipelines kubernetes bench bench-quick bench-largest requirements dist docs site clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile

# The constraints pin versions only, never the index to install from.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Creating $(VENV). This takes about a minute and happens once."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	@touch $@

demo: $(READY)
	@PATH="$(abspath $(BIN)):$$PATH" examples/demo.sh

test: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

check: lint site
	$(BIN)/python -m pytest -q tests/e2e/test_docs.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

campaign: $(READY)
	$(BIN)/python tests/support/crash_campaign.py --runs $(RUNS)
	$(BIN)/python tests/support/crash_campaign.py --runs $(RUNS) --doubts
	$(BIN)/python tests/support/crash_campaign.py --runs $(RUNS) --shared
	$(BIN)/python tests/support/worker_campaign.py --runs $$(($(RUNS) / 2))
	$(BIN)/python tests/support/journal_campaign.py --runs $(RUNS)
	$(BIN)/python tests/support/adversary_campaign.py --runs $(RUNS)
	$(BIN)/python tests/support/cost_campaign.py $(if $(USERS),--users $(USERS))
	$(BIN)/python tests/support/scene_campaign.py --jobs $(WORKERS) $(if $(ROWS),--rows $(ROWS))
	$(BIN)/python tests/support/bombs.py
	$(BIN)/python tests/campaign.py --seconds $(SECONDS)
	$(BIN)/python tests/fuzz --seconds $(SECONDS)

doubts: $(READY)
	$(BIN)/python tests/support/scene_campaign.py --jobs $(WORKERS) $(if $(ROWS),--rows $(ROWS))

fuzz: $(READY)
	$(BIN)/python tests/fuzz --seconds $(SECONDS)

# The tests of the two rooms, on both backends and in subprocesses.
coverage: $(READY)
	$(BIN)/python -m coverage erase --rcfile=tests/coverage.ini
	$(BIN)/python -m coverage run --rcfile=tests/coverage.ini -m pytest -q -p no:xdist $(COVERING)
	@# Data files truncated by a kill are ignored.
	-$(BIN)/python -m coverage combine --rcfile=tests/coverage.ini -q
	$(BIN)/python -m coverage report --rcfile=tests/coverage.ini

mutants: $(READY)
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[mutants]'
	rm -rf mutants
	$(BIN)/mutmut run --max-children $(WORKERS) > /dev/null
	$(BIN)/mutmut results

# SCENES: which of them, as pytest's -k selects them.
pipelines: $(READY)
	$(BIN)/python -m pytest -q --install tests/e2e/test_pipeline.py tests/e2e/test_pipeline_gitlab.py $(if $(SCENES),-k "$(SCENES)")

kubernetes: $(READY)
	$(PYTHON) -m venv build/kubernetes
	build/kubernetes/bin/python -m pip install -qq --disable-pip-version-check kubernetes-validate==1.37.0
	build/kubernetes/bin/kubernetes-validate --strict examples/kubernetes/*.yaml

bench: $(READY)
	$(BIN)/python -m pytest -q -s -p no:cacheprovider -o python_files="bench_*.py" tests/benchmarks

bench-quick: $(READY)
	BENCH=quick $(BIN)/python -m pytest -q -s -p no:cacheprovider -o python_files="bench_*.py" tests/benchmarks

bench-largest: $(READY)
	BENCH=largest $(if $(USERS),BENCH_USERS=$(USERS)) $(BIN)/python -m pytest -q -s -p no:cacheprovider -o python_files="bench_*.py" \
	  tests/benchmarks/bench_assuming.py -k largest

RELEASING = $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dist]'

# Universal: for every platform and every version of Python that is supported.
requirements: $(READY)
	$(RELEASING)
	@echo "# What pipelines install: each version with the hashes of its files, from any index. Regenerate: make requirements" > requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --constraint constraints.txt --extra encryption --extra objects --extra postgres --extra postgresql pyproject.toml >> requirements.txt

dist: $(READY)
	$(RELEASING)
	.ci/dist "$(abspath $(BIN))/python"

docs: $(READY)
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/manual.py
	$(BIN)/python docs/refresh.py

# -W: a page missing from the navigation, a broken link and invalid markup are errors.
site: $(READY)
	$(BIN)/sphinx-build -q -W --keep-going -c docs -b html -d build/doctrees . build/site

clean:
	rm -rf .venv .leanplum-sync .hypothesis .mypy_cache .coverage* mutants .pytest_cache .ruff_cache .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
