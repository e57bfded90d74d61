# `make` alone lists the targets. Everything lives in .venv; nothing else on the machine changes.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
INSTALLED := $(VENV)/.installed
UV_VERSION := 0.9
NEEDED_GB := 8
# One process more than there are processors, as some wait: for a disk, a database, a child.
SIDE_BY_SIDE := -n $$(n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 4 ? n + 1 : 4))) --dist loadfile --no-loadscope-reorder

export OMP_WAIT_POLICY ?= PASSIVE
# Where it is set, every process compiles torch anew before it does anything: 17 seconds instead of 6.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo up test test-long test-slow test-browser test-deployment test-kills fuzz schema lint audit format bench backbone pins migrations clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

install: $(INSTALLED) ## make the environment in .venv (does nothing the second time)

$(INSTALLED): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Akin needs $(PYTHON): install it, or name another with make PYTHON=python3.12."; exit 1; }
	@free=$$(df -Pk . | awk 'NR==2 {print int($$4/1048576)}'); \
	if [ ! -d $(VENV)/lib ] && [ $$free -lt $(NEEDED_GB) ]; then \
		echo "The environment takes 6 GB and only $$free GB are free here: make room for $(NEEDED_GB) GB."; exit 1; fi
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(UV) || $(BIN)/pip install --quiet --disable-pip-version-check "uv>=$(UV_VERSION)"
	$(UV) pip install --python $(BIN)/python --require-hashes -r requirements.txt
	$(UV) pip install --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: install ## set everything up and open a demo shop: http://127.0.0.1:8501
	$(BIN)/akin up --demo

up: install ## start Akin on your own data folder
	$(BIN)/akin up

test: install ## the whole test suite (long and slow ones aside)
	$(BIN)/python -m pytest -m "not slow and not long" $(SIDE_BY_SIDE)

test-long: install ## the tests that take seconds each, which CI runs too
	$(BIN)/python -m pytest -m "long and not slow" $(SIDE_BY_SIDE)

test-slow: install ## the tests that take minutes
	$(BIN)/python -m pytest -m slow

test-browser: install ## the tests in a real Chromium
	$(BIN)/python -m pytest -m browser

test-deployment: install ## everything of docker-compose.yml started by hand and used through nginx
	$(BIN)/python -m pytest tests/deployment/test_by_hand.py

test-kills: install ## kill -9 thirty times in each profile, and see that nothing is lost
	$(BIN)/python -m pytest tests/end_to_end/test_killed_often.py -m slow -s

fuzz: install ## ten thousand mutated pictures, archives and manifests
	$(BIN)/python -m pytest tests/fuzz -m slow -s

schema: install ## schemathesis over the whole API, as each role, at length
	$(BIN)/python -m pytest tests/backend/test_openapi_by_role.py -m slow -s

lint: install ## ruff, mypy and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(UV) ## ask for known vulnerabilities of what requirements.txt pins
	@$(PYTHON) .ci/audit $(UV) requirements.txt

format: install ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install ## measure, and write the tables in benchmarks/results
	$(BIN)/python -m benchmarks

backbone: install ## train the demo backbone anew, PHOTOS=folder to see photos too (45 minutes on two cores)
	$(BIN)/python -m workers.recipes.backbone train --out runs/backbone $(if $(PHOTOS),--photos $(PHOTOS))

PIN := pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --generate-hashes

pins: $(UV) ## resolve requirements.txt anew from pyproject.toml, and the part of it that images need
	$(UV) $(PIN) --group dev pyproject.toml -o requirements.txt
	$(UV) $(PIN) --constraints requirements.txt pyproject.toml -o requirements-image.txt

$(UV):
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check "uv>=$(UV_VERSION)"

migrations: install ## bring the database of the settings to this version
	$(BIN)/python -m backend.migrating

clean: ## remove the environment and caches; data folders stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
