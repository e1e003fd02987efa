# Everything from a fresh clone: `make run` builds and publishes, `make test` proves. Each sets up what it needs; the second call sets up nothing.
#
# Variables: EXTRACTS (landing folder), SCALE (residents), SEED, LAKEHOUSE_HOME (var), AS_OF (latest business date), PROFILE (local), STRICT.
# They may stand on the command line or in the environment; defaults are in infra/settings.py and infra/run.py.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3.11
PY := .venv/bin/python
UV := $(or $(shell command -v uv),.venv-tools/bin/uv)

# Python's compiled modules must be kept, or every process compiles Airflow anew (6 s).
unexport PYTHONDONTWRITEBYTECODE
export UV_PYTHON_DOWNLOADS := never

.PHONY: help run test extracts lint bench docs returns worklist check-mapping draft-mapping up down status clean

help:
	@echo "make run       extracts in, published tables and validation report out (EXTRACTS=, SCALE=, SEED=, AS_OF=, STRICT=1)"
	@echo "make test      every test; .ci/run does this"
	@echo "make extracts  a synthetic province: OUT=folder SCALE=residents SEED=number"
	@echo "make up|down   Airflow with its web page on loopback (AIRFLOW_PORT=8080); make status tells its health"
	@echo "make lint      ruff and sqlfluff"
	@echo "make bench     seconds, rows/s and memory per stage beside a bare copy: SCALE=residents"
	@echo "make docs      data dictionary of forms, fields and codes (Chinese), and documentation of models and columns"
	@echo "make returns   write the defect return file of every organisation again"
	@echo "make worklist  write the worklist of texts without a code of every organisation again"
	@echo "make check-mapping  what a mapping misses, told in Chinese: ORG=organisation [FILE=sample FEED=feed] [OUT=report.md or .html]"
	@echo "make draft-mapping  a mapping drafted from a table's headers and values: FILE=table [FEED=feed] [ORG=organisation] [OUT=mapping.yml]"
	@echo "make clean     remove LAKEHOUSE_HOME"

run: .venv/.runtime
	@$(PY) -m infra.run

test: .venv/.dev
	@$(PY) -m pytest

extracts: .venv/.runtime
	@$(PY) -m ingestion.synthetic --out "$(or $(OUT),$(error OUT=folder is missing))" $(if $(SCALE),--scale $(SCALE)) $(if $(SEED),--seed $(SEED))

lint: .venv/.dev
	@$(PY) -m ruff check .
	@cd dbt_project && PYTHONPATH="$(CURDIR)" LAKEHOUSE_DBT_PROJECT="$(CURDIR)/dbt_project" ../$(PY) -m sqlfluff lint models

bench: .venv/.dev
	@$(PY) -m tests.benchmarks --scale $(or $(SCALE),200000)

docs: .venv/.runtime
	@$(PY) -m infra.docs

returns: .venv/.runtime
	@$(PY) -m ingestion.returns

worklist: .venv/.runtime
	@$(PY) -m ingestion.codes

check-mapping: .venv/.runtime
	@$(PY) -m ingestion.mapping_check check --org "$(or $(ORG),$(error ORG=organisation is missing))" \
	  $(if $(FILE),--file "$(FILE)") $(if $(FEED),--feed "$(FEED)") $(if $(OUT),--out "$(OUT)")

draft-mapping: .venv/.runtime
	@$(PY) -m ingestion.mapping_check draft --file "$(or $(FILE),$(error FILE=table is missing))" \
	  $(if $(FEED),--feed "$(FEED)") $(if $(ORG),--org "$(ORG)") $(if $(OUT),--out "$(OUT)")

up down status: .venv/.runtime
	@$(PY) -m infra.airflow.service $@

# A folder that was not made from a synthetic province may hold the only vault of real deliveries.
clean:
	@home="$${LAKEHOUSE_HOME:-var}"; \
	if [ ! -d "$$home" ]; then echo "nothing to remove"; exit 0; fi; \
	if [ ! -e "$$home/extracts/generated.json" ] && [ "$${FORCE:-}" != 1 ]; then \
	  echo "$$home does not hold a synthetic province; FORCE=1 removes it all the same"; exit 1; fi; \
	if [ -x $(PY) ]; then $(PY) -m infra.airflow.service down; fi; \
	rm -rf -- "$$home" && echo "removed $$home"

# uv does not read pip's configuration: a mirror that pip is pointed at is handed on.
MIRROR = index="$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(PYTHON) -m pip config get global.index-url 2>/dev/null || true)}}"; \
	if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi

# Set-up ------------------------------------------------------------------------------------------------------------------------------

.venv-tools/bin/uv: infra/locks/uv.lock.txt
	@echo "setting up uv"
	@if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get install -y -qq python3.11-venv >/dev/null; fi
	@$(PYTHON) -m venv .venv-tools
	@.venv-tools/bin/python -m pip install -qq --require-hashes -r infra/locks/uv.lock.txt
	@touch $@

.venv/bin/python: | $(UV)
	@echo "setting up .venv"
	@$(UV) venv --quiet --python $(PYTHON) .venv

# The environment of the tests holds that of the runs: once it is there, both are kept in step with it.
.venv/.runtime: requirements.lock | .venv/bin/python
	@if [ -e .venv/.dev ]; then $(MAKE) --no-print-directory .venv/.dev; \
	else echo "installing requirements.lock"; $(MIRROR); $(UV) pip sync --quiet --require-hashes --python $(PY) requirements.lock; fi
	@touch $@

.venv/.dev: requirements-dev.lock | .venv/bin/python
	@echo "installing requirements-dev.lock"
	@$(MIRROR); $(UV) pip sync --quiet --require-hashes --python $(PY) requirements-dev.lock
	@touch .venv/.runtime $@
