"""The quiet course of a series: what is fitted, and scores that stay normal however little was learnt."""

import numpy as np
import pytest
from scipy.signal import lfilter

from temflux.engine.base.errors import SettingsError
from temflux.engine.measure.onsets.quiet import MOST_SCORE, QuietCourse, fit_quiet, whitened


def correlated(rng, count, correlation):
    new = rng.standard_normal(count + 60) * np.sqrt(1 - correlation**2)
    return lfilter([1.0], [1.0, -correlation], new)[60:]


def scores_of(values, **options):
    course = QuietCourse(**options)
    return np.array([course.step(float(time), float(value)) for time, value in enumerate(values)])


def test_a_line_in_noise_is_found_with_its_error():
    rng = np.random.default_rng(0)
    times = np.arange(80.0)
    fits = [fit_quiet(times, 3 + 0.2 * times + rng.standard_normal(80), correlation=0.0) for _ in range(300)]
    slopes = np.array([fit.beta[1] for fit in fits])
    assert slopes.mean() == pytest.approx(0.2, abs=4 * slopes.std() / np.sqrt(300))
    assert slopes.std() == pytest.approx(np.sqrt(fits[0].inverse[1, 1]), rel=0.15)
    assert np.mean([fit.noise for fit in fits]) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("trend", [False, True])
@pytest.mark.parametrize("correlation", [0.3, 0.6])
def test_correlation_is_found_without_the_bias_of_a_short_series(trend, correlation):
    rng = np.random.default_rng(1)
    found = [
        fit_quiet(np.arange(50.0), correlated(rng, 50, correlation), trend=trend).correlation
        for _ in range(300)
    ]
    assert np.mean(found) == pytest.approx(correlation, abs=0.05)


def test_whitened_noise_is_white_over_gaps_too():
    rng = np.random.default_rng(2)
    seen = rng.random(4000) < 0.6
    times = np.flatnonzero(seen).astype(float)
    white = whitened(correlated(rng, 4000, 0.7)[seen], times, 0.7)
    assert white.std() == pytest.approx(1, abs=0.05)
    assert abs(np.corrcoef(white[1:], white[:-1])[0, 1]) < 0.05


@pytest.mark.parametrize("options", [{"frames": 10, "trend": False}, {"frames": 10}, {"frames": 40}])
def test_scores_are_normal_however_little_was_learnt(options):
    rng = np.random.default_rng(3)
    frames = options["frames"]
    # The first scores after the learnt frames, where an estimate put in for the truth would do most harm.
    scores = np.concatenate(
        [scores_of(rng.standard_normal(frames + 8), **options)[frames:] for _ in range(250)]
    )
    assert scores.mean() == pytest.approx(0, abs=0.1)
    assert scores.std() == pytest.approx(1, abs=0.1)
    assert (np.abs(scores) > 2.5).mean() < 0.03


def test_scores_are_white_where_the_noise_is_not():
    rng = np.random.default_rng(4)
    lagged = []
    for _ in range(30):
        scores = scores_of(10 + correlated(rng, 200, 0.5), frames=40)[40:]
        lagged.append((scores[1:] * scores[:-1]).mean())
    assert np.mean(lagged) == pytest.approx(0, abs=0.06)


def test_a_wild_frame_neither_counts_nor_teaches_beyond_a_bound():
    rng = np.random.default_rng(5)
    values = rng.standard_normal(120)
    wild = values.copy()
    wild[60] = 1e6
    scores, disturbed = scores_of(values, frames=40), scores_of(wild, frames=40)
    assert disturbed[60] == MOST_SCORE
    assert np.abs(scores[70:] - disturbed[70:]).max() < 1


def test_a_steady_course_is_no_deviation_across_a_gap():
    rng = np.random.default_rng(6)
    course = QuietCourse(frames=40)
    times = np.concatenate([np.arange(60.0), np.arange(500.0, 560.0)])
    scores = [
        course.step(time, 0.3 * time + value)
        for time, value in zip(times, rng.standard_normal(120), strict=True)
    ]
    assert abs(scores[60]) < 3


def test_a_constant_start_has_no_noise_until_there_is_some():
    assert np.isnan(scores_of(np.full(60, 5.0), frames=20)).all()
    # Of counts the rounding is known.
    counts = scores_of(np.array([5.0] * 30 + [3.0] * 5), frames=20, trend=False, resolution=1.0)
    assert counts[25] == pytest.approx(0, abs=1e-9)
    assert counts[30] == -MOST_SCORE


def test_too_few_frames_are_refused():
    with pytest.raises(SettingsError, match="at least 4 frames"):
        fit_quiet(np.arange(3.0), np.zeros(3))
