"""Reflections against what Poisson counts allow: noise, detection, position, angle, intensity."""

import math

import numpy as np
import pytest
from scipy import fft, stats

from temflux.engine.base.mtf import parametric_mtf
from temflux.engine.measure.reflections.find import find_reflections, normalised_power
from temflux.engine.measure.reflections.noise_spectrum import background_noise, pool_noise
from temflux.engine.measure.reflections.particle_patch import cut_patch
from temflux.engine.measure.reflections.spectrum_search import plan_search

# A particle of 3 nm at 0.05 nm a pixel, and the {111} fringe of gold.
PIXEL_NM, RADIUS_PX, SIDE = 0.05, 30, 96
FRINGE_PER_PX = PIXEL_NM / 0.2355
Y, X = np.mgrid[:SIDE, :SIDE] - SIDE // 2
DISC = Y**2 + X**2 < RADIUS_PX**2


def white(dose_per_px):
    """The noise of a counting camera without modulation transfer, known without error."""
    q = np.array([0.05, 0.5])
    return {
        "q_per_px": q,
        "power": np.full(2, dose_per_px),
        "values": np.full(2, 1e6),
        "mean_counts": np.full(2, dose_per_px),
    }


def fringe(rng, *, dose, contrast, angle_deg, q=FRINGE_PER_PX):
    """Counts of a disc with a fringe in vacuum."""
    angle = math.radians(angle_deg)
    phase = 2 * np.pi * q * (np.cos(angle) * X - np.sin(angle) * Y) + rng.uniform(0, 2 * np.pi)
    return rng.poisson(dose * (1 + contrast * DISC * np.cos(phase)))


def camera(rng, mean, shape, *, c0, c3, readout=2.0):
    """Counts through a scintillator's modulation transfer, with readout noise."""
    q = np.hypot(fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])) * 2
    counts = rng.poisson(mean, shape).astype(float)
    blurred = fft.irfft2(fft.rfft2(counts) * parametric_mtf(q, c0=c0, c3=c3), shape)
    return 3 * blurred + rng.normal(0, readout, shape)


def test_noise_is_exponential_whatever_the_camera_s_transfer():
    rng = np.random.default_rng(0)
    frames = [camera(rng, 20.0, (512, 512), c0=0.4, c3=3.0) for _ in range(4)]
    noise = pool_noise([background_noise(frame, np.zeros(frame.shape, bool)) for frame in frames])
    found = []
    for frame in frames:
        for top in range(60, 420, 100):
            for left in range(60, 420, 100):
                box = frame[top : top + SIDE, left : left + SIDE]
                patch = cut_patch(box, DISC)
                power = normalised_power(patch, noise, size=128)
                plan = plan_search(128, patch.area_px2)
                radius = plan.radii[plan.radius_index]
                # Every fourth point: neighbours within a cell of the padded spectrum are not independent.
                inside = (radius > plan.inner) & (radius < plan.outer - 2)
                found.append(power[::4, 1:-1:4][inside[::4, 1:-1:4]])
    power = np.concatenate(found)
    assert power.mean() == pytest.approx(1, abs=0.03)
    assert stats.kstest(power, "expon").statistic < 0.02


def test_a_brighter_or_darker_particle_has_the_noise_of_its_own_counts():
    rng = np.random.default_rng(1)
    noise = pool_noise([background_noise(rng.poisson(100, (256, 256)), np.zeros((256, 256), bool))])
    patch = cut_patch(rng.poisson(40, (SIDE, SIDE)), DISC)
    power = normalised_power(patch, noise)
    plan = plan_search(power.shape[0], patch.area_px2)
    assert power[plan.radius_index > 2 * plan.inner].mean() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("noise_known", [True, False])
def test_noise_alone_gives_a_pair_no_more_often_than_was_asked(noise_known):
    rng = np.random.default_rng(2)
    noise = white(0.5) if noise_known else None
    alarms = sum(
        find_reflections(cut_patch(rng.poisson(0.5, (SIDE, SIDE)), DISC), noise=noise, false_alarm=0.05)
        .rows["power"]
        .size
        > 0
        for _ in range(400)
    )
    # 20 are expected; 31 or more happen in 1 of 100 runs.
    assert alarms <= 31
    assert alarms >= (8 if noise_known else 0)


