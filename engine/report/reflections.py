"""Pictures of reflections: intensity and angle over time, their places in the lattice, frames to read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from .canvas import FAINT, INK, NARROW_IN, SOFT, WIDE_IN, house_style, margins, new_figure
from .curves import draw_curve, in_runs, mark_times, with_gaps
from .lattice import half_turns
from .shown import Shown, number

_PAIRS_TRACED = 3
_PAIR_STYLES = (("#0072B2", "-"), ("#D55E00", (0, (4, 1.5))), ("#009E73", (0, (1, 1))))
_LATTICE_COLOURS = {"1": "#0072B2", "2": "#D55E00", "1 and 2": "#7A5CC9", "": SOFT}
# From what can be read to what cannot; a particle that is absent is left blank.
_STATES = (
    ("readable", "#009E73"),
    ("one direction of fringes", "#E69F00"),
    ("no reflection", "#56B4E9"),
    ("too few counts", "#CC79A7"),
    ("cut by the edge", "#8c939b"),
)
_MOST_ROWS = 30


def reflection_traces(
    reflections: pd.DataFrame, particle: int, shown: Shown, *, width_in: float = NARROW_IN
) -> Figure | None:
    """Draw contrast and change of angle of a particle's strongest pairs against time, with their errors.

    Parameters
    ----------
    reflections : pandas.DataFrame
        Columns frame, particle, peak, pair, d_nm, q_per_px, angle_deg, angle_error_deg, intensity and
        intensity_error.
    particle : int
        Which particle.
    shown : Shown
        The movie's axes and colours.
    width_in : float
        Width of the figure [inch].

    Returns
    -------
    matplotlib Figure or None
        Intensities above, changes of angle beneath; None where the particle has no reflection.

    References
    ----------
    Larsen, PhD thesis, DTU (2023), Figure 6.5.

    Examples
    --------
    >>> from .shown import show
    >>> plain = show({"movie": "a", "frames": 3}, pd.DataFrame())
    >>> reflection_traces(pd.DataFrame({"particle": [], "peak": []}), 1, plain) is None
    True
    """
    own = reflections[(reflections["particle"] == particle) & (reflections["peak"] % 2 == 1)]
    if own.empty:
        return None
    strength = own.groupby("pair")["intensity"].sum().sort_values(ascending=False, kind="stable")
    with house_style():
        figure, [[above], [below]] = new_figure(width_in, 3.4, rows=2, sharex=True)
        margins(figure, left=0.66, right=0.1, top=0.5, bottom=0.42, hspace=0.18)
        for pair, (colour, dash) in zip(strength.index[:_PAIRS_TRACED], _PAIR_STYLES, strict=False):
            rows = own[own["pair"] == pair].sort_values("frame")
            _trace(above, below, rows, shown, colour=colour, dash=dash)
        above.legend(
            loc="lower left",
            bbox_to_anchor=(-0.02, 0.99),
            ncols=_PAIRS_TRACED,
            handlelength=1.6,
            columnspacing=0.9,
            handletextpad=0.4,
            borderaxespad=0.1,
            fontsize=6.5,
        )
        above.axhline(0, color=SOFT, linewidth=0.5)
        below.axhline(0, color=SOFT, linewidth=0.5)
        above.set_ylabel("intensity [contrast²]")
        below.set_ylabel("change of angle [°]")
        figure.align_ylabels([above, below])
        figure.text(
            0.66 / width_in,
            1 - 0.17 / 3.4,
            f"particle {particle}",
            fontweight="bold",
            color=shown.colours.get(particle, INK),
        )
        mark_times([above, below], shown)
    return figure


def readable_strip(zone_axis: pd.DataFrame, shown: Shown, *, width_in: float = WIDE_IN) -> Figure:
    """Draw which particle can be read when, and why not.

    Parameters
    ----------
    zone_axis : pandas.DataFrame
        Columns frame, particle, readable, reason.
    shown : Shown
        The movie's axes and colours.
    width_in : float
        Width of the figure [inch].

    Returns
    -------
    matplotlib Figure
        A row for each of the particles that are seen most, at most 30.

    Examples
    --------
    >>> from .shown import show
    >>> plain = show({"movie": "a", "frames": 3}, pd.DataFrame())
    >>> table = pd.DataFrame({"frame": [0], "particle": [1], "readable": [True], "reason": [""]})
    >>> readable_strip(table, plain).axes[0].get_xlabel()
    'frame'
    """
    seen = zone_axis["particle"].value_counts(sort=False).sort_values(ascending=False, kind="stable")
    particles = sorted(seen.index[:_MOST_ROWS].tolist())
    row_in = min(0.22, 4.0 / max(len(particles), 1))
    height = 0.75 + max(row_in * len(particles), 0.3)
    with house_style():
        figure, [[axes]] = new_figure(width_in, height)
        margins(figure, left=0.5, right=0.1, top=0.3, bottom=0.42)
        for place, particle in enumerate(particles):
            rows = zone_axis[zone_axis["particle"] == particle].sort_values("frame")
            _states(axes, rows, place, shown)
        axes.set_ylim(len(particles) - 0.5, -0.5)
        step = -(-len(particles) // 15) or 1
        axes.set_yticks(range(0, len(particles), step), [str(p) for p in particles[::step]])
        axes.set_ylabel("particle")
        axes.legend(
            handles=[
                Patch(facecolor=colour, label=state) for state, colour in _STATES if _occurs(zone_axis, state)
            ],
            loc="lower left",
            bbox_to_anchor=(-0.01, 1.0),
            ncols=5 if width_in >= WIDE_IN else 3,
            handlelength=1.0,
            columnspacing=1.0,
            borderaxespad=0.2,
            fontsize=6.5,
        )
        mark_times([axes], shown)
        half = _half_step(shown.times)
        axes.set_xlim(float(shown.times[0]) - half, float(shown.times[-1]) + half)
    return figure


def lattice_maps(
    pairs: pd.DataFrame, particles: Sequence[int], shown: Shown, *, width_in: float = WIDE_IN
) -> Figure | None:
    """Draw where the reflections of some particles lie, and to which lattice each belongs.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Columns particle, pair, q_per_px, q_per_nm, angle_deg, lattice, share, and plane where there is a
        crystal.
    particles : sequence of int
        Which particles, in this order.
    shown : Shown
        The movie's axes and colours.
    width_in : float
        Width of the figure [inch].

    Returns
    -------
    matplotlib Figure or None
        Places at the particle's mean turn; None where none of them has reflections.

    Examples
    --------
    >>> from .shown import show
    >>> plain = show({"movie": "a", "frames": 3}, pd.DataFrame())
    >>> lattice_maps(pd.DataFrame({"particle": []}), [1], plain) is None
    True
    """
    known = [particle for particle in particles if (pairs["particle"] == particle).any()]
    if not known:
        return None
    column = "q_per_px" if shown.pixel_nm is None else "q_per_nm"
    across = 4 if width_in >= WIDE_IN else 2
    known = known[:across]
    edge = 1.15 * float(pairs.loc[pairs["particle"].isin(known), column].max())
    side = width_in / across
    with house_style():
        # As wide for one particle as for four, since a page stretches figures to its width.
        figure, [panels] = new_figure(width_in, side + 0.2, columns=across)
        margins(figure, left=0.04, right=0.04, top=0.24, bottom=0.04, wspace=0.05)
        for axes in panels[len(known) :]:
            axes.set_axis_off()
        for axes, particle in zip(panels, known, strict=False):
            rows = pairs[pairs["particle"] == particle]
            _spots(axes, rows, column, edge)
            axes.set_title(f"particle {particle}", fontweight="bold", color=shown.colours.get(particle, INK))
    return figure


def _trace(above: Axes, below: Axes, rows: pd.DataFrame, shown: Shown, *, colour: str, dash: object) -> None:
    frames = rows["frame"].to_numpy()
    intensity, angle, spread, turn = np.full((4, shown.n_frames), np.nan)
    intensity[frames], spread[frames] = rows["intensity"], rows["intensity_error"]
    seen = rows[rows["angle_deg"].notna()]
    followed = half_turns(seen["angle_deg"].to_numpy())
    angle[seen["frame"]], turn[seen["frame"]] = followed, seen["angle_error_deg"]
    angle -= np.nanmedian(angle)
    direction = float(np.median(followed)) % 180
    spacing = float(rows["d_nm"].median())
    name = f"{spacing:.3f} nm" if np.isfinite(spacing) else f"{1 / float(rows['q_per_px'].median()):.1f} px"
    for axes, values, error in ((above, intensity, spread), (below, angle, turn)):
        label = f"{name}, {direction:.0f}°" if axes is above else None
        draw_curve(axes, shown.times, values, shown, color=colour, linestyle=dash, label=label)
        runs = in_runs(shown.times, np.stack([values - error, values + error]))
        x, low = with_gaps(runs.x, runs.mean[0], shown)
        _, high = with_gaps(runs.x, runs.mean[1], shown)
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)


def _state_of(rows: pd.DataFrame) -> np.ndarray:
    reason = rows["reason"].fillna("").astype(str)
    states = np.full(len(rows), 2)
    states[rows["readable"].to_numpy(bool)] = 0
    for place, (state, _) in enumerate(_STATES[1:], start=1):
        states[reason.str.startswith(state).to_numpy()] = place
    return states


def _occurs(zone_axis: pd.DataFrame, state: str) -> bool:
    names = [name for name, _ in _STATES]
    return bool((_state_of(zone_axis) == names.index(state)).any())


def _states(axes: Axes, rows: pd.DataFrame, place: int, shown: Shown) -> None:
    """Draw runs of frames of one state as bars, broken where frames are missing."""
    frames, states = rows["frame"].to_numpy(), _state_of(rows)
    before_gap = np.isin(shown.times[frames[:-1]], [start for start, _ in shown.gaps])
    ends = np.flatnonzero((np.diff(frames) != 1) | (np.diff(states) != 0) | before_gap)
    starts, stops = np.concatenate([[0], ends + 1]), np.concatenate([ends, [len(frames) - 1]])
    half = _half_step(shown.times)
    for state, (_, colour) in enumerate(_STATES):
        own = states[starts] == state
        begin, end = shown.times[frames[starts[own]]] - half, shown.times[frames[stops[own]]] + half
        axes.broken_barh(
            list(zip(begin, end - begin, strict=True)), (place - 0.4, 0.8), facecolor=colour, linewidth=0
        )


def _half_step(times: np.ndarray) -> float:
    return 0.5 * float(np.median(np.diff(times))) if len(times) > 1 else 0.5


def _spots(axes: Axes, rows: pd.DataFrame, column: str, edge: float) -> None:
    angle = np.radians(rows["angle_deg"].to_numpy(np.float64))
    q = rows[column].to_numpy(np.float64)
    planes = rows["plane"].fillna("").tolist() if "plane" in rows else [""] * len(rows)
    lattice = rows["lattice"].fillna("").astype(str).tolist()
    for ring in np.unique(np.round(q, 3)):
        axes.add_artist(_circle(float(ring)))
    size = 6 + 34 * np.sqrt(rows["share"].to_numpy(np.float64))
    for sign in (1, -1):
        x, y = sign * q * np.cos(angle), sign * q * np.sin(angle)
        axes.scatter(x, y, s=size, color=[_LATTICE_COLOURS[word] for word in lattice], linewidth=0, zorder=3)
    for at, word, plane, around in zip(q, lattice, planes, angle, strict=True):
        text = plane or number(float(at))
        axes.annotate(
            text,
            (at * np.cos(around), at * np.sin(around)),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=6,
            color=_LATTICE_COLOURS[word],
        )
    axes.plot(0, 0, marker="+", color=SOFT, markersize=5)
    axes.set_xlim(-edge, edge)
    axes.set_ylim(-edge, edge)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _circle(radius: float) -> Patch:
    from matplotlib.patches import Circle

    return Circle((0, 0), radius, fill=False, edgecolor=FAINT, linewidth=0.5)
