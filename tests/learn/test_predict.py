"""Frames into maps: any size, any sampling, windows that do not show, errors of one line."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from temflux.engine.base.errors import CalibrationError, DataError, SettingsError
from temflux.engine.images.standardise import standardise
from temflux.engine.learn.model_cards import ModelCard
from temflux.engine.learn.model_files import load_model
from temflux.engine.learn.predict import Predictor, choose_sampling, predict_frame, predict_stack
from temflux.engine.learn.trained import NetworkSpec, TrainedModel
from temflux.models.networks import build_network

CARD = ModelCard("mine", normalize_A=2.0, ranges={"sampling_A": (0.05, 0.1)})


def model(name, card=CARD, **arguments):
    spec = NetworkSpec(name, {"in_channels": 1, "out_channels": 2, **arguments})
    return TrainedModel.from_network(build_network(name, **spec.arguments), spec, card)


@pytest.fixture(scope="module")
def msdnet():
    return model("msdnet", layers=4, kernel=3)


@pytest.fixture(scope="module")
def compact():
    return model("compact", levels=2, channels=4)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).poisson(30, shape).astype(np.float32)


def test_is_the_network_on_the_standardised_frame(msdnet):
    frame = noise(60, 75)
    maps = predict_frame(msdnet, frame, sampling_A=0.1, runtime="keras")
    images = standardise(frame, sigma_px=20)[np.newaxis, ..., np.newaxis]
    np.testing.assert_allclose(maps, np.asarray(msdnet.network(images, training=False))[0], atol=1e-6)
    assert maps.shape == (60, 75, 2)
    assert maps.dtype == np.float32
    fused = predict_frame(msdnet, frame, sampling_A=0.1)
    np.testing.assert_allclose(fused, maps, atol=1e-4)


def test_the_grid_of_windows_does_not_show(msdnet):
    frame = noise(150, 131)
    whole = predict_frame(msdnet, frame, sampling_A=0.1)
    assert msdnet.spec.reach_px == 10
    for window in (48, 64, 100):
        predictor = Predictor(msdnet, window_px=window, halo_px=10, batch=3)
        assert len(predictor.plan(frame.shape)) > 1
        np.testing.assert_allclose(predictor(frame, sampling_A=0.1), whole, atol=1e-5)
    bare = Predictor(msdnet, window_px=48, halo_px=0)(frame, sampling_A=0.1)
    assert np.abs(bare - whole).max() > 1e-4


def gold_on_vacuum(shape, *, sampling_A, dose_e_per_A2, seed=0):
    """Discs of 2.35 Å fringes at random angles, counted."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]] * sampling_A
    field = np.ones(shape)
    for middle in rng.uniform(0, 1, (24, 2)) * np.multiply(shape, sampling_A):
        angle = rng.uniform(0, np.pi)
        wave = np.cos(2 * np.pi / 2.35 * (y * np.cos(angle) + x * np.sin(angle)))
        field += (np.hypot(y - middle[0], x - middle[1]) < 9) * (-0.2 + 0.15 * wave)
    return rng.poisson(np.clip(field, 0.05, None) * dose_e_per_A2 * sampling_A**2)


@pytest.mark.parametrize("dose", [30, 100_000])
def test_windows_do_not_show_in_maps_of_a_shipped_model(dose):
    frame = gold_on_vacuum((192, 1300), sampling_A=0.15, dose_e_per_A2=dose)
    gold = load_model("au-ceo2-mask")
    whole = predict_frame(gold, frame, sampling_A=0.15, runtime="keras")
    predictor = Predictor(gold, runtime="keras", window_px=1024)
    assert len(predictor.plan(frame.shape)) > 1
    assert np.ptp(whole) > 0.5
    assert np.abs(predictor(frame, sampling_A=0.15) - whole).max() < 1e-3
    narrow = Predictor(gold, runtime="keras", window_px=1024, halo_px=32)
    assert np.abs(narrow(frame, sampling_A=0.15) - whole).max() > 1e-3


def test_a_network_of_lower_resolution_takes_any_size(compact):
    whole = predict_frame(compact, noise(90, 70), sampling_A=0.1, runtime="keras")
    assert whole.shape == (90, 70, 2)
    windows = Predictor(compact, runtime="keras", window_px=64, halo_px=24)
    blended = windows(noise(90, 70), sampling_A=0.1)
    np.testing.assert_allclose(blended, whole, atol=1e-3)
    for shape in ((1, 1), (3, 200), (17, 16)):
        maps = predict_frame(compact, noise(*shape), sampling_A=0.1, runtime="keras")
        assert maps.shape == (*shape, 2)
        assert np.isfinite(maps).all()


def test_one_runtime_for_a_whole_movie(compact, monkeypatch):
    made = []
    from temflux.engine.learn import predict

    choose = predict.choose_runtime
    monkeypatch.setattr(predict, "choose_runtime", lambda *a, **k: made.append(a[1]) or choose(*a, **k))
    predictor = Predictor(compact, runtime="keras", window_px=64, batch=4)
    list(predict_stack(predictor, [noise(90, 70, seed=seed) for seed in range(3)], sampling_A=0.1))
    assert len(made) == 1


