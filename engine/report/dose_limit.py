"""Figures of the study of dose: area against dose as published, F1 and false area below, example masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .canvas import FAINT, INK, REST, WIDE_IN, house_style, margins, new_figure, save_figure
from .log_axis import plain_log_ticks, plain_number
from .overlay import draw_scale_bar

_COLOURS = (INK, "#b5482f")
# Of what knows nothing: grey, without limits.
_NULL: Any = {"color": REST, "linestyle": "--"}
_WITHIN = 0.1
_HIGHEST_AREA = 2.0


def draw_dose_limit(
    limits: Mapping[str, Mapping[str, Any]], folder: Path, *, nulls: Sequence[str] = ()
) -> Path:
    """Draw area, F1 and false area against the dose, with the doses of half and of full area.

    Parameters
    ----------
    limits : mapping from method to dict
        by_dose, one dict a dose: dose_e_per_A2, area, area_q10, area_q90, f1, f1_q10, f1_q90
        and false_area; half and full, each with dose_e_per_A2 or None. The first method is the model.
    folder : Path
        Where doselimit.png and .svg go.
    nulls : sequence of str
        Methods that know nothing: drawn in grey, without their false area, which would hide the others'.

    Returns
    -------
    Path
        The PNG.

    Raises
    ------
    WriteError
        If they cannot be written.

    References
    ----------
    Publication II, Figures 1 to 3.
    """
    with house_style():
        figure, panels = new_figure(
            WIDE_IN * 0.75, 5.2, rows=3, sharex=True, gridspec_kw={"height_ratios": (2.2, 1, 1)}
        )
        margins(figure, left=0.55, right=0.15, top=0.28, bottom=0.42, hspace=0.32)
        area, f1, false = (row[0] for row in panels)
        judged = {method: found for method, found in limits.items() if method not in nulls}
        for colour, (method, found) in zip(_COLOURS, judged.items(), strict=False):
            rows = found["by_dose"]
            doses = [row["dose_e_per_A2"] for row in rows]
            for axes, name in ((area, "area"), (f1, "f1")):
                axes.plot(doses, _values(rows, name), ".-", ms=4, color=colour, label=method)
                low, high = _values(rows, f"{name}_q10"), _values(rows, f"{name}_q90")
                axes.fill_between(doses, low, high, color=colour, alpha=0.13, linewidth=0)
            false.plot(doses, 100 * _values(rows, "false_area"), ".-", ms=4, color=colour)
        area.axhspan(1 - _WITHIN, 1 + _WITHIN, facecolor=FAINT, alpha=0.5, linewidth=0, zorder=0)
        for method in [name for name in limits if name in nulls]:
            rows = limits[method]["by_dose"]
            doses = [row["dose_e_per_A2"] for row in rows]
            for axes, name in ((area, "area"), (f1, "f1")):
                axes.plot(doses, _values(rows, name), label=f"{method} (null)", **_NULL)
        highest = max(max(_values(found["by_dose"], "area_q90")) for found in judged.values())
        area.set_ylim(-0.03, min(max(1.3, 1.05 * highest), _HIGHEST_AREA))
        for number, (colour, found) in enumerate(zip(_COLOURS, judged.values(), strict=False)):
            _mark_limits(area, found, colour, row=number)
        f1.set_ylim(-0.03, 1.03)
        false.set_ylim(bottom=0)
        plain_log_ticks(false.xaxis)
        area.set_title(
            "found area / true area; mean and 80 % of the systems; shaded: within 10 %", loc="left"
        )
        f1.set_title("pixel F1", loc="left")
        false.set_title("false area of empty frames, mean [%]", loc="left")
        false.set_xlabel("dose [e⁻/Å²]")
        area.legend(loc="best")
        save_figure(figure, folder, "doselimit")
    return folder / "doselimit.png"


def draw_dose_examples(examples: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """Draw images of one particle at several doses, with what each method found and what is there.

    Parameters
    ----------
    examples : sequence of dict
        dose_e_per_A2, image (Y, X), truth (Y, X) of bool, masks and f1 by method, sampling_A.
    folder : Path
        Where examples.png and .svg go.

    Returns
    -------
    Path
        The PNG.

    Raises
    ------
    WriteError
        If they cannot be written.
    """
    methods = list(examples[0]["masks"])
    with house_style():
        side = (WIDE_IN - 0.5) / len(examples)
        figure, panels = new_figure(
            WIDE_IN, (1 + len(methods)) * (side + 0.2) + 0.12, rows=1 + len(methods), columns=len(examples)
        )
        margins(figure, left=0.22, right=0.03, top=0.24, bottom=0.03, wspace=0.04, hspace=0.2 / side)
        for column, example in enumerate(examples):
            image = np.asarray(example["image"], np.float64)
            low, high = np.quantile(image, [0.005, 0.995])
            top = panels[0][column]
            top.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-9), interpolation="antialiased")
            top.set_title(f"{plain_number(example['dose_e_per_A2'])} e⁻/Å²", loc="left")
            draw_scale_bar(top, image.shape, example["sampling_A"] / 10)
            for row, method in enumerate(methods, start=1):
                axes = panels[row][column]
                axes.imshow(np.asarray(example["masks"][method]), cmap="gray", vmin=0, vmax=1)
                axes.contour(example["truth"], [0.5], colors=_COLOURS[1], linewidths=0.8)
                axes.set_title(f"F1 {example['f1'][method]:.2f}", loc="left")
        for row, name in enumerate(["image", *methods]):
            panels[row][0].set_ylabel(name)
            for axes in panels[row]:
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
        save_figure(figure, folder, "examples")
    return folder / "examples.png"


def _values(rows: Sequence[Mapping[str, float]], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], np.float64)


def _mark_limits(axes: Axes, found: Mapping[str, Any], colour: str, *, row: int) -> None:
    """Draw dashed lines at the doses of half and of full area, and name them above the curves."""
    for line, name in enumerate(("half", "full"), start=2 * row):
        dose = found[name]["dose_e_per_A2"]
        if dose is None:
            continue
        bound = "≤ " if found[name].get("kind") == "always" else ""
        axes.axvline(dose, color=colour, linestyle="--", linewidth=0.8)
        axes.annotate(
            f" {name} {bound}{plain_number(dose)}",
            (dose, 0.99 - 0.08 * line),
            xycoords=axes.get_xaxis_transform(),
            color=colour,
            fontsize=7,
            va="top",
        )
