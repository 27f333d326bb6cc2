# Each target does its own set-up in .venv; all it needs is make and Python 3.11 or newer.

VENV := .venv
BIN := $(VENV)/bin
OUT ?= out
SECONDS ?= 60
SEED ?= 0
LOCKED := dev docs browser release
LOCK := --constraint locks/dev.txt
CANDIDATES := $(PYTHON) python3.13 python3.12 python3.11 python3 python

.PHONY: help demo test long lint browser format docs bench fuzz faults lock audit sbom gpu gpu-wheels clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.demo ## Train, draw and write everything into out/ (DEMO_STEPS=20 for a short run)
	$(BIN)/python examples/demo.py --out "$(OUT)" $${DEMO_STEPS:+--steps $$DEMO_STEPS}

test: lint ## Lint, types, import contracts, tests, doctests and coverage
	$(BIN)/pytest -n 2 --cov

long: $(VENV)/.dev ## The tests that .ci/run has no time for: all pairs, seeds and options, and 1000 random examples
	HYPOTHESIS_PROFILE=explore $(BIN)/pytest -n 2 -m "(long or hypothesis) and not gpu and not torch and not browser"

lint: $(VENV)/.dev ## Lint, formatting, types and import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

browser: $(VENV)/.browser ## The tests that need a Chromium on the PATH
	$(BIN)/pytest -n 2 -m browser

format: $(VENV)/.dev ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/.docs ## The site, in docs/_build/index.html
	$(BIN)/python docs/op_table.py
	$(BIN)/python docs/notebooks.py
	$(BIN)/python docs/numpy_table.py
	$(BIN)/python docs/array_api_table.py
	$(BIN)/sphinx-build --quiet --fail-on-warning --builder html docs docs/_build
	@echo "the site is in docs/_build/index.html"

bench: $(VENV)/.bench ## Time it beside its peers, into out/ (BENCH="--help" lists the options)
	$(BIN)/python -m benchmarks.run --json "$(OUT)/benchmarks.json" --markdown "$(OUT)/benchmarks.md" $(BENCH)

fuzz: $(VENV)/.dev ## Random programs, plain against compiled (SECONDS=600 SEED=1 FUZZ="--backend both --processes 2")
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) --seed $(SEED) --out "$(OUT)/fuzz" $(FUZZ)

faults: $(VENV)/.dev ## Kills, full disks, damaged files, hostile names and arguments (SECONDS=600 SEED=1 FAULTS=--full)
	$(BIN)/python -m tests.faults $(if $(filter --full,$(FAULTS)),,--seconds $(SECONDS)) --seed $(SEED) $(FAULTS)

gpu: ## Try and time the CuPy backend on a GPU, into out/gpu (GPU="--help" lists the options)
	@"$(or $(PYTHON),$(wildcard $(BIN)/python),python3)" -m benchmarks.gpu_day --out "$(OUT)/gpu" $(GPU)

gpu-wheels: $(VENV)/.dev ## What `make gpu` needs on a machine without a network, into wheels/
	rm -rf wheels
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	    --wheel-dir wheels . 'graphviz>=0.20'
	@ls wheels

lock: $(VENV)/.dev ## The exact versions of all tools for development, into locks/dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-package tinygrad-lstm --no-annotate \
	    --custom-compile-command 'make lock' --upgrade --output-file locks/dev.txt $(LOCKED:%=--extra %) pyproject.toml

audit: $(VENV)/.release ## Ask PyPI for known vulnerabilities of all that locks/dev.txt names; needs the network
	$(BIN)/pip-audit --strict --requirement locks/dev.txt --no-deps --disable-pip

sbom: $(VENV)/.release ## What the package installs, in CycloneDX, into out/sbom.json
	rm -rf "$(OUT)/sbom-venv" && mkdir -p "$(OUT)" && $(BIN)/uv venv --quiet "$(OUT)/sbom-venv"
	$(BIN)/uv pip install --quiet --constraint locks/dev.txt --python "$(OUT)/sbom-venv" .
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --mc-type library --output-reproducible \
	    --output-file "$(OUT)/sbom.json" "$(OUT)/sbom-venv"
	rm -rf "$(OUT)/sbom-venv"

clean: ## Remove .venv, out/, dist/, wheels/, caches and coverage data
	rm -rf $(VENV) out dist wheels docs/_build .coverage .coverage.* htmlcov
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.created:
	@for python in $(CANDIDATES); do \
	    if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "setting up $(VENV) with $$($$python --version); the first time takes a minute or two"; \
	        "$$python" -m venv --clear $(VENV) && touch $@ && exit 0; \
	        exit 1; \
	    fi; \
	done; \
	echo "tinygrad_lstm needs Python 3.11 or newer with its venv module (on Debian and Ubuntu: apt install" \
	     "python3 python3-venv), and none of these is one: $(strip $(CANDIDATES)). Name yours:" \
	     "make PYTHON=/path/to/python3" >&2; \
	exit 1

# What is installed follows pyproject.toml: when that is newer than the stamp, pip looks again.
$(VENV)/.demo: $(VENV)/.created pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(LOCK) --editable '.[plots]'
	@touch $@

$(VENV)/.docs: $(VENV)/.created pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(LOCK) --editable '.[docs]'
	@touch $@

$(VENV)/.bench: $(VENV)/.created pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

$(VENV)/.browser: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(LOCK) --editable '.[browser]'
	@touch $@

$(VENV)/.release: $(VENV)/.dev
	$(BIN)/uv pip install --quiet --python $(BIN)/python $(LOCK) --editable '.[release]'
	@touch $@

$(VENV)/.dev: $(VENV)/.created pyproject.toml locks/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(LOCK) --editable '.[dev]'
	@touch $@ $(VENV)/.demo
