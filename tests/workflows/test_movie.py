"""Simulated movies on disk: outputs, calibration, truth, bad input."""

import json

import numpy as np
import pandas as pd
import pytest

from temflux.engine.base.errors import ReadError, SettingsError, WriteError
from temflux.engine.files.labels import open_labels
from temflux.engine.files.read import open_movie
from temflux.engine.workflows import movie as movie_workflow
from temflux.engine.workflows.movie import make_movie, set_up
from temflux.engine.workflows.simulating.movie_parameters import (
    MovieParameters,
    check_movie_parameters,
    read_movie_parameters,
)
from temflux.engine.workflows.track import track

SMALL = {
    "image_size": [240, 120],
    "sampling": [0.4, 0.5],
    "log_dose": [4, 4],
    "movie": {"radius_A": [9, 10], "events": ["coalesce", "hop"], "n_particles": 3, "beam_off": [[0.5, 7.0]]},
}
N_FRAMES = 9


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("movie")
    return make_movie(check_movie_parameters(SMALL), folder / "small", n_frames=N_FRAMES)


def test_all_outputs_are_there_and_nothing_else(made):
    assert {path.name for path in made.folder.iterdir()} == {
        *("movie.ome.tif", "labels.zarr", "provenance.json"),
        *(f"{name}.csv" for name in ("truth", "events", "frames", "columns", "hops")),
    }
    assert [path.name for path in made.folder.parent.iterdir()] == ["small"]


def test_movie_opens_calibrated(made):
    stack = open_movie(made.movie)
    assert stack.shape == (N_FRAMES, 120, 240)
    assert stack.dtype == np.float32
    assert stack.pixel_nm == pytest.approx(made.provenance["pixel_nm"])
    assert 0.0399 < stack.pixel_nm < 0.0501
    frames = pd.read_csv(made.folder / "frames.csv")
    np.testing.assert_allclose(stack.times_s, frames["time_s"], atol=1e-6)
    assert np.diff(stack.times_s).max() == pytest.approx(7.4)
    # 10⁴ e⁻/Å² at the begin, twice as many after three tenths of the frames, half as many at the end.
    assert frames["dose_e_per_A2"].round().tolist() == [1e4] * 3 + [2e4] * 5 + [5e3]
    means = stack.read(0, N_FRAMES).mean(axis=(1, 2))
    expected = frames["dose_e_per_A2"] * (10 * stack.pixel_nm) ** 2
    np.testing.assert_allclose(means, expected, rtol=0.05)


def test_frames_on_disk_are_those_of_the_plan(made):
    frames, drawn = set_up(check_movie_parameters(SMALL), n_frames=N_FRAMES, seed=100)
    assert drawn == made.provenance["drawn"]
    labels = open_labels(made.folder / "labels.zarr")
    stack = open_movie(made.movie)
    for index in (0, 7):
        frame = frames.frame(index)
        np.testing.assert_array_equal(labels[index], frame.labels)
        np.testing.assert_array_equal(stack.read(index, index + 1)[0], frame.image)


def test_tables_agree_with_the_labels(made):
    labels = open_labels(made.folder / "labels.zarr")
    truth = pd.read_csv(made.folder / "truth.csv")
    assert list(truth.columns) == [
        *("frame", "particle", "y_nm", "x_nm", "area_nm2", "label_area_nm2", "lattice_angle_deg"),
        *("tilt_deg", "on_zone_axis", "n_atoms"),
    ]
    pixel_nm = made.provenance["pixel_nm"]
    for index in range(N_FRAMES):
        rows = truth[truth["frame"] == index]
        counts = np.bincount(labels[index].ravel(), minlength=4)
        assert sorted(rows["particle"]) == (np.flatnonzero(counts[1:]) + 1).tolist()
        for particle, area in zip(rows["particle"], rows["label_area_nm2"], strict=True):
            assert counts[particle] * pixel_nm**2 == pytest.approx(area, rel=1e-4)
    events = pd.read_csv(made.folder / "events.csv")
    merge = events[events["event"] == "merge"]
    assert len(merge) == 1
    frame, lost = int(merge["frame"].iloc[0]), int(merge["other"].iloc[0])
    assert lost in labels[frame - 1]
    assert not any((labels[index] == lost).any() for index in range(frame, N_FRAMES))
    pd.testing.assert_frame_equal(made.events, events, check_exact=False, check_dtype=False)


