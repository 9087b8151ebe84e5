"""Peaks of one spectrum: places, pairs, units, thresholds and refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.measure.fourier import particle_spectrum
from temflux.engine.measure.peaks import central_radius, exceedances, find_peaks


def spectrum_of(q_y, q_x, *, size=128, radius=45, dose=2000.0, contrast=0.2, seed=0):
    y, x = np.mgrid[:size, :size] - size // 2
    mask = y**2 + x**2 < radius**2
    counts = np.random.default_rng(seed).poisson(
        dose * (1 + contrast * np.cos(2 * np.pi * (q_y * y + q_x * x)))
    )
    return particle_spectrum(counts, mask, centre=(size // 2, size // 2), size=size), int(mask.sum())


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 0.42), st.floats(-179, 179))
def test_any_fringe_is_found_well_below_a_pixel(q, angle_deg):
    angle = np.deg2rad(angle_deg)
    spectrum, area = spectrum_of(-q * np.sin(angle), q * np.cos(angle))
    peaks = find_peaks(spectrum, area_px2=area)
    assert peaks["peak"].tolist() == [1, 2]
    assert peaks["pair"].tolist() == [1, 1]
    assert peaks["q"] == pytest.approx([q, q], abs=0.05 / 128)
    turn = (peaks["angle_deg"] - angle_deg + 90) % 180 - 90
    assert np.abs(turn).max() < np.rad2deg(0.05 / 128 / q)
    assert abs(abs(peaks["angle_deg"][0] - peaks["angle_deg"][1]) - 180) < 1e-9
    assert peaks["intensity"][0] == peaks["intensity"][1]


def test_angles_count_counter_clockwise_on_the_screen():
    # A wave whose phase grows up and to the right has its normal at +45 degrees.
    spectrum, area = spectrum_of(-0.15, 0.15)
    assert sorted(find_peaks(spectrum, area_px2=area)["angle_deg"].round(0).tolist()) == [-135, 45]


def test_q_is_in_the_unit_of_the_reciprocal_pixel():
    spectrum, area = spectrum_of(0.1, 0.2)
    in_px = find_peaks(spectrum, area_px2=area)
    in_nm = find_peaks(spectrum, area_px2=area, reciprocal_pixel=1 / (128 * 0.05))
    np.testing.assert_allclose(in_nm["q"], in_px["q"] / 0.05)
    assert not find_peaks(spectrum, area_px2=area, reciprocal_pixel=1 / (128 * 0.05), min_q=5.0)["q"].size


def test_intensity_is_the_mean_of_a_square_of_30_in_1024():
    rng = np.random.default_rng(0)
    half = rng.rayleigh(1e-4, (1024, 1024))
    half[700, 600] = 1.0
    half[699:702, 599:602] += 0.5
    spectrum = np.maximum(half, np.roll(half[::-1, ::-1], 1, axis=(0, 1)))
    peaks = find_peaks(spectrum, area_px2=1024**2 / 2)
    # The square's edge cuts pixels in half, so the mean is between those of 29 and 31 px.
    expected = spectrum[686:715, 586:615].sum() / 30**2
    assert peaks["intensity"][0] == pytest.approx(expected, rel=0.01)


def test_most_are_kept_by_height():
    y, x = np.mgrid[:256, :256] - 128
    mask = y**2 + x**2 < 110**2
    waves = sum(
        a * np.cos(2 * np.pi * (qy * y + qx * x))
        for a, qy, qx in ((3, 0.1, 0.2), (2, -0.2, 0.1), (1, 0.3, 0))
    )
    image = waves + np.random.default_rng(0).normal(0, 1, (256, 256))
    spectrum = particle_spectrum(image, mask, centre=(128, 128), size=256)
    peaks = find_peaks(spectrum, area_px2=mask.sum())
    assert peaks["pair"].tolist() == [1, 1, 2, 2, 3, 3]
    assert (np.diff(peaks["intensity"]) <= 0).all()
    two = find_peaks(spectrum, area_px2=mask.sum(), max_peaks=4)
    np.testing.assert_array_equal(two["q"], peaks["q"][:4])


def test_background_of_lens_and_detector_is_no_peak():
    rng = np.random.default_rng(1)
    q = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    transfer = np.abs(np.sin(60 * q**2)) * np.exp(-((q / 0.25) ** 2)) + 0.05
    y, x = np.mgrid[:256, :256] - 128
    mask = y**2 + x**2 < 90**2
    found = 0
    for _ in range(20):
        image = np.fft.ifft2(np.fft.fft2(rng.normal(0, 1, (256, 256))) * transfer).real
        spectrum = particle_spectrum(image, mask, centre=(128, 128), size=256)
        found += find_peaks(spectrum, area_px2=mask.sum())["q"].size
    assert found <= 2


def test_exceedances_fall_and_uncertain_levels_raise_them():
    u = np.linspace(3, 40, 50)
    known = exceedances(u, cells=1000.0)
    rough = exceedances(u, cells=1000.0, samples=30.0)
    assert (np.diff(known) < 0).all()
    assert (rough > known).all()
    np.testing.assert_allclose(exceedances(u, cells=1000.0, samples=1e9), known, rtol=1e-4)


def test_nothing_is_found_in_nothing():
    for spectrum in (np.zeros((64, 64)), np.ones((64, 64)), np.full((16, 16), 3.0)):
        peaks = find_peaks(spectrum.astype(np.float32))
        assert list(peaks) == ["peak", "pair", "q", "angle_deg", "intensity", "noise_ratio"]
        assert peaks["q"].shape == (0,)


def test_refuses_what_it_cannot_use():
    for shape in ((64,), (64, 32), (63, 63), (8, 8)):
        with pytest.raises(DataError, match="square spectrum"):
            find_peaks(np.zeros(shape))
    for bad in ({"max_peaks": 1}, {"false_alarm": 0.0}, {"area_px2": -1.0}, {"reciprocal_pixel": 0.0}):
        with pytest.raises(SettingsError):
            find_peaks(np.zeros((64, 64)), **bad)


def test_central_disc_shrinks_with_the_particle_s_size():
    assert central_radius(1e4, size=256) < central_radius(1e3, size=256)
    assert central_radius(1.0, size=256) == 64
