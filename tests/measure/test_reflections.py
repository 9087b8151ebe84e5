"""Reflections of one particle: rotation, parity with plain NumPy, units, edges, refusals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.generate.phantom import phantom_frames
from temflux.engine.measure.reflections.find import contrast_limit, find_reflections, normalised_power
from temflux.engine.measure.reflections.noise_spectrum import background_noise
from temflux.engine.measure.reflections.particle_patch import cut_patch

Y, X = np.mgrid[:128, :128] - 64


def lattice(angle_deg, *, seed=0, mask_of=None, dose=200.0, waves=((0.212, 0.0), (0.245, 54.7))):
    """Counts of a disc with fringes in several directions, turned as a whole."""
    mean = np.full(Y.shape, 1.0)
    for q, direction in waves:
        angle = math.radians(angle_deg + direction)
        mean += 0.1 * np.cos(2 * np.pi * q * (np.cos(angle) * X - np.sin(angle) * Y))
    mask = Y**2 + X**2 < 40**2 if mask_of is None else mask_of
    return np.random.default_rng(seed).poisson(dose * np.where(mask, mean, 1.0)), mask


@settings(max_examples=15, deadline=None)
@given(st.floats(-89, 89))
def test_turning_the_image_turns_the_angles(turn):
    rows = find_reflections(cut_patch(*lattice(turn))).rows
    assert rows["power"].size == 2
    order = np.argsort(rows["q_per_px"])
    expected = np.array([turn, turn + 54.7])
    off = (rows["angle_deg"][order] - expected + 90) % 180 - 90
    assert (np.abs(off) < 5 * rows["angle_error_deg"][order]).all()
    assert (np.abs(rows["q_per_px"][order] - [0.212, 0.245]) < 5 * rows["q_error_per_px"][order]).all()
    assert (np.abs(rows["angle_deg"]) <= 90).all()


def test_a_quarter_turn_of_the_pixels_turns_all_angles_by_90():
    counts, mask = lattice(20.0)
    upright = find_reflections(cut_patch(counts, mask)).rows
    turned = find_reflections(cut_patch(np.rot90(counts).copy(), np.rot90(mask).copy())).rows
    np.testing.assert_allclose((turned["angle_deg"] - upright["angle_deg"]) % 180, 90, atol=1e-3)
    np.testing.assert_allclose(turned["power"], upright["power"], rtol=0.03)


def test_numba_and_numpy_agree_to_rounding():
    frames = phantom_frames(n_frames=1, shape=(512, 512), n_particles=6, seed=2)
    frame, labels = frames.read(0, 1)[0], frames.labels(0, 1)[0]
    noise = background_noise(frame, labels)
    for label in np.unique(labels[labels > 0]).tolist():
        both = [cut_patch(frame, labels, label=label, compiled=compiled) for compiled in (True, False)]
        np.testing.assert_allclose(both[0].flat, both[1].flat, atol=1e-3)
        fast, plain = (
            find_reflections(patch, noise=noise, compiled=compiled)
            for patch, compiled in zip(both, (True, False), strict=True)
        )
        assert fast.rows["power"].size == plain.rows["power"].size > 0
        for name, values in fast.rows.items():
            np.testing.assert_allclose(values, plain.rows[name], rtol=2e-4, atol=1e-6)


def test_the_rest_of_the_frame_does_not_matter():
    counts, mask = lattice(10.0)
    large = np.random.default_rng(1).poisson(900, (400, 500))
    labels = np.zeros((400, 500), np.int32)
    large[200:328, 300:428], labels[200:328, 300:428] = counts, 7 * mask
    labels[50:90, 60:90] = 3
    alone = find_reflections(cut_patch(counts, mask)).rows
    inside = find_reflections(cut_patch(large, labels, label=7)).rows
    boxed = find_reflections(cut_patch(large, labels, label=7, box=(225, 325, 304, 404))).rows
    for name, values in alone.items():
        np.testing.assert_allclose(inside[name], values, rtol=1e-5)
        np.testing.assert_array_equal(inside[name], boxed[name])


def test_a_particle_at_the_frame_s_edge_has_a_smaller_window_and_larger_errors():
    counts, mask = lattice(0.0)
    whole = find_reflections(cut_patch(counts, mask))
    cut = find_reflections(cut_patch(counts[:, 70:].copy(), mask[:, 70:].copy()))
    assert cut.frequencies < 0.6 * whole.frequencies
    assert cut.rows["q_error_per_px"].min() > 1.5 * whole.rows["q_error_per_px"].max()


def test_a_long_particle_tells_q_better_along_itself():
    mask = (np.abs(X) < 50) & (np.abs(Y) < 12)
    rows = find_reflections(cut_patch(*lattice(0.0, mask_of=mask, waves=((0.212, 0.0),)))).rows
    turn = math.radians(rows["angle_error_deg"][0]) * rows["q_per_px"][0]
    assert turn > 3 * rows["q_error_per_px"][0]


def test_pixels_that_are_not_finite_count_as_outside():
    counts, mask = lattice(0.0)
    holes = counts.astype(np.float32)
    holes[60:64, 60:64] = np.nan
    rows = find_reflections(cut_patch(holes, mask)).rows
    assert rows["power"].size == 2
    assert np.isfinite(rows["power"]).all()


def test_nothing_is_found_in_nothing():
    assert cut_patch(np.ones((64, 64)), np.zeros((64, 64), bool)) is None
    speck = np.zeros((64, 64), bool)
    speck[5:8, 5:8] = True
    assert cut_patch(np.ones((64, 64)), speck) is None
    flat = find_reflections(cut_patch(np.full((128, 128), 7), Y**2 + X**2 < 900))
    assert flat.rows["power"].size == 0
    assert list(flat.rows)[:3] == ["q_y_per_px", "q_x_per_px", "q_per_px"]


def test_how_faint_a_fringe_could_be_seen():
    found = find_reflections(cut_patch(*lattice(0.0)))
    assert found.own_noise
    assert found.electrons == pytest.approx(200 * math.pi * 40**2, rel=0.15)
    assert contrast_limit(1000.0, 22e3) == pytest.approx(0.05, abs=0.002)
    assert math.isnan(contrast_limit(1000.0, math.nan))


def test_counts_below_zero_have_no_contrast_but_reflections():
    counts, mask = lattice(0.0)
    found = find_reflections(cut_patch(counts - 300.0, mask))
    assert found.rows["power"].size == 2
    assert np.isnan(found.rows["intensity"]).all()
    assert math.isnan(found.electrons)


def test_refuses_what_it_cannot_use():
    counts, mask = lattice(0.0)
    patch = cut_patch(counts, mask)
    for bad in ({"false_alarm": 0.0}, {"most_pairs": 0}, {"size": 64}, {"size": 129}):
        with pytest.raises(SettingsError):
            find_reflections(patch, **bad)
    with pytest.raises(DataError, match="same shape"):
        cut_patch(counts, mask[:5])
    with pytest.raises(DataError, match="real"):
        cut_patch(counts + 1j, mask)
    with pytest.raises(SettingsError, match="softening"):
        cut_patch(counts, mask, soften_px=-1.0)


def test_power_of_the_transform_is_what_the_search_sees():
    counts, mask = lattice(0.0)
    noise = background_noise(np.random.default_rng(3).poisson(200, (256, 256)), np.zeros((256, 256), bool))
    patch = cut_patch(counts, mask)
    power = normalised_power(patch, noise, size=256)
    strongest = find_reflections(patch, noise=noise, size=256).rows["power"].max()
    outside = np.hypot(np.fft.fftfreq(256)[:, None], np.arange(129) / 256) > 0.1
    assert 0.7 * strongest < power[outside].max() <= 1.001 * strongest