def scene(side, sampling_A):
    """Bumps of 0.8 Å on a field of 8 Å, seen with some sampling."""
    rng = np.random.default_rng(4)
    position = (np.arange(side) + 0.5) * sampling_A
    rows, columns = np.meshgrid(position, position, indexing="ij")
    total = np.ones((side, side), np.float32)
    for y, x in rng.uniform(0, 8, (12, 2)):
        total += np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 0.8**2))
    return total


def trained_at(model, sampling_A):
    card = replace(model.card, ranges={"sampling_A": (sampling_A, sampling_A)})
    return TrainedModel(model.spec, card, model.weights)


def test_resamples_to_the_trained_range_and_back(msdnet):
    fine = trained_at(msdnet, 0.05)
    native = predict_frame(fine, scene(160, 0.05), sampling_A=0.05)
    finer = predict_frame(fine, scene(320, 0.025), sampling_A=0.025)
    assert finer.shape == (320, 320, 2)
    inner = (slice(10, -10), slice(10, -10))
    difference = finer.reshape(160, 2, 160, 2, 2).mean(axis=(1, 3)) - native
    assert np.ptp(native) > 0.1
    assert np.abs(difference[inner]).max() < 0.05 * np.ptp(native)
    coarse = trained_at(msdnet, 0.1)
    coarser = predict_frame(coarse, scene(40, 0.2), sampling_A=0.2)
    assert coarser.shape == (40, 40, 2)
    wide = predict_frame(coarse, scene(80, 0.1), sampling_A=0.1)
    difference = wide.reshape(40, 2, 40, 2, 2).mean(axis=(1, 3)) - coarser
    assert np.abs(difference[4:-4, 4:-4]).max() < 0.1 * np.ptp(wide)


def test_stays_where_it_was_trained(msdnet):
    middle = 0.005**0.5
    for sampling, chosen in ((0.07, 0.07), (0.02, middle), (0.3, middle), (0.1005, 0.1005)):
        assert choose_sampling(msdnet, sampling) == pytest.approx(chosen)
    unknown = TrainedModel(msdnet.spec, ModelCard("mine"), msdnet.weights)
    assert choose_sampling(unknown, 7.0) == 7.0


def test_gaps_do_not_spread(msdnet):
    frame = noise(80, 80)
    frame[40:42, 40] = np.nan
    for sampling in (0.1, 0.2):
        assert np.isfinite(predict_frame(msdnet, frame, sampling_A=sampling)).all()


def test_frames_are_read_one_at_a_time(msdnet):
    read = []

    def frames():
        for number in range(100):
            read.append(number)
            yield noise(40, 40, seed=number)

    maps = predict_stack(Predictor(msdnet), frames(), sampling_A=0.1)
    assert read == []
    first = next(maps)
    assert read == [0]
    np.testing.assert_array_equal(first, predict_frame(msdnet, noise(40, 40, seed=0), sampling_A=0.1))


def test_memory_does_not_grow_with_the_number_of_windows(msdnet):
    frame = noise(300, 300)
    predictor = Predictor(msdnet, window_px=64, halo_px=10)
    predictor(frame, sampling_A=0.1)
    tracemalloc.start()
    predictor(frame, sampling_A=0.1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Standardising takes some eight frames, maps two.
    assert peak < 12 * frame.nbytes + 4e6


def test_one_line_for_what_cannot_be(msdnet):
    three = model("msdnet", layers=1, kernel=3, in_channels=3)
    frame = noise(40, 40)
    cases = [
        (DataError, "focal series of 3 images, got 1", lambda: predict_frame(three, frame, sampling_A=0.1)),
        (
            DataError,
            "takes one image, got 3",
            lambda: predict_frame(msdnet, noise(3, 40, 40), sampling_A=0.1),
        ),
        (DataError, "got shape", lambda: predict_frame(msdnet, frame[:0], sampling_A=0.1)),
        (CalibrationError, "pixel size missing: mine", lambda: predict_frame(msdnet, frame)),
        (CalibrationError, "above 0", lambda: predict_frame(msdnet, frame, sampling_A=-0.1)),
        (CalibrationError, "above 0", lambda: predict_frame(msdnet, frame, sampling_A=float("nan"))),
        (CalibrationError, "too far from", lambda: predict_frame(msdnet, frame, sampling_A=1e3)),
        (SettingsError, "runtime", lambda: Predictor(msdnet, runtime="gpu")),
        (SettingsError, "batch", lambda: Predictor(msdnet, batch=0)),
        (
            SettingsError,
            "no room",
            lambda: Predictor(msdnet, window_px=24, halo_px=12)(frame, sampling_A=0.1),
        ),
    ]
    for error, text, act in cases:
        with pytest.raises(error, match=text) as caught:
            act()
        assert "\n" not in str(caught.value)
