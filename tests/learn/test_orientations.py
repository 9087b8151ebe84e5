"""Averages over orientations: the same for what turns with the frame, less noise for what does not."""

import numpy as np
import pytest

from temflux.engine.base.errors import SettingsError
from temflux.engine.learn.orientations import predict_orientations


@pytest.mark.parametrize("shape", [(12, 12), (8, 14)])
def test_what_turns_with_the_frame_is_unchanged(shape):
    frame = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    maps = predict_orientations(lambda turned: np.stack([turned, -turned], axis=-1), frame)
    np.testing.assert_allclose(maps, np.stack([frame, -frame], axis=-1), atol=1e-6)


def test_a_series_turns_as_one():
    series = np.random.default_rng(0).normal(size=(3, 6, 9)).astype(np.float32)
    maps = predict_orientations(lambda turned: np.moveaxis(turned, 0, -1), series)
    np.testing.assert_allclose(maps, np.moveaxis(series, 0, -1), atol=1e-6)


def test_all_orientations_differ_and_errors_average_out():
    seen = []
    rng = np.random.default_rng(0)

    def predict(turned):
        seen.append(turned.tobytes())
        return rng.normal(size=(*turned.shape, 1)).astype(np.float32)

    maps = predict_orientations(predict, np.arange(400.0).reshape(20, 20))
    assert len(set(seen)) == 8
    assert maps.std() == pytest.approx(1 / np.sqrt(8), rel=0.15)
    assert len(set(seen)) == len(seen)


def test_there_are_eight_orientations():
    for number in (0, 9):
        with pytest.raises(SettingsError, match="expected 1 to 8"):
            predict_orientations(lambda turned: turned, np.zeros((4, 4)), orientations=number)
