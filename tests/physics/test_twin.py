"""What a spectrum says against what was planted: angles, intensities, false alarms, detection limit."""

import math

import numpy as np
import pytest

from temflux.engine.generate.twin import twin_particle
from temflux.engine.measure.fourier import find_peaks, link_peaks, pair_ratio, particle_spectrum

SIZE = 512
HIGH_DOSE = 20_000.0


def axial_error_deg(angle_deg, true_deg):
    """Angle between two directions without a sense."""
    return np.abs((np.asarray(angle_deg) - true_deg + 90) % 180 - 90)


def twin_peaks(**settings):
    image, mask = twin_particle(size=SIZE, counts=HIGH_DOSE, **settings)
    spectrum = particle_spectrum(image, mask, centre=(SIZE // 2, SIZE // 2), size=SIZE)
    return find_peaks(spectrum, area_px2=mask.sum())


@pytest.mark.parametrize(
    ("plane_deg", "lattice_deg"), [(0, 35.26), (17, 54.74), (45, 20), (81, 35.26), (120, 62)]
)
@pytest.mark.parametrize("amplitudes", [(0.1, 0.1), (0.1, 0.05), (0.06, 0.1)])
def test_twin_gives_two_lattices_with_planted_angles_and_intensities(plane_deg, lattice_deg, amplitudes):
    peaks = twin_peaks(plane_deg=plane_deg, lattice_deg=lattice_deg, amplitudes=amplitudes)
    assert len(peaks["q"]) == 4
    found = []
    for true_deg in (plane_deg + lattice_deg, plane_deg - lattice_deg):
        error = axial_error_deg(peaks["angle_deg"], true_deg)
        best = int(np.argmin(error))
        assert error[best] < 0.1
        assert peaks["q"][best] == pytest.approx(1 / 4.7, rel=1e-3)
        found.append(peaks["intensity"][best])
    planted = amplitudes[0] / amplitudes[1]
    assert found[0] / found[1] == pytest.approx(planted, rel=0.02)
    assert pair_ratio(peaks["intensity"], peaks["pair"]) == pytest.approx(max(planted, 1 / planted), rel=0.02)


def test_turning_twin_is_followed_past_180_degrees():
    tables, planes = [], np.arange(150, 210, 4.0)
    for frame, plane_deg in enumerate(planes):
        peaks = twin_peaks(plane_deg=plane_deg, lattice_deg=20, amplitudes=(0.1, 0.07))
        tables.append({**peaks, "frame": np.full(len(peaks["q"]), frame)})
    table = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
    peak, pair = link_peaks(table, max_step=0.03)
    assert sorted(set(peak.tolist())) == [1, 2, 3, 4]
    for number, lattice_deg in ((1, 20), (3, -20)):
        rows = peak == number
        assert (np.diff(table["frame"][rows]) == 1).all()
        trace = np.unwrap(np.deg2rad(table["angle_deg"][rows]))
        steps = np.rad2deg(np.diff(trace))
        assert np.abs(steps - 4).max() < 0.1
        assert axial_error_deg(table["angle_deg"][rows], planes + lattice_deg).max() < 0.1
        assert (pair[rows] == (number + 1) // 2).all()


@pytest.mark.parametrize("dose", [2.0, 20.0])
def test_false_alarms_of_pure_noise_come_at_the_stated_rate(dose):
    rng = np.random.default_rng(7)
    size, stated, n_spectra = 128, 0.2, 300
    offset = np.arange(size) - size // 2
    mask = offset[:, None] ** 2 + offset**2 < 40**2
    count = 0
    for _ in range(n_spectra):
        noise = rng.poisson(dose, (size, size))
        spectrum = particle_spectrum(noise, mask, centre=(size // 2, size // 2), size=size)
        count += len(find_peaks(spectrum, area_px2=mask.sum(), false_alarm=stated)["q"]) // 2
    # Never more than stated (3 standard deviations); levels estimated from rings cost up to a factor of 4.
    assert stated / 4 < count / n_spectra < stated + 3 * math.sqrt(stated / n_spectra)


def test_fringes_are_found_from_the_dose_that_statistics_demand():
    # N_e = 4 ln(M / alpha) / m² electrons in the particle (Exp(1) noise, a fringe of contrast m).
    size, radius, contrast = 128, 45, 0.1
    offset = np.arange(size) - size // 2
    mask = offset[:, None] ** 2 + offset**2 < radius**2
    fringes = 1 + contrast * np.cos(2 * np.pi * (offset[:, None] * 0.06 + offset * 0.2))
    limit = 4 * math.log(mask.sum() / 2 / 1e-3) / contrast**2
    rng = np.random.default_rng(3)

    def detected(electrons):
        hits = 0
        for _ in range(20):
            counts = rng.poisson(fringes * electrons / mask.sum())
            spectrum = particle_spectrum(counts, mask, centre=(64, 64), size=size)
            peaks = find_peaks(spectrum, area_px2=mask.sum())
            hits += bool((axial_error_deg(peaks["angle_deg"], np.degrees(np.arctan2(-0.06, 0.2))) < 2).any())
        return hits / 20

    # Above the limit almost always; the threshold's margin for rings and softening is less than 2.
    assert detected(0.25 * limit) <= 0.1
    assert detected(2.5 * limit) >= 0.95


def test_spectrum_turns_with_the_image():
    image, mask = twin_particle(size=256, radius_px=90, plane_deg=30, counts=500.0)
    shifted = np.roll(np.flip(image), (1, 1), axis=(0, 1))
    spectrum, turned = (
        particle_spectrum(part, mask_part, centre=(128, 128), size=256)
        for part, mask_part in ((image, mask), (shifted, np.roll(np.flip(mask), (1, 1), axis=(0, 1))))
    )
    np.testing.assert_allclose(turned, spectrum, atol=1e-5)
    quarter = particle_spectrum(
        np.roll(np.rot90(image), 1, axis=0), np.roll(np.rot90(mask), 1, axis=0), centre=(128, 128), size=256
    )
    np.testing.assert_allclose(quarter[1:, 1:], np.rot90(spectrum[1:, 1:]), atol=1e-5)
    peaks, turned_peaks = find_peaks(spectrum, area_px2=mask.sum()), find_peaks(quarter, area_px2=mask.sum())
    for angle in peaks["angle_deg"]:
        assert axial_error_deg(turned_peaks["angle_deg"], angle + 90).min() < 0.01
