"""Frames of a movie against what is true of them: labels, angles, columns, drift, dose."""

import math
import pickle
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from temflux.engine.base.errors import SettingsError
from temflux.engine.generate.detector import Detector
from temflux.engine.generate.movie_frames import MovieFrames, MovieOptics
from temflux.engine.generate.movie_plan import plan_movie
from temflux.engine.generate.movie_scene import MovieSettings
from temflux.engine.generate.transfer import Microscope

SAMPLING_A = 0.35
MICROSCOPE = Microscope(300e3, defocus_A=60.0, c30_A=5e4, focal_spread_A=25.0)


@cache
def frames_of(shape=(140, 140), n_frames=4, seed=0, support="none", dose=1e4, **changes):
    optics = MovieOptics(MICROSCOPE, Detector(dose), shape, SAMPLING_A, support=support, debye_waller_A=0.09)
    size_A = (shape[0] * SAMPLING_A, shape[1] * SAMPLING_A)
    settings = MovieSettings(
        n_frames=n_frames, size_A=size_A, **{"radius_A": (11.0, 13.0), "drift_A_per_s": (0.0, 0.0), **changes}
    )
    return MovieFrames(plan_movie(np.random.default_rng(seed), settings), optics, seed=seed)


def blank(frames, frame, particle, values):
    """Values of one particle's row in a frame."""
    _, truth = frames.truth(frame)
    return {name: truth[name][truth["particle"] == particle][0] for name in values}


def test_labels_agree_with_the_truth():
    frames = frames_of((240, 400), n_frames=20, n_particles=5, events=("coalesce", "vaporise", "tilt"))
    pixel_nm = frames.sampling_A / 10
    checked = 0
    for index in range(0, 20, 3):
        labels, truth = frames.truth(index)
        for row, particle in enumerate(truth["particle"].tolist()):
            area = truth["area_nm2"][row]
            counted = (labels == particle).sum() * pixel_nm**2
            assert truth["label_area_nm2"][row] == pytest.approx(counted)
            rim_px = 2 * math.sqrt(math.pi * area) / pixel_nm
            if counted > 0.97 * area:
                assert counted == pytest.approx(area, abs=4 * pixel_nm**2 * math.sqrt(rim_px))
                rows, columns = np.nonzero(labels == particle)
                middle = (truth["y_nm"][row], truth["x_nm"][row])
                assert (rows.mean() * pixel_nm, columns.mean() * pixel_nm) == pytest.approx(
                    middle, abs=pixel_nm / 2
                )
                checked += 1
        assert set(truth["particle"].tolist()) == set(np.unique(labels[labels > 0]).tolist())
    assert checked > 20


def test_atoms_lie_where_the_labels_say():
    frames = frames_of(n_particles=1, events=())
    labels, _ = frames.truth(0)
    image = frames.intensity(0)
    inside = labels > 0
    away = ~(
        np.roll(inside, 14, 0) | np.roll(inside, -14, 0) | np.roll(inside, 14, 1) | np.roll(inside, -14, 1)
    )
    assert image[inside].std() > 10 * image[away & ~inside].std()
    # Without a support, vacuum is 1 far from the particle.
    assert image[:8].mean() == pytest.approx(1, abs=0.01)


def angle_of(image, labels, expected_deg, q_per_A):
    """Angle at which a windowed image's spectrum is strongest near the angle and frequency expected."""
    rows, columns = np.nonzero(labels)
    y, x = (np.arange(n) for n in image.shape)
    radius = math.sqrt(len(rows) / math.pi)
    away = np.hypot(y[:, np.newaxis] - rows.mean(), x - columns.mean())
    window = np.where(away < radius, np.cos(math.pi * away / radius / 2) ** 2, 0)
    signal = (image - np.average(image, weights=window)) * window
    best = (0.0, 0.0)
    for angle in np.arange(expected_deg - 3, expected_deg + 3, 0.05):
        for q in np.linspace(0.97, 1.03, 7) * q_per_A * SAMPLING_A:
            turn = math.radians(angle)
            # Counter-clockwise on the screen: up is against the rows.
            across = np.exp(-2j * math.pi * q * math.cos(turn) * x)
            down = np.exp(2j * math.pi * q * math.sin(turn) * y)
            best = max(best, (abs(down @ signal @ across), angle))
    return best[1]


