"""One row for each lasting pair of reflections: its place, its lattice, and the planes that it may be."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ...base.tables import Columns
from ...measure.reflections.lattice import Lattices, candidate_planes, explained_share, find_lattices
from ...measure.reflections.rotation import orientation
from .crystal import Crystal
from .tables import Calibration, rows_by

# A pair that is seen in a smaller share of a particle's frames says little of its lattice.
_LEAST_SHARE = 0.1
_TOLERANCE = 0.03
# What another pixel size must explain them within, and how many there must be: two always fit somewhere.
_STRICT = 0.01
_FEWEST_SCALED = 3
_LATTICE_WORDS = ("", "1", "2", "1 and 2")


def pair_table(
    rows: Columns, searches: Columns, calibration: Calibration, crystal: Crystal | None
) -> tuple[pd.DataFrame, dict[int, Lattices]]:
    """Average each pair over its frames, and explain each particle's pairs by one lattice or by twins.

    Parameters
    ----------
    rows : dict of arrays (n,)
        From `number_reflections`.
    searches : dict of arrays (m,)
        What could have been seen, one row for each particle and frame.
    calibration : Calibration
        Of the movie.
    crystal : Crystal or None
        Whose planes are held against the spacings.

    Returns
    -------
    pairs : pandas.DataFrame
        particle, pair, frames (in which it was found), share (of the particle's frames), q_per_nm,
        q_error_per_nm, d_nm, angle_deg, power, intensity, lattice, h, k, q_per_px, q_error_per_px; with a
        crystal plane, deviation_percent, deviation_sigmas and next_plane.
    lattices : dict of int to Lattices
        Of each particle with pairs.
    """
    looked = dict(zip(*np.unique(searches["particle"], return_counts=True), strict=True))
    table: list[dict[str, object]] = []
    lattices = {}
    first = np.flatnonzero(rows["peak"] % 2)
    for of_particle in rows_by(rows["particle"][first]):
        particle = int(rows["particle"][first[of_particle[0]]])
        own = first[of_particle]
        _, directions = orientation(
            *(rows[n][own] for n in ("frame", "angle_deg", "angle_error_deg", "pair"))
        )
        means = [
            _mean_of({name: values[own[part]] for name, values in rows.items()}, angle)
            for part, angle in zip(rows_by(rows["pair"][own]), directions["angle_deg"].tolist(), strict=True)
        ]
        n_frames = int(looked[particle])
        often = [mean for mean in means if mean["frames"] >= max(1.0, _LEAST_SHARE * n_frames)]
        places = np.array([(mean["q_y"], mean["q_x"]) for mean in often]).reshape(-1, 2)
        errors = np.array([max(mean["q_error_per_px"], mean["scatter"]) for mean in often])
        found = find_lattices(places, errors, np.array([mean["power"] for mean in often]))
        lattices[particle] = found
        belongs = {int(mean["pair"]): row for row, mean in enumerate(often)}
        for mean in means:
            row = belongs.get(int(mean["pair"]))
            table.append(_row(particle, mean, n_frames, found if row is not None else None, row or 0))
    pairs = pd.DataFrame(table, columns=list(_PAIR_COLUMNS))
    pixel = calibration.pixel_nm or math.nan
    pairs["q_per_nm"] = pairs["q_per_px"] / pixel
    pairs["q_error_per_nm"] = pairs["q_error_per_px"] / pixel
    pairs["d_nm"] = 1 / pairs["q_per_nm"]
    if crystal is not None:
        pairs = with_planes(pairs, crystal)
    return pairs, lattices


_PAIR_COLUMNS = (
    "particle",
    "pair",
    "frames",
    "share",
    "q_per_nm",
    "q_error_per_nm",
    "d_nm",
    "angle_deg",
    "power",
    "intensity",
    "lattice",
    "h",
    "k",
    "q_per_px",
    "q_error_per_px",
)


def with_planes(table: pd.DataFrame, crystal: Crystal) -> pd.DataFrame:
    """Put the nearest plane of a crystal beside each spacing.

    Parameters
    ----------
    table : pandas.DataFrame
        With the columns d_nm, q_per_nm and q_error_per_nm.
    crystal : Crystal
        Its planes.

    Returns
    -------
    pandas.DataFrame
        With plane, deviation_percent, deviation_sigmas and next_plane behind; planes are named only where
        they are within 3 % of the spacing.
    """
    d = table["d_nm"].to_numpy(np.float64)
    error = d * table["q_error_per_nm"].to_numpy(np.float64) / table["q_per_nm"].to_numpy(np.float64)
    found = candidate_planes(d, error, crystal.d_nm)
    names = np.array([*crystal.names, ""], dtype=object)
    near = np.abs(found["deviation_percent"]) <= 100 * _TOLERANCE
    beside = np.abs(found["next_deviation_percent"]) <= 100 * _TOLERANCE
    return table.assign(
        plane=np.where(near, names[found["plane"]], ""),
        deviation_percent=found["deviation_percent"],
        deviation_sigmas=found["deviation_sigmas"],
        next_plane=np.where(beside, names[found["next_plane"]], ""),
    )


def with_lattices(rotation: pd.DataFrame, lattices: dict[int, Lattices]) -> pd.DataFrame:
    """Put each particle's number of lattices, and how the second follows from the first, behind its rotation.

    Parameters
    ----------
    rotation : pandas.DataFrame
        One row a particle.
    lattices : dict of int to Lattices
        From `pair_table`.

    Returns
    -------
    pandas.DataFrame
        With lattices, twin_rotation_deg and twin_mirror_deg.
    """
    found = [lattices.get(int(particle)) for particle in rotation["particle"]]
    return rotation.assign(
        lattices=[0 if one is None else one.count for one in found],
        twin_rotation_deg=[math.nan if one is None else one.rotation_deg for one in found],
        twin_mirror_deg=[math.nan if one is None else one.mirror_deg for one in found],
    )


def crystal_notes(pairs: pd.DataFrame, crystal: Crystal) -> tuple[str, ...]:
    """Say where a crystal cannot explain the reflections.

    Parameters
    ----------
    pairs : pandas.DataFrame
        From `pair_table`.
    crystal : Crystal
        Its planes.

    Returns
    -------
    tuple of str
        One sentence, or none where the crystal explains them.
    """
    often = pairs[pairs["share"] >= _LEAST_SHARE]
    explained, by_chance = explained_share(often["d_nm"].to_numpy(), crystal.d_nm, tolerance=_TOLERANCE)
    if not np.isfinite(explained) or explained >= 0.5 + 0.5 * by_chance:
        return ()
    unlike = often[np.abs(often["deviation_percent"]) > 100 * _TOLERANCE]["d_nm"]
    named = ", ".join(f"{d:.4g}" for d in np.unique(unlike.round(4))[::-1][:4])
    which = f"spacings of {named} nm are none of its planes' within 3 %; " if len(unlike) else ""
    return (
        f"{crystal.name} cannot explain the reflections: {which}{explained:.0%} of {len(often)} pairs fit, "
        f"{by_chance:.0%} would by chance; {_other_scale(often['d_nm'].to_numpy(), crystal, explained)}",
    )


def _other_scale(d_nm: np.ndarray, crystal: Crystal, explained: float) -> str:
    """Say whether another pixel size would do, which is the likeliest fault."""
    scales = np.linspace(0.85, 1.15, 61)
    shares = [explained_share(scale * d_nm, crystal.d_nm, tolerance=_STRICT)[0] for scale in scales]
    off = [np.abs(np.log(scale * d_nm[:, np.newaxis] / crystal.d_nm)).min(axis=1).sum() for scale in scales]
    best = max(range(scales.size), key=lambda at: (shares[at], -off[at]))
    if shares[best] < 0.8 or shares[best] <= explained or d_nm.size < _FEWEST_SCALED:
        return "give another --crystal, or check the pixel size"
    return (
        f"a pixel size {abs(scales[best] - 1):.1%} {'larger' if scales[best] > 1 else 'smaller'} would make "
        f"{shares[best]:.0%} fit: check it, or give another --crystal"
    )


def _mean_of(rows: Columns, angle_deg: float) -> dict[str, float]:
    """Average one pair over its frames, weighted by the errors; its direction is that at the mean turn."""
    weight = 1.0 / np.square(rows["q_error_per_px"])
    q = float(np.average(rows["q_per_px"], weights=weight))
    angle, count = math.radians(angle_deg), rows["frame"].size
    return {
        "pair": float(rows["pair"][0]),
        "frames": float(count),
        "q_per_px": q,
        "q_error_per_px": float(1 / math.sqrt(weight.sum())),
        "scatter": float(rows["q_per_px"].std() / math.sqrt(count)),
        "q_y": -q * math.sin(angle),
        "q_x": q * math.cos(angle),
        "angle_deg": (angle_deg + 90.0) % 180.0 - 90.0,
        "power": float(np.median(rows["power"])),
        "intensity": float(rows["intensity"].mean()),
    }


def _row(
    particle: int, mean: dict[str, float], n_frames: int, found: Lattices | None, place: int
) -> dict[str, object]:
    lattice = 0 if found is None else int(found.lattice[place])
    h, k = (0, 0) if found is None else found.index[place].tolist()
    return {
        "particle": particle,
        "pair": int(mean["pair"]),
        "frames": int(mean["frames"]),
        "share": mean["frames"] / n_frames,
        "angle_deg": mean["angle_deg"],
        "power": mean["power"],
        "intensity": mean["intensity"],
        "lattice": _LATTICE_WORDS[lattice],
        "h": h,
        "k": k,
        "q_per_px": mean["q_per_px"],
        "q_error_per_px": mean["q_error_per_px"],
    }
