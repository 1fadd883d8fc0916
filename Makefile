# Every command does its own set-up in .venv. `make help` lists them.
VENV := .venv
PYTHON := $(VENV)/bin/python
BAKEOFF := $(VENV)/bin/bakeoff
PUBLISHED := outputs/publish/$(ARENA)
JOBS ?= 1
EXPERIMENTS = $(basename $(notdir $(wildcard configs/experiment/$(ARENA).yaml configs/experiment/$(ARENA)_*.yaml)))
ifneq ($(wildcard ../shared/data),)
export BAKEOFF_DATA ?= $(abspath ../shared/data)
endif

.DEFAULT_GOAL := help
.PHONY: help setup bench bench-start bench-overhead bench-scaling bench-store bench-coverage bench-claims bench-report bench-methods bench-bilevel-size publish check test lint types format clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

setup: $(VENV)/.ready ## install everything into .venv

$(VENV)/.ready: pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[dev]'
	@touch $@

bench: setup ## run the quick board and print its leaderboards (a few minutes)
	$(BAKEOFF) run -m experiment=quick
	@$(BAKEOFF) leaderboard

bench-start: setup ## time the start of the command with 500 methods in the catalogue
	$(PYTHON) tests/bench/start.py

bench-overhead: setup ## harness time per cell, beside benchopt and stock Hydra (a few minutes)
	$(PYTHON) tests/bench/overhead.py

bench-scaling: setup ## two workers against one, and the share of the harness
	$(PYTHON) tests/bench/scaling.py

bench-store: setup ## a store of 1,000,000 attempts (5 GB in the temporary folder, five minutes)
	$(PYTHON) tests/bench/store.py

bench-coverage: setup ## how often intervals cover the mean, by kind of score (two minutes)
	$(PYTHON) tests/bench/coverage.py

bench-claims: setup ## how often claims come out reproduced where nothing is so, and where something is (two minutes)
	$(PYTHON) tests/bench/claims.py

bench-report: setup ## a report over 10,000 attempts of 100 methods
	$(PYTHON) tests/bench/report.py

bench-bilevel-size: setup ## memory of one hyper-gradient for a million hyperparameters (two minutes)
	$(PYTHON) tests/bench/bilevel_size.py

bench-methods: setup ## a training step of distillation beside TRL, and sampling beside transformers (a minute)
	$(PYTHON) tests/bench/methods.py

publish: setup ## run what is missing of an arena's experiments and write its boards again: make publish ARENA=calibration [JOBS=2]
	@test -n "$(ARENA)" || { echo "publish: name an arena: make publish ARENA=calibration"; exit 2; }
	test ! -f results/published/$(ARENA).jsonl || $(BAKEOFF) import results/published/$(ARENA).jsonl outputs=$(PUBLISHED)
	for name in $(EXPERIMENTS); do $(BAKEOFF) run -m experiment=$$name n_jobs=$(JOBS) outputs=$(PUBLISHED) || test $$? = 1 || exit 2; done
	$(BAKEOFF) claims arena=$(ARENA) run=true n_jobs=$(JOBS) outputs=$(PUBLISHED) || test $$? = 1
	$(BAKEOFF) publish arena=$(ARENA) outputs=$(PUBLISHED)

check: setup ## see that the published boards are what their attempts say
	$(BAKEOFF) report --check

test: setup lint types check ## lint, check types, check what is published, run all tests with coverage
	$(PYTHON) -m pytest -n 2 --dist loadgroup --cov --cov-report=term --cov-fail-under=95

lint: setup ## ruff, rules and layout
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: setup ## mypy, strict
	$(VENV)/bin/mypy

format: setup ## let ruff mend what it can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean: ## remove what was built; results stay
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*
