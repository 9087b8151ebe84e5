"""The examples in the docstrings run as they stand.

By importable name: pytest's own ``--doctest-modules`` would import the files as ``engine.…`` and leave that
name in numba's cache, where ``temflux.engine.…`` then trips over it.
"""

import doctest
import importlib
import pkgutil

import pytest

from temflux import batch, dragonfly_plugin, engine, models

# They need Qt or Dragonfly at their import.
WINDOWS = ("napari_host", "dragonfly_host")
NAMES = [
    module.name
    for package in (engine, models, batch, dragonfly_plugin)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.ispkg
    and not module.name.rpartition(".")[2].startswith("kernels")
    and not any(window in module.name for window in WINDOWS)
]


@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name):
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    count = sum(
        len(test.examples) > 0 for name in NAMES for test in finder.find(importlib.import_module(name))
    )
    assert count > 60
