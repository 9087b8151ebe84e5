"""What TensorFlow tells of itself, kept off the user's screen."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_STDERR = 2
# As its C++ writes before it has read TF_CPP_MIN_LOG_LEVEL: I0000 00:00:…, or 2026-01-01 10:00:00.1: I ….
_CHATTER = re.compile(
    rb"(WARNING: All log messages before absl::InitializeLog|[IW]\d{4} |\d{4}-\d\d-\d\d [\d:.]+: [IW] |"
    rb"To enable the following instructions)"
)


def quieten_tensorflow() -> None:
    """Let TensorFlow, imported later, tell of errors alone, not of its processor, compiler and functions."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    known = any(isinstance(finder, _QuietFinder) for finder in sys.meta_path)
    if not known and "tensorflow" not in sys.modules:
        sys.meta_path.insert(0, _QuietFinder())


class _QuietFinder(MetaPathFinder):
    """Waits for the import of TensorFlow, which some commands need late and some not at all."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Find TensorFlow as usual, to be loaded quietly, once; leave all else to others."""
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            load = loader.exec_module

            def load_quietly(module: ModuleType) -> None:
                with _without_chatter():
                    load(module)

            loader.exec_module = load_quietly
        return spec


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, and then let through all that is no chatter."""
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        screen = os.dup(_STDERR)
    except OSError:
        # Whoever started it has closed it.
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(screen, _STDERR)
            os.close(screen)
            held.seek(0)
            for line in held:
                if not _CHATTER.match(line):
                    os.write(_STDERR, line)
