"""Pictures of lattices over time: spectra of the largest particles, and traces of their peaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from .canvas import INK, NARROW_IN, SOFT, WIDE_IN, house_style, margins, new_figure
from .curves import draw_curve, mark_times
from .overlay import nice_length
from .shown import Shown, number

Spectra = Mapping[int, Sequence[tuple[int, np.ndarray, float, str]]]

_PARTICLES_IN_STRIP = 4
_PAIRS_TRACED = 3
_PAIR_STYLES = (("#0072B2", "-"), ("#D55E00", (0, (4, 1.5))), ("#009E73", (0, (1, 1))))
_MAP = "magma"
_GROUP_GAP_IN = 0.12


def spectra_strip(
    spectra: Spectra, shown: Shown, *, q_shown: float | None = None, width_in: float = WIDE_IN
) -> Figure | None:
    """Draw spectra of the particles that stand out, at their first, middle and last frame.

    Parameters
    ----------
    spectra : mapping from int to sequence of (int, array (N, N), float, str)
        For each particle a few of: frame, amplitude with q = 0 at N // 2, side of a reciprocal pixel, its
        unit (1/nm or 1/px).
    shown : Shown
        The movie's axes and colours.
    q_shown : float or None
        Spatial frequency at the edge of the pictures, in that unit; up to the limit of the pixels where None.
    width_in : float
        Width of the figure [inch].

    Returns
    -------
    matplotlib Figure or None
        One brightness scale and one ruler of rings for all; None where there is no spectrum.

    Examples
    --------
    >>> from .shown import show
    >>> plain = show({"movie": "a", "frames": 3}, pd.DataFrame())
    >>> figure = spectra_strip({1: [(0, np.ones((16, 16)), 0.5, "1/nm")]}, plain)
    >>> spectra_strip({}, plain) is None
    True
    """
    known = outstanding(
        (particle for particle in spectra if len(spectra[particle])), shown, most=_PARTICLES_IN_STRIP
    )
    if not known:
        return None
    most = max(len(spectra[particle]) for particle in known)
    across = 2 if width_in >= WIDE_IN and len(known) > 1 else 1
    down = -(-len(known) // across)
    columns = most * across
    bar_in = 0.5
    side = min((width_in - bar_in - _GROUP_GAP_IN * (across - 1)) / columns, 1.9)
    height = down * (side + 0.36) + 0.05
    with house_style():
        figure = new_figure(columns * side + _GROUP_GAP_IN * (across - 1) + bar_in, height)[0]
        figure.clear()
        width = figure.get_figwidth()
        for place, particle in enumerate(known):
            row, column = divmod(place, across)
            top = 1 - (row * (side + 0.36) + 0.36) / height
            left = column * (most * side + _GROUP_GAP_IN) / width
            figure.text(
                left,
                top + 0.2 / height,
                f"particle {particle}",
                fontweight="bold",
                color=shown.colours.get(particle, INK),
            )
            for index, (frame, spectrum, step, unit) in enumerate(spectra[particle]):
                box = (
                    left + index * side / width,
                    top - (side - 0.03) / height,
                    (side - 0.05) / width,
                    (side - 0.05) / height,
                )
                axes = figure.add_axes(box)
                _spectrum(axes, np.asarray(spectrum), step, unit, q_shown)
                figure.text(box[0], top + 0.05 / height, _moment(shown, frame), fontsize=7, color=SOFT)
        _amplitude_bar(figure, width - bar_in)
    return figure


def peak_traces(
    peaks: pd.DataFrame, particle: int, shown: Shown, *, width_in: float = NARROW_IN
) -> Figure | None:
    """Draw intensity and angle of a particle's strongest peak pairs against time.

    Parameters
    ----------
    peaks : pandas.DataFrame
        As in `PEAK_COLUMNS`; the two peaks of a pair share its number.
    particle : int
        Which particle.
    shown : Shown
        The movie's axes and colours.
    width_in : float
        Width of the figure [inch].

    Returns
    -------
    matplotlib Figure or None
        Intensities above, changes of angle beneath; None where the particle has no peak.

    References
    ----------
    Larsen, PhD thesis, DTU (2023), Figure 6.5.

    Examples
    --------
    >>> from .shown import show
    >>> peak_traces(pd.DataFrame(), 1, show({"movie": "a", "frames": 3}, pd.DataFrame())) is None
    True
    """
    own = peaks[peaks["particle"] == particle] if len(peaks) else peaks
    if own.empty:
        return None
    with house_style():
        figure, [[above], [below]] = new_figure(width_in, 3.4, rows=2, sharex=True)
        margins(figure, left=0.62, right=0.1, top=0.5, bottom=0.42, hspace=0.18)
        _traces(above, below, own, shown)
        figure.align_ylabels([above, below])
        figure.text(
            0.62 / width_in,
            1 - 0.17 / 3.4,
            f"particle {particle}",
            fontweight="bold",
            color=shown.colours.get(particle, INK),
        )
        mark_times([above, below], shown)
    return figure


def outstanding(particles: Iterable[int], shown: Shown, *, most: int) -> list[int]:
    """Pick the particles that stand out most: those with a colour first, by size and presence.

    Parameters
    ----------
    particles : iterable of int
        To choose from.
    shown : Shown
        The movie's axes and colours.
    most : int
        How many at most.

    Returns
    -------
    list of int
        Particles, the most outstanding first.

    Examples
    --------
    >>> from .shown import show
    >>> outstanding([3, 1, 2], show({"movie": "a", "frames": 3}, pd.DataFrame()), most=2)
    [1, 2]
    """
    rank = {particle: place for place, particle in enumerate(shown.colours)}
    return sorted(particles, key=lambda particle: (rank.get(particle, len(rank)), particle))[:most]


def _moment(shown: Shown, frame: int) -> str:
    at = "" if shown.time_unit is None else f" · {number(shown.times[frame])} {shown.time_unit}"
    return f"frame {frame}{at}"


def _spectrum(axes: Axes, spectrum: np.ndarray, step: float, unit: str, q_shown: float | None) -> None:
    size = spectrum.shape[0]
    edge = step * size / 2
    shown_to = min(q_shown or edge, edge)
    low, high = -(size // 2) - 0.5, size - size // 2 - 0.5
    axes.set_facecolor("black")
    if np.isfinite(spectrum).any():
        # The root lifts weak peaks; the centre, which is no lattice, may be clipped.
        axes.imshow(
            np.sqrt(np.clip(spectrum, 0, 1)),
            cmap=_MAP,
            vmin=0,
            vmax=1,
            interpolation="nearest",
            extent=(low * step, high * step, high * step, low * step),
        )
    else:
        axes.text(0.5, 0.5, "absent", color="white", ha="center", va="center", transform=axes.transAxes)
    axes.set_xlim(-shown_to, shown_to)
    axes.set_ylim(shown_to, -shown_to)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    ring = nice_length(0.5 * shown_to)
    for radius in (ring, 2 * ring) if 2 * ring <= 0.98 * shown_to else (ring,):
        axes.add_patch(
            Circle(
                (0, 0), radius, fill=False, edgecolor="white", linewidth=0.5, alpha=0.6, linestyle=(0, (3, 3))
            )
        )
        axes.text(
            0,
            radius,
            f"{number(radius)} {unit.removeprefix('1/')}⁻¹",
            color="white",
            fontsize=6,
            ha="center",
            va="center",
            path_effects=[patheffects.withStroke(linewidth=1.6, foreground="#000000c0")],
        )


def _amplitude_bar(figure: Figure, left_in: float) -> None:
    width, height = figure.get_size_inches()
    tall = min(height - 0.45, 1.4)
    axes = figure.add_axes(
        ((left_in + 0.02) / width, 1 - (0.37 + tall) / height, 0.07 / width, tall / height)
    )
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), _MAP), cax=axes, ticks=[0, 0.5, 1])
    # Half the amplitude lies at the root of a half on the picture's scale.
    bar.set_ticks([0, np.sqrt(0.1), np.sqrt(0.5), 1], labels=["0", "0.1", "0.5", "1"])
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, pad=1.5, labelsize=6.5)


def _traces(above: Axes, below: Axes, peaks: pd.DataFrame, shown: Shown) -> None:
    for (_, pair), (colour, dash) in zip(_strongest(peaks), _PAIR_STYLES, strict=False):
        intensity = np.full(shown.n_frames, np.nan)
        angle = np.full(shown.n_frames, np.nan)
        by_frame = pair.groupby("frame")
        frames = by_frame["intensity"].mean().index.to_numpy()
        intensity[frames] = by_frame["intensity"].mean()
        angle[frames] = half_turns(by_frame["angle_deg"].min().to_numpy())
        middle = float(np.nanmedian(angle))
        name = _pair_name(pair, middle)
        draw_curve(above, shown.times, intensity, shown, color=colour, linestyle=dash, label=name)
        draw_curve(below, shown.times, angle - middle, shown, color=colour, linestyle=dash)
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
    above.set_ylim(0, None)
    below.axhline(0, color=SOFT, linewidth=0.5)
    low, high = below.get_ylim()
    widest = max(1.0, abs(low), abs(high))
    below.set_ylim(-widest, widest)
    above.set_ylabel("intensity [strongest = 1]")
    below.set_ylabel("change of angle [°]")


def _strongest(peaks: pd.DataFrame) -> list[tuple[int, pd.DataFrame]]:
    # A peak without a partner counts by itself.
    group = np.where(peaks["pair"] > 0, peaks["pair"], -peaks["peak"])
    groups = [(int(str(key)), rows) for key, rows in peaks.groupby(group)]
    return sorted(groups, key=lambda entry: (-float(entry[1]["intensity"].sum()), entry[0]))[:_PAIRS_TRACED]


def half_turns(angles_deg: np.ndarray) -> np.ndarray:
    """Follow the angle of a lattice direction, which is the same after half a turn, without jumps.

    Parameters
    ----------
    angles_deg : array (n,)
        Angles [°] in the order of time.

    Returns
    -------
    array (n,), float64
        Equal to the given ones but for multiples of 180°.

    Examples
    --------
    >>> half_turns(np.array([179.0, 1.0, 182.0])).tolist()
    [179.0, 181.0, 182.0]
    """
    return np.unwrap(np.asarray(angles_deg, np.float64), period=180.0)


def _pair_name(pair: pd.DataFrame, angle_deg: float) -> str:
    spacing = float(pair["d_nm"].median())
    if np.isfinite(spacing):
        return f"{spacing:.3f} nm, {angle_deg % 180:.0f}°"
    return f"{1 / float(pair['q_per_px'].median()):.1f} px, {angle_deg % 180:.0f}°"
