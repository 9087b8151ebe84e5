"""The menu items, without a host: they give what `temflux track` gives for the same movie."""

import numpy as np
import pytest

from temflux.dragonfly_plugin.menu import ITEMS
from temflux.dragonfly_plugin.selection import Particle, Selection
from temflux.engine.base.errors import CalibrationError, DataError
from temflux.engine.base.stack import Stack
from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.movies import FRAME_S, PIXEL_NM, disc_movie

ITEM = {item.key: item for item in ITEMS}
N_FRAMES = 6


def finish(work):
    """Run an item's work to its end: the steps it told, and what it gave."""
    steps = []
    while True:
        try:
            steps.append(next(work))
        except StopIteration as stop:
            return steps, stop.value


def run(key, selection, answer=0.0):
    return finish(ITEM[key].work(selection, answer))[1]


@pytest.fixture(scope="module")
def movie():
    """Stacks of the movie and of its masks."""
    frames, masks = disc_movie(n_frames=N_FRAMES)
    kept = {"pixel_nm": PIXEL_NM, "frame_s": FRAME_S}
    return Stack.from_array(frames, name="discs", **kept), Stack.from_array(masks, name="marked", **kept)


@pytest.fixture(scope="module")
def tracked(movie, tmp_path_factory):
    """The batch's result for the same masks."""
    folder = tmp_path_factory.mktemp("tracked")
    np.save(folder / "masks.npy", movie[1].read(0, N_FRAMES))
    settings = TrackSettings(segment=f"masks:{folder / 'masks.npy'}", min_separation_nm=0.8)
    return track(movie[0], settings, out=folder / "out")


@pytest.fixture(scope="module")
def labels(movie):
    """The label item's result, as the host would hold it."""
    made = run("label", Selection((Particle(movie[1]),)), 0.8)
    frames = np.stack([made.paint(t) for t in range(N_FRAMES)])
    return Stack.from_array(frames, name="labels", pixel_nm=PIXEL_NM, frame_s=FRAME_S)


def test_labels_are_the_batchs(labels, tracked):
    np.testing.assert_array_equal(labels.read(0, N_FRAMES), tracked.labels[:])


def test_labelling_tells_every_frame(movie):
    steps, made = finish(ITEM["label"].work(Selection((Particle(movie[1], name="Au"),)), 0.8))
    assert [step.done for step in steps] == list(range(1, N_FRAMES + 1))
    assert {step.total for step in steps} == {N_FRAMES}
    assert (made.name, made.n_particles) == ("Au: particles", 3)


def test_spectra_are_the_batchs(movie, labels, tracked):
    made = run("spectrum", Selection((Particle(labels, 2),), movie[0]))
    np.testing.assert_array_equal(made.spectra, tracked.spectra(2)[:])
    assert made.reciprocal_pixel_per_nm == 1 / (made.spectra.shape[1] * PIXEL_NM)


def test_properties_are_the_batchs(movie, labels, tracked):
    table = run("properties", Selection((Particle(labels),), movie[0]))
    ours = table.columns
    theirs = tracked.tracks.sort_values(["particle", "frame"])
    for name in set(ours) & set(theirs.columns):
        np.testing.assert_array_equal(ours[name], theirs[name].to_numpy(), err_msg=name)
    assert {"area_nm2", "time_s", "mean_intensity"} <= set(ours)
    assert table.names == {1: "particle 1", 2: "particle 2", 3: "particle 3"}


def test_many_selected_particles_are_numbered_in_order(labels):
    chosen = (Particle(labels, 3, "left"), Particle(labels, 1, "right"))
    table = run("properties", Selection(chosen))
    assert table.names == {1: "left", 2: "right"}
    alone = run("properties", Selection((Particle(labels, 3),)))
    first = table.columns["particle"] == 1
    np.testing.assert_array_equal(table.columns["area_nm2"][first], alone.columns["area_nm2"])


