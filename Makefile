PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-long check bench screenshots zoo clean

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,check]"
	touch $@

demo: .venv/ready
	$(BIN)/temflux demo --out demo

test: .venv/ready
	$(BIN)/python -m pytest -n 2

test-long: .venv/ready
	$(BIN)/python -m pytest -n 2 -m long

# The folders engine, batch, dragonfly_plugin and models are the packages temflux.engine, …: mypy sees them so.
build/types/temflux: .venv/ready
	mkdir -p $@
	ln -sfn $(CURDIR)/engine $@/engine
	ln -sfn $(CURDIR)/batch $@/batch
	ln -sfn $(CURDIR)/dragonfly_plugin $@/dragonfly_plugin
	ln -sfn $(CURDIR)/models $@/models

check: .venv/ready build/types/temflux
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/house -q

# What the benches measure beside; the project itself needs none of it.
.venv/peers: .venv/ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[fast,peers]"
	touch $@

bench: .venv/peers
	$(BIN)/python -m tests.bench

# make zoo NAME [WORK=folder]: hours; what is stopped goes on. Names of models are targets that do nothing.
ZOO := $(basename $(notdir $(wildcard models/zoo/*.json)))
WORK ?= build/zoo
.PHONY: $(ZOO)
zoo: .venv/ready
	$(foreach name,$(filter $(ZOO),$(MAKECMDGOALS)),$(BIN)/python -m temflux.batch.zoo $(name) --work $(WORK) &&) true
$(ZOO):
	@true

screenshots: .venv/ready
	$(BIN)/python docs/screenshots.py
	$(BIN)/python docs/simulated.py
	$(BIN)/python docs/networks.py

clean:
	rm -rf .venv build demo
