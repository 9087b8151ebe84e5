"""A simulated camera, fitted: c0, c3 come back, and C falls with dose as in Publication II, Figures 4, 5."""

import numpy as np
import pytest

from temflux.engine.base.mtf import MTF_MODELS, mtf_on_grid, parametric_mtf
from temflux.engine.images.mtf_fit import fit_mtf, fit_readout, readout_floor

# The series of Publication II. At 0.053 Å/px, N0 = 0.01 gives the C = 0.51 of its first frame, 10 e⁻/Å².
SAMPLING_A = 0.053
DOSES = np.array([10.0, 25.0, 60.0, 150.0, 450.0, 1300.0])
ELECTRONS = DOSES * SAMPLING_A**2
N0 = 0.01


def vacuum(seed, electrons, *, size=512, c0=0.27, c3=2.3, n0=N0):
    rng = np.random.default_rng(seed)
    shape = (size, size)
    spectrum = np.fft.rfft2(rng.poisson(electrons, shape)) * mtf_on_grid(shape, c0=c0, c3=c3)
    return np.fft.irfft2(spectrum, s=shape) + rng.poisson(n0, shape)


@pytest.fixture(scope="module")
def series():
    return [vacuum(seed, electrons) for seed, electrons in enumerate(ELECTRONS)]


@pytest.mark.parametrize(
    ("c0", "c3", "electrons"),
    [(0.2, 2.57, 1.0), (0.25, 2.5, 0.3), (0.5, 2.0, 5.0), (0.4, 3.0, 1.0), (0.6, 5.0, 1.0), (0.7, 3.0, 10.0)],
)
def test_c0_and_c3_come_back_within_five_percent(c0, c3, electrons):
    fit = fit_mtf(vacuum(11, electrons, c0=c0, c3=c3))
    assert fit.c0 == pytest.approx(c0, rel=0.05)
    assert fit.c3 == pytest.approx(c3, rel=0.05)
    assert fit.r_squared > 0.95


@pytest.mark.parametrize("name", MTF_MODELS)
def test_the_middle_of_every_published_model_comes_back(name):
    model = MTF_MODELS[name]
    c0, c3 = np.mean(model.c0), np.mean(model.c3)
    fit = fit_mtf(vacuum(3, 5.0, c0=c0, c3=c3, n0=np.mean(model.readout_e)))
    assert fit.c0 == pytest.approx(c0, rel=0.05)
    assert fit.c3 == pytest.approx(c3, rel=0.05)


def test_the_floor_falls_with_dose_as_in_figure_4(series):
    """From about a half at 10 e⁻/Å² towards 0 at 1300, and along C = √(N0/(N_D + N0))."""
    fits = [fit_mtf(image) for image in series]
    floors = np.array([fit.floor for fit in fits])
    assert floors[0] == pytest.approx(0.5, abs=0.05)
    assert floors[-1] == pytest.approx(0.05, abs=0.02)
    assert (np.diff(floors) < 0).all()
    assert floors == pytest.approx(readout_floor(ELECTRONS, n0=N0), abs=0.03)
    assert [fit.c0 for fit in fits] == pytest.approx([0.27] * len(fits), rel=0.05)


def test_readout_noise_comes_back_from_the_series_as_in_figure_5(series):
    fit = fit_readout(np.array([fit_mtf(image).floor for image in series]), ELECTRONS)
    assert fit.n0 == pytest.approx(N0, rel=0.1)
    assert fit.r_squared > 0.94


def test_the_published_model_repeats_the_published_drift(series):
    """One camera at all doses: Eq. A.1 alone makes c0 rise, from 0.20 (C 0.51) to 0.28 (C 0.01) in print."""
    first, last = (fit_mtf(series[k], model="published") for k in (0, -1))
    assert first.c0 == pytest.approx(0.20, abs=0.03)
    assert first.floor == pytest.approx(0.51, abs=0.05)
    assert last.c0 == pytest.approx(0.27, abs=0.02)
    assert last.floor < 0.05


def test_the_scale_grows_as_the_dose(series):
    scales = np.array([fit_mtf(image).scale for image in series])
    assert scales == pytest.approx(ELECTRONS + N0, rel=0.15)


def test_the_ring_of_the_noise_has_the_right_spectrum():
    """Variance of a pixel: the mean of N_D·M² + N0 over the grid."""
    image = vacuum(2, 20.0, c0=0.3, c3=3.0, n0=0.5)
    q = 2 * np.hypot(np.fft.fftfreq(512)[:, np.newaxis], np.fft.fftfreq(512))
    power = 20.0 * parametric_mtf(q, c0=0.3, c3=3.0) ** 2 + 0.5
    assert image.var() == pytest.approx(power.mean(), rel=0.02)
    assert image.mean() == pytest.approx(20.5, rel=0.01)
    periodogram = np.abs(np.fft.fft2(image - image.mean())) ** 2 / image.size
    for low, high in ((0.05, 0.15), (0.25, 0.35), (0.6, 0.7), (1.1, 1.3)):
        ring = (q > low) & (q < high)
        assert (periodogram[ring] / power[ring]).mean() == pytest.approx(1, abs=4 / np.sqrt(ring.sum() / 2))