def test_column_states_are_the_hops(made):
    columns = pd.read_csv(made.folder / "columns.csv")
    hops = pd.read_csv(made.folder / "hops.csv")
    assert list(columns.columns) == ["frame", "particle", "column", "site", "y_nm", "x_nm", "occupied"]
    assert list(hops.columns) == ["frame", "time_s", "particle", "column", "from_site", "to_site"]
    times_s = pd.read_csv(made.folder / "frames.csv")["time_s"]
    taken = columns[columns["occupied"]]
    assert len(taken) == N_FRAMES * columns["column"].nunique()
    for row in taken.itertuples():
        before = hops[(hops["column"] == row.column) & (hops["time_s"] <= times_s[row.frame])]
        assert row.site == (before["to_site"].iloc[-1] if len(before) else 0)


def test_provenance_tells_what_it_depends_on(made):
    said = json.loads((made.folder / "provenance.json").read_text(encoding="utf-8"))
    assert said["seed"] == 100
    assert said["movie"]["radius_A"] == [9.0, 10.0]
    assert said["particles"] == {"1": "coalesce", "2": "coalesce", "3": "hop"}
    assert said["drawn"]["sampling_A"] > 0.398
    assert said["debye_waller_A"] == pytest.approx(0.09, abs=0.005)
    assert any("no scattering from one to another" in line for line in said["approximations"])


def test_it_can_be_tracked(made, tmp_path):
    result = track(made.movie, out=tmp_path / "tracked")
    assert result.provenance["pixel_nm"] == pytest.approx(made.provenance["pixel_nm"])
    assert result.tracks["time_s"].max() == pytest.approx((N_FRAMES - 1) * 0.4 + 7)


def test_seeds_and_one_of_one_frame(tmp_path):
    tiny = {"image_size": [80, 80], "sampling": [0.5, 0.5], "movie": {"radius_A": [8, 9], "support": "none"}}
    recipe = check_movie_parameters(tiny)
    plain = make_movie(recipe, tmp_path / "a", n_frames=1)
    same = make_movie(recipe, tmp_path / "b", n_frames=1, seed=100)
    other = make_movie(recipe, tmp_path / "c", n_frames=1, seed=101)
    read = [open_movie(result.movie).read(0, 1) for result in (plain, same, other)]
    np.testing.assert_array_equal(read[0], read[1])
    assert (read[0] != read[2]).any()


def test_no_noise_and_no_camera_give_the_intensity(tmp_path):
    quiet = {"image_size": [80, 80], "sampling": [0.5, 0.5], "noise": None, "mtf": None, "log_dose": [2, 2]}
    recipe = check_movie_parameters({**quiet, "movie": {"radius_A": [8, 9]}})
    result = make_movie(recipe, tmp_path / "quiet", n_frames=1)
    frames, drawn = set_up(recipe, n_frames=1, seed=100)
    image = open_movie(result.movie).read(0, 1)[0]
    np.testing.assert_allclose(image, frames.intensity(0) * 100 * drawn["sampling_A"] ** 2, rtol=1e-5)


def test_an_empty_file_will_do(tmp_path):
    path = tmp_path / "movie.json"
    path.write_text("{}", encoding="utf-8")
    recipe = read_movie_parameters(path)
    assert recipe.images.shape == (1024, 1024)
    assert recipe.images.beam_energy == 300e3
    assert recipe.movie == MovieParameters()
    frames, drawn = set_up(recipe, n_frames=30, seed=1)
    assert len(frames.scene.fates) == 16
    assert 0.298 < drawn["sampling_A"] < 0.402
    assert 40 <= drawn["defocus_A"] <= 80


