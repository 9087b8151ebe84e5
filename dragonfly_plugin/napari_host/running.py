"""Work in a thread of napari's, with a bar, a button that stops it, and messages of one line."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from napari.qt.threading import create_worker
from napari.utils import cancelable_progress
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QApplication

from temflux.engine.base.errors import TemfluxError

from ..results import Step

Result = TypeVar("Result")
Tell = Callable[[Step], None]

# The window draws no faster, and a queue of steps would hold it up.
_SECONDS_BETWEEN_STEPS = 0.1


class StoppedByUserError(Exception):
    """The user has stopped the work."""


class Running(QObject):
    """Work under way, with a bar and a button that stops it in the window's activity list.

    Parameters
    ----------
    title : str
        What the bar says.
    work : callable
        Runs in a thread of its own; takes a function that it tells its steps to.
    show : callable
        Takes the work's result, in the window's thread.
    """

    stepped = Signal(object)
    ended = Signal()

    def __init__(self, title: str, work: Callable[[Tell], Result], show: Callable[[Result], None]) -> None:
        super().__init__(QApplication.instance())
        self._title, self._work, self._show = title, work, show
        self._told_at = 0.0
        self._result: Any = None
        self._error: Exception | None = None
        self._bar = _Bar(total=1, desc=title, cancel_callback=self.stop)
        self.stepped.connect(self._draw)
        self._worker = create_worker(
            _Task(title, self._run),
            _connect={"finished": self._end},
            _start_thread=False,
        )
        self._worker.start()

    def stop(self) -> None:
        """Stop at the next step."""
        self._worker.quit()

    def _run(self) -> None:
        # Kept here, not raised: napari would show an error with its traceback.
        try:
            self._result = self._work(self._tell)
        except Exception as error:
            self._error = error

    def _tell(self, step: Step) -> None:
        if self._worker.abort_requested:
            raise StoppedByUserError
        now = time.monotonic()
        if step.done == step.total or now - self._told_at > _SECONDS_BETWEEN_STEPS:
            self._told_at = now
            self.stepped.emit(step)

    def _draw(self, step: Step) -> None:
        if self._bar.total != step.total:
            self._bar.total = step.total
        self._bar.set_description(f"{self._title}: {step.stage}")
        self._bar.update(step.done - self._bar.n)

    def _end(self) -> None:
        self._bar.close()
        with telling_errors():
            if self._error is None:
                self._show(self._result)
            elif isinstance(self._error, StoppedByUserError):
                show_info(f"{self._title}: stopped")
            else:
                tell_error(self._error)
        self.ended.emit()
        self.deleteLater()


class _Task:
    """What the thread runs, under its title: napari still names it when `Running` is deleted."""

    def __init__(self, title: str, run: Callable[[], None]) -> None:
        self._title, self._run = title, run

    def __call__(self) -> None:
        self._run()

    def __repr__(self) -> str:
        return self._title


class _Bar(cancelable_progress):
    """A bar whose button stops the work at once; napari's own asks at the next turn of a loop."""

    def cancel(self) -> None:
        super().cancel()
        if self.cancel_callback is not None:
            self.cancel_callback()


class telling_errors:  # noqa: N801
    """Turn an error into a message of one line."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> bool:
        """Tell the error, if there is one that is no wish to leave."""
        if not isinstance(error, Exception):
            return False
        tell_error(error)
        return True


def tell_error(error: Exception) -> None:
    """Show an error as a message of one line; what nobody foresaw goes to the log with its traceback."""
    if isinstance(error, TemfluxError):
        show_error(str(error))
        return
    logging.getLogger("temflux").error("a menu item failed", exc_info=error)
    show_error(f"temflux failed ({type(error).__name__}: {error}); the log has the details, please report it")


def drive(work: Generator[Step, None, Result], tell: Tell) -> Result:
    """Drive an item's work to its end, telling its steps."""
    while True:
        try:
            step = next(work)
        except StopIteration as end:
            return end.value
        tell(step)
