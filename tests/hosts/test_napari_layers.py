"""napari's layers as stacks and back: nothing read before it is looked at, nothing of the user's lost."""

import numpy as np
import pytest

from temflux.engine.base.errors import CalibrationError, DataError
from temflux.engine.base.stack import Stack
from tests.hosts.napari_window import SCALE, UNITS, calibrated
from tests.movies import FRAME_S, PIXEL_NM

layers = pytest.importorskip("napari.layers", reason="napari is not installed; the extra napari brings it")
host = pytest.importorskip("temflux.dragonfly_plugin.napari_host.layers")
showing = pytest.importorskip("temflux.dragonfly_plugin.napari_host.showing")

PIXELS = np.random.default_rng(0).integers(0, 9, (5, 6, 7)).astype(np.int32)


class Counted:
    """Frames that count how many of them were read."""

    shape, dtype = PIXELS.shape, PIXELS.dtype

    def __init__(self):
        self.n_read = 0

    def read(self, start, stop):
        self.n_read += stop - start
        return PIXELS[start:stop]


def make(layer_data):
    return layers.Layer.create(*layer_data)


@pytest.mark.parametrize(
    "key", [2, slice(1, 4), slice(None, None, 2), slice(3, 3), (slice(1, 3), 2, slice(1, 4))]
)
def test_only_what_is_looked_at_is_read(key):
    frames = Counted()
    array = host.lazy_array(Stack(frames))
    assert frames.n_read == 0
    np.testing.assert_array_equal(np.asarray(array[key]), PIXELS[key])
    assert frames.n_read == np.arange(5)[key[0] if isinstance(key, tuple) else key].size


def test_a_layer_that_was_read_is_the_stack_itself():
    times = np.array([0, 0.5, 1, 4, 4.5])
    stack = Stack(Counted(), pixel_nm=PIXEL_NM, times_s=times, fingerprint="abc", name="movie")
    layer = make(showing.labels_layer("shown", stack))
    again = host.stack_of_layer(layer)
    assert again == stack
    assert again.frames is stack.frames


def test_what_is_painted_by_hand_counts():
    layer = make(showing.labels_layer("mine", calibrated(PIXELS.copy(), "mine")))
    before = host.stack_of_layer(layer)
    layer.brush_size = 1
    layer.paint((2, 3, 4), 77)
    after = host.stack_of_layer(layer)
    assert before.read(2, 3)[0, 3, 4] == PIXELS[2, 3, 4]
    assert after.read(2, 3)[0, 3, 4] == 77
    assert after.fingerprint == ""
    assert after.pixel_nm == PIXEL_NM


@pytest.mark.parametrize(
    ("scale", "units", "pixel_nm", "frame_s"),
    [
        ((1, 1, 1), ("pixel",) * 3, None, None),
        ((1, 0.1, 0.1), ("pixel",) * 3, None, None),
        (SCALE, UNITS, PIXEL_NM, FRAME_S),
        ((20, 1e-4, 1e-4), ("ms", "um", "um"), 0.1, 0.02),
        ((1, 1, 1), ("s", "angstrom", "angstrom"), 0.1, 1),
    ],
)
def test_calibration_is_what_the_layer_says(scale, units, pixel_nm, frame_s):
    stack = host.stack_of_layer(layers.Image(PIXELS, scale=scale, units=units))
    assert stack.pixel_nm == (None if pixel_nm is None else pytest.approx(pixel_nm))
    assert stack.frame_s == (None if frame_s is None else pytest.approx(frame_s))


def test_a_single_frame_is_a_movie_of_one():
    stack = host.stack_of_layer(layers.Image(PIXELS[0]))
    assert stack.shape == (1, 6, 7)
    np.testing.assert_array_equal(stack.read(0, 1)[0], PIXELS[0])


def test_layers_that_are_no_movies_are_refused():
    with pytest.raises(DataError, match="one channel"):
        host.stack_of_layer(layers.Image(np.zeros((4, 5, 3), np.uint8), rgb=True))
    with pytest.raises(DataError, match="one channel"):
        host.stack_of_layer(layers.Image(np.zeros((2, 3, 4, 5))))
    oblong = layers.Image(PIXELS, scale=(1, 0.1, 0.2), units=UNITS)
    with pytest.raises(CalibrationError, match="square"):
        host.stack_of_layer(oblong)
