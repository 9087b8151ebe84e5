"""The examples in the docstrings of measure/ run as they stand.

By importable name: pytest's own ``--doctest-modules`` would import the files as ``engine.…`` and leave that
name in numba's cache, where ``temflux.engine.…`` then trips over it.
"""

import doctest
import importlib
import pkgutil

import pytest

from temflux.engine import measure

NAMES = [m.name for m in pkgutil.iter_modules(measure.__path__) if not m.name.startswith("kernels")]


@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name):
    results = doctest.testmod(importlib.import_module(f"temflux.engine.measure.{name}"))
    assert results.attempted > 0
    assert results.failed == 0
