"""Charts of onsets: delay of planted steps, false alarms, place of the change; ruptures' PELT beside."""

import importlib
import sys
import time
from importlib.util import find_spec

import numpy as np
from scipy.signal import lfilter

from temflux.engine.measure.onsets.charts import Cusum, EwmaLevel, EwmaSlope, PoissonGlr
from temflux.engine.measure.onsets.find import find_onsets
from temflux.engine.measure.onsets.run_length import cusum_limit, ewma_limit, glr_limit, slope_limit
from temflux.engine.measure.onsets.watch import OnsetChart

RUN_LENGTH = 1000.0
RUNS = 2000
QUIET, FRAMES, SERIES = 200, 300, 120
MATCHED = {1.0: 12, 2.0: 4}
COUNT_RATE = 25.0


def charts(shift):
    return {
        f"CUSUM, k = {shift / 2:g}": lambda: Cusum(cusum_limit(RUN_LENGTH, reference=shift / 2), shift / 2),
        "EWMA level, weight 0.2": lambda: EwmaLevel(ewma_limit(RUN_LENGTH)),
        "EWMA level, weight 0.05": lambda: EwmaLevel(ewma_limit(RUN_LENGTH, weight=0.05), 0.05),
        "EWMA derivative, lag 5": lambda: EwmaSlope(slope_limit(RUN_LENGTH)),
        f"Poisson GLR, {COUNT_RATE:g} counts": lambda: PoissonGlr(
            glr_limit(RUN_LENGTH, rate=COUNT_RATE, quiet_frames=0), rate=COUNT_RATE
        ),
    }


def draw(name, rng, shift, runs):
    if "GLR" in name:
        return rng.poisson(COUNT_RATE + shift * np.sqrt(COUNT_RATE), runs)
    return rng.standard_normal(runs) + shift


def delay(name, chart, shift):
    """Mean frames from the first changed one to the alarm, both counted; the share within 30 frames."""
    rng, running = np.random.default_rng(1), np.ones(RUNS, bool)
    for _ in range(QUIET):
        running &= np.abs(chart.step(draw(name, rng, 0.0, RUNS))) < chart.limit
    started, frames, early = int(running.sum()), 0, 0
    for frame in range(2000):
        frames += int(running.sum())
        over = np.abs(chart.step(draw(name, rng, shift, RUNS))) >= chart.limit
        early += int((over & running).sum()) if frame < 30 else 0
        running &= ~over
        if not running.any():
            break
    return frames / started, early / started


def correlated(rng, count, correlation):
    new = rng.standard_normal(count + 60) * np.sqrt(1 - correlation**2)
    return lfilter([1.0], [1.0, -correlation], new)[60:]


def frames_per_false_alarm(correlation, trend):
    """Frames watched per alarm of quiet series whose baseline, noise and correlation are estimated."""
    rng, how, frames, alarms = np.random.default_rng(2), OnsetChart(trend=trend), 0, 0
    for _ in range(SERIES):
        found = find_onsets(correlated(rng, 400, correlation), how=how)
        frames += int(found.stretches["watched"].sum())
        alarms += len(found.onsets["frame"])
    return frames / max(alarms, 1)


def estimated_delay(shift, trend):
    """As `delay` after 100 quiet frames that all is estimated from; the share found within 100 frames."""
    rng, delays = np.random.default_rng(5), []
    for _ in range(SERIES):
        values = rng.standard_normal(200) + shift * (np.arange(200) >= 100)
        alarms = find_onsets(values, how=OnsetChart(trend=trend)).onsets["frame"]
        delays += (alarms[alarms >= 100][:1] - 99).tolist()
    return float(np.mean(delays)), len(delays) / SERIES


def found_by_us(values, how):
    return find_onsets(values, how=how).onsets["onset_frame"]


def pelt_of(ruptures):
    """PELT on a level, its penalty set to as many false changes on quiet series as the chart has."""
    rng = np.random.default_rng(3)
    quiet = [rng.standard_normal(FRAMES) for _ in range(SERIES)]

    def changes(values, penalty):
        # PELT in C on the cost of a changed mean.
        found = ruptures.KernelCPD(kernel="linear", min_size=2).fit(values).predict(pen=penalty)
        return np.array(found[:-1], int)

    wanted = SERIES * FRAMES / RUN_LENGTH
    penalties = np.arange(8.0, 24.0, 1.0)
    false = [sum(changes(values, penalty).size for values in quiet) for penalty in penalties]
    penalty = float(np.interp(np.log(wanted), np.log(np.maximum(false, 0.5))[::-1], penalties[::-1]))
    return lambda values: changes(values, penalty)


def place(find, shift):
    """Share of planted steps found within 5 frames, and the median distance of these [frames]."""
    rng, off = np.random.default_rng(4), []
    for _ in range(SERIES):
        at = int(rng.integers(100, 240))
        found = find(rng.standard_normal(FRAMES) + shift * (np.arange(FRAMES) >= at))
        off.append(np.abs(found - at).min() if len(found) else np.inf)
    near = np.array(off)[np.array(off) <= 5]
    return near.size / SERIES, float(np.median(near)) if near.size else np.nan


def rate(find):
    values = [np.random.default_rng(seed).standard_normal(FRAMES) for seed in range(20)]
    start = time.perf_counter()
    for one in values:
        find(one)
    return 20 * FRAMES / (time.perf_counter() - start)


def row(what, asked, measured, peer, unit):
    return {"what": what, "asked": asked, "measured": measured, "peer": peer, "unit": unit}


def bench() -> list[dict]:
    rows = []
    for shift in (0.5, 1.0, 2.0):
        for name, make in charts(shift).items():
            mean, early = delay(name, make(), shift)
            asked = MATCHED.get(shift) if name.startswith("CUSUM") else None
            rows.append(row(f"delay of a step of d' = {shift:g}, {name}", asked, mean, None, "frames"))
            rows.append(row(f"found within 30 frames, d' = {shift:g}, {name}", None, early, None, "share"))
    for correlation in (0.0, 0.5):
        for trend in (False, True):
            course = "line" if trend else "level"
            what = f"quiet frames per alarm, all estimated, AR(1) {correlation:g}, {course}"
            rows.append(row(what, RUN_LENGTH, frames_per_false_alarm(correlation, trend), None, "frames"))
    for shift in (1.0, 2.0):
        for trend in (False, True):
            mean, share = estimated_delay(shift, trend)
            what = f"d' = {shift:g} after 100 frames, all estimated, {'line' if trend else 'level'}"
            rows.append(row(f"delay of a step of {what}", None, mean, None, "frames"))
            rows.append(row(f"found within 100 frames, {what}", None, share, None, "share"))
    pelt = None
    if find_spec("ruptures") is None:
        sys.stdout.write("onsets: PELT is skipped, since ruptures is not installed (extra peers)\n")
    else:
        pelt = pelt_of(importlib.import_module("ruptures"))
    how = OnsetChart(trend=False)
    for shift in (1.0, 2.0):
        ours = place(lambda values: found_by_us(values, how), shift)
        theirs = (None, None) if pelt is None else place(pelt, shift)
        rows.append(
            row(
                f"steps of d' = {shift:g} told within 5 frames (peer: PELT)",
                None,
                ours[0],
                theirs[0],
                "share",
            )
        )
        rows.append(row(f"their distance, d' = {shift:g} (peer: PELT)", None, ours[1], theirs[1], "frames"))
    peer = None if pelt is None else rate(pelt)
    rows.append(
        row("frames watched a second (peer: PELT)", None, rate(lambda v: found_by_us(v, how)), peer, "1/s")
    )
    return rows