def test_the_images_file_serves_movies(tmp_path):
    path = tmp_path / "images.txt"
    path.write_text(
        "'label': \"Disk\", 'num_classes': 4, 'image_size': (512, 256), 'sampling': (0.17, 0.18),\n"
        "'multifocus': (3, 50.0, 1.0), 'beam_energy': None, 'seed': 7, # a comment\n"
        "'movie': {'metal': \"Pt\", 'radius_A': (8, 12)}",
        encoding="utf-8",
    )
    recipe = read_movie_parameters(path)
    assert (recipe.images.shape, recipe.images.seed) == ((256, 512), 7)
    assert recipe.images.beam_energy == 300e3
    frames, _ = set_up(recipe, n_frames=3, seed=7)
    assert frames.scene.crystals[0].symbol == "Pt"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"movie": {"metl": "Au"}}, "movie.metl: no such parameter; did you mean 'metal'?"),
        ({"movie": {"quux": 1}}, "movie.quux: no such parameter; known are metal, n_particles"),
        ({"movie": {"metal": "Si"}}, "movie.metal: expected one of"),
        ({"movie": 3}, "movie: expected an object of parameters, got 3"),
        ({"movie": {"radius_A": [20, 12]}}, "movie.radius_A: expected the lower bound first"),
        (
            {"movie": {"radius_A": [2, 12]}},
            "movie.radius_A: expected a lower and an upper bound [Å], at least 8",
        ),
        (
            {"movie": {"n_particles": 0}},
            "movie.n_particles: expected a whole number of 1 or more, or None, got 0",
        ),
        ({"movie": {"events": ["vaporize"]}}, "got 'vaporize'; did you mean 'vaporise'?"),
        ({"movie": {"events": "tilt"}}, "movie.events: expected a list out of coalesce"),
        ({"movie": {"beam_off": [[2, 3]]}}, "movie.beam_off: expected [share of the frames, seconds]"),
        ({"movie": {"dose_steps": 3}}, "movie.dose_steps: expected a list of [share of the frames, factor]"),
        ({"movie": {"hop_rate_per_s": -1}}, "movie.hop_rate_per_s: expected a number [1/s], at least 0"),
        ({"movie": {"support": "ice"}}, "movie.support: expected one of carbon, none, got 'ice'"),
        ({"movie": {"temperature_K": "hot"}}, "movie.temperature_K"),
        ({"samplng": [0.3, 0.4]}, "samplng: no such parameter; did you mean 'sampling'?"),
        ({"mtf_c1": [0, 1]}, "mtf_c1: expected"),
    ],
)
def test_refuses_bad_parameters_in_one_line(values, message):
    with pytest.raises(SettingsError) as caught:
        check_movie_parameters(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_the_file_at_fault(tmp_path):
    with pytest.raises(ReadError, match=r"nowhere\.json"):
        read_movie_parameters(tmp_path / "nowhere.json")
    path = tmp_path / "bad.json"
    path.write_text('{"movie": {"metal": "Si"}}', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"bad\.json: movie\.metal"):
        make_movie(path, tmp_path / "out", n_frames=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("values", "n_frames", "message"),
    [
        ({"image_size": [64, 64]}, 3, r"radius_A: expected at most .* Å in a frame of"),
        ({"movie": {"n_particles": 500}}, 3, "n_particles: expected 1 to"),
        ({}, 0, "n_frames: expected 1 or more, got 0"),
    ],
)
def test_refuses_what_does_not_go_together(tmp_path, values, n_frames, message):
    with pytest.raises(SettingsError, match=message):
        make_movie(check_movie_parameters(values), tmp_path / "out", n_frames=n_frames)
    assert list(tmp_path.iterdir()) == []


def test_never_replaces_anything_but_a_movie(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(SettingsError, match="expected a new or empty folder"):
        make_movie(check_movie_parameters(SMALL), tmp_path, n_frames=1)
    assert (tmp_path / "thesis.txt").exists()
    shorter = make_movie(check_movie_parameters(SMALL), tmp_path / "new", n_frames=2)
    again = make_movie(check_movie_parameters(SMALL), tmp_path / "new", n_frames=1)
    assert shorter.folder == again.folder
    assert open_movie(again.movie).shape[0] == 1


def test_says_first_that_the_disk_is_too_small(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(movie_workflow.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(WriteError, match=r"9 frames of 120 × 240 px need .* GB while they are made"):
        make_movie(check_movie_parameters(SMALL), tmp_path / "out", n_frames=9)
