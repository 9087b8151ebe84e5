PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-long check bench screenshots zoo clean

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,check]"
	touch $@

# The windows that menu items live in: Qt is large, and the demo needs none of it.
.venv/hosts: .venv/ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[napari,test-napari]"
	touch $@

demo: .venv/ready
	$(BIN)/temflux demo --out demo

# Where Qt cannot be loaded, pytest-qt would stop every test, not only those of windows.
PYTEST = $(BIN)/python -m pytest $$($(BIN)/python -c "import PySide6.QtGui" 2>/dev/null || echo "-p no:pytest-qt")

# The house's rules and the docstrings' examples are run by make check.
test: .venv/hosts
	$(PYTEST) -n 2 --ignore tests/house/test_house.py --ignore tests/house/test_examples.py

test-long: .venv/hosts
	$(PYTEST) -n 2 -m long

# The folders engine, batch, dragonfly_plugin and models are the packages temflux.engine, …: mypy sees them so.
build/types/temflux: .venv/ready
	mkdir -p $@
	ln -sfn $(CURDIR)/engine $@/engine
	ln -sfn $(CURDIR)/batch $@/batch
	ln -sfn $(CURDIR)/dragonfly_plugin $@/dragonfly_plugin
	ln -sfn $(CURDIR)/models $@/models

# What a host's own Python has, with nothing of temflux beside it. NumPy 1.24 runs on no Python above 3.11.
LIGHT_PYTHON ?= $(firstword $(foreach python,python3.10 python3.11 $(PYTHON),\
	$(shell $(python) -c "import sys; print('$(python)' * (sys.version_info < (3, 12)))" 2>/dev/null)))
.venv-light/ready: constraints-light.txt
	@test -n "$(LIGHT_PYTHON)" || { echo "make check needs Python 3.10 or 3.11: make check LIGHT_PYTHON=…"; exit 1; }
	$(LIGHT_PYTHON) -m venv .venv-light
	.venv-light/bin/python -m pip install --quiet --upgrade "pip>=24"
	.venv-light/bin/python -m pip install --quiet --requirement constraints-light.txt
	touch $@

check: .venv/hosts .venv-light/ready build/types/temflux
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) tests/house/test_house.py tests/house/test_examples.py -q
	rm -rf build/light && mkdir -p build/light
	$(BIN)/python -m tests.hosts.light_half store build/light
	.venv-light/bin/python -m tests.hosts.light_half check build/light

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

screenshots: .venv/hosts
	$(BIN)/python docs/screenshots.py
	$(BIN)/python docs/simulated.py
	$(BIN)/python docs/networks.py
	$(BIN)/python docs/hosts.py
	$(BIN)/python docs/dragonfly.py

clean:
	rm -rf .venv .venv-light build demo
