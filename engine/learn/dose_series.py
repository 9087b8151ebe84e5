"""Publication II's study: what a mask predictor finds as the dose falls, and the doses where it fails."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..base.errors import DataError, SettingsError
from ..base.tables import Columns
from ..generate.detector import Detector, detect
from .scores import count_pixels


def dose_series(
    predict: Callable[[np.ndarray], np.ndarray],
    image_without_noise: np.ndarray,
    label: np.ndarray,
    doses_e_per_A2: Sequence[float],
    *,
    rng: np.random.Generator,
    sampling_A: float,
    camera: Detector | None = None,
    repeats: int = 1,
) -> Columns:
    """Score the masks that a predictor makes of one image at several doses.

    Parameters
    ----------
    predict : callable
        From an image (Y, X) or (F, Y, X), float32 electrons per pixel, to a mask (Y, X) of bool or 0 and 1.
    image_without_noise : array (Y, X) or (F, Y, X), real
        Intensity, 1 in vacuum.
    label : array (Y, X) or (Y, X, C), bool, integer or float
        True mask; of several channels the first, and 1 above 1/2.
    doses_e_per_A2 : sequence of float
        Doses of each image [e⁻/Å²].
    rng : numpy.random.Generator
        Where the noise comes from.
    sampling_A : float
        Side of a pixel [Å].
    camera : Detector or None
        Modulation transfer and readout noise; its own dose is not used. None is an ideal camera.
    repeats : int
        Images of each dose.

    Returns
    -------
    dict of arrays (n,)
        dose_e_per_A2, repeat, area (found over true area), recall (share of the true area found), f1, and
        false_area (share found of a frame of vacuum at that dose), by dose, then repeat.

    Raises
    ------
    DataError
        If the label does not fit the image or is empty, or a prediction is no mask of the image.
    SettingsError
        If a dose or the sampling is not above 0, there is no dose, or no repeat.

    References
    ----------
    Publication II; thesis, 4.2: area of segmentation against frame dose.

    Examples
    --------
    >>> image = np.pad(np.full((16, 16), 0.2), 8, constant_values=1.0)
    >>> rows = dose_series(
    ...     lambda counts: counts < counts.mean() / 1.6,
    ...     image,
    ...     image < 1,
    ...     [1e4, 1e6],
    ...     rng=np.random.default_rng(0),
    ...     sampling_A=0.5,
    ... )
    >>> rows["area"].round(2).tolist()
    [1.0, 1.0]
    """
    image, truth = np.asarray(image_without_noise), _first_channel(label)
    if image.ndim not in (2, 3) or image.shape[-2:] != truth.shape:
        raise DataError(f"expected a label of the image's shape {image.shape[-2:]}, got {truth.shape}")
    if not truth.any():
        raise DataError("label: expected an area to find, got an empty one; take another system")
    doses = sorted({float(dose) for dose in doses_e_per_A2})
    if not doses or not 0 < doses[0] <= doses[-1] < math.inf:
        raise SettingsError(f"doses_e_per_A2: expected one or more above 0, got {list(doses_e_per_A2)}")
    if repeats < 1:
        raise SettingsError(f"repeats: expected 1 or more, got {repeats}")
    vacuum = np.ones(image.shape, np.float32)
    rows = []
    for dose in doses:
        detector = replace(camera, dose_e_per_A2=dose) if camera else Detector(dose_e_per_A2=dose)
        for repeat in range(repeats):
            found, empty = (
                _mask(predict, detect(rng, scene, sampling_A=sampling_A, detector=detector))
                for scene in (image, vacuum)
            )
            counts = count_pixels(truth, found).counts
            area = np.count_nonzero(found) / np.count_nonzero(truth)
            rows.append((dose, repeat, area, counts.recall[0], counts.f1[0], empty.mean()))
    names = ("dose_e_per_A2", "repeat", "area", "recall", "f1", "false_area")
    return {name: np.array(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}


@dataclass(frozen=True)
class DoseLimit:
    """The dose from which on a condition holds.

    Parameters
    ----------
    dose_e_per_A2 : float
        That dose [e⁻/Å²], interpolated between those that were tried; the lowest that was tried where it
        holds at all of them; NaN where it does not hold at the highest.
    kind : {"reached", "always", "never"}
        Which of these it is.
    highest_e_per_A2 : float
        The highest dose that was tried [e⁻/Å²].

    Examples
    --------
    >>> str(DoseLimit(31.4, "reached", 1e4)), str(DoseLimit(float("nan"), "never", 1e4))
    ('31.4 e⁻/Å²', 'not up to 10000 e⁻/Å²')
    """

    dose_e_per_A2: float
    kind: str
    highest_e_per_A2: float

    def __str__(self) -> str:
        if self.kind == "never":
            return f"not up to {self.highest_e_per_A2:g} e⁻/Å²"
        return f"{'at most ' if self.kind == 'always' else ''}{self.dose_e_per_A2:.3g} e⁻/Å²"


def half_dose(rows: Mapping[str, np.ndarray], *, share: float = 0.5, column: str = "area") -> DoseLimit:
    """Find the dose from which on at least half of the area is found.

    Parameters
    ----------
    rows : mapping of arrays (n,)
        dose_e_per_A2 and the column, as `dose_series` gives them; of several systems, one below the other.
        Rows of one dose are averaged.
    share : float
        Share that is to be reached, above 0.
    column : str
        "area", as published, or "recall", which does not count what was found beside the particle.

    Returns
    -------
    DoseLimit
        Interpolated in the logarithm of the dose.

    Raises
    ------
    DataError
        If there is no row, no such column, or a value is not finite.
    SettingsError
        If the share is not above 0.

    References
    ----------
    Publication II; thesis, 4.2 and Figure 4.7.

    Examples
    --------
    >>> rows = {"dose_e_per_A2": np.array([10.0, 1000.0]), "area": np.array([0.0, 1.0])}
    >>> half_dose(rows).dose_e_per_A2
    100.0
    """
    if not 0 < share < math.inf:
        raise SettingsError(f"share: expected above 0, got {share}")
    return _limit(*_mean_by_dose(rows, column), low=share, high=math.inf)


def full_dose(
    rows: Mapping[str, np.ndarray], *, within: float = 0.1, column: str = "area", of_highest: bool = False
) -> DoseLimit:
    """Find the dose from which on the area stays full.

    Parameters
    ----------
    rows : mapping of arrays (n,)
        As in `half_dose`.
    within : float
        Largest deviation from the full area, as a share of it, above 0.
    column : str
        As in `half_dose`.
    of_highest : bool
        Whether the full area is that at the highest dose, as for experiments without a truth, instead of
        the label's.

    Returns
    -------
    DoseLimit
        Interpolated in the logarithm of the dose.

    Raises
    ------
    DataError
        If there is no row, no such column, or a value is not finite.
    SettingsError
        If the deviation is not above 0.

    References
    ----------
    Publication II; thesis, 4.2: the area has converged from about 200 e⁻/Å².

    Examples
    --------
    >>> doses, area = np.array([1.0, 10.0, 100.0, 1000.0]), np.array([2.0, 0.4, 0.95, 1.02])
    >>> round(full_dose({"dose_e_per_A2": doses, "area": area}).dose_e_per_A2, 1)
    81.1
    """
    if not 0 < within < math.inf:
        raise SettingsError(f"within: expected above 0, got {within}")
    doses, values = _mean_by_dose(rows, column)
    if of_highest:
        if values[-1] <= 0:
            return DoseLimit(math.nan, "never", float(doses[-1]))
        values = values / values[-1]
    return _limit(doses, values, low=1 - within, high=1 + within)


def _first_channel(label: np.ndarray) -> np.ndarray:
    """Give the true mask, an array (Y, X) of bool."""
    array = np.asarray(label)
    if array.ndim not in (2, 3):
        raise DataError(f"label: expected (Y, X) or (Y, X, C), got shape {array.shape}")
    plane = array if array.ndim == 2 else array[..., 0]
    return plane > 0.5


def _mask(predict: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> np.ndarray:
    mask = np.asarray(predict(image))
    if mask.shape != image.shape[-2:] or mask.dtype.kind not in "bui":
        raise DataError(
            f"predict: expected a mask of bool or integers of shape {image.shape[-2:]}, got {mask.dtype} of "
            f"{mask.shape}; apply a threshold to probabilities"
        )
    return mask != 0


def _mean_by_dose(rows: Mapping[str, np.ndarray], column: str) -> tuple[np.ndarray, np.ndarray]:
    """Average the rows of each dose: doses and values, by dose."""
    missing = [name for name in ("dose_e_per_A2", column) if name not in rows]
    if missing:
        raise DataError(f"rows: expected a column {missing[0]}, got {', '.join(rows)}")
    dose, value = np.asarray(rows["dose_e_per_A2"], np.float64), np.asarray(rows[column], np.float64)
    if dose.ndim != 1 or dose.shape != value.shape or len(dose) == 0:
        raise DataError(f"rows: expected one or more rows, got {dose.shape} doses and {value.shape} values")
    if not (np.isfinite(value).all() and np.isfinite(dose).all() and dose.min() > 0):
        raise DataError("rows: expected finite values and doses above 0")
    doses, index = np.unique(dose, return_inverse=True)
    return doses, np.bincount(index, value) / np.bincount(index)


def _limit(doses: np.ndarray, values: np.ndarray, *, low: float, high: float) -> DoseLimit:
    """Find from where on values stay within limits, theirs included."""
    inside = (values >= low) & (values <= high)
    highest = float(doses[-1])
    if not inside[-1]:
        return DoseLimit(math.nan, "never", highest)
    failing = np.flatnonzero(~inside)
    if len(failing) == 0:
        return DoseLimit(float(doses[0]), "always", highest)
    last = int(failing[-1])
    crossed = low if values[last] < low else high
    part = (crossed - values[last]) / (values[last + 1] - values[last])
    logs = np.log10(doses[last : last + 2])
    return DoseLimit(float(10 ** (logs[0] + part * (logs[1] - logs[0]))), "reached", highest)