def test_peaks_are_the_batchs(lattice_movie, tmp_path):
    image, masks = lattice_movie
    np.save(tmp_path / "masks.npy", masks.read(0, masks.n_frames))
    settings = TrackSettings(segment=f"masks:{tmp_path / 'masks.npy'}", min_separation_nm=0.8)
    theirs = track(image, settings, out=tmp_path / "out").peaks.sort_values(["peak", "frame"])
    table = run("peaks", Selection((Particle(masks),), image))
    assert len(theirs) >= 2 * masks.n_frames
    for name in set(table.columns) & set(theirs.columns):
        np.testing.assert_allclose(table.columns[name], theirs[name], rtol=1e-5, err_msg=name)
    assert [curve.y for curve in table.curves] == ["intensity", "angle_deg"]
    assert all(name.endswith(" nm") for name in table.names.values())


@pytest.fixture(scope="module")
def lattice_movie():
    """A disc of fringes 0.8 nm apart that turn by 2° a frame, and its masks."""
    y, x = np.mgrid[:96, :96] - 48.0
    inside = np.hypot(y, x) < 30
    rng = np.random.default_rng(1)
    frames = []
    for angle in np.deg2rad([0, 2, 4]):
        phase = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / 8
        frames.append(rng.poisson(100 + 40 * np.cos(phase) * inside))
    kept = {"pixel_nm": PIXEL_NM, "frame_s": FRAME_S}
    return Stack.from_array(np.array(frames), **kept), Stack.from_array(np.stack([inside] * 3), **kept)


def test_events_are_the_batchs(labels, tracked):
    table = run("events", Selection((Particle(labels),)))
    assert table.columns["event"].tolist() == tracked.events["event"].tolist()


def test_a_particle_that_vanishes_is_told():
    frames = np.zeros((3, 8, 8), np.int32)
    frames[:2, 2:6, 2:6] = 7
    stack = Stack.from_array(frames, pixel_nm=1.0, frame_s=0.5)
    columns = run("events", Selection((Particle(stack),))).columns
    assert {name: values.tolist() for name, values in columns.items()} == {
        "frame": [2],
        "time_s": [1.0],
        "event": ["death"],
        "particle": [7],
        "other": [0],
        "y_px": [3.5],
        "x_px": [3.5],
    }


@pytest.mark.parametrize("key", sorted(ITEM))
def test_a_movie_without_pixel_size_is_refused(movie, key):
    masks = Stack.from_array(movie[1].read(0, 2), name="marked")
    image = Stack.from_array(movie[0].read(0, 2))
    with pytest.raises(CalibrationError, match="pixel size is not known"):
        run(key, Selection((Particle(masks),), image), 1.0)


@pytest.mark.parametrize("key", ["spectrum", "peaks", "properties"])
def test_other_shapes_and_empty_objects_are_refused(movie, key):
    image, masks = movie
    other = Stack.from_array(np.zeros((N_FRAMES, 8, 8), bool), pixel_nm=PIXEL_NM)
    with pytest.raises(DataError, match="one shape"):
        run(key, Selection((Particle(other),), image))
    empty = Stack.from_array(np.zeros(masks.shape, bool), pixel_nm=PIXEL_NM, name="nothing")
    with pytest.raises(DataError, match="no pixel is marked"):
        run(key, Selection((Particle(empty),), image))


def test_a_separation_that_drops_all_is_told(movie):
    with pytest.raises(DataError, match="give a smaller one"):
        run("label", Selection((Particle(movie[1]),)), 50.0)


def test_items_fit_their_selections(movie):
    image, masks = movie
    one, two = Selection((Particle(masks),)), Selection((Particle(masks), Particle(masks)))
    both = Selection((Particle(masks),), image)
    fitting = {key: [ITEM[key].fits(chosen) for chosen in (Selection(), one, two, both)] for key in ITEM}
    assert fitting == {
        "label": [False, True, False, True],
        "spectrum": [False, False, False, True],
        "properties": [False, True, True, True],
        "peaks": [False, False, False, True],
        "events": [False, True, False, True],
    }
