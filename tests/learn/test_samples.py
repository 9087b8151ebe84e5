import json
import threading
import tracemalloc

import numpy as np
import pytest
import zarr

from temflux.engine.base.errors import DataError, ReadError, SettingsError
from temflux.engine.generate.dataset import ImageSet
from temflux.engine.images.standardise import standardise
from temflux.engine.learn.augment import Augmentation
from temflux.engine.learn.samples import FrameSource, Samples, SampleSettings, open_samples
from temflux.engine.learn.task import Task, read_task

from .sets import make_set

WHOLE = SampleSettings(crop_px=None, workers=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("set") / "images")


def batches(samples, epoch=0, batch_size=2, seed=1):
    return list(samples.batches(epoch, batch_size=batch_size, seed=seed))


def test_the_task_is_read(folder):
    task, _ = read_task(ImageSet(folder))
    assert (task.label, task.in_channels, task.channels, task.normalize_A) == ("Mask", 1, ("inside",), 12.0)
    assert task.ranges["dose_e_per_A2"] == (1000.0, 5000.0)
    assert task.ranges["sampling_A"] == (0.2, pytest.approx(0.24))
    assert task.ranges["defocus_A"] == (0.0, 20.0)


def test_of_a_series_all_defoci_count(tmp_path):
    made = make_set(tmp_path, n_focus=3, num_classes=4, label="Disk")
    task, _ = read_task(ImageSet(made))
    assert task.in_channels == 3
    assert task.ranges["defocus_A"] == (0.0, 120.0)
    ((images, labels),) = batches(open_samples([made], WHOLE), batch_size=5)
    assert images.shape == (5, 40, 48, 3)
    assert labels.shape == (5, 40, 48, 4)
    assert (labels.sum(axis=-1) == 1).all()


@pytest.mark.parametrize(
    ("label", "background", "expected"),
    [
        ("Mask", False, ("sigmoid", "binary_crossentropy", ("f1",))),
        ("Disk", True, ("softmax", "categorical_crossentropy", ("f1",))),
        # Without a background the channels do not add up to 1, which softmax would force.
        ("Disk", False, ("sigmoid", "binary_crossentropy", ("f1",))),
        ("Blob", True, ("sigmoid", "mse", ("f1",))),
        ("Gaussian", False, ("sigmoid", "mse", ("f1",))),
        ("Exitwave", False, ("linear", "mse", ("mae",))),
        ("Occupancy", False, ("linear", "mse", ("mae",))),
    ],
)
def test_activation_loss_and_metrics_follow_the_label(label, background, expected):
    task = Task(label, 1, ("one", "two"), 12.0, has_background=background)
    assert (task.activation, task.loss, task.metrics) == expected


def test_validation_is_the_set_in_order_standardised(folder):
    made = ImageSet(folder)
    found = batches(open_samples([folder], WHOLE, training=False))
    assert [len(images) for images, _ in found] == [2, 2, 1]
    images = np.concatenate([images for images, _ in found])
    labels = np.concatenate([labels for _, labels in found])
    for system in range(5):
        sigma_px = 12.0 / made.drawn()[3 * system]["sampling_A"]
        expected = standardise(made.images[3 * system, 0], sigma_px=sigma_px)
        np.testing.assert_array_equal(images[system, ..., 0], expected)
        np.testing.assert_array_equal(labels[system], made.labels[3 * system])


def test_image_epochs_are_cycled(folder):
    """Of the same seed the noise tells which image was read."""
    samples = open_samples([folder], WHOLE, training=False)
    first = [batches(samples, epoch)[0][0] for epoch in range(7)]
    for epoch in range(4):
        np.testing.assert_array_equal(first[epoch], first[epoch + 3])
    assert not np.array_equal(first[0], first[1])


def test_systems_are_shuffled_by_seed_and_epoch(folder):
    samples = open_samples([folder], WHOLE)

    def widths(epoch, seed):
        return [float(one.sum()) for _, labels in batches(samples, epoch, 5, seed) for one in labels]

    assert sorted(widths(0, 1)) == [100, 110, 120, 130, 140]
    assert len({tuple(widths(epoch, seed)) for epoch in range(3) for seed in range(3)}) > 5


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_the_same_seed_gives_the_same_bytes(folder, workers):
    settings = {"crop_px": 16, "empty_share": 0.3, "crops_per_image": 2, "augmentation": Augmentation()}
    one = batches(open_samples([folder], SampleSettings(**settings, workers=0)), 4)
    two = batches(open_samples([folder], SampleSettings(**settings, workers=workers)), 4)
    assert len(one) == len(two) == 7
    for a, b in zip(one, two, strict=True):
        assert a[0].tobytes() == b[0].tobytes()
        assert a[1].tobytes() == b[1].tobytes()
    assert (
        one[0][0].tobytes()
        != batches(open_samples([folder], SampleSettings(**settings)), 4, 2, 9)[0][0].tobytes()
    )