def test_half_are_found_at_the_dose_of_the_bound():
    rng = np.random.default_rng(3)
    contrast, alpha = 0.2, 1e-3
    frequencies = find_reflections(cut_patch(rng.poisson(1.0, (SIDE, SIDE)), DISC)).frequencies
    bound = 4 * math.log(frequencies / alpha) / contrast**2 / DISC.sum()

    def share(factor, runs=150):
        hits = 0
        for _ in range(runs):
            angle = rng.uniform(-90, 90)
            counts = fringe(rng, dose=factor * bound, contrast=contrast, angle_deg=angle)
            rows = find_reflections(cut_patch(counts, DISC), noise=white(factor * bound)).rows
            hits += bool((np.abs(rows["q_per_px"] - FRINGE_PER_PX) < 1 / RADIUS_PX).any())
        return hits / runs

    assert share(0.8) < 0.5 < share(1.2)


def test_position_angle_and_intensity_reach_the_bound():
    rng = np.random.default_rng(4)
    contrast, dose = 0.06, 200 * 100 * PIXEL_NM**2
    electrons = dose * DISC.sum()
    sigma = 1 / (2 * math.pi * math.sqrt(electrons * contrast**2 / 2 * RADIUS_PX**2 / 4))
    # The figures that the limit is known by.
    assert sigma / PIXEL_NM == pytest.approx(0.013, abs=0.0005)
    assert math.degrees(sigma / FRINGE_PER_PX) == pytest.approx(0.18, abs=0.005)
    q, turn, stated, intensity, spread = [], [], [], [], []
    for _ in range(300):
        angle = rng.uniform(-90, 90)
        counts = fringe(rng, dose=dose, contrast=contrast, angle_deg=angle)
        rows = find_reflections(cut_patch(counts, DISC), noise=white(dose)).rows
        assert rows["power"].size == 1
        q.append(rows["q_per_px"][0] - FRINGE_PER_PX)
        turn.append((rows["angle_deg"][0] - angle + 90) % 180 - 90)
        stated.append((rows["q_error_per_px"][0], math.radians(rows["angle_error_deg"][0]) * FRINGE_PER_PX))
        intensity.append(rows["intensity"][0])
        spread.append(rows["intensity_error"][0])
    reached = np.sqrt(np.mean(np.square(q))), np.radians(np.sqrt(np.mean(np.square(turn)))) * FRINGE_PER_PX
    assert max(reached) < 1.3 * sigma
    np.testing.assert_allclose(np.mean(stated, axis=0), reached, rtol=0.12)
    assert np.mean(intensity) == pytest.approx(contrast**2, rel=0.03)
    assert np.std(intensity) == pytest.approx(np.mean(spread), rel=0.15)


def test_planted_rotations_are_found_without_bias():
    rng = np.random.default_rng(5)
    for angle in (-89.9, -45.0, 0.0, 30.0, 89.9):
        found = []
        for _ in range(12):
            counts = fringe(rng, dose=5.0, contrast=0.3, angle_deg=angle)
            rows = find_reflections(cut_patch(counts, DISC), noise=white(5.0)).rows
            found.append((rows["angle_deg"][0] - angle + 90) % 180 - 90)
        assert abs(np.mean(found)) < 4 * rows["angle_error_deg"][0] / math.sqrt(12)


def test_a_thick_middle_and_a_bright_fringe_raise_no_alarm_beside_them():
    rng = np.random.default_rng(6)
    thickness = np.sqrt(np.maximum(1 - (Y**2 + X**2) / RADIUS_PX**2, 0))
    found = []
    for _ in range(40):
        phase = 2 * np.pi * FRINGE_PER_PX * X + rng.uniform(0, 2 * np.pi)
        mean = 200 * (1 - 0.3 * thickness + 0.25 * thickness * np.cos(phase))
        rows = find_reflections(cut_patch(rng.poisson(mean), DISC), noise=white(200.0)).rows
        found.append(rows["power"].size)
    assert np.mean(np.array(found) != 1) <= 0.05
