"""Linking, hops that were planted, rates, and what few counts must not be taken for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.measure.columns.blobs import find_blobs
from temflux.engine.measure.columns.fit import fit_columns
from temflux.engine.measure.columns.hops import find_hops
from temflux.engine.measure.columns.noise import Noise
from temflux.engine.measure.columns.tracks import column_spacing, event_rate, link_columns
from tests.planted_columns import lattice, rate

SPACING = 20.0


def walkers(rng, *, n_frames, rate_per_frame, n_sites=9):
    """Sites of three adatoms on a row, never neighbours, (T, 3), and their hops (frame, from, to)."""
    at, sites, hops = np.array([1, 4, 7]), [], []
    for frame in range(n_frames):
        for one in range(len(at)):
            to = at[one] + rng.choice([-1, 1])
            apart = np.abs(np.delete(at, one) - to).min()
            if frame and rng.random() < rate_per_frame and 0 <= to < n_sites and apart >= 2:
                hops.append((frame, int(at[one]), int(to)))
                at[one] = to
        sites.append(at.copy())
    return np.array(sites), hops


def table_of(places, *, found=1.0, error=0.0, drift=0.0, rng=None):
    """Columns of frames (T, n, 2) as tables: frame, y, x."""
    rng = rng or np.random.default_rng(0)
    rows = [
        (frame, *(place + rng.normal(0, error, 2) + drift * frame))
        for frame, of_frame in enumerate(places)
        for place in of_frame
        if rng.random() < found
    ]
    frame, y, x = np.array(rows).T
    return frame.astype(np.int64), y, x


def grid(n=6):
    y, x = np.meshgrid(np.arange(n) * SPACING, np.arange(n) * SPACING, indexing="ij")
    return np.stack([y.ravel(), x.ravel()], axis=1)


def follow(frame, y, x, **how):
    visit, drift_y, drift_x = link_columns(frame, y, x, max_step=0.45 * SPACING)
    return find_hops(frame, y - drift_y, x - drift_x, visit, spacing=SPACING, **how)


@given(error=st.floats(0.0, 1.5), drift=st.floats(-3.0, 3.0), seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_columns_that_stay_keep_their_number(error, drift, seed):
    places = np.repeat(grid()[None], 15, axis=0)
    frame, y, x = table_of(places, error=error, drift=drift, rng=np.random.default_rng(seed))
    told = follow(frame, y, x)
    assert len(told.events["kind"]) == 0
    np.testing.assert_array_equal(told.column, np.tile(np.arange(1, 37), 15))


@pytest.mark.parametrize("found", [0.8, 0.95])
def test_columns_that_blink_do_not_hop(found):
    hops = 0
    for seed in range(12):
        places, rng = np.repeat(grid()[None], 30, axis=0), np.random.default_rng(seed)
        told = follow(*table_of(places, found=found, error=1.0, rng=rng))
        assert abs(told.missed - (1 - found)) < 0.05
        hops += int((told.events["kind"] == "hop").sum())
    assert hops <= 1


def test_drift_is_taken_off_by_group():
    places = np.repeat(grid(4)[None], 12, axis=0)
    one, two = (table_of(places, drift=drift) for drift in (2.0, -3.0))
    frame, y, x = (np.concatenate([a, b]) for a, b in zip(one, two, strict=True))
    group = np.repeat([1, 2], len(one[0]))
    order = np.argsort(frame, kind="stable")
    visit, drift_y, _ = link_columns(
        frame[order], y[order], x[order], max_step=0.45 * SPACING, group=group[order]
    )
    assert len(np.unique(visit)) == 32
    np.testing.assert_allclose(drift_y[group[order] == 2], -3.0 * frame[order][group[order] == 2], atol=1e-9)


def test_columns_of_two_groups_are_never_linked():
    frame, zero = np.array([0, 1]), np.zeros(2)
    assert link_columns(frame, zero, zero, max_step=1.0, group=[1, 2])[0].tolist() == [1, 2]
    assert link_columns(frame, zero, zero, max_step=1.0, group=[2, 2])[0].tolist() == [1, 1]


def test_memory_bridges_blinking_and_no_more():
    frame, zero = np.array([0, 3, 7]), np.zeros(3)
    assert link_columns(frame, zero, zero, max_step=1.0, memory=2)[0].tolist() == [1, 1, 2]
    assert link_columns(frame, zero, zero, max_step=1.0, memory=3)[0].tolist() == [1, 1, 1]


def test_an_excursion_of_two_frames_is_two_hops():
    away = np.array([0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0])
    places = [np.concatenate([grid(), [[140.0, 20.0 + 20.0 * at]]]) for at in away]
    told = follow(*table_of(places))
    hops = told.events["kind"] == "hop"
    assert told.events["frame"][hops].tolist() == [4, 6]
    assert len(np.unique(told.events["column"][hops])) == 1
    assert len(np.unique(told.column)) == 37


def test_appearing_and_vanishing_are_told_with_their_frames():
    places = [grid() if 4 <= frame < 9 else grid()[1:] for frame in range(16)]
    events = follow(*table_of(places)).events
    assert list(zip(events["kind"].tolist(), events["frame"].tolist(), strict=True)) == [
        ("appear", 4),
        ("vanish", 9),
    ]
    assert np.isnan(events["from_y"][0])
    assert np.isnan(events["to_y"][1])


def test_what_is_missed_often_is_not_told_as_hops():
    """Half of the columns found in a frame: neighbours that blink in turn look like one that hops."""
    rng = np.random.default_rng(0)
    frame, y, x = table_of(np.repeat(grid()[None], 60, axis=0), found=0.5, error=1.0, rng=rng)
    told = follow(frame, y, x)
    assert (told.events["kind"] == "hop").sum() <= 1
    assert 0.4 < told.missed < 0.6


def match(hops, events, site_x):
    """Count planted hops that were told, within a frame and half a spacing, each once."""
    told = [
        (frame, x0, x1)
        for frame, kind, x0, x1 in zip(
            *(events[name] for name in ("frame", "kind", "from_x", "to_x")), strict=True
        )
        if kind == "hop"
    ]
    hits = 0
    left = list(told)
    for frame, start, stop in hops:
        near = [
            one
            for one in left
            if abs(one[0] - frame) <= 1
            and abs(one[1] - site_x[start]) < SPACING / 2
            and abs(one[2] - site_x[stop]) < SPACING / 2
        ]
        if near:
            left.remove(near[0])
            hits += 1
    return hits, len(told)


def test_planted_hops_are_found_at_a_thousand_electrons():
    """1,000 e⁻/Å² per frame, pixels of 0.1 Å, columns of contrast 0.5: precision and recall 0.95."""
    rng = np.random.default_rng(7)
    shape, n_frames = (150, 220), 50
    y, x = lattice((100, 220), SPACING, margin_px=20)
    site_x = np.unique(x)
    sites, hops = walkers(rng, n_frames=n_frames, rate_per_frame=0.25)
    frame, found_y, found_x = [], [], []
    for index, own in enumerate(sites):
        all_y, all_x = np.concatenate([y, np.full(3, 122.0)]), np.concatenate([x, site_x[own]])
        mean = rate(shape, all_y, all_x + 0.02 * index, background=10.0, contrast=-0.5, width_px=4.5)
        image = rng.poisson(mean)
        blobs = find_blobs(image, scale_px=5.5, noise=Noise(), sign=-1)
        fit = fit_columns(image, blobs["y_px"], blobs["x_px"], width_px=4.2, noise=Noise())
        frame += [index] * len(fit["y_px"])
        found_y += fit["y_px"].tolist()
        found_x += fit["x_px"].tolist()
    told = follow(np.array(frame), np.array(found_y), np.array(found_x))
    hits, count = match(hops, told.events, site_x)
    assert len(hops) >= 15
    assert hits / len(hops) >= 0.95
    assert hits / max(count, 1) >= 0.95


def test_rates_have_the_limits_of_garwood():
    # Table 1 of Garwood (1936) for 95 %: n = 1, 5, 10.
    for count, low, high in ((1, 0.0253, 5.572), (5, 1.623, 11.668), (10, 4.795, 18.390)):
        rate_, found_low, found_high = event_rate(count, exposure=1.0)
        np.testing.assert_allclose([rate_, found_low, found_high], [count, low, high], rtol=2e-3)
    rng = np.random.default_rng(0)
    drawn = rng.poisson(3.0, 800)
    limits = {count: event_rate(count, exposure=2.0)[1:] for count in set(drawn.tolist())}
    inside = np.mean([limits[count][0] <= 1.5 <= limits[count][1] for count in drawn.tolist()])
    assert inside >= 0.95


def test_spacing_is_that_of_the_lattice():
    places = np.repeat(grid()[None], 3, axis=0)
    frame, y, x = table_of(places, found=0.9)
    assert column_spacing(frame, y, x) == SPACING
    assert np.isnan(column_spacing(np.arange(3), np.zeros(3), np.zeros(3)))


def test_nothing_and_wrong_settings():
    none = np.zeros(0)
    visit, _, _ = link_columns(none, none, none, max_step=1.0)
    told = find_hops(none, none, none, visit, spacing=1.0)
    assert len(visit) == len(told.column) == len(told.events["frame"]) == 0
    with pytest.raises(SettingsError):
        link_columns(none, none, none, max_step=0.0)
    with pytest.raises(DataError):
        link_columns(np.array([1, 0]), np.zeros(2), np.zeros(2), max_step=1.0)
    with pytest.raises(SettingsError):
        find_hops(none, none, none, visit, spacing=0.0)
    with pytest.raises(SettingsError):
        event_rate(-1, exposure=1.0)
