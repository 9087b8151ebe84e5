"""Figures of scores: against dose and defocus, as distributions, reliability, and examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .canvas import FAINT, INK, REST, SOFT, WIDE_IN, house_style, margins, new_figure, save_figure
from .log_axis import plain_log_ticks, plain_number
from .overlay import draw_scale_bar

_NAMES = {"f1": "pixel F1", "atomic_f1": "atomic F1", "rmse": "RMSE"}
_ACCENT = "#b5482f"
_CLASSES = ("#8fc7ff", "#ffd27f", "#9be3a3", "#d7b3ff")
_BINS = 8
_FEWEST_IN_BIN = 3
_LEAST_SHOWN = 0.01

Rows = Sequence[Mapping[str, Any]]


def draw_scores(
    images: Rows,
    reliability: Rows,
    folder: Path,
    *,
    headline: str,
    ranges: Mapping[str, tuple[float, float]],
) -> list[str]:
    """Draw the scores of images against dose and defocus, their distribution, and the reliability.

    Parameters
    ----------
    images : sequence of dict
        One row an image and method: method, dose_e_per_A2, defocus_A and the headline's score; the first
        method is the model.
    reliability : sequence of dict
        Bins: probability, frequency, count, and frequency_at_temperature where it is known; may be empty.
    folder : Path
        Where the PNG and SVG files go.
    headline : str
        The score: f1, atomic_f1 or rmse.
    ranges : mapping from name to (float, float)
        What the model was trained on; shaded.

    Returns
    -------
    list of str
        Names of the figures, without their endings.

    Raises
    ------
    WriteError
        If they cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> rows = [{"method": "mine", "dose_e_per_A2": 10.0 * n, "f1": 0.1 * n} for n in range(1, 9)]
    >>> draw_scores(rows, [], Path(tempfile.mkdtemp()), headline="f1", ranges={})
    ['dose', 'distribution']
    """
    drawn = []
    by_method: dict[str, list[Mapping[str, Any]]] = {}
    for row in images:
        by_method.setdefault(str(row["method"]), []).append(row)
    first = next(iter(by_method))
    shown = {
        name: rows for name, rows in by_method.items() if name in (first, "tuned classical") or _is_peer(name)
    }
    for name, column, label in (
        ("dose", "dose_e_per_A2", "dose [e⁻/Å²]"),
        ("defocus", "defocus_A", "defocus of the first image [Å]"),
    ):
        if all(row.get(column) is not None for row in by_method[first]):
            _draw_against(shown, folder, (name, column, label), headline=headline, limits=ranges.get(column))
            drawn.append(name)
    _draw_distribution(by_method, folder, headline=headline)
    drawn.append("distribution")
    if reliability:
        _draw_reliability(reliability, folder)
        drawn.append("reliability")
    return drawn


def draw_examples(examples: Sequence[Mapping[str, Any]], folder: Path, *, headline: str) -> Path:
    """Draw images, what they show, and what a model made of them, row by row.

    Parameters
    ----------
    examples : sequence of dict
        name, score, image (Y, X), truth and maps (Y, X, C), sampling_A, drawn, background, and of columns
        true and found, each (positions (n, 2) [Å], classes (n,), whether matched (n,)), or None, and the
        names of their classes.
    folder : Path
        Where examples.png and .svg go.
    headline : str
        Name of the score.

    Returns
    -------
    Path
        The PNG.

    Raises
    ------
    WriteError
        If they cannot be written.
    """
    with house_style():
        side = (WIDE_IN - 0.2) / 3
        height = len(examples) * (side + 0.28) + 0.1
        figure, panels = new_figure(WIDE_IN, height, rows=len(examples), columns=3)
        margins(figure, left=0.05, right=0.05, top=0.28, bottom=0.05, wspace=0.03, hspace=0.28 / side)
        for row, example in zip(panels, examples, strict=True):
            _draw_example(row, example, headline=headline)
        save_figure(figure, folder, "examples")
    return folder / "examples.png"


def draw_disagreement(examples: Sequence[Mapping[str, Any]], folder: Path, *, headline: str) -> Path:
    """Draw images, where the model errs, and where it and other models disagree, row by row.

    Parameters
    ----------
    examples : sequence of dict
        As `draw_examples` takes them, with disagreement (Y, X), the standard deviation of the models' maps.
    folder : Path
        Where disagreement.png and .svg go.
    headline : str
        Name of the score.

    Returns
    -------
    Path
        The PNG.

    Raises
    ------
    WriteError
        If they cannot be written.
    """
    errors = [np.abs(np.asarray(one["maps"], np.float64) - one["truth"]).max(axis=-1) for one in examples]
    deviations = [np.asarray(one["disagreement"], np.float64) for one in examples]
    with house_style():
        side, below = (WIDE_IN - 0.2) / 3, 0.56
        height = len(examples) * (side + 0.28) + below
        figure, panels = new_figure(WIDE_IN, height, rows=len(examples), columns=3)
        margins(figure, left=0.05, right=0.05, top=0.28, bottom=below, wspace=0.03, hspace=0.28 / side)
        for row, example in zip(panels, examples, strict=True):
            image = np.asarray(example["image"], np.float64)
            low, high = np.quantile(image, [0.005, 0.995])
            row[0].imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-9))
            told = f"{example['name']}: {_NAMES.get(headline, headline)} {example['score']:.3f}"
            row[0].set_title(told, loc="left")
            row[0].set_axis_off()
            draw_scale_bar(row[0], image.shape, example["sampling_A"] / 10)
        for column, (values, words, unit) in enumerate(
            (
                (errors, "error of the model", "|map - truth|"),
                (deviations, "disagreement", "standard deviation"),
            ),
            start=1,
        ):
            highest = max(_LEAST_SHOWN, *(float(one.max()) for one in values))
            for row, one in zip(panels, values, strict=True):
                drawn = row[column].imshow(one, cmap="magma", vmin=0, vmax=highest, interpolation="nearest")
                row[column].set_title(words, loc="left")
                row[column].set_axis_off()
            box = panels[-1][column].get_position()
            bar = figure.add_axes(
                (box.x0 + 0.05 * box.width, (below - 0.16) / height, 0.9 * box.width, 0.09 / height)
            )
            figure.colorbar(drawn, cax=bar, orientation="horizontal", label=unit)
        save_figure(figure, folder, "disagreement")
    return folder / "disagreement.png"


def _is_peer(name: str) -> bool:
    return name not in ("vacuum", "mean", "scrambled")


def _styles(names: Sequence[str]) -> dict[str, Any]:
    """Give the model ink, the classical method an accent, and others greys."""
    styles: dict[str, Any] = {}
    for number, name in enumerate(names):
        colour = (
            INK if number == 0 else _ACCENT if name == "tuned classical" else SOFT if _is_peer(name) else REST
        )
        lines = {"vacuum": ":", "mean": "-.", "scrambled": "--"}
        styles[name] = {"color": colour, "linestyle": lines.get(name, "-")}
    return styles


def _draw_against(
    shown: Mapping[str, Rows],
    folder: Path,
    what: tuple[str, str, str],
    *,
    headline: str,
    limits: tuple[float, float] | None,
) -> None:
    name, column, label = what
    with house_style():
        figure, [[axes]] = new_figure(WIDE_IN * 0.62, 2.6)
        margins(figure, left=0.5, right=0.25, top=0.28, bottom=0.42)
        everything: list[float] = []
        for method, style in _styles(list(shown)).items():
            x = np.array([row[column] for row in shown[method]], np.float64)
            y = np.array([row[headline] for row in shown[method]], np.float64)
            everything += x.tolist()
            axes.plot(x, y, ".", ms=4, alpha=0.4, color=style["color"], markeredgewidth=0)
            axes.plot(*_running_median(x, y, logarithmic=name == "dose"), label=method, **style)
        if name == "dose":
            plain_log_ticks(axes.xaxis)
        if limits is not None:
            view = axes.get_xlim()
            axes.axvspan(*limits, facecolor=FAINT, alpha=0.35, linewidth=0, zorder=0)
            axes.set_xlim(view)
        axes.set_xlabel(label + ("; shaded: trained on" if limits is not None else ""))
        axes.set_title(_NAMES.get(headline, headline) + " of an image; lines: running median", loc="left")
        _limit_score(axes, headline)
        axes.legend(loc="best")
        save_figure(figure, folder, name)


def _running_median(x: np.ndarray, y: np.ndarray, *, logarithmic: bool) -> tuple[np.ndarray, np.ndarray]:
    """Give the median in bins of as many images each."""
    order = np.argsort(x, kind="stable")
    count = int(np.clip(len(x) // _FEWEST_IN_BIN, 1, _BINS))
    parts = np.array_split(order, count)
    middles = [np.exp(np.mean(np.log(x[part]))) if logarithmic else np.mean(x[part]) for part in parts]
    return np.array(middles), np.array([np.median(y[part]) for part in parts])


def _draw_distribution(by_method: Mapping[str, Rows], folder: Path, *, headline: str) -> None:
    with house_style():
        figure, [[axes]] = new_figure(WIDE_IN * 0.8, 2.6)
        margins(figure, left=0.5, right=1.45, top=0.28, bottom=0.42)
        for method, style in _styles(list(by_method)).items():
            values = np.sort([row[headline] for row in by_method[method]])
            share = np.arange(1, len(values) + 1) / len(values)
            axes.step(values, share, where="post", label=method, **style)
        _limit_score(axes, headline, horizontal=True)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel(_NAMES.get(headline, headline) + " of an image")
        axes.set_title("share of images with this score or less", loc="left")
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), borderaxespad=0)
        save_figure(figure, folder, "distribution")


def _limit_score(axes: Axes, headline: str, *, horizontal: bool = False) -> None:
    if headline != "rmse":
        (axes.set_xlim if horizontal else axes.set_ylim)(-0.02, 1.02)


def _draw_reliability(reliability: Rows, folder: Path) -> None:
    with house_style():
        figure, panels = new_figure(
            WIDE_IN * 0.53, 3.6, rows=2, sharex=True, gridspec_kw={"height_ratios": (3, 1)}
        )
        margins(figure, left=0.75, right=0.12, top=0.28, bottom=0.42, hspace=0.12)
        above, below = panels[0][0], panels[1][0]
        above.plot([0, 1], [0, 1], color=FAINT, zorder=0)
        for suffix, colour, label in (
            ("", INK, "as it is"),
            ("_at_temperature", _ACCENT, "at the fitted temperature"),
        ):
            if f"frequency{suffix}" in reliability[0]:
                x = [row[f"probability{suffix}"] for row in reliability]
                y = [row[f"frequency{suffix}"] for row in reliability]
                above.plot(x, y, ".-", ms=4, color=colour, label=label)
        above.set_title("how often what was given a probability is there", loc="left")
        above.set_ylim(-0.02, 1.02)
        above.legend(loc="upper left")
        lower = np.array([row["lower"] for row in reliability])
        width = 1 / len(lower)
        millions = [max(row["count"], 0.5) / 1e6 for row in reliability]
        below.bar(lower + width / 2, millions, 0.9 * width, color=REST)
        plain_log_ticks(below.yaxis)
        below.set_ylabel("millions of\npixels")
        below.set_xlabel("probability")
        save_figure(figure, folder, "reliability")


def _draw_example(row: Sequence[Axes], example: Mapping[str, Any], *, headline: str) -> None:
    image = np.asarray(example["image"], np.float64)
    low, high = np.quantile(image, [0.005, 0.995])
    drawn = example["drawn"]
    facts = [f"{plain_number(drawn['dose_e_per_A2'])} e⁻/Å²"] if drawn.get("dose_e_per_A2") else []
    facts += (
        [f"defocus {drawn['defocus_A']:.0f} Å".replace("-", "−")]
        if drawn.get("defocus_A") is not None
        else []
    )
    titles = (
        f"{example['name']}: {_NAMES.get(headline, headline)} {example['score']:.3f}",
        ", ".join(["truth", *facts]),
        "found",
    )
    planes = (image, _plane(example["truth"], example), _plane(example["maps"], example))
    for axes, plane, title in zip(row, planes, titles, strict=True):
        is_image = plane is image
        limits = (
            {"vmin": low, "vmax": high} if is_image else {"vmin": _lowest(plane), "vmax": _highest(plane)}
        )
        axes.imshow(plane, cmap="gray", interpolation="nearest", **limits)
        axes.set_title(title, loc="left")
        axes.set_axis_off()
    _mark_truth(row, example)
    draw_scale_bar(row[0], image.shape, example["sampling_A"] / 10)


def _mark_truth(row: Sequence[Axes], example: Mapping[str, Any]) -> None:
    """Outline a true mask on what was found, or draw columns by class and mark those that are wrong."""
    true, found = example.get("true"), example.get("found")
    if true is None or found is None:
        plane = _plane(example["truth"], example)
        if set(np.unique(plane)) == {0.0, 1.0}:
            row[2].contour(plane, [0.5], colors=_ACCENT, linewidths=0.8)
        return
    rows, columns = np.shape(example["image"])
    for axes, (xy_A, classes, _) in ((row[1], true), (row[2], found)):
        axes.images[0].set_alpha(0.0)
        axes.set_facecolor("black")
        axes.set_axis_on()
        axes.set(xticks=[], yticks=[])
        colours = np.array(_CLASSES)[np.asarray(classes, np.int64) % len(_CLASSES)]
        axes.scatter(*_pixels(xy_A, example), s=4, c=colours, linewidths=0)
    for number, name in enumerate(example.get("classes", ())):
        row[1].scatter([], [], s=10, c=_CLASSES[number % len(_CLASSES)], label=name, linewidths=0)
    if example.get("classes"):
        key: dict[str, Any] = {"frameon": True, "facecolor": "black", "edgecolor": "none"}
        row[1].legend(loc="lower left", labelcolor="white", handletextpad=0.1, ncols=4, **key)
    wrong: dict[str, Any] = {"s": 22, "linewidths": 0.8, "color": _ACCENT}
    for (xy_A, _, right), marker in ((true, "x"), (found, "o")):
        style = wrong if marker == "x" else {**wrong, "facecolors": "none"}
        row[2].scatter(*_pixels(np.asarray(xy_A)[~np.asarray(right, bool)], example), marker=marker, **style)
    for axes in row[1:]:
        axes.set_xlim(-0.5, columns - 0.5)
        axes.set_ylim(rows - 0.5, -0.5)
    row[2].set_title(f"found; {_wrong(found)} wrong (○), {_wrong(true)} missed (×)", loc="left")


def _pixels(xy_A: Any, example: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Give columns and rows of positions [px]."""
    x, y = np.asarray(xy_A, np.float64).reshape(-1, 2).T / example["sampling_A"]
    return x, y


def _wrong(columns: Any) -> int:
    return int(np.count_nonzero(~np.asarray(columns[2], bool)))


def _plane(maps: np.ndarray, example: Mapping[str, Any]) -> np.ndarray:
    """Show one map: the first, or how much of any class there is."""
    values = np.asarray(maps, np.float64)
    return 1 - values[..., -1] if example["background"] else values[..., 0]


def _lowest(plane: np.ndarray) -> float:
    return min(0.0, float(plane.min())) if plane.min() < 0 or plane.max() <= 1 else float(plane.min())


def _highest(plane: np.ndarray) -> float:
    return max(1.0, float(plane.max()))
