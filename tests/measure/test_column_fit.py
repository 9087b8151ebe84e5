"""Gaussian fits against planted truth, and the likelihood of counts that were held out."""

import numpy as np
import pytest

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.measure.columns.fit import fit_columns
from temflux.engine.measure.columns.likelihood import held_out_likelihood, thin_counts
from temflux.engine.measure.columns.noise import Noise
from tests.planted_columns import lattice, rate

SHAPE = (120, 120)


def test_noiseless_columns_come_back_exactly():
    y, x = lattice(SHAPE, 21.3)
    frame = rate(SHAPE, y, x, background=40.0, contrast=-0.6, width_px=4.0)
    for noise in (Noise(), Noise(None, deviation=2.0), Noise(3.0)):
        fit = fit_columns(frame, y + 0.8, x - 0.7, width_px=3.6, noise=noise)
        np.testing.assert_allclose(fit["y_px"], y, atol=0.02)
        np.testing.assert_allclose(fit["x_px"], x, atol=0.02)
        np.testing.assert_allclose(fit["amplitude"], -24.0, rtol=0.02)
        np.testing.assert_allclose(fit["background"], 40.0, rtol=0.01)
        np.testing.assert_allclose(fit["width_px"], 4.0, rtol=0.01)


def test_neighbours_are_fitted_together():
    """Two columns 2.5 widths apart pull at each other unless both are in the model."""
    y, x = np.array([30.0, 30.0]), np.array([30.0, 40.0])
    frame = rate((60, 70), y, x, background=100.0, contrast=1.5, width_px=4.0)
    together = fit_columns(frame, y, x, width_px=4.0, noise=Noise())
    alone = fit_columns(frame, y[:1], x[:1], width_px=4.0, noise=Noise())
    np.testing.assert_allclose(together["x_px"], x, atol=0.02)
    assert abs(alone["x_px"][0] - 30.0) > 0.3


@pytest.mark.parametrize("noise", [Noise(), Noise(2.0), Noise(None, 6.0)])
def test_errors_are_those_that_fits_have(noise):
    y, x = lattice(SHAPE, 24.0)
    mean = rate(SHAPE, y, x, background=30.0, contrast=-0.5, width_px=4.0)
    rng = np.random.default_rng(0)
    pulls = {name: [] for name in ("y_px", "x_px", "amplitude", "background")}
    truth = {"y_px": y, "x_px": x, "amplitude": -15.0, "background": 30.0}
    for _ in range(12):
        if noise.is_poisson:
            frame = rng.poisson(mean / noise.unit) * noise.unit
        else:
            frame = mean + rng.normal(0, noise.deviation, SHAPE)
        fit = fit_columns(frame, y + 0.5, x, width_px=4.0, noise=noise)
        for name, values in pulls.items():
            error = fit[f"{name.removesuffix('_px')}_error{'_px' if name.endswith('px') else ''}"]
            values.append((fit[name] - truth[name]) / error)
    for name, values in pulls.items():
        assert 0.78 < np.std(values) < 1.2, name
        assert abs(np.mean(values)) < 0.25, name


def test_a_shift_of_the_frame_shifts_positions_by_as_much():
    y, x = lattice(SHAPE, 24.0, margin_px=25)
    frame = np.random.default_rng(1).poisson(rate(SHAPE, y, x, background=30.0, contrast=-0.5, width_px=4.0))
    fit = fit_columns(frame, y, x, width_px=4.0, noise=Noise())
    moved = fit_columns(np.roll(frame, (3, -5), (0, 1)), y + 3, x - 5, width_px=4.0, noise=Noise())
    np.testing.assert_allclose(moved["y_px"], fit["y_px"] + 3, atol=1e-6)
    np.testing.assert_allclose(moved["x_px"], fit["x_px"] - 5, atol=1e-6)
    turned = fit_columns(frame.T, x, y, width_px=4.0, noise=Noise())
    np.testing.assert_allclose(turned["y_px"], fit["x_px"], atol=1e-6)


def test_one_width_for_all_where_no_spread_is_let():
    y, x = lattice(SHAPE, 24.0)
    frame = np.random.default_rng(1).poisson(rate(SHAPE, y, x, background=9, contrast=-0.5, width_px=4.0))
    common = fit_columns(frame, y, x, width_px=4.5, noise=Noise(), width_spread=0.0)
    own = fit_columns(frame, y, x, width_px=4.5, noise=Noise())
    assert np.ptp(common["width_px"]) < 1e-6
    assert np.ptp(own["width_px"]) > 0.05
    assert abs(common["width_px"][0] - 4.0) < 0.3


