# Everything from a fresh clone: `make demo`, `make check`, `make test`. `make help` lists the rest.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
.PHONY: help setup demo check check-sql test snapshots pictures soak format lock upgrade wheel clean

SHELL := /bin/sh
# Images of Python often set it. Then each of the hundreds of processes of the tests compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
# One more than there are cores, for tests wait for their servers; more than four wait for the one database.
TEST_PROCESSES ?= $(shell n=$$(($$(getconf _NPROCESSORS_ONLN) + 1)); [ $$n -lt 4 ] && echo $$n || echo 4)
ARGS ?=

help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):[^#]*## */  make \1\t/' | expand -t 20

setup: .venv/.dev ## make .venv with all that checks and tests need

.venv/.demo: requirements/demo.txt requirements/uv.txt requirements/build.txt pyproject.toml
	@[ -e .venv/.dev ] || echo "setting up .venv (once)"
	@sh .ci/setup demo
	@touch $@

.venv/.dev: requirements/dev.txt requirements/uv.txt requirements/build.txt pyproject.toml
	@echo "setting up .venv (once)"
	@sh .ci/setup dev
	@touch $@ .venv/.demo

demo: .venv/.demo ## see it run, nothing else needed (ARGS="--help")
	@$(BIN)/etl-tui demo $(ARGS)

check: .venv/.dev check-sql ## ruff, mypy --strict, import-linter, SQL
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check-sql: .venv/.dev ## the SQL alone
	$(BIN)/sqlfluff lint --disable-progress-bar --nocolor sql

test: .venv/.dev ## all tests; a skip that is not allowed fails (ARGS="-k name")
	$(BIN)/pytest -q -n $(TEST_PROCESSES) --dist worksteal --forbid-skips $(ARGS)

snapshots: .venv/.dev ## write anew what tests say the screens look like; git shows what changed
	$(BIN)/pytest -q tests/etl_tui/snapshots --renew-screens

pictures: .venv/.dev ## make the pictures of the documentation anew
	$(BIN)/python -m tests.etl_tui.pictures

soak: .venv/.dev ## half an hour of faults on both transports, the crash matrix, the models, the rules, the memory (ARGS="--minutes 5")
	$(BIN)/python -m tests.chaos.soak $(ARGS)
	$(if $(findstring --seed,$(ARGS)),,$(BIN)/python -m tests.crash.matrix)
	$(if $(findstring --seed,$(ARGS)),,ETL_MODEL_EXAMPLES=200 $(BIN)/pytest -q tests/workers/model)
	$(if $(findstring --seed,$(ARGS)),,ETL_STATE_MACHINE_EXAMPLES=400 $(BIN)/pytest -q tests/lifecycle/test_state_machine.py)
	$(if $(findstring --seed,$(ARGS)),,ETL_EXAMPLES=1000 $(BIN)/pytest -q tests/rules)
	$(if $(findstring --seed,$(ARGS)),,$(BIN)/python -m benchmarks.memory)

format: .venv/.dev ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# uv keeps the versions that are already locked; `make upgrade` lets go of them.
LOCK := pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	--no-emit-find-links --no-annotate
UV = $$(command -v uv || echo $(BIN)/uv)

lock: .venv/.dev ## write requirements/ anew from pyproject.toml (no new versions unless needed)
	$(UV) $(LOCK) $(LOCK_ARGS) requirements/uv.in -o requirements/uv.txt
	$(UV) $(LOCK) $(LOCK_ARGS) pyproject.toml --all-extras --group dev -o requirements/dev.txt
	$(UV) $(LOCK) -c requirements/dev.txt pyproject.toml --extra demo -o requirements/demo.txt
	$(UV) $(LOCK) -c requirements/dev.txt requirements/build.in -o requirements/build.txt
	@! grep -nE '://|^--(index|extra-index|find-links)' requirements/*.txt

upgrade: ## the lock with the newest versions that pyproject.toml allows
	@$(MAKE) lock LOCK_ARGS=--upgrade

wheel: .venv/.dev ## build the wheel into dist/
	$(BIN)/hatchling build -t wheel

clean: ## remove .venv and every cache
	rm -rf .venv .cache build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
