"""Work with the host's own bar: it moves, and its Cancel stops the work between two steps."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

from temflux.dragonfly_plugin.results import Step

from .host import Cancelled, from_host, hear_events

Result = TypeVar("Result")


def drive(work: Generator[Step, None, Result], note: str) -> Result:
    """Do work to its end, with a bar for each of its stages.

    Parameters
    ----------
    work : generator of Step
        Closed in any case, so that it can put away what is half-made.
    note : str
        What is said beside each stage's name.

    Returns
    -------
    object
        What the work returns.

    Raises
    ------
    Cancelled
        If the user pressed Cancel.
    """
    bar: Any = None
    stage = ""
    try:
        while True:
            try:
                step = next(work)
            except StopIteration as end:
                return end.value
            if bar is None or step.stage != stage:
                _close(bar)
                bar, stage = _open(f"{step.stage} ({note})", step.total), step.stage
            bar.updateProgress(min(step.done, max(step.total, 1)))
            hear_events()
            if bar.getIsCancelled():
                raise Cancelled
    finally:
        work.close()
        _close(bar)


def _open(caption: str, steps: int) -> Any:
    bar = from_host("ORSModel", "Progress")()
    bar.startProgressWithCaption(caption, max(steps, 1), True)
    return bar


def _close(bar: Any) -> None:
    if bar is not None:
        bar.closeProgress()
        bar.deleteObject()
