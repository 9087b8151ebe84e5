"""Columns that their particle carries along."""

import numpy as np

from temflux.engine.workflows.locating.tables import MovieAxes, link_all

N_FRAMES, SPACING, STEP = 12, 5.0, 2.4
SITES = np.array([(row, column) for row in range(4) for column in range(4)]) * SPACING


def carried(hops_at=None):
    """A lattice that moves by nearly half its spacing a frame; one column moves on by a site."""
    rows = {name: [] for name in ("frame", "y_px", "x_px")}
    for frame in range(N_FRAMES):
        sites = SITES.copy()
        if hops_at is not None and frame >= hops_at:
            sites[-1] += (0.0, SPACING)
        rows["frame"] += [frame] * len(sites)
        rows["y_px"] += (sites[:, 0] + 20).tolist()
        rows["x_px"] += (sites[:, 1] + 20 + STEP * frame).tolist()
    found = {name: np.array(values) for name, values in rows.items()}
    count = len(found["frame"])
    found["class"], found["width_px"] = np.full(count, -1), np.ones(count)
    for name in ("y_error_px", "x_error_px", "width_error_px", "amplitude", "background"):
        found[name] = np.ones(count)
    found["particle"] = np.ones(count, np.int64)
    motion = np.stack([np.zeros(count), STEP * found["frame"]], axis=1)
    return found, motion


def linked(hops_at=None, *, known=True):
    found, motion = carried(hops_at)
    frames = np.arange(N_FRAMES)
    axes = MovieAxes(frames, frames, 0.5 * frames, 0.05)
    return link_all(
        found, axes, spacing_px=SPACING, memory=2, classes=(), motion_px=motion if known else None
    )


def test_a_particle_takes_its_columns_with_it():
    assert linked().columns["column"].nunique() == len(SITES)
    assert linked().hops.empty
    assert linked(known=False).columns["column"].nunique() > len(SITES)


def test_a_hop_is_told_where_it_is_seen():
    hops = linked(hops_at=6).hops
    assert len(hops) == 1
    row = hops.iloc[0]
    assert row["frame"] == 6
    assert row["distance_nm"] == np.float64(0.05 * SPACING).round(10)
    np.testing.assert_allclose(row["to_x_nm"], 0.05 * (15 + SPACING + 20 + STEP * 6), atol=1e-6)
    np.testing.assert_allclose(row["from_x_nm"], 0.05 * (15 + 20 + STEP * 6), atol=1e-6)
