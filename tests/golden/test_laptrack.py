"""On movies without ambiguity temflux links as laptrack's OverLapTrack does."""

import numpy as np
import pytest

from .compare_laptrack import laptrack_edges, simulate_discs, temflux_edges


@pytest.mark.parametrize("seed", range(5))
def test_the_same_edges_as_laptrack(seed):
    frames = simulate_discs(seed)
    edges = temflux_edges(frames)
    # Something must have come, gone and been linked for the comparison to say anything.
    counts = [len(np.unique(labels)) - 1 for labels in frames]
    assert len(edges) > 40
    assert len(set(counts)) > 1
    assert edges == laptrack_edges(frames)
