"""What TensorFlow tells of itself, kept off the user's screen."""

from __future__ import annotations

import logging
import os


def quieten_tensorflow() -> None:
    """Let TensorFlow, imported later, tell of errors alone, not of its processor, compiler and functions."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
