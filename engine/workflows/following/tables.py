"""The tables of `peaks`: reflections with lasting numbers, zone-axis scores, rotation, frames to read."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...base.tables import Columns, to_dataframe
from ...measure.fourier import link_peaks
from ...measure.reflections.find import contrast_limit
from ...measure.reflections.rotation import appearances, orientation, rotation_rate
from ...measure.reflections.zone_axis import judge_readable, score_zone_axis
from .settings import PeaksSettings

REFLECTION_COLUMNS = (
    "frame",
    "time_s",
    "particle",
    "peak",
    "pair",
    "q_per_nm",
    "q_error_per_nm",
    "d_nm",
    "angle_deg",
    "angle_error_deg",
    "power",
    "intensity",
    "intensity_error",
    "found",
    "q_per_px",
)
# A reflection moves at most half the way to its neighbour, and never farther than this [1/px].
_MOST_STEP_PER_PX = 0.06
_STEP_OF_NEIGHBOUR = 0.5
_SURE_POWERS = 3.0
_GAP_STEPS = 2.5


@dataclass(frozen=True)
class Calibration:
    """What turns frames and pixels into s, nm and e⁻/Å²; None where unknown."""

    pixel_nm: float | None
    times_s: np.ndarray | None

    def times(self, frames: np.ndarray) -> np.ndarray:
        """Time of some frames [s]; NaN where unknown."""
        if self.times_s is None:
            return np.full(frames.size, math.nan)
        return self.times_s[frames]

    def span_of(self, frames: np.ndarray) -> np.ndarray:
        """Count the gaps in time before each of some frames: the number of the span that it is in."""
        if self.times_s is None or len(self.times_s) < 3:
            return np.zeros(frames.size, np.int64)
        steps = np.diff(self.times_s)
        return np.concatenate([[0], np.cumsum(steps > _GAP_STEPS * np.median(steps))])[frames]


def number_reflections(rows: Columns) -> Columns:
    """Give the reflections of each particle numbers that stay through its frames.

    Parameters
    ----------
    rows : dict of arrays (n,)
        All reflections, numbered within their frame.

    Returns
    -------
    dict of arrays (n,)
        The same by frame, particle and peak, with lasting numbers.
    """
    rows = dict(rows)
    peak, pair = rows["peak"].copy(), rows["pair"].copy()
    for own in rows_by(rows["particle"]):
        part = {name: rows[name][own] for name in ("frame", "pair", "angle_deg", "intensity")}
        part["q"] = rows["q_per_px"][own]
        peak[own], pair[own] = link_peaks(part, max_step=_linking_step(part))
    rows |= {"peak": peak, "pair": pair}
    order = np.lexsort((peak, rows["particle"], rows["frame"]))
    return {name: values[order] for name, values in rows.items()}


def rows_by(keys: np.ndarray) -> list[np.ndarray]:
    """Split row numbers by their key, ascending; rows of one key stay in their order."""
    order = np.argsort(keys, kind="stable")
    return [part for part in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1) if part.size]


def _linking_step(rows: Columns) -> float:
    """Half the usual distance between neighbouring reflections of one frame [1/px]."""
    first = np.arange(0, rows["frame"].size, 2)
    angle = np.radians(rows["angle_deg"][first])
    place = rows["q"][first, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    nearest = []
    for own in rows_by(rows["frame"][first]):
        if own.size > 1:
            apart = np.minimum(*(np.hypot(*(place[own, None] - s * place[own]).T) for s in (1, -1)))
            nearest.append(apart[np.triu_indices(own.size, 1)].min())
    if not nearest:
        return _MOST_STEP_PER_PX
    return min(_MOST_STEP_PER_PX, max(_STEP_OF_NEIGHBOUR * float(np.median(nearest)), 1e-6))


def reflection_table(rows: Columns, calibration: Calibration) -> pd.DataFrame:
    """Put the reflections into the units of the movie, by frame, particle and peak.

    Parameters
    ----------
    rows : dict of arrays (n,)
        From `absent.with_absent`.
    calibration : Calibration
        Of the movie.

    Returns
    -------
    pandas.DataFrame
        Columns as in `REFLECTION_COLUMNS`.
    """
    pixel = calibration.pixel_nm or math.nan
    with np.errstate(divide="ignore"):
        table = {
            **rows,
            "time_s": calibration.times(rows["frame"]),
            "q_per_nm": rows["q_per_px"] / pixel,
            "q_error_per_nm": rows["q_error_per_px"] / pixel,
            "d_nm": pixel / rows["q_per_px"],
        }
    return to_dataframe(table)[list(REFLECTION_COLUMNS)]


def zone_axis_table(
    rows: Columns, searches: Columns, settings: PeaksSettings, calibration: Calibration
) -> pd.DataFrame:
    """Score every particle in every frame, and decide which can be read.

    Parameters
    ----------
    rows : dict of arrays (n,)
        From `number_reflections`.
    searches : dict of arrays (m,)
        What could have been seen, one row for each particle and frame.
    settings : PeaksSettings
        The family error and the limits of the filter.
    calibration : Calibration
        Of the movie.

    Returns
    -------
    pandas.DataFrame
        frame, time_s, particle, pair_ratio, independent_reflections, noise_floored_ratio, readable, reason,
        contrast_limit, electrons, threshold, turn_deg, turn_error_deg.
    """
    order = np.lexsort((searches["particle"], searches["frame"]))
    searches = {name: values[order] for name, values in searches.items()}
    first = np.flatnonzero(rows["peak"] % 2)
    found = {name: values[first] for name, values in rows.items()}
    n_particles = int(searches["particle"].max(initial=0)) + 1
    key = searches["frame"].astype(np.int64) * n_particles + searches["particle"]
    of_row = found["frame"].astype(np.int64) * n_particles + found["particle"]
    by_key = np.argsort(of_row, kind="stable")
    starts, stops = (np.searchsorted(of_row[by_key], key, side=side) for side in ("left", "right"))
    table: dict[str, list[object]] = {name: [] for name in _SCORED}
    for row in range(key.size):
        own = by_key[starts[row] : stops[row]]
        score = score_zone_axis(
            found["power"][own],
            found["intensity"][own],
            found["angle_deg"][own],
            found["angle_error_deg"][own],
        )
        limit = contrast_limit(
            float(searches["frequencies"][row]),
            float(searches["electrons"][row]),
            false_alarm=settings.alpha,
        )
        readable, reason = judge_readable(
            score,
            most_ratio=settings.most_ratio,
            least_contrast=settings.contrast,
            contrast_limit=limit,
            doses=_doses(searches, row, limit / settings.contrast, calibration.pixel_nm),
            cut_by_edge=bool(searches["cut_by_edge"][row]),
        )
        for name, value in zip(_SCORED, (*score, readable, reason, limit), strict=True):
            table[name].append(value)
    return to_dataframe(
        {
            "frame": searches["frame"],
            "time_s": calibration.times(searches["frame"]),
            "particle": searches["particle"],
            **table,
            "electrons": searches["electrons"],
            "threshold": searches["threshold"],
            **_turns(found, key, n_particles),
        }
    )


_ROTATION_COUNTS = (
    "chi2_per_freedom",
    "measurements",
    "reflections",
    "pairs_appeared",
    "pairs_vanished",
)
_SCORED = (
    "pair_ratio",
    "independent_reflections",
    "noise_floored_ratio",
    "readable",
    "reason",
    "contrast_limit",
)


def _doses(searches: Columns, row: int, short_by: float, pixel_nm: float | None) -> str:
    """Say what a particle has and what the contrast wanted would take, where the counts are known."""
    density = float(searches["electrons"][row]) / max(float(searches["area_px2"][row]), 1.0)
    if not math.isfinite(density):
        return ""
    unit = "e⁻/px" if pixel_nm is None else "e⁻/Å²"
    density /= 1.0 if pixel_nm is None else 100 * pixel_nm**2
    return f"{density:.3g} {unit}, would take {density * short_by**2:.3g}"


def _turns(found: Columns, key: np.ndarray, n_particles: int) -> Columns:
    """Turn of each particle and frame against its mean, in the order of the keys."""
    turn, error = np.full(key.size, math.nan), np.full(key.size, math.nan)
    for own in rows_by(found["particle"]):
        part, _ = orientation(
            *(found[name][own] for name in ("frame", "angle_deg", "angle_error_deg", "pair"))
        )
        place = np.searchsorted(key, part["frame"].astype(np.int64) * n_particles + found["particle"][own[0]])
        turn[place], error[place] = part["turn_deg"], part["turn_error_deg"]
    return {"turn_deg": turn, "turn_error_deg": error}


def rotation_table(rows: Columns, searches: Columns, calibration: Calibration) -> pd.DataFrame:
    """Fit each particle's in-plane rotation, and count the pairs that come and go.

    Parameters
    ----------
    rows : dict of arrays (n,)
        From `number_reflections`.
    searches : dict of arrays (m,)
        What could have been seen, one row for each particle and frame.
    calibration : Calibration
        Of the movie.

    Returns
    -------
    pandas.DataFrame
        particle, rotation_deg_per_s and its error (deg_per_frame where the time is unknown),
        chi2_per_freedom, measurements, reflections, pairs_appeared, pairs_vanished.
    """
    unit = "frame" if calibration.times_s is None else "s"
    table = []
    for searched in rows_by(searches["particle"]):
        particle = int(searches["particle"][searched[0]])
        own = np.flatnonzero((rows["particle"] == particle) & (rows["peak"] % 2 == 1))
        frame = rows["frame"][own]
        time = frame.astype(np.float64) if calibration.times_s is None else calibration.times(frame)
        pair = rows["pair"][own]
        # Nobody knows how far a particle turned while no frame was taken: each span has offsets of its own.
        spans = calibration.span_of(frame).astype(np.int64) * (int(pair.max(initial=0)) + 1) + pair
        fit = rotation_rate(time, rows["angle_deg"][own], rows["angle_error_deg"][own], spans)
        sure = _SURE_POWERS * float(searches["threshold"][searched].max())
        frames = np.unique(searches["frame"][searched])
        changed = appearances(frame, pair, rows["power"][own], frames, sure_power=sure)
        table.append(
            {
                "particle": particle,
                f"rotation_deg_per_{unit}": fit["rate_deg"],
                f"rotation_error_deg_per_{unit}": fit["rate_error_deg"],
                "chi2_per_freedom": fit["chi2_per_freedom"],
                "measurements": int(fit["measurements"]),
                "reflections": np.unique(pair).size,
                "pairs_appeared": int(changed["appeared"].sum()),
                "pairs_vanished": int(changed["vanished"].sum()),
            }
        )
    columns = ("particle", f"rotation_deg_per_{unit}", f"rotation_error_deg_per_{unit}", *_ROTATION_COUNTS)
    return pd.DataFrame(table, columns=list(columns))


def frame_table(scores: pd.DataFrame, calibration: Calibration, n_frames: int) -> pd.DataFrame:
    """Say for every frame whether any particle in it can be read.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `zone_axis_table`.
    calibration : Calibration
        Of the movie.
    n_frames : int
        Frames of the movie.

    Returns
    -------
    pandas.DataFrame (n_frames rows)
        frame, time_s, particles, readable_particles, readable, reason (the most frequent one where none can
        be read).
    """
    frames = np.arange(n_frames)
    counts = scores.groupby("frame")["readable"].agg(["size", "sum"]).reindex(frames, fill_value=0)
    usual = {}
    for frame, reasons in scores.groupby("frame")["reason"]:
        # Without the numbers in them, which differ from particle to particle.
        kinds = [re.split(r"[:(]", str(reason))[0].strip() for reason in reasons]
        usual[int(str(frame))] = Counter(sorted(kinds)).most_common(1)[0][0]
    readable = counts["sum"].to_numpy() > 0
    reason = ["" if can else usual.get(frame, "no particle") for frame, can in enumerate(readable.tolist())]
    return pd.DataFrame(
        {
            "frame": frames,
            "time_s": calibration.times(frames),
            "particles": counts["size"].to_numpy(np.int64),
            "readable_particles": counts["sum"].to_numpy(np.int64),
            "readable": readable,
            "reason": reason,
        }
    )