@pytest.mark.parametrize("seed", range(3))
def test_lattice_angle_is_seen_in_the_spectrum(seed):
    frames = frames_of(
        (170, 170), seed=seed, n_particles=1, events=("hop",), radius_A=(17.0, 17.0), n_frames=1
    )
    frame = frames.frame(0)
    truth = float(frame.truth["lattice_angle_deg"][0])
    # {111} at 54.74° from the {002} planes that the angle is that of.
    for turn in (54.7356, -54.7356):
        seen = angle_of(frame.image, frame.labels, truth + turn, math.sqrt(3) / 4.08)
        assert seen - turn == pytest.approx(truth, abs=0.3)


def test_tilted_particles_lose_their_columns():
    near = frames_of(n_particles=1, events=("hop",), n_frames=1)
    far = frames_of(n_particles=1, events=("hop",), n_frames=1, on_zone_deg=1.0)
    tilted = MovieFrames(replace(far.scene, tilt_deg=np.full((1, 1), 8.0)), far.optics, seed=0)
    assert near.truth(0)[1]["on_zone_axis"].tolist() == [True]
    assert tilted.truth(0)[1]["on_zone_axis"].tolist() == [False]

    def spots(frames):
        """Strengths of both {111} pairs, the weaker over the stronger."""
        image, (labels, truth) = frames.intensity(0), frames.truth(0)
        angle = float(truth["lattice_angle_deg"][0])
        y, x = (np.arange(n) for n in image.shape)
        signal = (image - image[labels > 0].mean()) * (labels > 0)
        found = []
        for turn in (54.7356, -54.7356):
            q = math.sqrt(3) / 4.08 * SAMPLING_A
            a = math.radians(angle + turn)
            found.append(
                abs(
                    np.exp(2j * math.pi * q * math.sin(a) * y)
                    @ signal
                    @ np.exp(-2j * math.pi * q * math.cos(a) * x)
                )
            )
        return min(found) / max(found)

    assert spots(near) > 2 * spots(tilted)


def test_columns_are_dark_where_they_are():
    frames = frames_of(n_particles=1, events=("hop",), n_frames=40, hop_rate_per_s=0.5)
    taken, empty = [], []
    for index in range(0, 40, 4):
        image, table = frames.intensity(index), frames.columns(index)
        for row, occupied in enumerate(table["occupied"].tolist()):
            y, x = (10 * table[name][row] / frames.sampling_A for name in ("y_nm", "x_nm"))
            spot = image[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2].mean()
            (taken if occupied else empty).append(spot)
    assert len(empty) == 2 * len(taken)
    assert np.mean(taken) < np.mean(empty) - 0.2
    assert np.quantile(taken, 0.9) < np.quantile(empty, 0.1)


def test_column_table_lists_every_site_once():
    frames = frames_of(n_particles=1, events=("hop",), n_frames=40, hop_rate_per_s=0.5)
    for index in (0, 20, 39):
        table = frames.columns(index)
        n_columns = len(frames.scene.hop_columns[0])
        assert len(table["site"]) == 3 * n_columns
        taken = table["site"][table["occupied"]]
        np.testing.assert_array_equal(taken, frames.scene.sites[0][index])
        assert (table["particle"] == 1).all()
    assert len(frames_of(n_particles=1, events=()).columns(0)["site"]) == 0


@pytest.mark.parametrize("drift_px", [(3, -2), (0.5, 0.25)])
def test_drift_moves_the_whole_image(drift_px):
    frames = frames_of(support="carbon", n_particles=1, events=(), n_frames=1)
    moved_A = np.array([drift_px]) * frames.sampling_A
    moved = MovieFrames(replace(frames.scene, drift_A=moved_A), frames.optics, seed=0)
    still, image = frames.intensity(0), moved.intensity(0)
    q_y, q_x = np.fft.fftfreq(140)[:, np.newaxis], np.fft.fftfreq(140)
    shift = np.exp(-2j * math.pi * (q_y * drift_px[0] + q_x * drift_px[1]))
    expected = np.fft.ifft2(np.fft.fft2(still) * shift).real
    inner = (slice(20, 120), slice(20, 120))
    assert np.abs(image - expected)[inner].std() < 0.02 * still.std()
    middle, before = (
        np.array([blank(f, 0, 1, ("y_nm", "x_nm"))[name] for name in ("y_nm", "x_nm")])
        for f in (moved, frames)
    )
    assert (middle - before) * 10 == pytest.approx(moved_A[0])


