PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Modules are compiled when they are first used: most never are.
PIP := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt

.PHONY: bench demo docs format-web lint-web node-packages test wheel clean

# With torch, so that item texts are encoded; `make demo ENCODER=0` does without it.
ENCODER ?= 1

demo: $(VENV)/.demo $(if $(filter-out 0,$(ENCODER)),$(VENV)/.encoders)
	@$(BIN)/reshelf demo $(if $(filter-out 0,$(ENCODER)),,--no-encoder)

test: $(VENV)/.test node-packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory lint-web
	$(BIN)/pytest --numprocesses 3 --dist worksteal

# JavaScript and CSS: one program that lints and formats, installed from npm where Node is there.
BIOME := tools/web/node_modules/.bin/biome

lint-web: $(BIOME)
	@if [ -x $(BIOME) ]; then $(BIOME) ci --error-on-warnings .; \
		else echo "SKIPPED: JavaScript and CSS are neither linted nor held to their format" >&2; fi

format-web: $(BIOME)
	$(BIOME) check --write .

$(BIOME): tools/web/package-lock.json
	@if command -v npm >/dev/null; \
		then cd tools/web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch node_modules/.bin/biome; \
		else echo "Node and npm are not installed" >&2; fi || echo "Biome could not be installed" >&2

# The references of commands and metrics, from the commands and the table themselves.
docs: $(VENV)/.demo
	$(BIN)/python -m reshelf.reference docs/reference/commands.md
	$(BIN)/python -m streams.metrics.page docs/reference/metrics.md

$(VENV)/.demo: pyproject.toml constraints.txt streams/fold/compiled.pyx $(wildcard streams/fold/*.pxi) policy/scan.pyx
	@echo "Installing into $(VENV): a minute or two, once ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable '.[embedded]'
	@touch $@

# What is installed already is not built again for an extra.
$(VENV)/.encoders: $(VENV)/.demo
	@$(PIP) 'reshelf[encoders]'
	@touch $@

# The dataset's package is taken for its sample files alone, so without what its code needs.
$(VENV)/.test: $(VENV)/.demo
	$(PIP) 'reshelf[test]'
	$(PIP) --no-deps obp
	touch $@

# A package to install elsewhere: dist/reshelf-*.whl.
wheel: $(VENV)/.demo
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

# The web tier in JavaScript is tested where its packages can be had; the tests say so where they cannot.
node-packages:
	@test examples/node/node_modules/.package-lock.json -nt examples/node/package-lock.json \
		|| (cd examples/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) \
		|| echo "Node's packages could not be installed: the web tier in JavaScript is not tested" >&2

# Peers to measure against.  Quix Streams asks for older libraries than it needs, so it comes without them.
bench: $(VENV)/.bench

$(VENV)/.bench: $(VENV)/.demo
	$(PIP) 'reshelf[bench]'
	$(PIP) --no-deps quixstreams
	touch $@

clean:
	rm -rf $(VENV) examples/node/node_modules tools/web/node_modules build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
