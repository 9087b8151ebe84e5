"""The noise of a detector against thesis Section 1.3: mean, variance and spectrum."""

import numpy as np
import pytest

from temflux.engine.base.mtf import nyquist_fractions, parametric_mtf
from temflux.engine.generate.detector import Detector, detect

SIZE = 512


def vacuum(detector, *, sampling_A=0.1, seed=0, images=6):
    rng = np.random.default_rng(seed)
    blank = np.ones((SIZE, SIZE), np.float32)
    return [detect(rng, blank, sampling_A=sampling_A, detector=detector) for _ in range(images)]


def ring_spectrum(images):
    """Azimuthal mean of the power spectra per pixel, at the rings' middles in fractions of Nyquist."""
    q = nyquist_fractions((SIZE, SIZE))
    power = np.mean([np.abs(np.fft.rfft2(image - image.mean())) ** 2 for image in images], axis=0) / SIZE**2
    rings = np.clip((q * 24).astype(int), 0, 23)
    inside = (q > 0) & (q < 1)
    count = np.bincount(rings[inside], minlength=24)
    return (
        np.bincount(rings[inside], power[inside], minlength=24) / count,
        np.bincount(rings[inside], q[inside], minlength=24) / count,
        rings,
        inside,
        count,
    )


@pytest.mark.parametrize("dose", [3.0, 40.0, 1000.0, 30_000.0])
def test_shot_noise_has_the_mean_and_variance_of_poisson(dose):
    electrons = dose * 0.01
    counts = np.stack(vacuum(Detector(dose_e_per_A2=dose)))
    n = counts.size
    assert counts.mean(dtype=np.float64) == pytest.approx(electrons, abs=5 * np.sqrt(electrons / n))
    spread = 5 * np.sqrt((electrons + 2 * electrons**2) / n)
    assert counts.var(dtype=np.float64) == pytest.approx(electrons, abs=spread)


def test_shot_and_readout_noise_add_up_to_one_poisson_distribution():
    """Eq. 1.27: P(N_D) + P(N_0) = P(N_D + N_0)."""
    counts = np.stack(vacuum(Detector(dose_e_per_A2=150.0, readout_e=0.8)))
    assert counts.mean(dtype=np.float64) == pytest.approx(2.3, abs=5 * np.sqrt(2.3 / counts.size))
    assert counts.var(dtype=np.float64) == pytest.approx(
        2.3, abs=5 * np.sqrt((2.3 + 2 * 2.3**2) / counts.size)
    )
    from scipy import stats

    share = np.bincount(counts.astype(int).ravel(), minlength=8)[:8] / counts.size
    np.testing.assert_allclose(share, stats.poisson.pmf(np.arange(8), 2.3), atol=1e-3)


@pytest.mark.parametrize(
    ("dose", "c0", "c3", "readout"),
    [(1000.0, 0.4, 2.57, 0.0), (1000.0, 0.25, 2.0, 1.0), (50.0, 0.3, 3.0, 0.1), (10.0, 0.5, 5.0, 0.01)],
)
def test_spectrum_of_vacuum_is_shot_noise_times_mtf_squared_plus_readout(dose, c0, c3, readout):
    camera = Detector(dose_e_per_A2=dose, mtf_c0=c0, mtf_c3=c3, readout_e=readout)
    power, _, rings, inside, count = ring_spectrum(vacuum(camera))
    mtf = parametric_mtf(nyquist_fractions((SIZE, SIZE)), c0=c0, c3=c3)
    wanted = np.bincount(rings[inside], (dose * 0.01 * mtf**2 + readout)[inside], minlength=24) / count
    # A ring's mean of n exponential powers from six images scatters by 1/√(6n).
    np.testing.assert_array_less(np.abs(power / wanted - 1), 5 / np.sqrt(6 * count) + 1e-3)
    assert power[0] / power[-1] > 2


def test_the_floor_of_a_fit_falls_with_dose_as_in_figure_4():
    """√(N0/(N + N0)) is what the noise's spectrum falls to beside its start: 0.5 towards 0."""
    floors = []
    for dose in (3.0, 30.0, 300.0, 3000.0):
        camera = Detector(dose_e_per_A2=dose, mtf_c0=0.2, mtf_c3=2.5, readout_e=0.01)
        power, *_ = ring_spectrum(vacuum(camera))
        floors.append(np.sqrt(power[-1] / power[0]))
    assert floors[0] > 0.4
    assert (np.diff(floors) < 0).all()
    assert floors[-1] < 0.06


def test_noise_does_not_know_where_it_is():
    camera = Detector(dose_e_per_A2=500.0, mtf_c0=0.3, mtf_c3=2.5, readout_e=0.1)
    variance = np.var(vacuum(camera, images=64), axis=0)
    for part in (variance[:, :32], variance[:, -32:], variance[:32], variance[-32:]):
        assert part.mean() == pytest.approx(variance.mean(), rel=0.02)


def test_signal_to_noise_grows_with_the_square_root_of_dose():
    x = np.arange(SIZE)
    image = (1 + 0.2 * np.cos(2 * np.pi * x / 16) * np.ones((SIZE, 1))).astype(np.float32)
    ratios = []
    for dose in (20.0, 2000.0):
        counts = detect(
            np.random.default_rng(1), image, sampling_A=0.1, detector=Detector(dose_e_per_A2=dose)
        )
        spectrum = np.abs(np.fft.rfft2(counts))
        ratios.append(spectrum[0, SIZE // 16] / np.sqrt((spectrum[5:250, 5:250] ** 2).mean()))
    assert ratios[1] / ratios[0] == pytest.approx(10, rel=0.05)