def test_counts_follow_the_dose_and_its_steps():
    frames = frames_of(n_frames=4, n_particles=1, events=(), dose=300.0, dose_steps=((0.5, 4.0),))
    for index, factor in ((0, 1), (2, 4)):
        frame = frames.frame(index)
        expected = 300.0 * factor * frames.sampling_A**2
        vacuum = frame.image[:8]
        assert vacuum.mean() == pytest.approx(expected, abs=4 * math.sqrt(expected / vacuum.size))
        assert vacuum.var() == pytest.approx(expected, rel=0.15)
        assert frame.image.dtype == np.float32


def test_the_cameras_blur_does_not_wrap_round():
    frames = frames_of(n_particles=1, events=(), n_frames=1, dose=1e4)
    camera = Detector(1e4, mtf_c0=0.3, mtf_c3=2.0)
    vacuum = replace(frames.scene, drift_A=np.array([[0.0, -500.0]]))
    noise = MovieFrames(vacuum, replace(frames.optics, detector=camera), seed=0).frame(0).image
    # The first row's noise is as that of all others, and tells nothing of the last row's.
    assert noise[:4].std() == pytest.approx(noise.std(), rel=0.15)
    assert np.corrcoef(noise[60], noise[61])[0, 1] > 0.4
    assert abs(np.corrcoef(noise[0], noise[-1])[0, 1]) < 0.3


def test_any_order_and_any_copy_give_the_same_bytes():
    frames = frames_of(support="carbon", n_particles=1, events=("tilt",), drift_A_per_s=(1.0, 1.0))
    whole = [frames.frame(index) for index in range(4)]
    copy = pickle.loads(pickle.dumps(frames))
    for index in (2, 0, 3):
        again = copy.frame(index)
        assert again.image.tobytes() == whole[index].image.tobytes()
        np.testing.assert_array_equal(again.labels, whole[index].labels)
    other = MovieFrames(frames.scene, frames.optics, seed=1)
    assert (other.frame(0).image != whole[0].image).any()
    # Noise of two frames is independent even where all else is the same.
    assert (whole[0].image != whole[1].image).any()


def test_equal_poses_share_one_wave(monkeypatch):
    from temflux.engine.generate import movie_frames

    made = []
    real = movie_frames.particle_patch
    monkeypatch.setattr(movie_frames, "particle_patch", lambda *given: made.append(1) or real(*given))
    frames = frames_of(n_particles=1, events=("hop",), n_frames=6, hop_rate_per_s=0.0)
    fresh = pickle.loads(pickle.dumps(frames))
    for index in range(6):
        fresh.intensity(index)
    assert len(made) == 1


def test_particles_beyond_the_frame_are_not_in_the_truth():
    frames = frames_of(n_particles=1, events=(), n_frames=1)
    half = replace(frames.scene, drift_A=np.array([[0.0, -frames.scene.x_A[0, 0]]]))
    gone = replace(frames.scene, drift_A=np.array([[0.0, -80.0]]))
    cut = blank(MovieFrames(half, frames.optics, seed=0), 0, 1, ("area_nm2", "label_area_nm2"))
    assert cut["label_area_nm2"] / cut["area_nm2"] == pytest.approx(0.5, abs=0.08)
    away = MovieFrames(gone, frames.optics, seed=0)
    labels, truth = away.truth(0)
    assert labels.max() == 0
    assert len(truth["particle"]) == 0
    assert away.intensity(0).std() < 0.02


def test_refuses_an_unknown_support():
    with pytest.raises(SettingsError, match="support: expected one of carbon, none, got 'ice'"):
        MovieOptics(MICROSCOPE, Detector(1.0), (64, 64), 0.3, support="ice")
