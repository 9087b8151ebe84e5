"""A table in a dock: its drawing, its rows, and a button that saves both."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_info
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QHeaderView,
    QPushButton,
    QSplitter,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from ..results import Table
from ..tables import draw_table, save_table
from .running import telling_errors

# Low, so that most of the window stays the movie's; both grow with the dock.
_FIGURE_IN = (6.0, 2.4)
_LEAST_HEIGHT_PX = 200


class TableDock(QWidget):
    """A table's drawing beside its rows.

    Parameters
    ----------
    table : Table
        What is shown.
    """

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.table = table
        rows = QTableView()
        rows.setModel(Rows(table, rows))
        rows.verticalHeader().hide()
        # Of what is in sight: tables may have millions of rows.
        rows.horizontalHeader().setResizeContentsPrecision(0)
        rows.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        split = QSplitter(Qt.Orientation.Horizontal)
        if table.curves:
            split.addWidget(self._drawing())
        split.addWidget(rows)
        if table.curves:
            split.setSizes([700, 400])
        save = QPushButton("Save CSV, PNG and SVG…" if table.curves else "Save CSV…")
        save.clicked.connect(self.ask_and_save)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(split)
        layout.addWidget(save, alignment=Qt.AlignmentFlag.AlignRight)
        self.setMinimumHeight(_LEAST_HEIGHT_PX)

    def _drawing(self) -> QWidget:
        from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=_FIGURE_IN, layout="constrained", facecolor="white")
        draw_table(self.table, figure)
        canvas = FigureCanvasQTAgg(figure)
        canvas.setMinimumSize(0, 0)
        return canvas

    def ask_and_save(self) -> None:
        """Ask for a folder and save everything there; nothing is overwritten."""
        folder = QFileDialog.getExistingDirectory(self, f"Folder for {self.table.name}")
        if not folder:
            return
        with telling_errors():
            paths = save_table(self.table, Path(folder))
            show_info(f"saved {', '.join(path.name for path in paths)} in {folder}")


class Rows(QAbstractTableModel):
    """The rows of a table, for a view."""

    def __init__(self, table: Table, parent: QWidget) -> None:
        super().__init__(parent)
        self._names = list(table.columns)
        self._columns = list(table.columns.values())

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: ARG002
        """Count the rows."""
        return len(self._columns[0])

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: ARG002
        """Count the columns."""
        return len(self._columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Give the text of a cell."""
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        value = self._columns[index.column()][index.row()]
        value = value.item() if hasattr(value, "item") else value
        if isinstance(value, float):
            return "" if math.isnan(value) else f"{value:.5g}"
        return str(value)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Give the name of a column."""
        shown = role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal
        return self._names[section] if shown else None