def test_crops_lie_at_random_and_small_images_are_whole(folder):
    samples = open_samples([folder], SampleSettings(crop_px=44, multiple_px=4, crops_per_image=8))
    assert samples.shape == (40, 44)
    corners = {labels[0, 10, :, 0].argmax() for _, labels in batches(samples, batch_size=1)}
    assert corners == {1, 2, 3, 4, 5}


def test_a_training_batch_is_always_full(folder):
    samples = open_samples([folder], WHOLE)
    assert [len(images) for images, _ in batches(samples)] == [2, 2, 2]
    assert samples.count_batches(2) == 3


@pytest.mark.parametrize(("limit", "sizes"), [(5, [5]), (4, [4]), (3, [6])])
def test_validation_takes_equal_batches_where_it_can(folder, limit, sizes):
    settings = SampleSettings(crop_px=None, limit_data=limit, crops_per_image=2)
    samples = open_samples([folder], settings, training=False)
    assert [len(images) for images, _ in batches(samples, batch_size=6)] == sizes * (2 * limit // sizes[0])
    assert samples.count_batches(6) == 2 * limit // sizes[0]


def test_a_limit_takes_evenly_from_all_sets(folder, tmp_path):
    other = make_set(tmp_path / "other", count=2, epochs=2, shape=(32, 64))
    samples = open_samples([folder, other], SampleSettings(crop_px=None, limit_data=3), training=False)
    assert samples.n_systems == 3
    assert samples.shape == (32, 48)
    assert samples.task.ranges["dose_e_per_A2"] == (1000.0, 5000.0)
    assert open_samples([folder, other]).n_systems == 7


def test_empty_frames_are_vacuum_of_the_same_camera(tmp_path):
    made = make_set(tmp_path, num_classes=2, count=8)
    settings = SampleSettings(crop_px=None, empty_share=0.2)
    samples = open_samples([made], settings)
    assert samples.n_samples == 10
    found = batches(samples, batch_size=10)[0]
    empty = found[1][..., 0].sum(axis=(1, 2)) == 0
    assert empty.sum() == 2
    assert (found[1][empty][..., 1] == 1).all()
    assert found[0][empty].std() == pytest.approx(1, abs=0.1)
    again = batches(samples, 1, batch_size=10)[0]
    assert again[0].tobytes() != found[0].tobytes()


def test_vacuum_has_the_dose_and_the_blur_of_its_image(folder):
    source = open_samples([folder])._sources[0]
    made = source.make_empty(np.random.default_rng(1), 2, 1)
    assert made.sampling_A == pytest.approx(0.22)
    assert made.image.mean() == pytest.approx(3000 * 0.22**2 + 0.01, rel=0.02)
    # The modulation transfer takes most of the shot noise away.
    assert made.image.var() < 0.5 * made.image.mean()


def test_only_what_a_batch_needs_is_read(folder, monkeypatch):
    read = []
    get = zarr.storage.LocalStore.get

    async def counted(self, key, *arguments, **keywords):
        read.append(key)
        return await get(self, key, *arguments, **keywords)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counted)
    samples = open_samples([folder], WHOLE, training=False)
    assert not [key for key in read if key.startswith("c/")]
    stream = samples.batches(0, batch_size=2, seed=1)
    next(stream)
    assert sorted(key for key in read if key.startswith("c/")) == sorted(["c/0/0/0/0", "c/1/0/0/0"] * 2)
    stream.close()


def test_memory_does_not_grow_with_the_set(tmp_path):
    made = make_set(tmp_path, count=40, epochs=1, shape=(128, 128))
    held = 40 * 128 * 128 * 5
    samples = open_samples([made], SampleSettings(crop_px=32, workers=1))
    batches(samples)
    tracemalloc.start()
    for _ in samples.batches(0, batch_size=2, seed=1):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.6 * held


def test_a_stream_can_be_left(folder):
    stream = open_samples([folder], SampleSettings(workers=2)).batches(0, batch_size=1, seed=1)
    next(stream)
    assert any(thread.name.startswith("samples") for thread in threading.enumerate())
    stream.close()
    assert not any(thread.name.startswith("samples") for thread in threading.enumerate())


