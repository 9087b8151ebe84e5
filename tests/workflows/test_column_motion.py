"""Columns that their particle carries along, and hops that the counts bear out or not."""

import numpy as np
import pandas as pd

from temflux.engine.measure.columns.noise import Noise
from temflux.engine.measure.columns.site_amplitudes import site_amplitudes
from temflux.engine.workflows.locating.evidence import borne_out, sites_of_hops
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


def hop(*, dose, moves, n_frames=10, at=5, background=100.0):
    """Amplitudes at two sites of which a column may go from one to the other, and what is made of them."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:40, :60]
    hops = pd.DataFrame(
        {
            "frame": [at],
            "frames_unseen": [0],
            "group": [0],
            "from_y": [20.0],
            "from_x": [20.0],
            "to_y": [20.0],
            "to_x": [32.0],
        }
    )
    frames, still = np.arange(n_frames), np.zeros((n_frames, 2))
    sites = sites_of_hops(hops, frames, frames, np.zeros(n_frames, np.int64), still)
    amplitude, error = np.zeros(len(sites.frame)), np.zeros(len(sites.frame))
    for frame in frames:
        places = [20.0 if frame < at else 32.0] if moves else [20.0, 32.0]
        mean = sum(0.3 * np.exp(-((y - 20) ** 2 + (x - place) ** 2) / 18) for place in places)
        image = rng.poisson(dose * background / 100 * (1 - mean))
        own = sites.frame == frame
        amplitude[own], error[own] = site_amplitudes(
            image, sites.y_px[own], sites.x_px[own], width_px=3.0, noise=Noise(1.0)
        )
    return sites, amplitude, borne_out(sites, amplitude, error, n_hops=1, sign=-1)


def test_a_column_that_goes_is_borne_out():
    sites, amplitude, is_hop = hop(dose=100.0, moves=True)
    assert is_hop.tolist() == [True]
    old, before = sites.site == 0, sites.side == 0
    assert amplitude[old & before].mean() < -20
    assert abs(amplitude[old & ~before].mean()) < 5
    assert np.count_nonzero(before) == np.count_nonzero(~before) == 10


def test_two_columns_of_which_each_is_seen_in_turn_are_no_hop():
    assert hop(dose=100.0, moves=False)[2].tolist() == [False]
    assert hop(dose=1e5, moves=False)[2].tolist() == [False]


def test_too_few_counts_bear_nothing_out():
    assert hop(dose=1.0, moves=True)[2].tolist() == [False]


def test_an_empty_place_has_no_amplitude_and_errors_are_true():
    rng = np.random.default_rng(2)
    places = np.full(400, 15.0)
    images = rng.poisson(50.0, (400, 31, 31))
    found = [site_amplitudes(one, places[:1], places[:1], width_px=2.5, noise=Noise(1.0)) for one in images]
    amplitude, error = np.array(found)[:, :, 0].T
    assert abs(amplitude.mean()) < 4 * error.mean() / 20
    assert 0.9 < amplitude.std() / error.mean() < 1.1
    outside = site_amplitudes(images[0], np.array([-50.0]), np.array([4.0]), width_px=2.5, noise=Noise(1.0))
    assert np.isnan(outside).all()
