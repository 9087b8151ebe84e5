"""What is decided of a movie's columns before any is listed: their noise, size and contrast."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...base.errors import CalibrationError, DataError
from ...base.stack import Stack
from ...base.tables import Columns
from ...images.clean import finite_frame
from ...measure.columns.blobs import find_scale, measure_width, width_at
from ...measure.columns.noise import SCALE_PER_WIDTH, Noise, least_contrast, measure_deviation
from ...report.shown import number
from ..tracking.segmentation import read_frames
from .settings import ColumnsSettings

_PLACES, _FRAMES_AT_A_PLACE = 3, 2
_SUMMED_AT_MOST = 16
_LARGEST_SIDE_PX = 768
_FEWEST_VOTES = 5
# Variance over mean of counts is 1 per count and electron; interpolation or a camera's offset change it.
_LIKE_COUNTS = (0.75, 1.33)
_SAMPLE_SCALE_PX = 1.5
_NETWORK_WIDTHS_NM = (0.015, 0.06)
# Of a width that is given; a lattice wants a smaller scale than a column that is alone.
_SCALES_OF_WIDTH = (0.9, 1.2, SCALE_PER_WIDTH)
_MOST_SCALE_OF_SPACING = 0.3
_TOLD_CONTRAST = 0.2


@dataclass(frozen=True)
class Sizing:
    """What all frames of a movie are searched for.

    Parameters
    ----------
    noise : Noise
        Noise of the pixels.
    scale_px : float
        Scale of blobs [px]; NaN where a network finds the columns.
    sign : int
        1 bright, -1 dark, 0 either.
    width_px : float
        Width that fits begin with [px].
    background : float
        Mean grey level.
    n_px : int
        Pixels of a frame.
    notes : tuple of str
        What had to be assumed.
    pixel_deviation : float
        Deviation of single pixels [grey levels], in the frames that the noise was measured in.
    """

    noise: Noise
    scale_px: float
    sign: int
    width_px: float
    background: float
    n_px: int
    notes: tuple[str, ...] = ()
    pixel_deviation: float = math.nan

    def noise_of(self, frame: np.ndarray) -> Noise:
        """Give the noise of one frame: where it is measured it follows the dose, which may change."""
        if self.noise.is_poisson:
            return self.noise
        change = measure_deviation([frame]) / self.pixel_deviation
        return Noise(None, self.noise.deviation * change) if 0 < change < math.inf else self.noise

    @property
    def contrast(self) -> str:
        """Bright, dark or either."""
        return {1: "bright", -1: "dark", 0: "either"}[self.sign]

    def describe(self) -> dict[str, Any]:
        """Say it for the record."""
        return {
            "noise": "Poisson counts" if self.noise.is_poisson else "normal, measured",
            "counts_per_electron": self.noise.counts_per_electron,
            "noise_deviation": None if self.noise.is_poisson else self.noise.deviation,
            "scale_px": None if math.isnan(self.scale_px) else self.scale_px,
            "contrast": self.contrast,
            "width_px": self.width_px,
        }


def size_columns(stack: Stack, settings: ColumnsSettings, places: Columns | None = None) -> Sizing:
    """Decide noise, size and contrast of a movie's columns from a few of its frames.

    Parameters
    ----------
    stack : Stack
        The movie.
    settings : ColumnsSettings
        What the user said of them.
    places : dict of arrays, or None
        Where a network found them: frame, y_px, x_px; None for blobs.

    Returns
    -------
    Sizing
        What all frames are searched for.

    Raises
    ------
    CalibrationError
        If a length in nm is given for a movie without pixel size.
    DataError
        If no frame can be read or all are blank, or nothing stands out of the noise.

    Examples
    --------
    >>> y, x = np.mgrid[:64, :64]
    >>> lattice = 50 - 30 * (np.cos(y / 2) ** 8 * np.cos(x / 2) ** 8)
    >>> movie = Stack.from_array(np.random.default_rng(0).poisson(lattice, (4, 64, 64)))
    >>> size_columns(movie, ColumnsSettings()).contrast
    'dark'
    """
    runs = _sample(stack, settings.chosen_frames(stack.n_frames))
    noise, notes = _choose_noise(runs, settings)
    frames = [frame for run in runs for frame in run]
    width_px = in_pixels(stack, settings, "width")
    background = float(np.mean([frame.mean(dtype=np.float64) for frame in frames]))
    n_px = frames[0].size
    pixel = float(np.median([measure_deviation([frame]) for frame in frames]))
    if places is not None:
        width_px, sign = _width_of_places(stack, settings, places, width_px)
        return Sizing(noise, math.nan, sign, width_px, background, n_px, notes, pixel)
    scales = _scales(stack, settings, width_px)
    how: dict[str, Any] = {"contrast": settings.contrast, "alpha": settings.alpha, "scales_px": scales}
    scale_px, sign, votes = find_scale([_middle(frame) for frame in frames], noise=noise, **how)
    if votes < _FEWEST_VOTES:
        chosen = settings.chosen_frames(stack.n_frames)
        first = max(chosen.start, (chosen.start + chosen.stop - _SUMMED_AT_MOST) // 2)
        summed, summed_noise = _summed(_read(stack, first, min(first + _SUMMED_AT_MOST, chosen.stop)), noise)
        scale_px, sign, _ = find_scale([_middle(summed)], noise=summed_noise, **how)
    if math.isnan(scale_px):
        guess = width_px or float(np.median(scales if scales is not None else [3.0])) / SCALE_PER_WIDTH
        nothing = Sizing(noise, scale_px, sign, guess, background, n_px)
        raise DataError(say_too_few(stack, settings, nothing))
    if width_px is None:
        found = measure_width(
            [_middle(frame) for frame in frames],
            scale_px=scale_px,
            noise=noise,
            sign=sign,
            alpha=settings.alpha,
        )
        width_px = scale_px / SCALE_PER_WIDTH if math.isnan(found) else found
    return Sizing(noise, scale_px, sign, max(width_px, 0.3), background, n_px, notes, pixel)


def in_pixels(stack: Stack, settings: ColumnsSettings, what: str) -> float | None:
    """Give a length that the user may have said, `width` or `spacing`, in pixels; None where not said."""
    length_nm, length_px = getattr(settings, f"{what}_nm"), getattr(settings, f"{what}_px")
    if length_nm is None:
        return length_px
    if stack.pixel_nm is None:
        raise CalibrationError(
            f"{stack.source}: {what}_nm needs a pixel size; give --pixel-nm, or --{what}-px instead"
        )
    return length_nm / stack.pixel_nm


def say_limit(stack: Stack, settings: ColumnsSettings, sizing: Sizing) -> str:
    """Say which columns this dose can show, and which dose fainter ones would take.

    Parameters
    ----------
    stack : Stack
        The movie.
    settings : ColumnsSettings
        Its `alpha`.
    sizing : Sizing
        Noise, background, and width of the columns looked for.

    Returns
    -------
    str
        A clause.
    """
    least = least_contrast(
        background=max(sizing.background, 1e-3 * sizing.noise.unit),
        width_px=sizing.width_px,
        noise=sizing.noise,
        alpha=settings.alpha,
        n_px=sizing.n_px,
    )
    width = sizing.width_px * (stack.pixel_nm or 1.0)
    times = (least / _TOLD_CONTRAST) ** 2
    dose = _dose(stack, sizing)
    now = "" if dose is None else f" at {number(dose)} e⁻/Å² a frame"
    takes = f"{number(times)} times the dose" if dose is None else f"{number(dose * times)} e⁻/Å²"
    return (
        f"of {width:.2g} {'px' if stack.pixel_nm is None else 'nm'} width{now} only columns with a contrast "
        f"above {least:.2g} stand out of the noise with alpha {settings.alpha:g}, and a contrast of "
        f"{_TOLD_CONTRAST} takes {takes}"
    )


def say_too_few(stack: Stack, settings: ColumnsSettings, sizing: Sizing) -> str:
    """Say that nothing was found, what could have been, and what to do.

    Parameters
    ----------
    stack, settings, sizing
        As for `say_limit`.

    Returns
    -------
    str
        One line.
    """
    limit = say_limit(stack, settings, sizing)
    return f"{stack.source}: no column found: {limit}; add frames up, or give the columns' width"


def _dose(stack: Stack, sizing: Sizing) -> float | None:
    """Electrons per Å² of a frame: as known, or as counted."""
    if stack.dose_e_per_A2 is not None:
        return float(np.median(stack.dose_e_per_A2))
    if stack.pixel_nm is None or not sizing.noise.is_poisson:
        return None
    return sizing.background / sizing.noise.unit / (10 * stack.pixel_nm) ** 2


def _sample(stack: Stack, frames: range) -> list[list[np.ndarray]]:
    """Read a few short runs of frames from all over the movie; each has one frame or more, none blank."""
    runs = []
    places = np.unique(
        np.linspace(frames.start, max(frames.stop - _FRAMES_AT_A_PLACE, frames.start), _PLACES)
    )
    for start in np.unique(np.rint(places).astype(int)).tolist():
        stop = min(start + _FRAMES_AT_A_PLACE, frames.stop)
        if run := _read(stack, start, stop):
            runs.append(run)
    if not runs:
        raise DataError(
            f"{stack.source}: expected frames with columns, got blank or unreadable ones; choose others by "
            "--frames A:B"
        )
    return runs


def _width_of_places(
    stack: Stack, settings: ColumnsSettings, places: Columns, width_px: float | None
) -> tuple[float, int]:
    """Measure width [px] and sign of columns where a network found them, on the frames with most of them."""
    known, count = np.unique(places["frame"], return_counts=True)
    chosen = known[np.argsort(-count, kind="stable")][:_PLACES]
    frames = {int(one): _read(stack, int(one), int(one) + 1) for one in chosen}
    own = {one: places["frame"] == one for one, read in frames.items() if read}
    pixel_nm = stack.pixel_nm or math.nan
    least, most = (one / pixel_nm for one in _NETWORK_WIDTHS_NM) if width_px is None else (width_px, width_px)
    found, sign = width_at(
        [frames[one][0] for one in own],
        [(places["y_px"][rows], places["x_px"][rows]) for rows in own.values()],
        least_px=max(least, 0.7),
        most_px=max(most, 1.4),
        sign={"bright": 1, "dark": -1}.get(settings.contrast, 0),
    )
    return max(width_px or (found if sign else least), 0.7), sign


def _read(stack: Stack, start: int, stop: int) -> list[np.ndarray]:
    """Read the frames of a run that can be read and are not blank."""
    run = [finite_frame(one)[0] for one in read_frames(stack, start, stop) if one is not None]
    return [one for one in run if one.min() < one.max()]


def _choose_noise(runs: list[list[np.ndarray]], settings: ColumnsSettings) -> tuple[Noise, tuple[str, ...]]:
    frames = [frame for run in runs for frame in run]
    if settings.counts_per_electron is not None:
        if min(frame.min() for frame in frames) < 0:
            raise DataError(
                "counts_per_electron: expected counts of 0 or more, got negative pixels; take the offset "
                "off, or leave it out to have the noise measured"
            )
        return Noise(settings.counts_per_electron), ()
    measured = [measure_deviation(run, scale_px=_SAMPLE_SCALE_PX) for run in runs]
    deviation = float(np.median([one for one in measured if one > 0] or [0.0]))
    if deviation == 0:
        deviation = measure_deviation(frames[:1])
    if deviation == 0:
        raise DataError("expected frames with noise, got frames without any; give the frames as recorded")
    mean = float(np.mean([frame.mean(dtype=np.float64) for frame in frames]))
    whole = all(frame.min() >= 0 and (frame == np.rint(frame)).all() for frame in frames)
    # Of counts far below one a pixel the median deviation is too small, the variance is not.
    variances = [deviation**2, *(float(np.var(run[1] - 1.0 * run[0])) / 2 for run in runs if len(run) > 1)]
    if whole and mean > 0 and any(_LIKE_COUNTS[0] < one / mean < _LIKE_COUNTS[1] for one in variances):
        return Noise(1.0), ()
    return Noise(None, deviation), (
        f"pixels are no counts of electrons (variance over mean {deviation**2 / max(mean, 1e-12):.3g}): "
        "noise is taken as normal, of the deviation measured; give --counts-per-electron if they are",
    )


def _scales(stack: Stack, settings: ColumnsSettings, width_px: float | None) -> np.ndarray | None:
    spacing_px = in_pixels(stack, settings, "spacing")
    scales = None if width_px is None else np.array(_SCALES_OF_WIDTH) * width_px
    if spacing_px is not None:
        most = _MOST_SCALE_OF_SPACING * spacing_px
        scales = np.array([0.6, 0.75, 0.9, 1.0]) * most if scales is None else np.minimum(scales, most)
    return None if scales is None else np.unique(np.maximum(scales, 0.7))


def _middle(frame: np.ndarray) -> np.ndarray:
    """Take the middle of a large frame."""
    top, left = (max(0, (side - _LARGEST_SIDE_PX) // 2) for side in frame.shape)
    return frame[top : top + _LARGEST_SIDE_PX, left : left + _LARGEST_SIDE_PX]


def _summed(run: list[np.ndarray], noise: Noise) -> tuple[np.ndarray, Noise]:
    """Add frames up that follow each other: columns too faint for one frame may stand out of more."""
    total = np.sum([np.asarray(frame, np.float64) for frame in run], axis=0)
    return total, noise if noise.is_poisson else Noise(None, noise.deviation * math.sqrt(len(run)))