def test_columns_at_the_edge_and_none_at_all():
    frame = np.random.default_rng(0).poisson(20, (40, 50)).astype(float)
    none = fit_columns(frame, np.zeros(0), np.zeros(0), width_px=3.0, noise=Noise())
    assert {len(values) for values in none.values()} == {0}
    edge = fit_columns(frame, np.array([0.0, 39.0]), np.array([49.0, 0.0]), width_px=3.0, noise=Noise())
    assert np.isfinite(edge["y_px"]).all()
    dark = fit_columns(np.zeros((40, 40)), np.array([20.0]), np.array([20.0]), width_px=3.0, noise=Noise())
    assert np.isfinite(dark["amplitude"]).all()


def test_refuses_what_it_cannot_use():
    frame, one = np.ones((40, 40)), np.array([20.0])
    for bad in ({"width_px": 0.0}, {"width_spread": -1.0}, {"iterations": 0}):
        with pytest.raises(SettingsError):
            fit_columns(frame, one, one, **{"width_px": 3.0, "noise": Noise(), **bad})
    with pytest.raises(DataError, match="within the frame"):
        fit_columns(frame, one + 40, one, width_px=3.0, noise=Noise())
    with pytest.raises(DataError, match="0 or more"):
        thin_counts(frame - 2, np.random.default_rng(0))
    with pytest.raises(SettingsError, match="exposure"):
        held_out_likelihood(frame, {}, noise=Noise(), exposure=0)


def test_halves_are_independent_and_make_the_whole():
    rng = np.random.default_rng(0)
    frame = rng.poisson(6.0, (200, 200)) * 3.0
    half, other = thin_counts(frame, rng, counts_per_electron=3.0)
    np.testing.assert_array_equal(half + other, frame)
    assert abs(np.corrcoef(half.ravel(), other.ravel())[0, 1]) < 0.02
    assert abs(half.mean() / 9.0 - 1) < 0.02


def in_sample_and_held_out(mean, y, x, *, frames, seed):
    """Log likelihood ratios of columns fitted to a half, on that very half and on the other."""
    rng = np.random.default_rng(seed)
    naive, held = [], []
    for _ in range(frames):
        half, other = thin_counts(rng.poisson(mean), rng)
        fit = fit_columns(half, y, x, width_px=4.0, noise=Noise(), iterations=20)
        naive.append(held_out_likelihood(half, fit, noise=Noise())["log_likelihood_ratio"])
        held.append(held_out_likelihood(other, fit, noise=Noise())["log_likelihood_ratio"])
    return np.concatenate(naive), np.concatenate(held)


def test_likelihood_of_a_column_where_there_is_none():
    """On counts held out vacuum wins on average; exp of the ratio is a bet that cannot be won for free."""
    y, x = lattice(SHAPE, 24.0)
    naive, held = in_sample_and_held_out(np.full(SHAPE, 8.0), y, x, frames=16, seed=0)
    assert naive.mean() > 0.5
    assert held.mean() < -0.5
    assert np.exp(held).mean() < 1.0
    for alpha in (0.3, 0.1):
        allowed = 2 * np.sqrt(alpha / len(held))
        assert (held > np.log(1 / alpha)).mean() <= alpha + allowed
    assert (naive > np.log(1 / 0.3)).mean() > 0.3 + 2 * np.sqrt(0.3 / len(naive))


def test_likelihood_of_a_column_that_is_there_grows_with_the_dose():
    y, x = lattice(SHAPE, 24.0)
    means = []
    for dose in (4.0, 16.0):
        mean = rate(SHAPE, y, x, background=dose, contrast=-0.6, width_px=4.0)
        _, held = in_sample_and_held_out(mean, y, x, frames=2, seed=1)
        means.append(held.mean())
    # Half of the counts, each worth its divergence: B·c²·π·ρ²/2 to first order of the contrast.
    assert 0.4 < means[1] / (0.5 * 16.0 * 0.36 * np.pi * 16.0 / 2) < 1.4
    assert 3 < means[1] / means[0] < 8
