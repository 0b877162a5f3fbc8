# Every target prepares .venv in this checkout when it is missing or older than its lock, and touches nothing else.
PYTHON ?= python3
BUILDER ?= podman
BASE ?= python:3.11-slim
BUILD_FLAGS ?=
SBOM ?= cyclonedx-py
ENVIRONMENT ?= .venv
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help install demo test faults verify test-arklet lint docs bench bench-quick lock manifests image sbom

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

# The same random lives every time, so that the verdict is about the change; `make verify` draws new ones.
test: export MODULEDEPLOY_MACHINE_SEED ?= 203
test: install lint ## everything that must hold before a change lands
	$(BIN)/python -m pytest -n 2 --dist loadgroup

# The engine's proof at full length; `make test` runs the same modules with fewer states, runs and seeds.
verify: export MODULEDEPLOY_WORLDS = all
verify: export MODULEDEPLOY_CRASH_STRIDE = 1
verify: export MODULEDEPLOY_MACHINE_EXAMPLES = 500
verify: export MODULEDEPLOY_MACHINE_STEPS = 100
verify: export MODULEDEPLOY_CLUSTER_EXAMPLES = 200
verify: export MODULEDEPLOY_CLUSTER_STEPS = 60
verify: install ## the proof of the engine at full length, about 10 minutes; docs/verification.md has its counts
	$(BIN)/python -m pytest -s --timeout 1800 tests/rollout tests/controllers tests/faults_of_v1

test-arklet: install ## the controller on real bases; needs a JDK 17 and Maven, some minutes, and says so where it can't
	$(BIN)/python -m pytest -m realarklet tests/arklet_real

faults: install ## kill, stop and cut off whole processes as often as tests/faults says, and print the counts: about an hour
	MODULEDEPLOY_FAULT_RUNS=table $(BIN)/python -m pytest -p no:randomly tests/faults

lint: install ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: install ## make the site: dist/docs/index.html
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs dist/docs

bench: install ## measure, each number beside its reference, about 10 minutes; ARGS="informer idle" for some alone
	$(BIN)/python -m benchmarks $(ARGS)

bench-quick: install ## the same on small sizes, under a minute; ARGS=--json prints nothing but a list
	$(BIN)/python -m benchmarks --quick $(ARGS)

manifests: install ## make what is made from sources: rules, boards, install.yaml, the pages of metrics and resources
	$(BIN)/python manifests/monitoring/build.py
	$(BIN)/python docs/metrics.py
	$(BIN)/python docs/resources.py
	$(BIN)/kubectl kustomize manifests/overlays/default > manifests/install.yaml

image: ## build the image; BUILDER is podman, docker or buildah, BASE an image with Python 3.11, BUILD_FLAGS more for BUILDER
	$(BUILDER) build --file Containerfile $(BUILD_FLAGS) --build-arg BASE=$(BASE) --build-arg REVISION=$$(git rev-parse HEAD) --tag moduledeploy:$(VERSION) .

sbom: ## list what is in ENVIRONMENT, /app/.venv of an unpacked image, as CycloneDX (needs cyclonedx-bom)
	@mkdir -p dist
	$(SBOM) environment $(ENVIRONMENT) --output-reproducible --of JSON -o dist/sbom.json

lock: LOCKED = --generate-hashes --no-emit-index-url --universal --python-version 3.11 --quiet
lock: ## resolve the dependencies anew: all of them, those in the image, and those that build it
	uv pip compile pyproject.toml --extra devcluster --group dev --group docs $(LOCKED) -o requirements.lock
	uv pip compile pyproject.toml --constraint requirements.lock $(LOCKED) -o manifests/image.lock
	uv pip compile --group build --constraint requirements.lock $(LOCKED) -o manifests/build.lock
