# make run          the dashboard with ten thousand emulated phones
# make test         every test, on SQLite and on PostgreSQL
# make setup        environment and database alone
# make check        style, types, imports, templates, migrations
# make format       lays out code and templates as make check wants them
# make bench        how fast it is, beside its parts and beside other ways
# make bench-scale  every page and count with a million devices and ten million deliveries
# make soak         500 kills, then a reckoning
# make mutants      mistakes on purpose, for the tests to find
# make audit        known holes of the dependencies
# make help         this list

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?= -q -n 3 --dist worksteal
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Nothing here runs without a limit: "$(call within,SECONDS) COMMAND" ends the command and all it started.
within = $(PY) -m tests.bounded $(1) --
# The same for what comes before there is a Python to do it, where coreutils has "timeout".
fetching := $(shell timeout --foreground 1 true 2>/dev/null && echo timeout --foreground --kill-after 10 900)

.PHONY: run setup test check check-project format soak mutants bench bench-scale audit browsers help
.DEFAULT_GOAL := run

help:
	@sed -n -e '/^$$/q' -e 's/^# //p' Makefile

run: setup
	@exec $(PY) manage.py serve

setup: $(VENV)/runtime
	@$(PY) manage.py setup

test: $(VENV)/dev browsers
	$(call within,1800) $(PY) -m pytest $(ARGS)
	$(call within,1800) $(PY) -m tests.postgres $(PY) -m pytest $(ARGS)

# Half an hour of kills; the table is what docs/reliability.md shows.
KILLS ?= 500
soak: $(VENV)/dev
	$(call within,$(shell expr 1200 + 12 \* $(KILLS))) $(PY) -m tests.rig.chaos --kills $(KILLS) --machines 2
	$(call within,$(shell expr 1200 + 12 \* $(KILLS))) $(PY) -m tests.rig.chaos --kills $(shell expr $(KILLS) \* 2 / 5) --devices 8000 --database sqlite

# Every deliberate mistake of tests/mutations/, one after the other: each must be found by its tests.
mutants: $(VENV)/dev
	$(call within,5400) $(PY) -m tests.mutants
	$(call within,5400) $(PY) -m tests.postgres $(PY) -m tests.mutants

# What is known against the versions in the locks. It asks the package index, so it needs the network.
audit: $(VENV)/audit/bin/pip-audit
	$(fetching) $(VENV)/audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements/runtime.lock
	$(fetching) $(VENV)/audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements/dev.lock

$(VENV)/audit/bin/pip-audit: requirements/audit.lock | $(VENV)/bin/pip
	@$(PYTHON) -m venv $(VENV)/audit
	@$(fetching) $(VENV)/audit/bin/pip install --quiet --require-hashes --no-deps -r $<
	@touch $@

bench: $(VENV)/dev
	$(call within,900) $(PY) -m tests.bench

# How long every page takes with a million devices and ten million deliveries: a quarter of an hour, 8 GB of disk.
bench-scale: $(VENV)/dev
	$(call within,2700) $(PY) -m tests.bench.scale

check: check-project
	$(call within,60) $(VENV)/bin/ruff check .
	$(call within,60) $(VENV)/bin/ruff format --check .
	$(call within,60) $(VENV)/bin/djade --check --target-version 5.2 $$(find templates -name '*.html')
	$(call within,120) $(VENV)/bin/djlint --lint --quiet templates

# The part that looks at everything at once; a commit hook runs it beside the others on changed files.
check-project: export PUSHADMIN_VAR := $(CURDIR)/$(VENV)/check
check-project: export SECRET_KEY := nothing-is-signed-with-this-one-it-only-lets-the-checks-run
check-project: export ENCRYPTION_KEYS := AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
check-project: $(VENV)/dev
	@mkdir -p $(VENV)/check && chmod -R go= $(VENV)/check
	$(call within,600) $(VENV)/bin/mypy
	$(call within,120) $(VENV)/bin/lint-imports
	$(call within,60) $(PY) manage.py makemigrations --check --dry-run
	$(call within,60) $(PY) manage.py check --fail-level WARNING

format: $(VENV)/dev
	$(call within,60) $(VENV)/bin/ruff check --fix --quiet .
	$(call within,60) $(VENV)/bin/ruff format --quiet .
	-$(call within,60) $(VENV)/bin/djade --target-version 5.2 $$(find templates -name '*.html')

# Browsers for the tests: Chromium for the pages, Firefox because its push service can be the emulator. Never skipped in
# silence.
browsers:
	@missing=; \
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing="chromium fonts-dejavu-core"; \
	command -v firefox-esr >/dev/null || command -v firefox >/dev/null || missing="$$missing firefox-esr"; \
	[ -z "$$missing" ] || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			$(fetching) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(fetching) apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
		else \
			echo "The tests open pages in Chromium and Firefox, and not both are there. Install them, for example: sudo apt install $$missing"; exit 1; \
		fi; }

# A venv belongs to its lock: when a lock changes, pip brings it up to date; else this takes no time.
$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit("PushAdmin needs Python 3.11 or newer: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/runtime: requirements/runtime.lock | $(VENV)/bin/pip
	@echo "Installing what $< names …"
	@$(fetching) $(VENV)/bin/pip install --quiet --require-hashes --no-deps -r $<
	@touch $@

$(VENV)/dev: requirements/dev.lock | $(VENV)/bin/pip
	@echo "Installing what $< names …"
	@$(fetching) $(VENV)/bin/pip install --quiet --require-hashes --no-deps -r $<
	@touch $@ $(VENV)/runtime
