# Everything from a bare Python 3.11: each target makes what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000

.DEFAULT_GOAL := help
.PHONY: help demo test test-ci test-long check fmt assets bench bench-catalog bench-group-buy bench-money bench-search bench-import bench-papers lock screenshots

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# The demo needs less than the tests do, so a newcomer waits for less; the marker files are dated by pip's end.
$(VENV)/demo.installed: requirements/demo.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Try: make demo PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/demo.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.installed: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Try: make test PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/demo.installed

demo: $(VENV)/demo.installed ## run the market with demo data: http://127.0.0.1:8000 (PORT=…)
	@exec $(BIN)/marketplace demo --port $(PORT)

test: $(VENV)/dev.installed ## unit, property, flow and (where a browser is found) browser tests
	$(BIN)/python -m pytest -m "not ci and not long" --ignore tests/browser $(PYTEST_ARGS)
	$(BIN)/python -m pytest tests/browser $(PYTEST_ARGS) # apart: the browser's driver keeps an event loop of its own

test-ci: $(VENV)/dev.installed ## the slow tests: kills, newcomers, whole walks
	$(BIN)/python -m pytest -m ci $(PYTEST_ARGS)

test-long: $(VENV)/dev.installed ## histories and closings in their nightly size
	$(BIN)/python -m pytest -m long $(PYTEST_ARGS)

check: $(VENV)/dev.installed ## ruff, format, mypy --strict, import contracts, types of the scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python build_assets.py --check

fmt: $(VENV)/dev.installed ## format and mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

assets: $(VENV)/dev.installed ## bundle scripts and styles anew, after a change below web/
	$(BIN)/python build_assets.py

bench: $(VENV)/dev.installed ## measured ratios against raw parts of the same run
	$(BIN)/python tests/benchmarks/__main__.py

bench-catalog: $(VENV)/dev.installed ## CPU time of pages and JSON answers, with ratios to a hello of the framework
	$(BIN)/python tests/benchmarks/bench_catalog.py

bench-group-buy: $(VENV)/dev.installed ## the limits of rounds, each beside its baseline of the same run
	$(BIN)/python tests/benchmarks/bench_clearing.py
	$(BIN)/python tests/benchmarks/bench_rounds.py
	$(BIN)/python tests/benchmarks/bench_pledge_http.py

bench-money: $(VENV)/dev.installed ## charges a second and calls at once, with a provider in the same process
	$(BIN)/python tests/benchmarks/bench_money.py

bench-search: $(VENV)/dev.installed ## the limits of search, with ratios to the raw engine and to PostgreSQL
	$(BIN)/python tests/benchmarks/bench_search.py
	$(BIN)/python tests/benchmarks/bench_freshness.py

bench-import: $(VENV)/dev.installed ## 50,000 rows listed, against COPY in the same run; what bad files cost
	$(BIN)/python tests/benchmarks/bench_import.py

bench-papers: $(VENV)/dev.installed ## CPU time of papers as PDF
	$(BIN)/python tests/benchmarks/bench_papers.py

screenshots: $(VENV)/dev.installed ## pictures of the pages into screenshots/ (needs a Chromium)
	$(BIN)/python tests/browser/take_screenshots.py

lock: ## pin the dependencies with hashes (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet --extra demo -o requirements/demo.txt pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet --extra dev -o requirements/dev.txt pyproject.toml
