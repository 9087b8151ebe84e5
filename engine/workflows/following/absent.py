"""Pairs that are not found in every frame: where they would lie, and what they measure there."""

from __future__ import annotations

import math

import numpy as np

from ...base.tables import Columns, stack_columns
from ...measure.reflections.rotation import orientation
from .blocks import Absent
from .tables import rows_by

# A pair found less often may be an alarm of the noise, and would be followed in vain.
_LEAST_FRAMES = 2
_LEAST_SHARE = 0.05
_DIRECTED = ("frame", "angle_deg", "angle_error_deg", "pair")


def find_absent(rows: Columns, searches: Columns) -> Absent:
    """List the lasting pairs of each particle that were not found in a frame in which it was searched.

    Parameters
    ----------
    rows : dict of arrays (n,)
        From `number_reflections`.
    searches : dict of arrays (m,)
        One row for each particle and frame that was searched.

    Returns
    -------
    Absent
        By frame; each pair at its own mean q, turned with the particle as the other pairs tell.
    """
    parts = [np.zeros((0, 5))]
    first = np.flatnonzero(rows["peak"] % 2)
    searched = {int(searches["particle"][own[0]]): own for own in rows_by(searches["particle"])}
    for of_particle in rows_by(rows["particle"][first]):
        own = first[of_particle]
        particle = int(rows["particle"][own[0]])
        frames = np.unique(searches["frame"][searched[particle]])
        turns, directions = orientation(*(rows[name][own] for name in _DIRECTED))
        turn = np.interp(frames, turns["frame"], turns["turn_deg"])
        by_pair = rows_by(rows["pair"][own])
        for part, direction in zip(by_pair, directions["angle_deg"].tolist(), strict=True):
            seen = own[part]
            if seen.size < max(_LEAST_FRAMES, _LEAST_SHARE * frames.size):
                continue
            missing = ~np.isin(frames, rows["frame"][seen])
            q = float(np.average(rows["q_per_px"][seen], weights=1 / np.square(rows["q_error_per_px"][seen])))
            angle = np.radians(direction + turn[missing])
            count = int(missing.sum())
            parts.append(
                np.stack(
                    [
                        frames[missing].astype(np.float64),
                        np.full(count, float(particle)),
                        np.full(count, float(rows["pair"][seen[0]])),
                        -q * np.sin(angle),
                        q * np.cos(angle),
                    ],
                    axis=1,
                )
            )
    table = np.concatenate(parts)
    table = table[np.lexsort((table[:, 2], table[:, 1], table[:, 0]))]
    frame, particle_of, pair = table[:, :3].astype(np.int64).T
    return Absent(frame, particle_of, pair, table[:, 3:])


def with_absent(rows: Columns, absent: Absent, measured: Columns) -> Columns:
    """Put the intensities of absent pairs between those that were found.

    Parameters
    ----------
    rows : dict of arrays (n,)
        From `number_reflections`.
    absent : Absent
        What was asked for.
    measured : dict of arrays (m,)
        row (of `absent`), power, intensity, intensity_error.

    Returns
    -------
    dict of arrays (n + 2m,)
        By frame, particle and peak, with a column found; an absent pair has no q and no angle.
    """
    source = np.repeat(measured["row"].astype(np.int64), 2)
    pair = absent.pair[source].astype(rows["pair"].dtype)
    member = np.tile([1, 0], measured["row"].size)
    added = {
        "frame": absent.frame[source].astype(rows["frame"].dtype),
        "particle": absent.particle[source].astype(rows["particle"].dtype),
        "peak": (2 * pair - member).astype(rows["peak"].dtype),
        "pair": pair,
        **{name: np.repeat(measured[name], 2) for name in ("power", "intensity", "intensity_error")},
    }
    unknown = np.full(source.size, math.nan)
    added = {name: added.get(name, unknown) for name in rows}
    found = np.repeat([True, False], [rows["frame"].size, source.size])
    both = {**stack_columns([rows, added]), "found": found}
    order = np.lexsort((both["peak"], both["particle"], both["frame"]))
    return {name: values[order] for name, values in both.items()}
