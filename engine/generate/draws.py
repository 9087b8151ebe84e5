"""Draw the microscope of one image series from the ranges of a parameters file."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ..base.errors import SettingsError

# What is drawn, in this order, and the name and unit under which it is stored.
_STORED = {
    "sampling": "sampling_A",
    "log_dose": "dose_e_per_A2",
    "blur": "blur_A",
    "focal_spread": "focal_spread_A",
    "angular_spread": "angular_spread_mrad",
    "defocus": "defocus_A",
    "ctf_c30": "c30_A",
    "ctf_c12": "c12_A",
    "ctf_c21": "c21_A",
    "ctf_c23": "c23_A",
    "ctf_c32": "c32_A",
    "ctf_c34": "c34_A",
    "ctf_c45": "c45_A",
    "mtf_c1": "mtf_c0",
    "mtf_c2": "mtf_floor",
    "mtf_c3": "mtf_c3",
    "readout": "readout_e",
}
_ANGLES = ("phi12_rad", "phi21_rad", "phi23_rad", "phi32_rad", "phi34_rad", "phi45_rad")
RANGES = tuple(_STORED)


def draw_microscope(
    rng: np.random.Generator,
    ranges: Mapping[str, tuple[float, float]],
    *,
    multifocus: tuple[int, float, float] | None = None,
) -> dict[str, float]:
    """Draw the microscope of one image or focal series (thesis, Table 3.2; Publication I, Table 1).

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    ranges : mapping of (float, float)
        Lower and upper bound of each of `RANGES`, by the names and in the units of the parameters file.
    multifocus : (int, float, float) or None
        Images of a focal series, step of defocus [Å], and the step's standard deviation [Å]; None for a
        single image.

    Returns
    -------
    dict of float
        One row of a table: sampling_A, dose_e_per_A2, blur_A, focal_spread_A, angular_spread_mrad,
        defocus_A, c30_A to c45_A, mtf_c0, mtf_floor, mtf_c3, readout_e [e⁻/px], phi12_rad to phi45_rad,
        and for a series defocus_2_A, defocus_3_A and so on; see `list_defoci`.

    Raises
    ------
    SettingsError
        If a range is missing, unknown, not finite or upside down, or the focal series is wider than the
        range of defocus.

    Notes
    -----
    All are uniform within their bounds, the dose in its logarithm, the angles from 0 to 2π. Each series takes
    one uniform number a range in the order of `RANGES`, then one an angle, then one normal number a focal
    step, whatever the ranges are: closing one range, or taking more images, leaves the other draws as
    they were. The first defocus is drawn so that the whole series lies within the bounds; where the drawn
    steps make it wider than them by chance, it is laid over their middle.

    Examples
    --------
    >>> drawn = draw_microscope(np.random.default_rng(1), dict.fromkeys(RANGES, (2.0, 3.0)))
    >>> round(drawn["blur_A"], 3), len(drawn)
    (2.144, 23)
    """
    _check_ranges(ranges)
    check_series(multifocus, ranges["defocus"])
    uniform = rng.random(len(RANGES) + len(_ANGLES))
    drawn = {}
    for name, u in zip(RANGES, uniform.tolist(), strict=False):
        drawn[_STORED[name]] = _between(ranges[name], u)
    drawn["dose_e_per_A2"] = 10.0 ** drawn["dose_e_per_A2"]
    drawn.update(zip(_ANGLES, (uniform[len(RANGES) :] * (2 * math.pi)).tolist(), strict=True))
    if multifocus is not None:
        images, step, uncertainty = multifocus
        steps = step + uncertainty * rng.standard_normal(int(images) - 1)
        offsets = np.concatenate([[0.0], np.cumsum(steps)])
        lower, upper = ranges["defocus"][0] - offsets.min(), ranges["defocus"][1] - offsets.max()
        middle = (lower + upper) / 2
        bounds = (lower, upper) if lower <= upper else (middle, middle)
        first = _between(bounds, float(uniform[RANGES.index("defocus")]))
        names = ["defocus_A", *(f"defocus_{image}_A" for image in range(2, len(steps) + 2))]
        drawn.update(zip(names, (first + offsets).tolist(), strict=True))
    return drawn


def list_defoci(drawn: Mapping[str, float]) -> tuple[float, ...]:
    """List the defoci of a drawn series.

    Parameters
    ----------
    drawn : mapping of float
        What `draw_microscope` returned.

    Returns
    -------
    tuple of float
        Defocus of each image in order [Å].

    Examples
    --------
    >>> list_defoci({"defocus_A": 20.0, "blur_A": 0.1, "defocus_2_A": 70.0})
    (20.0, 70.0)
    """
    defoci = [drawn["defocus_A"]]
    while (name := f"defocus_{len(defoci) + 1}_A") in drawn:
        defoci.append(drawn[name])
    return tuple(defoci)


def check_series(multifocus: tuple[int, float, float] | None, defocus: tuple[float, float]) -> None:
    """Refuse a focal series that the range of defocus cannot hold.

    Parameters
    ----------
    multifocus : (int, float, float) or None
        Images, step [Å] and the step's standard deviation [Å]; None passes.
    defocus : (float, float)
        Lower and upper bound [Å].

    Raises
    ------
    SettingsError
        If there is no image, the step is not above 0, or (images − 1)·step is more than the range holds.

    Examples
    --------
    >>> check_series((3, 50.0, 1.0), (-50.0, 50.0))
    """
    if multifocus is None:
        return
    images, step, uncertainty = multifocus
    if images != int(images) or images < 1 or not 0 < step < math.inf or not 0 <= uncertainty < math.inf:
        raise SettingsError(
            "multifocus: expected 1 or more images, a step above 0 Å and an uncertainty of 0 Å or more, "
            f"got {tuple(multifocus)}"
        )
    width, room = (images - 1) * step, defocus[1] - defocus[0]
    if width > room * (1 + 1e-9):
        raise SettingsError(
            f"multifocus: expected a series no wider than the range of defocus, {room:g} Å from "
            f"{defocus[0]:g} to {defocus[1]:g} Å, got {images} images {step:g} Å apart, {width:g} Å"
        )


def _check_ranges(ranges: Mapping[str, tuple[float, float]]) -> None:
    missing = [name for name in RANGES if name not in ranges]
    unknown = [name for name in ranges if name not in RANGES]
    if missing or unknown:
        raise SettingsError(
            f"ranges: expected exactly {', '.join(RANGES)}; missing are {', '.join(missing) or 'none'}, "
            f"unknown {', '.join(unknown) or 'none'}"
        )
    for name, (lower, upper) in ranges.items():
        if not (math.isfinite(lower) and math.isfinite(upper) and lower <= upper):
            raise SettingsError(f"{name}: expected finite bounds, lower first, got ({lower}, {upper})")


def _between(bounds: tuple[float, float], u: float) -> float:
    """Place at the fraction u of a range; rounding must not leave it."""
    lower, upper = bounds
    return min(max(float(lower + (upper - lower) * u), lower), upper)
