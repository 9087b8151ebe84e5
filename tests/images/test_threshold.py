import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.images.threshold import choose_threshold, segment_by_threshold
from temflux.engine.measure.instances import label_instances

from ..scores import f1_of_counts, instance_counts, mask_iou


def discs(*, size=256, radius=12, contrast=-3.0, seed=0, slope=0.0):
    """Discs on a jittered lattice in white noise of standard deviation 1, and their mask."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    truth = np.zeros((size, size), bool)
    step = 4.5 * radius
    for row in np.arange(step / 2, size - radius, step):
        for column in np.arange(step / 2, size - radius, step):
            shift = rng.uniform(-radius / 2, radius / 2, 2)
            truth |= (y - row - shift[0]) ** 2 + (x - column - shift[1]) ** 2 < radius**2
    return 100 + contrast * truth + rng.standard_normal((size, size)) + slope * x / size, truth


def segmented(frame, **keywords):
    return segment_by_threshold(frame, **choose_threshold(frame, **keywords))


@pytest.mark.parametrize("contrast", [-3.0, 3.0])
@pytest.mark.parametrize(("radius", "size"), [(5, 256), (12, 256), (40, 400), (150, 760)])
def test_discs_of_5_to_150_px_are_found_dark_and_bright(contrast, radius, size):
    frame, truth = discs(size=size, radius=radius, contrast=contrast)
    settings = choose_threshold(frame)
    assert settings["polarity"] == ("dark" if contrast < 0 else "bright")
    assert mask_iou(segment_by_threshold(frame, **settings), truth) > 0.9


def test_settings_are_plain_and_are_the_same_each_time():
    frame, _ = discs()
    chosen = choose_threshold(frame)
    assert json.loads(json.dumps(chosen)) == chosen == choose_threshold(frame)
    assert segment_by_threshold(frame, **chosen).tobytes() == segment_by_threshold(frame, **chosen).tobytes()


def test_an_inverted_frame_gives_the_same_mask_with_the_other_polarity():
    frame, _ = discs()
    dark, bright = choose_threshold(frame), choose_threshold(-frame)
    assert (dark["polarity"], bright["polarity"]) == ("dark", "bright")
    assert mask_iou(segment_by_threshold(frame, **dark), segment_by_threshold(-frame, **bright)) > 0.99


@settings(max_examples=5, deadline=None)
@given(scale=st.floats(0.01, 100), offset=st.floats(-1000, 1000))
def test_gain_and_offset_do_not_matter(scale, offset):
    frame, _ = discs(size=128)
    chosen = choose_threshold(frame)
    changed = segment_by_threshold(frame * scale + offset, **chosen)
    assert mask_iou(changed, segment_by_threshold(frame, **chosen)) > 0.999


def test_a_slope_of_illumination_does_not_matter():
    frame, truth = discs(slope=50.0)
    assert mask_iou(segmented(frame), truth) > 0.9


def test_settings_chosen_once_serve_frames_without_particles():
    frame, _ = discs()
    empty = np.random.default_rng(1).normal(100, 1, frame.shape)
    assert segment_by_threshold(empty, **choose_threshold(frame)).mean() < 0.001


def noises():
    rng = np.random.default_rng(3)
    yield "white", rng.normal(100, 1, (200, 200))
    yield "one count a pixel", rng.poisson(1.0, (200, 200)).astype(np.uint8)
    yield "few counts", rng.poisson(0.05, (200, 200)).astype(np.uint16)
    yield "correlated", gaussian_filter(rng.standard_normal((200, 200)), 2)
    yield "slope", rng.standard_normal((200, 200)) + np.linspace(0, 50, 200)


@pytest.mark.parametrize(("name", "frame"), list(noises()))
def test_noise_alone_gives_less_than_1_percent(name, frame):
    assert segmented(frame).mean() < 0.01, name


@pytest.mark.parametrize("value", [0.0, 7.0, 1e9])
def test_constant_frames_give_empty_masks(value):
    assert not segmented(np.full((64, 80), value)).any()


def test_pixels_that_are_not_finite_are_background():
    frame, truth = discs()
    frame[:3], frame[100, 100], frame[101, 101] = np.nan, np.inf, -np.inf
    mask = segmented(frame)
    assert mask_iou(mask, truth) > 0.9
    assert not segmented(np.full((32, 32), np.nan)).any()


def test_tiny_and_narrow_frames_are_taken():
    for shape in ((1, 1), (3, 5), (2, 300), (16, 16)):
        assert segmented(np.random.default_rng(0).normal(size=shape)).shape == shape


def test_bad_input_is_refused_in_one_line():
    for frames in (np.zeros(4), np.zeros((0, 4, 4)), np.zeros((4, 4), complex)):
        with pytest.raises(DataError):
            choose_threshold(frames)
    with pytest.raises(DataError):
        segment_by_threshold(np.zeros((2, 4, 4)))
    with pytest.raises(SettingsError):
        choose_threshold(np.eye(8), polarity="grey")
    with pytest.raises(SettingsError):
        segment_by_threshold(np.eye(8), polarity="auto")
    for name in ("smooth_px", "background_px", "threshold"):
        with pytest.raises(SettingsError):
            segment_by_threshold(np.eye(8), **{name: -1.0})


@pytest.mark.parametrize("once", [False, True])
def test_real_particles_reach_iou_and_f1_of_093(real_data, once):
    with np.load(real_data / "au_sintering_masks" / "frames_and_masks.npz") as file:
        frames, truths = file["images"], file["masks"]
    chosen = choose_threshold(frames) if once else None
    ious, counts = [], []
    for frame, truth in zip(frames, truths, strict=True):
        mask = segment_by_threshold(frame, **(chosen or choose_threshold(frame)))
        ious.append(mask_iou(mask, truth))
        counts.append(instance_counts(label_instances(mask, min_separation_px=10), truth))
    assert np.mean(ious) >= 0.93
    assert f1_of_counts(counts) >= 0.93
    assert np.mean([f1_of_counts(count) for count in counts]) >= 0.93
