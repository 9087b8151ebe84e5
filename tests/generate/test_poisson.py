"""Poisson numbers against the distribution itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from temflux.engine.base.errors import DataError
from temflux.engine.generate.poisson import poisson

MEANS = [0.01, 0.06, 1 / 16, 0.7, 3.99, 4.0, 5.3, 30.1, 63.7, 255.9, 256.0, 1234.5, 16384.0, 3e5]


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("among", [False, True])
def test_counts_follow_the_distribution(mean, among):
    """χ² against the exact probabilities; also where other pixels' means are larger, and tables longer."""
    rng = np.random.default_rng([7, among, int(mean * 1000)])
    means = np.full(400_001, mean)
    if among:
        means[-1] = 20_000.0
    counts = poisson(rng, means)[:-1]
    edges = np.unique(stats.poisson.ppf(np.linspace(0, 1, 61)[1:-1], mean))
    cells = np.searchsorted(edges, counts, side="left")
    below = np.append(stats.poisson.cdf(edges, mean), 1.0)
    share = np.diff(below, prepend=0.0)
    used = share * len(counts) > 5
    seen = np.bincount(cells, minlength=len(share))
    if used.sum() > 1:
        tail = (
            stats.chisquare(
                np.append(seen[used], seen[~used].sum() + 1e-9),
                np.append(share[used], share[~used].sum() + 1e-9 / len(counts)) * len(counts),
            ).pvalue
            if not used.all()
            else stats.chisquare(seen, share * len(counts)).pvalue
        )
        assert tail > 1e-4
    assert counts.mean() == pytest.approx(mean, abs=5 * np.sqrt(mean / len(counts)))
    spread = np.sqrt((mean + 2 * mean**2) / len(counts))
    assert counts.var() == pytest.approx(mean, abs=5 * spread)


def test_every_level_meets_a_hard_tail():
    """A table that is cut too early would lose counts beyond four standard deviations."""
    for mean in (0.9, 14.0, 200.0):
        counts = poisson(np.random.default_rng(3), np.full(3_000_000, mean))
        limit = stats.poisson.ppf(1 - 1e-5, mean)
        expected = 3e6 * stats.poisson.sf(limit, mean)
        assert abs((counts > limit).sum() - expected) < 5 * np.sqrt(expected)


class Constant:
    """In place of a generator: the same uniform number always."""

    def __init__(self, u):
        self.u = u

    def random(self, shape):
        return np.full(shape, self.u)


@pytest.mark.parametrize("u", [1e-12, 1e-4, 0.3, 0.5, 0.999, 1 - 1e-9, 1 - 1e-12])
@pytest.mark.parametrize("compiled", [True, False])
def test_multiples_of_a_level_invert_the_distribution_function(u, compiled):
    for means in (np.arange(1, 64) / 16, np.arange(1, 64) * 4.0, np.arange(1, 64) * 256.0):
        counts = poisson(Constant(u), means, compiled=compiled)
        assert np.array_equal(counts, stats.poisson.ppf(u, means))


@pytest.mark.parametrize("u", [0.9, 0.95, 0.999, 1 - 1e-9, 1 - 1e-12])
def test_small_rests_invert_the_distribution_function(u):
    means = np.linspace(1e-6, 0.0624, 300)
    for compiled in (True, False):
        assert np.array_equal(poisson(Constant(u), means, compiled=compiled), stats.poisson.ppf(u, means))


def test_neighbours_are_independent():
    counts = poisson(np.random.default_rng(1), np.full((512, 512), 2.3)) - 2.3
    for dy, dx in ((0, 1), (1, 0), (1, 1), (0, 2)):
        product = (counts[dy:, dx:] * counts[: 512 - dy, : 512 - dx]).mean() / 2.3
        assert abs(product) < 5 / 512


@given(
    largest=st.one_of(st.floats(0, 1), st.floats(1, 500), st.floats(500, 2e4)),
    seed=st.integers(0, 2**32),
    dtype=st.sampled_from([np.float32, np.float64]),
)
@settings(max_examples=40, deadline=None)
def test_numba_and_plain_give_the_same_counts(largest, seed, dtype):
    means = (np.random.default_rng(seed).random((13, 77)) * largest).astype(dtype)
    compiled, plain = (poisson(np.random.default_rng(seed), means, compiled=c) for c in (True, False))
    assert compiled.dtype == plain.dtype == np.int32
    assert np.array_equal(compiled, plain)


def test_the_same_state_gives_the_same_counts_whatever_the_layout():
    means = np.random.default_rng(0).random((700, 600)) * 9
    first = poisson(np.random.default_rng(5), means)
    assert np.array_equal(first, poisson(np.random.default_rng(5), np.asfortranarray(means)))
    assert np.array_equal(first.ravel(), poisson(np.random.default_rng(5), means.ravel()))


def test_no_mean_no_count():
    means = np.zeros((30, 30))
    means[4, 5] = 1e4
    counts = poisson(np.random.default_rng(0), means)
    assert np.flatnonzero(counts).tolist() == [4 * 30 + 5]
    assert poisson(np.random.default_rng(0), np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("bad", [-1e-3, np.nan, np.inf, 2e7])
def test_impossible_means_are_refused(bad):
    with pytest.raises(DataError, match="expected means of 0 to 1e\\+07 electrons"):
        poisson(np.random.default_rng(0), np.array([1.0, bad]))
