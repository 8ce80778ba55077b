# Everything here needs Python 3.11 or newer with venv, git and make; the rest comes from the package registries.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/ready
SOAK_KILLS := $(or $(KILLS),200)

.PHONY: demo demo-six-months test check format bench schema soak clean

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Lockstep needs Python 3.11 or newer"; exit 1; }
	@echo "setting up .venv (once, about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,demo]' -c constraints.txt
	@touch $@

demo: $(READY)  ## weeks of a real shop: alerts, the report of a morning, a campaign that is answered
	@$(BIN)/lockstep demo

demo-six-months: $(READY)  ## backtest the shipped rules on six months, where the data is there
	@csv="$${LOCKSTEP_RETAIL_CSV:-$$(ls ../shared/data/online-retail/*.csv.gz 2>/dev/null | head -n 1)}"; \
	if [ -z "$$csv" ]; then echo "skipped: set LOCKSTEP_RETAIL_CSV to the Online Retail CSV (see rules/README.md)"; \
	else $(BIN)/lockstep convert "$$csv" --out .venv/six-months.ndjson && \
	$(BIN)/lockstep backtest rules --events .venv/six-months.ndjson; fi

test: $(READY)  ## the tests; with Java and Maven also on a real Kafka
	@$(BIN)/python -m pytest

check: $(READY)  ## format, lint, types, import contracts, schemas, rules and their tests, compose file
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/lockstep schema --check
	$(BIN)/lockstep check rules rules/packs
	$(BIN)/lockstep test rules
	$(BIN)/check-jsonschema --schemafile schemas/ruletest.schema.json rules/tests/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@if docker compose version >/dev/null 2>&1; then docker compose config --quiet; fi

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)  ## the targets of speed and the peers, measured on this machine: a quarter of an hour
	@$(BIN)/python -m tests.bench.run

schema: $(READY)  ## write schemas/ and deploy/lockstep.env.example from the models
	@$(BIN)/lockstep schema

soak: $(READY)  ## the long kill test, a judge with 100,000 groups, a second simulated shop: make soak KILLS=200
	@KILLS=$(SOAK_KILLS) $(BIN)/python -m pytest -m soak -n 0 -p no:randomly tests/exactness tests/judge tests/simshop

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
