# The one door to the project. `make` or `make help` says what there is.

PYTHON ?= python3
PORT ?= 8080

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## Show what this Makefile can do
	@echo "Usage: make TARGET [PORT=8080] [PYTHON=python3]"
	@echo
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)$$/\1|\2/p' Makefile \
	| while IFS='|' read -r name text; do printf '  %-10s %s\n' "$$name" "$$text"; done

.PHONY: install
install: $(INSTALLED) ## Create .venv from requirements.lock, every package checked by its hash
	@echo "Ready: $(BIN)/trial-ledger --help"

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not one."; \
	  echo "Name another interpreter, for example: make install PYTHON=python3.12"; exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot create virtual environments."; \
	  echo "On Debian or Ubuntu install the package python3-venv, then try again."; exit 1; } >&2
	@$(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	|| { echo "Creating $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing what requirements.lock names into $(VENV); a minute or two the first time"
	@$(PIP) install --quiet --require-hashes --only-binary :all: --requirement requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: run
run: $(INSTALLED) ## Run the seed trial end to end, then serve it on 127.0.0.1 (PORT=8080) until Ctrl-C
	@$(BIN)/trial-ledger demo --dir var/demo --serve --port $(PORT)

.PHONY: demo
demo: $(INSTALLED) ## Run the seed trial end to end, verify it, write var/demo/report.html, and end
	@$(BIN)/trial-ledger demo --dir var/demo

.PHONY: test
test: $(INSTALLED) ## Run the quick tests
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

.PHONY: test-long
test-long: $(INSTALLED) ## Run the tests that take minutes: same seed same head, a bare verifier, damage
	@$(BIN)/python -m pytest -m long --numprocesses 2 --dist loadfile

.PHONY: soak
soak: $(INSTALLED) ## Kill the service 200 times, inject thousands of faults; an hour, prints counts
	@LEDGER_SOAK=1 $(BIN)/python -m pytest tests/faults tests/model -m "long or not long"

.PHONY: check
check: $(INSTALLED) ## Check format, lint, types, layers, generated pages and vectors
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m ledger.events.catalogue --check \
	|| { echo "These files do not agree with the vocabulary: run make docs." >&2; exit 1; }
	@$(BIN)/python -m tests.vectors.make --check \
	|| { echo "These test vectors do not agree with their sources: run make vectors." >&2; exit 1; }

.PHONY: bench
bench: $(INSTALLED) ## Measure within half an hour; writes docs/performance.md and docs/scaling.md
	@$(BIN)/python -m benchmarks $(BENCH)

.PHONY: bench-full
bench-full: $(INSTALLED) ## Measure with growth rows at 1,000,000 entries on SQLite; about an hour
	@$(BIN)/python -m benchmarks --full $(BENCH)

.PHONY: format
format: $(INSTALLED) ## Format the code and mend what the linter can mend safely
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

.PHONY: docs
docs: $(INSTALLED) ## Write docs/events.md and ledger/events/vocabulary.json from the event types
	@$(BIN)/python -m ledger.events.catalogue

.PHONY: vectors
vectors: $(INSTALLED) ## Write the test vectors in docs/formats/vectors
	@$(BIN)/python -m tests.vectors.make

.PHONY: lock
lock: $(INSTALLED) ## Resolve requirements.lock again from pyproject.toml (UPGRADE=--upgrade for newer versions)
	@$(BIN)/uv pip compile pyproject.toml --group build --group test --group quality --group bench --group lock \
	  --universal --python-version 3.11 --system-certs --generate-hashes $(UPGRADE) \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet \
	  --output-file requirements.lock
