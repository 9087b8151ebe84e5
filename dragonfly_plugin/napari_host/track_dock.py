"""The dock "temflux track": the command line's settings on a layer, run in a thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.learn.model_files import list_models
from temflux.engine.workflows.tracking.settings import TrackSettings

from ..results import Step
from .layers import calibrate, stack_of_layer
from .running import Running, Tell, telling_errors
from .settings_form import PathEdit, SettingsForm
from .showing import add_layers, make_layers, show_table
from .tracking import area_table, result_layers, track_stack

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

    from temflux.engine.base.stack import Stack
    from temflux.engine.workflows.track import TrackResult

_TITLE = "temflux track"
_LEAST_WIDTH_PX = 360
_WRONG = "color: #ff6b6b"


class TrackDock(QWidget):
    """Tracks the movie of an image layer, and adds its labels, tracks, events and areas over time.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.running: Running | None = None
        self.movie = QComboBox()
        self.movie.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.movie.setMinimumContentsLength(10)
        self.folder = PathEdit(folder=True, placeholder="a temporary folder")
        self.folder.setToolTip("Where the folder with tables, figures and the page is made.")
        self.form = SettingsForm(TrackSettings, {"segment": _ways_to_segment(), "spectra": ("all", "none")})
        self.form.changed.connect(self._check)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.bar = QProgressBar()
        self.bar.setFormat("%v of %m frames")
        self.start_button, self.stop_button = QPushButton("Track"), QPushButton("Stop")
        self.start_button.clicked.connect(lambda: self.start())
        self.stop_button.clicked.connect(self.stop)
        self._lay_out()
        self._set_running(None)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._list_movies)
        viewer.layers.selection.events.active.connect(self._take_active)
        self._list_movies()
        self._take_active()

    def _lay_out(self) -> None:
        top = QFormLayout()
        top.addRow("movie", self.movie)
        top.addRow("results", self.folder)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self.form)
        buttons = QHBoxLayout()
        buttons.addWidget(self.start_button)
        buttons.addWidget(self.stop_button)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(scroll, stretch=1)
        layout.addWidget(self.message)
        layout.addWidget(self.bar)
        layout.addLayout(buttons)
        self.setMinimumWidth(_LEAST_WIDTH_PX)

    def start(self) -> Running | None:
        """Track the movie chosen; the work under way, or None after a message."""
        with telling_errors():
            settings = self.form.settings(TrackSettings)
            stack = self._stack(settings)
            folder = Path(self.folder.text()) if self.folder.text() else None

            def work(tell: Tell) -> tuple[TrackResult, list[Layer]]:
                result = track_stack(stack, settings, folder, tell)
                return result, make_layers(result_layers(result, stack))

            self._set_running(Running(_TITLE, work, lambda made: self._show(stack, *made)))
            return self.running
        return None

    def stop(self) -> None:
        """Stop at the next step."""
        if self.running is not None:
            self.running.stop()

    def _stack(self, settings: TrackSettings) -> Stack:
        name = self.movie.currentText()
        if name not in self._viewer.layers:
            raise DataError("no image layer to track; drag a movie onto the window first")
        # What is found must lie on the movie in the window, too.
        layer = self._viewer.layers[name]
        calibrate(layer, pixel_nm=settings.pixel_nm, frame_s=settings.frame_s)
        return stack_of_layer(layer)

    def _show(self, stack: Stack, result: TrackResult, layers: list[Layer]) -> None:
        add_layers(self._viewer, layers)
        show_table(self._viewer, area_table(result, stack))
        self.message.setStyleSheet("")
        self.message.setText("\n".join((f"results: {result.folder}", *result.notes)))

    def _set_running(self, running: Running | None) -> None:
        self.running = running
        self.start_button.setEnabled(running is None)
        self.stop_button.setEnabled(running is not None)
        self.bar.setVisible(running is not None)
        if running is not None:
            self.message.setText("")
            running.stepped.connect(self._draw)
            running.ended.connect(lambda: self._set_running(None))

    def _draw(self, step: Step) -> None:
        self.bar.setMaximum(step.total)
        self.bar.setValue(step.done)
        self.message.setText(step.stage)

    def _check(self) -> None:
        try:
            self.form.settings(TrackSettings)
        except SettingsError as error:
            self.message.setStyleSheet(_WRONG)
            self.message.setText(str(error))
            self.start_button.setEnabled(False)
        else:
            self.message.setStyleSheet("")
            self.message.setText("")
            self.start_button.setEnabled(self.running is None)

    def _list_movies(self, _: Any = None) -> None:
        chosen = self.movie.currentText()
        self.movie.clear()
        self.movie.addItems([layer.name for layer in self._viewer.layers if isinstance(layer, Image)])
        if self.movie.findText(chosen) >= 0:
            self.movie.setCurrentText(chosen)

    def _take_active(self, _: Any = None) -> None:
        active = self._viewer.layers.selection.active
        if isinstance(active, Image):
            self.movie.setCurrentText(active.name)


def _ways_to_segment() -> Sequence[str]:
    return ("threshold", *(f"model:{card.name}" for card in list_models() if card.label == "Mask"))
