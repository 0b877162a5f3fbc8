# Every target prepares .venv in this checkout when it is missing or older than its lock, and touches nothing else.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help install demo test lint bench lock manifests

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

install: .venv/installed ## prepare .venv

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip --quiet --disable-pip-version-check install --require-hashes -r requirements.lock
	$(BIN)/python -m pip --quiet --disable-pip-version-check install --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## the main job, live, on the embedded cluster
	$(BIN)/moduledeploy demo

test: install lint ## everything that must hold before a change lands
	$(BIN)/python -m pytest

lint: install ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: install ## measure, each number beside its reference
	$(BIN)/python -m benchmarks

manifests: install ## make what is made from sources: rules, dashboards, install.yaml, the page of the metrics
	$(BIN)/python manifests/monitoring/build.py
	$(BIN)/python docs/metrics.py
	$(BIN)/kubectl kustomize manifests/overlays/default > manifests/install.yaml

lock: ## resolve the dependencies anew into requirements.lock
	uv pip compile pyproject.toml --extra devcluster --group dev --generate-hashes --no-emit-index-url --universal --python-version 3.11 --quiet -o requirements.lock
