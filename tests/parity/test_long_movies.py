"""What only shows on long movies and large frames."""

import numpy as np
import pytest

from temflux.engine.generate.phantom import phantom_frames
from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.bench.tracking import FEW, MANY, track_apart


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_memory_does_not_grow_with_the_number_of_frames():
    few, many = track_apart(FEW), track_apart(MANY)
    assert many["rows"] > 5 * few["rows"]
    assert many["peak_mb"] <= 1.1 * few["peak_mb"]


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_large_frames_of_many_particles(tmp_path):
    movie = phantom_frames(n_frames=4, shape=(4096, 4096), n_particles=100, dose_e_per_A2=1000.0)
    result = track(movie.stack("large"), TrackSettings(spectra="none"), out=tmp_path / "large")
    truth = movie.labels(0, 1)[0] > 0
    found = np.asarray(result.labels[0]) > 0
    assert np.count_nonzero(truth & found) / np.count_nonzero(truth | found) > 0.9
    assert result.tracks.loc[result.tracks["frame"] == 0, "particle"].nunique() >= 90
