# `make demo`: install and run the main job.  `make test`: install and run the tests.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: help demo governor test check results comparison bench catalogue install clean

help:  ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: install  ## Explore the digits network: our search beside an ALWANN-style one, figures in runs/demo
	$(BIN)/dse run experiments/demo.toml --out runs/demo --overwrite

governor: demo  ## Serve a day, steps and a battery with operating points of the demo's network
	$(BIN)/dse qos choose runs/demo --instances 4 --points 3 --out runs/points --overwrite
	for trace in daily steps battery; do \
	  $(BIN)/dse qos simulate runs/points --trace $$trace --out results/operating_points/governor/$$trace --overwrite || exit 1; \
	done

test: install  ## Run the tests; with DSE_HEAVY=1 also the longest repetitions
	$(BIN)/python -m pytest -n auto --dist loadfile

check: install  ## Lint and type-check
	$(BIN)/ruff check --line-length 125 --select E,F,I,UP,B --ignore E741 dse tests experiments benchmarks setup.py
	$(BIN)/mypy
	set -e; for part in experiments experiments/cifar10 experiments/operating_points benchmarks; do \
		MYPYPATH=.:$$part $(BIN)/mypy $$part/*.py; done

results: install  ## Make the committed results again (10 to 15 minutes)
	$(BIN)/python experiments/demo_seeds.py

comparison: install  ## Compare seven methods on thirteen seeds, into results/seeded_vs_alwann (15 minutes)
	$(BIN)/python experiments/seeded_vs_alwann.py
	$(BIN)/python experiments/readme_tables.py

catalogue: install  ## Estimate the figures of all built-in circuits again, into the package and results/multipliers (a minute)
	$(BIN)/dse multipliers catalogue --measure --out results/multipliers
	cp results/multipliers/catalogue.csv dse/multipliers/

bench: install  ## Measure the simulation engines again, into results/kernels (10 minutes)
	$(BIN)/python benchmarks/bench_kernels.py

install: $(VENV)/installed

# compat: with the default editable mode, `import dse` beside a clone called dse finds the clone's folder and no package.
# torch comes first and alone: another package's open-ended demand for it could fetch a build with GPU libraries
$(VENV)/installed: setup.cfg setup.py pyproject.toml constraints.txt $(wildcard dse/*/native/*)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --config-settings editable_mode=compat --editable '.[dev]'
	touch $@

clean:  ## Remove the virtual environment
	rm -rf $(VENV)
