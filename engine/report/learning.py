"""Figures of training: what a network gets wrong, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from .canvas import INK, SOFT, WIDE_IN, house_style, margins, new_figure, save_figure
from .log_axis import plain_log_ticks

_HEIGHT_IN = 2.4


def draw_learning_curves(curves: Sequence[Mapping[str, float]], folder: Path) -> Path:
    """Draw loss and metric of training and validation against epochs, as PNG and SVG.

    Parameters
    ----------
    curves : sequence of dict
        One dict an epoch: epoch, loss, val_loss and, where there is one, f1 or mae, val_f1 or val_mae.
    folder : Path
        Where curves.png and curves.svg go.

    Returns
    -------
    Path
        The PNG.

    Raises
    ------
    WriteError
        If they cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> curves = [{"epoch": 1, "loss": 0.7, "val_loss": 0.6}, {"epoch": 2, "loss": 0.5, "val_loss": 0.55}]
    >>> draw_learning_curves(curves, Path(tempfile.mkdtemp())).name
    'curves.png'
    """
    metrics = [name for name in ("f1", "mae") if name in curves[-1]]
    with house_style():
        figure, [panels] = new_figure(WIDE_IN, _HEIGHT_IN, columns=1 + len(metrics))
        margins(figure, left=0.5, right=0.1, top=0.3, bottom=0.42, wspace=0.25)
        for axes, name in zip(panels, ["loss", *metrics], strict=True):
            _draw(axes, curves, name)
        save_figure(figure, folder, "curves")
    return folder / "curves.png"


def _draw(axes: Axes, curves: Sequence[Mapping[str, float]], name: str) -> None:
    epochs = [row["epoch"] for row in curves]
    axes.plot(epochs, [row[name] for row in curves], color=SOFT, marker=".", ms=3, label="training")
    if f"val_{name}" in curves[-1]:
        validation = [row[f"val_{name}"] for row in curves]
        axes.plot(epochs, validation, color=INK, marker=".", ms=3, label="validation")
    if name == "loss" and min(row[name] for row in curves) > 0:
        plain_log_ticks(axes.yaxis)
    axes.set_xlabel("epoch")
    axes.set_title({"f1": "pixel F1", "mae": "mean absolute error"}.get(name, name), loc="left")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="best")