def test_tensorflow_streams_the_same(folder):
    samples = open_samples([folder], SampleSettings(crop_px=16, augmentation=Augmentation()))
    streamed = list(samples.stream(2, batch_size=2, seed=3, backend="tensorflow"))
    for (a, b), (c, d) in zip(streamed, batches(samples, 2, 2, 3), strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_an_error_in_reading_comes_out_as_it_is(folder, monkeypatch, backend):
    samples = open_samples([folder], WHOLE)

    def fail(*_):
        raise ReadError("waves are gone")

    monkeypatch.setattr(samples._sources[0], "read", fail)
    with pytest.raises(ReadError, match="waves are gone"):
        list(samples.stream(0, batch_size=2, seed=1, backend=backend))


def test_frames_labelled_by_hand():
    rng = np.random.default_rng(0)
    frames = [rng.random(shape) for shape in ((20, 24), (18, 30))]
    labels = [np.zeros(frame.shape, np.int32) for frame in frames]
    labels[0][2:5, 2:5], labels[1][4:9, 4:9] = 3, 7
    task = Task("Mask", 1, ("inside", "background"), 5.0, has_background=True)
    source = FrameSource(frames, labels, sampling_A=0.5, task=task)
    samples = Samples([source], SampleSettings(crop_px=None), training=False)
    ((images, made),) = batches(samples, batch_size=4)
    assert images.shape == (2, 18, 24, 1)
    assert source.read(0, 0).label[..., 0].sum() == 9
    assert (made.sum(axis=-1) == 1).all()
    with pytest.raises(SettingsError, match="label empty frames instead"):
        batches(Samples([source], SampleSettings(empty_share=0.5), training=False))


@pytest.mark.parametrize(
    ("frames", "labels", "said"),
    [
        ([], [], "a label for each frame, got 0 frames"),
        ([np.zeros((4, 4))], [np.zeros((4, 5), int)], r"label 0: expected whole numbers of shape \(4, 4\)"),
        ([np.zeros((4, 4))], [np.zeros((4, 4))], "label 0: expected whole numbers .* got float64"),
        ([np.zeros((3, 4, 4))], [np.zeros((4, 4), int)], "frame 0: expected 1 real images"),
        ([np.zeros((4, 4))], [np.full((4, 4), 5)], "label 0: expected numbers 0 to 2 of a, b, got 5 to 5"),
    ],
)
def test_frames_that_do_not_fit_are_one_line(frames, labels, said):
    with pytest.raises(DataError, match=said):
        FrameSource(frames, labels, sampling_A=0.5, task=Task("Disk", 1, ("a", "b"), 5.0))


def test_sets_that_teach_other_things_are_refused(folder, tmp_path):
    with pytest.raises(DataError, match="sets that teach the same"):
        open_samples([folder, make_set(tmp_path, normalizedistance=5.0)])


def test_nothing_finished_is_said(tmp_path):
    with pytest.raises(ReadError, match="no finished images; make some with temflux images"):
        open_samples([make_set(tmp_path, finished=())])


def test_only_finished_systems_are_used(tmp_path):
    assert open_samples([make_set(tmp_path, finished=(1, 4))]).n_systems == 2


def test_missing_parameters_are_said(tmp_path):
    made = make_set(tmp_path)
    path = made / "parameters.json"
    values = json.loads(path.read_text())
    del values["normalizedistance"]
    path.write_text(json.dumps(values))
    with pytest.raises(ReadError, match=r"parameters\.json: .* normalizedistance missing"):
        open_samples([made])
    path.unlink()
    with pytest.raises(ReadError, match=r"parameters\.json: expected the parameters of the images, FileNot"):
        open_samples([made])


@pytest.mark.parametrize(
    ("values", "changed", "said"),
    [
        ({}, {"num_classes": 2}, r"expected a label Mask of 2 channels, got 1 \(inside\)"),
        ({}, {"label": "Blob"}, "expected a label Blob of type float32, got uint8"),
        ({"dtype": "float32"}, {}, "expected a label Mask of type uint8, got float32"),
    ],
)
def test_labels_that_do_not_fit_their_parameters_are_said(tmp_path, values, changed, said):
    made = make_set(tmp_path, **values)
    path = made / "parameters.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    with pytest.raises(DataError, match=said):
        open_samples([made])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"crop_px": 0}, "crop_px: expected a whole number of 1 or more, got 0"),
        ({"empty_share": 1.0}, "empty_share: expected 0 up to below 1"),
        ({"limit_data": 0}, "limit_data"),
    ],
)
def test_impossible_settings_are_one_line(values, said):
    with pytest.raises(SettingsError, match=said):
        SampleSettings(**values)


def test_images_too_small_for_the_network_are_said(folder):
    with pytest.raises(DataError, match="expected images and crops of 64 px or more, got images of 40 × 48"):
        open_samples([folder], SampleSettings(multiple_px=64))
