# Every target sets up what it needs in .venv (nothing else is touched) and may be run again: what is done is kept.
PYTHON ?= python3
BIN := .venv/bin
DEVICE ?= cpu
RUNS ?=
VENUE ?=
CORES := $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 1)

.PHONY: help bench bench-live test check paper compare-more table-small kill-test perf report clean lock setup setup-all

help:           ## Say what there is.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

bench: setup    ## Compare all search strategies on both tables, with proxies, transfer and two objectives; optimizers. RUNS=10: a quick look.
	$(BIN)/nasbench run nas-bench-201-all nas-bench-201-pareto:20 cell201-mnist1d cell201-mnist1d-proxies cell201-mnist1d-transfer optimizers \
	  $(if $(RUNS),--runs $(RUNS))

test: setup-all ## Run all tests.
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(CORES) --dist loadfile

check: setup-all ## Lint, format and types: what CI asks for.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

paper: setup    ## All strategies, 500 runs each, resumable.
	$(BIN)/nasbench run nas-bench-201-all --runs 500
	$(BIN)/nasbench run cell201-mnist1d --runs 500

compare-more: .venv/.setup-opponents ## Two objectives (100 runs), ten times the budget, ablations, transfer; our TPE and SMAC beside other libraries'.
	$(BIN)/nasbench run nas-bench-201-long nas-bench-201-pareto nas-bench-201-pareto-latency nas-bench-201-transfer \
	  nas-bench-201-from-mnist1d nas-bench-201-ablations nas-bench-201-opponents

bench-live: setup-all ## Train a small slice of the optimizer table again and confirm its curves (bit for bit where torch and processor are its own).
	OMP_NUM_THREADS=1 $(BIN)/nasbench audit-optimizers data/optimizers.h5 --sample 12

table-small: setup-all ## The whole method in minutes: build a table from nothing, killed once, verify, audit, search it.
	rm -rf builds/table-small
	OMP_NUM_THREADS=1 $(BIN)/python -m nasbench.demo_small --folder builds/table-small

kill-test: setup-all ## 200 SIGKILLs to workers and supervisors of builds (CI makes 20).
	OMP_NUM_THREADS=1 $(BIN)/python -m nasbench.killtest --kills 200

perf: setup-all ## Measure speed, each figure beside a named alternative in the same run.
	$(BIN)/python -m nasbench.perf
	$(BIN)/python -m nasbench.perf_report
	$(BIN)/python -m nasbench.perf_pipeline --device $(DEVICE)
	$(BIN)/python -m nasbench.perf_optimizers

report: setup   ## Make tables and figures again from the recorded runs; VENUE=neurips, icml, jmlr, ...: in its widths and fonts.
	$(BIN)/nasbench report results/nas-bench-201-all $(if $(VENUE),--venue $(VENUE))
	$(BIN)/nasbench report results/cell201-mnist1d $(if $(VENUE),--venue $(VENUE))

clean:          ## Remove ALL results, builds and the environment.
	rm -rf results builds .venv build dist *.egg-info

lock:           ## Resolve exact versions anew (needs uv; torch stays at the release that the tables were built with).
	uv pip compile pyproject.toml --extra report --universal --python-version 3.11 --no-header -q -o requirements.lock
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --no-header -q -c requirements.lock -o requirements-all.lock

setup: .venv/.setup
setup-all: .venv/.setup-all

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "nasbench-live needs Python 3.11 to 3.13; $$($(PYTHON) --version) was found. Try: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.setup: .venv/bin/python requirements.lock pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# Optuna, CMA-ES and SMAC3 with what they need; none of it is torch.
.venv/.setup-opponents: .venv/.setup requirements-all.lock
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements-all.lock -e '.[opponents]'
	@touch $@

.venv/.setup-all: .venv/.setup requirements-all.lock
	@echo "Installing the extras for training and tests (torch: up to a few GB once)"
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-all.lock
	@touch $@
