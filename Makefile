# What one types here. Needs Python 3.11 or newer and make; all else is installed into .venv.

VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet
RUN_STAMP = $(VENV)/.installed
DEV_STAMP = $(VENV)/.installed-dev
CODE = config people saas integrations workflows trials tests

.PHONY: help install run test check bench trials hostile screenshots lock clean

help:
	@echo "make install      make .venv with what it runs on, and nothing else"
	@echo "make run          start the demo: a company of 500 people, on this machine only"
	@echo "make test         run every test that this machine can run; the last lines say which"
	@echo "make check        format, lint, types, layers, migrations, deployment, vendors, lock, audit"
	@echo "make bench        measure syncs and workflows against the reference programs (see benchmarks/)"
	@echo "make trials       kill, flush, restore and mislead it on purpose; prints what was lost (30 minutes)"
	@echo "make hostile      send 500 hostile answers per vendor through whole syncs (3 minutes)"
	@echo "make screenshots  take the pictures of docs/pictures from the running product"
	@echo "make lock         compile requirements*.in to the pinned requirements*.txt"
	@echo "make clean        remove what was installed or built; never your data or keys"

install: $(RUN_STAMP)

run: $(RUN_STAMP)
	@exec $(BIN)/python manage.py start --demo $(ARGS)

test: $(DEV_STAMP)
	@$(BIN)/python tests/run_all.py $(ARGS)

check: $(DEV_STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	DJANGO_SETTINGS_MODULE=config.settings.test $(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python tests/checks.py deploy
	DJANGO_SETTINGS_MODULE=config.settings.test $(BIN)/python manage.py check_vendors
	$(BIN)/python tests/checks.py lock
	$(BIN)/python tests/checks.py audit

bench: $(DEV_STAMP)
	@$(BIN)/python benchmarks/run.py $(ARGS)

trials: $(DEV_STAMP)
	@$(BIN)/python -m trials $(ARGS)

hostile: $(DEV_STAMP)
	@$(BIN)/python -m benchmarks.hostile $(ARGS)

screenshots: $(DEV_STAMP)
	@$(BIN)/python -m tests.browser.screenshots $(ARGS)

lock: $(DEV_STAMP)
	$(BIN)/uv pip compile $(LOCK_OPTIONS) requirements.in -o requirements.txt
	$(BIN)/uv pip compile $(LOCK_OPTIONS) requirements-dev.in -o requirements-dev.txt

LOCK_OPTIONS = --quiet --python-version 3.11 --universal --generate-hashes \
	--no-emit-index-url --no-emit-find-links

clean:
	rm -rf $(VENV) staticfiles .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is newer than the pins that were installed, so a second call installs nothing.
$(RUN_STAMP): requirements.txt
	@test -x $(BIN)/python || $(MAKE) --no-print-directory venv
	@echo "Installing what it runs on (the first time takes about a minute) ..."
	@$(PIP) install --require-hashes -r requirements.txt
	@touch $@

$(DEV_STAMP): requirements-dev.txt $(RUN_STAMP)
	@echo "Installing what it is tested with ..."
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

.PHONY: venv
venv:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making $(VENV) with $$($$python --version) ..."; \
	    exec $$python -m venv $(VENV); \
	  fi; \
	done; \
	echo "Rolecall needs Python 3.11 or newer; none was found. Set PYTHON=/path/to/python3" >&2; \
	exit 1
