# The one front door for people. `make` alone says what there is.

.DEFAULT_GOAL := help
.PHONY: help setup up down demo test test-console generate console pictures chaos fuzz check docs bench

PYTHON := .venv/bin/python
NPM := deploy/with_node.sh npm --prefix console
SECONDS := 600
CASES := 20000

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: ## Install what is needed: the virtual environment and, as root on Debian, the data plane's packages
	@deploy/setup.sh

up: setup ## Start everything on this machine and wait until it is ready
	@$(PYTHON) -m groundplane.processes.main up

down: setup ## Stop the control plane; guests go on
	@$(PYTHON) -m groundplane.processes.main down

demo: setup ## Show the main job, from nothing to a virtual machine and back
	@$(PYTHON) -m groundplane.processes.demo

test: setup ## Run all tests, those with the real engines included where they can run
	@$(PYTHON) -m pytest -n 2 --dist loadgroup

test-console: setup ## Test the web console: its logic, and its journeys in a browser against an installation of its own
	@$(NPM) test
	@$(PYTHON) -m pytest -n 0 tests/console

generate: setup ## Write again what is generated: the OpenAPI documents, and the console's types from them
	@$(PYTHON) -m groundplane.processes.main openapi
	@$(NPM) run generate

console: setup ## Develop the web console: reloads as its sources change, and speaks to GROUNDPLANE_URL (http://127.0.0.1:8700)
	@$(NPM) run dev

pictures: setup ## Take the pictures of the console in docs/pictures anew, from an installation of their own
	@$(PYTHON) -m tests.console.pictures

chaos: setup ## Kill and disturb everything for ten minutes (SECONDS=, SEED=); nothing may be lost, doubled or stuck
	@$(PYTHON) -m tests.chaos --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

fuzz: SECONDS := 1800
fuzz: setup ## Send the whole api cases that its documents make up (CASES=, SECONDS=, SEED=); none may surprise
	@FUZZ_CASES=$(CASES) FUZZ_SECONDS=$(SECONDS) FUZZ_SEED=$(or $(SEED),$(shell date +%s)) \
		$(PYTHON) -m pytest -q --show-capture=no tests/fuzz

check: setup ## Lint, types, import rules, generated files unchanged, documents whole
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports
	$(PYTHON) -m groundplane.processes.main openapi --check
	.venv/bin/zensical build --strict --clean
	$(NPM) run check

docs: setup ## Make the site of docs/ in build/docs, to be opened in a browser; a broken link fails
	@.venv/bin/zensical build --strict --clean
	@echo "file://$(CURDIR)/build/docs/index.html"

bench: setup ## Run the benchmarks and show which goals are met
	@$(PYTHON) bench/run.py
