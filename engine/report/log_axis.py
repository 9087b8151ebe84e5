"""Axes of logarithms with plain numbers: 0.1, 1, 10; the house's type sets no mathematics."""

from __future__ import annotations

from typing import Any

from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

_FEWEST_MAJOR = 2


def plain_log_ticks(axis: Axis) -> None:
    """Label a logarithmic axis by plain numbers: the decades, or more where it spans less than two.

    Parameters
    ----------
    axis : matplotlib Axis
        `axes.xaxis` or `axes.yaxis`, its limits set; it becomes logarithmic.

    Examples
    --------
    >>> from .canvas import new_figure
    >>> _, [[axes]] = new_figure(2.0, 4.0)
    >>> axes.set_ylim(0.01, 20)
    (0.01, 20.0)
    >>> plain_log_ticks(axes.yaxis)
    >>> axes.figure.canvas.draw()
    >>> [tick.get_text() for tick in axes.get_yticklabels()][1:-1]
    ['0.01', '0.1', '1', '10']
    """
    axes: Any = axis.axes
    name = "x" if axis is axes.xaxis else "y"
    getattr(axes, f"set_{name}scale")("log")
    low, high = sorted(getattr(axes, f"get_{name}lim")())
    decades = [10.0**n for n in range(-12, 13) if low <= 10.0**n <= high]
    steps = (1.0,) if len(decades) >= _FEWEST_MAJOR else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(10, subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    axis.set_minor_formatter(NullFormatter())


def plain_number(value: float) -> str:
    """Write a number with three digits, and without an exponent.

    Parameters
    ----------
    value : float
        The number.

    Returns
    -------
    str
        With commas between thousands.

    Examples
    --------
    >>> plain_number(13_124.0), plain_number(0.0312)
    ('13,100', '0.0312')
    """
    return f"{float(f'{value:.3g}'):,.12g}"
