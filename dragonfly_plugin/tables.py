"""A table of a menu item as files and as drawings; matplotlib is needed for drawings alone."""

from __future__ import annotations

import csv
import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temflux.engine.base.errors import WriteError

from .results import Curve, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PICTURES = ("png", "svg")
_DOTS_PER_INCH = 200
_INCHES_WIDE, _INCHES_HIGH = 6.4, 2.8
# A longer wait than so many usual ones is a gap.
_GAP_STEPS = 1.5
# More lines than this hide each other: the largest are drawn, the table has them all.
_LINES_AT_MOST = 20


def save_table(table: Table, folder: Path) -> list[Path]:
    """Write a table as CSV, and its drawings as PNG and SVG where matplotlib is installed.

    Parameters
    ----------
    table : Table
        What is written.
    folder : Path
        Made where it is not there; files of the same name get a number, none is overwritten.

    Returns
    -------
    list of Path
        The files written: CSV first.

    Raises
    ------
    WriteError
        If the system refuses; files that are there already stay whole.
    """
    drawn = _PICTURES if table.curves and find_spec("matplotlib") else ()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stem = _free_stem(folder, _file_name(table.name))
        paths = [folder / f"{stem}.{kind}" for kind in ("csv", *drawn)]
        _write_csv(table, paths[0])
        if drawn:
            _write_pictures(table, paths[1:])
    except OSError as error:
        raise WriteError(
            f"{folder}: cannot write ({error.strerror or error}); choose another folder"
        ) from None
    return paths


def draw_table(table: Table, figure: Figure) -> None:
    """Draw a table's curves into a figure, one below the other.

    Parameters
    ----------
    table : Table
        With at least one curve.
    figure : matplotlib.figure.Figure
        Cleared first.
    """
    figure.clear()
    axes = figure.subplots(len(table.curves), 1, squeeze=False, sharex=True)[:, 0]
    for ax, curve in zip(axes, table.curves, strict=True):
        _draw_curve(ax, table, curve)
    axes[-1].set_xlabel(table.curves[-1].x_label)
    lines, names = axes[0].get_legend_handles_labels()
    if len(lines) > 1:
        figure.legend(lines, names, loc="outside right upper", frameon=False, fontsize="small")


def _draw_curve(ax: Axes, table: Table, curve: Curve) -> None:
    from matplotlib import colormaps

    columns = table.columns
    drawn = _largest(table, curve)
    colours = colormaps["viridis"](np.linspace(0, 0.9, len(drawn)))
    steps = np.diff(np.unique(columns[curve.x]))
    step = float(np.median(steps)) if len(steps) else np.inf
    for value, colour in zip(drawn, colours, strict=True):
        rows = columns[curve.by] == value
        order = np.argsort(columns["frame"][rows], kind="stable")
        x, y, frame = (columns[name][rows][order] for name in (curve.x, curve.y, "frame"))
        # A line over frames without the particle, or while the beam was off, would show what nobody measured.
        gaps = np.flatnonzero((np.diff(frame) > 1) | (np.diff(x) > _GAP_STEPS * step)) + 1
        x, y = np.insert(x.astype(float), gaps, np.nan), np.insert(y.astype(float), gaps, np.nan)
        ax.plot(x, y, color=colour, lw=1.2, marker=".", ms=3, label=table.names.get(value, str(value)))
    ax.set_ylabel(curve.y_label)
    ax.spines[["top", "right"]].set_visible(False)
    ax.margins(x=0.02)
    hidden = len(table.names) - len(drawn)
    if hidden > 0:
        ax.set_title(f"the {len(drawn)} largest of {len(table.names)}", fontsize="small", loc="left")


def _largest(table: Table, curve: Curve) -> list[int]:
    """Values of the curve's `by` that are drawn, in their order."""
    by, y = table.columns[curve.by], table.columns[curve.y]
    known = [value for value in np.unique(by).tolist() if value in table.names]
    if len(known) <= _LINES_AT_MOST:
        return known
    greatest = sorted(known, key=lambda value: -float(np.nanmax(y[by == value])))[:_LINES_AT_MOST]
    return sorted(greatest)


def _write_csv(table: Table, path: Path) -> None:
    new = path.with_name(f".{path.name}.partial")
    columns = {name: values.tolist() for name, values in table.columns.items()}
    with new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow([_cell(value) for value in row])
    new.replace(path)


def _write_pictures(table: Table, paths: list[Path]) -> None:
    from matplotlib.figure import Figure

    size = (_INCHES_WIDE, _INCHES_HIGH * len(table.curves))
    figure = Figure(figsize=size, layout="constrained", dpi=_DOTS_PER_INCH)
    draw_table(table, figure)
    for path in paths:
        new = path.with_name(f".{path.name}.partial")
        figure.savefig(new, format=path.suffix[1:])
        new.replace(path)


def _cell(value: Any) -> Any:
    """Write numbers as the batch's tables have them."""
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.6g}"


def _file_name(name: str) -> str:
    """Make a name that every system takes."""
    kept = "".join(character if character.isalnum() else " " for character in name)
    return "-".join(kept.split()) or "table"


def _free_stem(folder: Path, stem: str) -> str:
    taken = {path.stem for path in folder.iterdir()}
    number, free = 1, stem
    while free in taken:
        number += 1
        free = f"{stem}-{number}"
    return free
