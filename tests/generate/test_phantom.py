"""Phantom movies: determinism, noise, truth and fates."""

import pickle

import numpy as np
import pytest

from temflux.engine.base.errors import CalibrationError, SettingsError
from temflux.engine.base.stack import Frames
from temflux.engine.generate.phantom import phantom_frames, phantom_movie
from temflux.engine.generate.twin import twin_particle
from temflux.engine.measure.fourier import crop_size, find_peaks, particle_spectrum


@pytest.fixture(scope="module")
def movie():
    return phantom_movie()


def test_same_seed_gives_the_same_bytes_in_any_block():
    first = phantom_frames(n_frames=6, shape=(128, 160), n_particles=4, seed=5)
    assert isinstance(first, Frames)
    again = pickle.loads(pickle.dumps(phantom_frames(n_frames=6, shape=(128, 160), n_particles=4, seed=5)))
    whole = first.read(0, 6)
    np.testing.assert_array_equal(
        np.concatenate([again.read(0, 1), again.read(1, 4), again.read(4, 6)]), whole
    )
    labels = np.concatenate([again.labels(0, 5), again.labels(5, 6)])
    np.testing.assert_array_equal(labels, first.labels(0, 6))
    other = phantom_frames(n_frames=6, shape=(128, 160), n_particles=4, seed=6)
    assert (other.read(0, 6) != whole).any()


def test_counts_are_poisson_about_the_expected_counts():
    frames = phantom_frames(n_frames=1, shape=(512, 512), dose_e_per_A2=100.0)
    expected = frames.expected(0).astype(float)
    counts = frames.read(0, 1)[0]
    scaled = (counts - expected) / np.sqrt(expected)
    assert abs(scaled.mean()) < 5 / 512
    assert scaled.var() == pytest.approx(1, abs=0.02)
    # 100 e⁻/Å² on pixels of 0.5 Å are 25 counts where there is no particle.
    vacuum = frames.labels(0, 1)[0] == 0
    assert counts[vacuum].mean() == pytest.approx(25, rel=0.02)


def test_areas_are_those_of_the_labels(movie):
    truth = movie.truth
    index = dict(
        zip(
            zip(truth["frame"].tolist(), truth["particle"].tolist(), strict=True),
            truth["area_px2"],
            strict=True,
        )
    )
    checked = 0
    for frame, labels in enumerate(movie.labels):
        counts = np.bincount(labels.ravel())
        edge = set(np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])).tolist())
        for particle in np.flatnonzero(counts[1:]) + 1:
            if particle not in edge and particle > 2:
                assert counts[particle] == pytest.approx(index[frame, particle], rel=0.03)
                checked += 1
    assert checked > 100
    assert {(f, p) for f, p in index} == {
        (f, int(p)) for f, labels in enumerate(movie.labels) for p in np.unique(labels) if p
    }


def test_every_fate_happens(movie):
    events = {
        str(e): (int(p), int(o))
        for e, p, o in zip(*(movie.events[k] for k in ("event", "particle", "other")), strict=True)
    }
    assert events["birth"] == (5, 0)
    assert events["death"] == (3, 0)
    assert set(events["merge"]) == {1, 2}
    gaps = np.diff(movie.times_s)
    assert gaps.max() > 10 * np.median(gaps)
    truth = movie.truth
    turning = truth["lattice_angle_deg"][truth["particle"] == 4]
    np.testing.assert_allclose(np.diff(np.unwrap(turning, period=180)), 0.5)
    # Vaporising at a constant rate through the beam-off gap.
    area, times_s = (
        truth["area_px2"][truth["particle"] == 3],
        movie.times_s[truth["frame"][truth["particle"] == 3]],
    )
    rates = np.diff(area) / np.diff(times_s)
    np.testing.assert_allclose(rates, rates[0], rtol=1e-6)


def test_merging_keeps_the_area_and_parts_touch_before(movie):
    frame = int(movie.events["frame"][movie.events["event"] == "merge"][0])
    keep = int(movie.events["particle"][movie.events["event"] == "merge"][0])
    before, after = movie.labels[frame - 1], movie.labels[frame]
    assert (after == keep).sum() == pytest.approx(np.isin(before, [1, 2]).sum(), rel=0.05)
    horizontal = (before[:, :-1] != before[:, 1:]) & (before[:, :-1] > 0) & (before[:, 1:] > 0)
    assert horizontal.any()


def test_lattice_of_every_particle_is_read_back(movie):
    frame = 0
    truth = movie.truth
    for row in np.flatnonzero(truth["frame"] == frame):
        label = int(truth["particle"][row])
        rows, columns = np.nonzero(movie.labels[frame] == label)
        size = crop_size(np.ptp(rows) + 1, np.ptp(columns) + 1)
        spectrum = particle_spectrum(
            movie.frames[frame],
            movie.labels[frame],
            label=label,
            centre=(rows.mean(), columns.mean()),
            size=size,
        )
        peaks = find_peaks(spectrum, area_px2=rows.size, reciprocal_pixel=1 / (size * movie.pixel_nm))
        for turn, spacing_nm in ((0, 0.2039), (54.7356, 0.2355), (-54.7356, 0.2355)):
            apart = (peaks["angle_deg"] - truth["lattice_angle_deg"][row] - turn + 90) % 180 - 90
            best = int(np.argmin(np.abs(apart)))
            assert abs(apart[best]) < 1.0
            assert 1 / peaks["q"][best] == pytest.approx(spacing_nm, rel=0.02)


@pytest.mark.parametrize(
    "settings", [{"n_frames": 1}, {"n_particles": 0}, {"n_particles": 1}, {"shape": (200, 64)}]
)
def test_small_movies_are_drawn_too(settings):
    movie = phantom_movie(**{"n_frames": 3, "shape": (128, 128), **settings})
    assert movie.frames.shape == movie.labels.shape
    assert movie.frames.any()


def test_stack_is_calibrated():
    stack = phantom_frames(n_frames=3, shape=(64, 64), pixel_nm=0.08).stack()
    assert stack.pixel_nm == 0.08
    assert stack.dose_e_per_A2.tolist() == [400.0] * 3
    assert stack.times_s[1] - stack.times_s[0] == pytest.approx(0.4)
    held = phantom_movie(n_frames=3, shape=(64, 64), pixel_nm=0.08).stack
    np.testing.assert_array_equal(held.read(0, 3), stack.read(0, 3))
    assert (held.pixel_nm, held.shape) == (stack.pixel_nm, stack.shape)


def test_refuses_impossible_movies():
    for bad in ({"n_frames": 0}, {"shape": (8, 8)}, {"n_particles": -1}, {"seed": -1}):
        with pytest.raises(SettingsError):
            phantom_frames(**bad)
    for bad in ({"pixel_nm": 0}, {"dose_e_per_A2": np.nan}, {"frame_s": -1}, {"beam_off_s": -1}):
        with pytest.raises(CalibrationError):
            phantom_frames(**bad)
    with pytest.raises(SettingsError):
        twin_particle(size=64, radius_px=50)
