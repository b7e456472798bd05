# Every target sets up what it needs. `make help` lists them.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PACKAGES := mesh gateway workers scaler
BASE   ?= HEAD~1
BENCH_ARGS ?=
CHAOS_ARGS ?=
OVERLOAD_ARGS ?=
TESTS  ?= not heavy
WORKERS ?= 3  # test processes at once: on two cores most of them wait for something

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-triton test test-all check fmt fmt-check lint type imports unit \
	integration contract e2e gpu chaos overload cover bench bench-compare bench-scaling bench-reaction \
	containers schema dashboards lock clean

help: ## explain the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make the virtual environment; again when the lock or pyproject.toml changes

$(STAMP): requirements/dev.txt pyproject.toml scripts/setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" scripts/setup.sh
	@touch $@

demo: setup ## two real models behind one endpoint: split, mirror, latency table
	@$(BIN)/python -m examples.demo.run

demo-triton: setup ## a Triton model repository behind one endpoint, asked with tritonclient
	@$(BIN)/python -m examples.triton.run

test: setup ## every test but the heavy ones (unit, contract, integration, e2e)
	@VENV="$(VENV)" scripts/need-prometheus.sh
	@$(BIN)/python -m pytest -q --durations=20 -n $(WORKERS) --dist worksteal -m "$(TESTS)" $(MORE) tests

test-all: check ## what CI holds: check, a mesh in containers (skipped, loudly, without an engine), test
	@scripts/containers.sh || { [ $$? = 77 ] && [ "$${CI:-}" != true ]; }
	@$(MAKE) --no-print-directory test TESTS= MORE="--ignore tests/chaos"
	@$(BIN)/python -m pytest -q tests/chaos # alone: how long a caller waits is part of what is promised

check: fmt-check lint type imports unit ## the gate before a commit, under a minute

fmt: setup ## format and apply safe fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

fmt-check: setup
	@$(BIN)/ruff format --check .

lint: setup ## ruff and codespell
	@$(BIN)/ruff check .
	@$(BIN)/codespell $$(git ls-files --cached --others --exclude-standard)

type: setup ## mypy --strict
	@$(BIN)/mypy

imports: setup ## the layers of ARCHITECTURE.md
	@$(BIN)/lint-imports

unit: setup ## tests of values and decisions: no broker, no processes
	@$(BIN)/python -m pytest -q tests/unit

integration: setup ## tests against a real nats-server
	@$(BIN)/python -m pytest -q tests/integration

contract: setup ## one suite over every implementation of a Protocol
	@$(BIN)/python -m pytest -q tests/contract

gpu: setup ## tests that need a GPU, and which claims stay unproven on this machine
	@$(BIN)/python -m pytest -v -m gpu tests

e2e: setup ## whole meshes as processes, driven through the CLI
	@VENV="$(VENV)" scripts/need-prometheus.sh
	@$(BIN)/python -m pytest -q tests/e2e

chaos: setup ## every fault under load, into the table of docs/reliability.md (about 8 minutes)
	@$(BIN)/python -m tests.chaos.run $(CHAOS_ARGS)

overload: setup ## three times what a model can do, into docs/reliability.md (about 3 minutes)
	@$(BIN)/python -m tests.chaos.overload $(OVERLOAD_ARGS)

cover: setup ## branch coverage of the unit, contract and integration tests
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -q tests/unit tests/contract tests/integration
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report

bench: setup ## throughput and latency against the floor, the peers and Triton (about 11 minutes)
	@scripts/need-wrk.sh
	@$(BIN)/python -m benchmarks.run $(BENCH_ARGS)

bench-reaction: setup ## how soon instances are there: from zero to one, and in a burst
	@$(BIN)/python -m benchmarks.scaling.reaction $(BENCH_ARGS)

bench-compare: setup ## this tree against BASE=<commit>, interleaved
	@scripts/need-wrk.sh
	@$(BIN)/python -m benchmarks.compare --base "$(BASE)" $(BENCH_ARGS)

bench-scaling: setup ## our scaling policy beside others', and the simulator beside a real minute
	@$(BIN)/python -m benchmarks.scaling.run
	@$(BIN)/python -m benchmarks.scaling.reality

containers: setup ## build the images, bring a mesh up with compose, invoke a model, take it down
	@scripts/containers.sh

schema: setup ## write what is made from the code: JSON Schemas, docs/spec.md, docs/errors.md
	@$(BIN)/python -m mesh.spec.schema
	@$(BIN)/python scripts/errors_page.py

dashboards: setup ## write configs/grafana/dashboards from scripts/dashboards
	@$(BIN)/python -m scripts.dashboards

lock: setup ## resolve requirements/*.txt again (the only target that changes them)
	@UV="$(BIN)/uv" scripts/lock.sh

clean: ## remove caches and build outputs; the virtual environment stays
	@git worktree prune
	@rm -rf build dist .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache \
		.ruff_cache .import_linter_cache .bench
	@find $(PACKAGES) tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
