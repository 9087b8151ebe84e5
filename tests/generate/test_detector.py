"""The detector: expectations, calibration, determinism, and what it refuses."""

import numpy as np
import pytest

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.base.mtf import mtf_on_grid
from temflux.engine.generate.detector import Detector, detect

RAMP = np.linspace(0, 2, 48 * 64, dtype=np.float32).reshape(48, 64)
FULL = Detector(dose_e_per_A2=400.0, mtf_c0=0.3, mtf_c3=2.5, readout_e=0.2)


def seen(image, detector, *, seed=0, sampling_A=0.2, compiled=None):
    return detect(
        np.random.default_rng(seed), image, sampling_A=sampling_A, detector=detector, compiled=compiled
    )


def test_without_noise_the_counts_are_dose_times_area():
    found = seen(RAMP, Detector(dose_e_per_A2=50.0, noise=None))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, RAMP * 2, rtol=1e-6)


def test_without_noise_readout_adds_its_mean():
    plain = seen(RAMP, Detector(dose_e_per_A2=50.0, noise=None))
    lifted = seen(RAMP, Detector(dose_e_per_A2=50.0, noise=None, readout_e=0.3))
    np.testing.assert_allclose(lifted - plain, 0.3, atol=1e-6)


def test_modulation_transfer_multiplies_the_spectrum():
    rng = np.random.default_rng(2)
    image = rng.random((48, 50)).astype(np.float32)
    camera = Detector(dose_e_per_A2=25.0, mtf_c0=0.3, mtf_c3=2.5, mtf_floor=0.1, noise=None)
    ratio = np.fft.rfft2(seen(image, camera)) / np.fft.rfft2(image)
    np.testing.assert_allclose(ratio, mtf_on_grid((48, 50), c0=0.3, c3=2.5, floor=0.1), atol=1e-4)


def test_noise_averages_to_the_picture_without():
    expected = seen(RAMP, Detector(dose_e_per_A2=400.0, mtf_c0=0.3, mtf_c3=2.5, readout_e=0.2, noise=None))
    mean = np.mean([seen(RAMP, FULL, seed=seed) for seed in range(400)], axis=0)
    assert np.abs(mean - expected).max() < 6 * np.sqrt((expected.max() + 0.2) / 400)
    assert abs((mean - expected).mean()) < 0.02


def test_counts_are_whole_without_modulation_transfer():
    found = seen(RAMP, Detector(dose_e_per_A2=100.0, readout_e=0.5))
    assert np.array_equal(found, np.rint(found))
    assert found.min() >= 0


def test_images_of_a_series_get_noise_of_their_own():
    series = seen(np.stack([RAMP, RAMP]), FULL)
    assert series.shape == (2, 48, 64)
    assert not np.array_equal(series[0], series[1])
    alone = [
        seen(image, Detector(dose_e_per_A2=9.0, mtf_c0=0.4, mtf_c3=2.0, noise=None))
        for image in (RAMP, RAMP.T)
    ]
    square = np.stack([RAMP[:, :48], RAMP[:, 16:]])
    both = seen(square, Detector(dose_e_per_A2=9.0, mtf_c0=0.4, mtf_c3=2.0, noise=None))
    single = seen(square[1], Detector(dose_e_per_A2=9.0, mtf_c0=0.4, mtf_c3=2.0, noise=None))
    np.testing.assert_allclose(both[1], single, atol=1e-6)
    assert alone[0].shape == alone[1].shape[::-1]


def test_same_state_same_bytes_with_and_without_numba():
    first = seen(RAMP, FULL, seed=4)
    assert first.tobytes() == seen(RAMP, FULL, seed=4).tobytes()
    assert first.tobytes() == seen(RAMP, FULL, seed=4, compiled=False).tobytes()
    assert first.tobytes() != seen(RAMP, FULL, seed=5).tobytes()


def test_the_image_is_left_as_it_was():
    image = RAMP.copy()
    seen(image, FULL)
    assert np.array_equal(image, RAMP)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"dose_e_per_A2": 0.0}, "dose_e_per_A2: expected above 0, got 0.0"),
        ({"dose_e_per_A2": np.nan}, "dose_e_per_A2: expected above 0, got nan"),
        ({"mtf_c0": 0.0, "mtf_c3": 2.0}, "mtf_c0: expected above 0, got 0.0"),
        ({"mtf_c0": -0.1, "mtf_c3": 2.0}, "mtf_c0: expected above 0, got -0.1"),
        ({"mtf_c0": 0.3}, "mtf_c3: expected above 0, got None"),
        ({"mtf_c0": 0.3, "mtf_c3": 0.0}, "mtf_c3: expected above 0, got 0.0"),
        ({"mtf_floor": 1.0}, "mtf_floor: expected 0 up to below 1, got 1.0"),
        ({"readout_e": -0.1}, "readout_e: expected 0 electrons/pixel or more, got -0.1"),
        ({"noise": "gauss"}, "noise: expected poisson or None, got 'gauss'"),
    ],
)
def test_impossible_detectors_are_refused(settings, line):
    with pytest.raises(SettingsError, match=line):
        Detector(**{"dose_e_per_A2": 10.0} | settings)


@pytest.mark.parametrize(
    ("image", "line"),
    [
        (RAMP - 0.1, "expected an image of intensities of 0 or more, got -0.1 to 1.9"),
        (RAMP * np.nan, "expected an image of intensities of 0 or more"),
        (RAMP[0], "expected a real image"),
        (RAMP + 0j, "expected a real image"),
    ],
)
def test_impossible_images_are_refused(image, line):
    with pytest.raises(DataError, match=line):
        seen(image, FULL)


def test_impossible_sampling_is_refused():
    with pytest.raises(SettingsError, match="sampling_A: expected above 0 Å/pixel, got 0"):
        seen(RAMP, FULL, sampling_A=0)
