"""Columns of planted movies, from the file to the tables."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from temflux.engine.base.errors import CalibrationError, DataError, SettingsError
from temflux.engine.base.stack import Stack
from temflux.engine.report.writing import write_csv
from temflux.engine.workflows.columns import follow_columns
from temflux.engine.workflows.locating.settings import ColumnsSettings
from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.planted_columns import lattice, rate

PIXEL_NM, SHAPE = 0.01, (128, 128)
# Frame by frame the site of an adatom, on a row of its own.
SITES = (0, 0, 0, 1, 1, 1, 2, 2)


def planted_frames(*, dose=10.0, contrast=-0.6, sites=SITES, seed=0):
    rng = np.random.default_rng(seed)
    y, x = lattice((88, 128), 20.0, margin_px=20)
    frames = []
    for site in sites:
        all_y, all_x = np.append(y, 104.0), np.append(x, 30.37 + 20 * site)
        mean = rate(SHAPE, all_y, all_x, background=dose, contrast=contrast, width_px=4.0)
        frames.append(rng.poisson(mean))
    return np.array(frames, np.uint16), y, x


def planted(**how):
    frames, y, x = planted_frames(**how)
    return Stack.from_array(frames, pixel_nm=PIXEL_NM, frame_s=0.5), y, x


@pytest.fixture
def no_figures(monkeypatch):
    """Figures take longer than what most tests are about."""
    monkeypatch.setattr("temflux.engine.workflows.columns.write_figures", lambda *_: [])


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    stack, y, x = planted()
    seen = []
    result = follow_columns(
        stack, tmp_path_factory.mktemp("columns") / "out", progress=lambda *told: seen.append(told)
    )
    return result, y, x, seen


def test_columns_are_found_followed_and_written(found):
    result, y, _, seen = found
    assert result.columns.groupby("frame").size().tolist() == [len(y) + 1] * len(SITES)
    assert result.columns["column"].nunique() == len(y) + 1
    names = {path.name for path in result.folder.iterdir()}
    assert names == {
        "columns.csv",
        "columns.parquet",
        "hops.csv",
        "column_counts.csv",
        "lattices.csv",
        "provenance.json",
        "figures",
    }
    assert {"columns.png", "columns.svg", "strain.png"} <= {
        path.name for path in (result.folder / "figures").iterdir()
    }
    assert ("finding columns", len(SITES), len(SITES)) in seen
    assert seen[-1] == ("looking at the sites of hops", len(SITES), len(SITES))
    assert not list(result.folder.parent.glob(".*work"))
    written = pd.read_csv(result.folder / "columns.csv")
    whole = pd.read_parquet(result.folder / "columns.parquet")
    np.testing.assert_allclose(written["y_nm"], whole["y_nm"], rtol=1e-5)
    assert json.loads((result.folder / "provenance.json").read_text())["looked_for"]["contrast"] == "dark"


def test_places_and_errors_are_true(found):
    result, y, x, _ = found
    table = result.columns
    error = []
    for _, own in table.groupby("frame"):
        distance = np.hypot(own["y_px"].to_numpy()[:, None] - y, own["x_px"].to_numpy()[:, None] - x)
        nearest = distance.argmin(axis=0)
        error.append((own["x_px"].to_numpy()[nearest] - x) / own["x_error_px"].to_numpy()[nearest])
    assert 0.85 < np.std(error) < 1.2
    np.testing.assert_allclose(table["y_nm"], table["y_px"] * PIXEL_NM)
    np.testing.assert_allclose(table["time_s"], 0.5 * table["frame"])
    assert abs(table["amplitude"].median() / -6.0 - 1) < 0.15
    assert (table["log_likelihood_ratio"] > 0).mean() > 0.95
    np.testing.assert_allclose(result.facts["spacing_nm"], 0.2, rtol=0.05)
    assert result.lattices["a_nm"].sub(0.2).abs().max() < 0.004


def test_hops_have_their_frames_ways_and_rate(found):
    result = found[0]
    assert result.hops["frame"].tolist() == [3, 6]
    assert result.hops["column"].nunique() == 1
    np.testing.assert_allclose(result.hops["distance_nm"], 0.2, atol=0.02)
    assert (result.hops["direction_deg"].abs() < 10).all()
    rate_, (low, high) = result.facts["hop_rate_per_s"], result.facts["hop_rate_95_percent_per_s"]
    np.testing.assert_allclose(rate_, 2 / 3.5)
    assert low < rate_ < high
    assert result.counts["hops"].sum() == 2
    assert result.counts["appeared"].sum() == result.counts["vanished"].sum() == 0


@pytest.mark.usefixtures("no_figures")
def test_blocks_change_nothing(found, tmp_path):
    stack, _, _ = planted()
    again = follow_columns(stack, tmp_path / "out", frames_per_block=5)
    pd.testing.assert_frame_equal(again.columns, found[0].columns)


@pytest.mark.usefixtures("no_figures")
def test_frames_beside_hold_out_too(tmp_path):
    stack, y, _ = planted(sites=(0, 0, 0))
    result = follow_columns(stack, tmp_path / "out", ColumnsSettings(held_out="frames", frames="0:3"))
    assert (result.columns["log_likelihood_ratio"] > 3).mean() > 0.95
    assert len(result.columns) == 3 * (len(y) + 1)


@pytest.mark.usefixtures("no_figures")
def test_without_a_pixel_size_all_is_in_pixels(tmp_path):
    frames, y, _ = planted_frames(sites=(0, 0, 1, 1))
    result = follow_columns(Stack.from_array(frames), tmp_path / "out", ColumnsSettings(width_px=4.0))
    assert "y_nm" not in result.columns
    assert len(result.columns) == 4 * (len(y) + 1)
    assert result.hops["distance_px"].round(-1).tolist() == [20.0]
    assert any("no pixel size" in note for note in result.notes)
    assert "hop_rate_per_frame" in result.facts


@pytest.mark.usefixtures("no_figures")
def test_images_that_are_no_counts_have_their_noise_measured(tmp_path):
    frames, y, _ = planted_frames(sites=(0, 0, 0, 0))
    scaled = 100.0 + 0.37 * frames.astype(np.float32)
    result = follow_columns(Stack.from_array(scaled, pixel_nm=PIXEL_NM), tmp_path / "out")
    assert any("no counts of electrons" in note for note in result.notes)
    assert len(result.columns) >= 0.9 * 4 * (len(y) + 1)
    assert result.columns["log_likelihood_ratio"].isna().all()


@pytest.mark.usefixtures("no_figures")
def test_blank_and_missing_frames_are_said_and_leave_columns_linked(tmp_path):
    frames, y, _ = planted_frames(sites=(0,) * 6)
    frames[2] = 7
    stack = Stack.from_array(frames, pixel_nm=PIXEL_NM, frame_s=1.0)
    result = follow_columns(stack, tmp_path / "out", ColumnsSettings(memory=0))
    assert result.columns["column"].nunique() == len(y) + 1
    assert 2 not in set(result.columns["frame"])
    assert any("1 frame blank" in note for note in result.notes)
    assert result.counts.loc[result.counts["frame"] == 2, "usable"].tolist() == [False]


@pytest.mark.usefixtures("no_figures")
def test_hops_across_a_gap_in_time_count_in_no_rate(tmp_path):
    frames, _, _ = planted_frames(sites=(0, 0, 0, 1, 1, 1))
    times = np.array([0.0, 1, 2, 60, 61, 62])
    stack = Stack.from_array(frames, pixel_nm=PIXEL_NM)
    stack = type(stack)(stack.frames, pixel_nm=PIXEL_NM, times_s=times)
    result = follow_columns(stack, tmp_path / "out")
    assert result.hops["across_gap"].tolist() == [True]
    assert result.facts["hops_in_rate"] == 0
    np.testing.assert_allclose(result.facts["watched_s"], 4.0)
    assert any("1 gap in time" in note for note in result.notes)


def test_too_few_counts_are_said_with_the_dose_that_it_would_take(tmp_path):
    stack = Stack.from_array(np.random.default_rng(0).poisson(0.05, (4, 128, 128)), pixel_nm=PIXEL_NM)
    with pytest.raises(DataError, match=r"contrast above .* takes .* e⁻/Å²") as told:
        follow_columns(stack, tmp_path / "out", ColumnsSettings(width_nm=0.04))
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()


def test_refuses_what_it_cannot_use(tmp_path):
    frames, _, _ = planted_frames(sites=(0, 0))
    plain = Stack.from_array(frames)
    with pytest.raises(CalibrationError, match="width-px"):
        follow_columns(plain, tmp_path / "out", ColumnsSettings(width_nm=0.05))
    with pytest.raises(CalibrationError, match="blobs, which needs none"):
        follow_columns(plain, tmp_path / "out", ColumnsSettings(model="mos2-columns-1"))
    with pytest.raises(DataError, match="blank or unreadable"):
        follow_columns(Stack.from_array(np.ones((3, 64, 64))), tmp_path / "out")
    with pytest.raises(SettingsError, match="not both"):
        from temflux.engine.workflows.checked_settings import check_settings

        check_settings(ColumnsSettings, {"width_nm": 0.1, "width_px": 3.0})
    with pytest.raises(SettingsError, match="--out"):
        follow_columns(plain)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("a")
    with pytest.raises(SettingsError, match="something else"):
        follow_columns(plain, tmp_path / "mine")
    with pytest.raises(DataError, match="negative"):
        below = Stack.from_array(frames.astype(np.float32) - 50)
        follow_columns(below, tmp_path / "out", ColumnsSettings(counts_per_electron=1.0))


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """A particle that was tracked by masks, whose columns are planted in it; more columns lie outside."""
    folder = tmp_path_factory.mktemp("tracked")
    frames, _, x = planted_frames(sites=(0,) * 5)
    masks = np.zeros(frames.shape, np.uint8)
    masks[:, 8:92, 8:72] = 1
    np.save(folder / "movie.npy", frames)
    np.save(folder / "masks.npy", masks)
    settings = TrackSettings(
        segment=f"masks:{folder / 'masks.npy'}", pixel_nm=PIXEL_NM, frame_s=0.5, min_separation_nm=0.2
    )
    track(folder / "movie.npy", settings, out=folder / "out" / "movie")
    return folder, int((x < 72).sum())


def test_after_tracking_columns_bear_their_particle_and_go_beside(tracked):
    folder, count = tracked
    result = follow_columns(None, after=folder / "out")
    assert result.folder == folder / "out" / "movie"
    assert result.columns["particle"].unique().tolist() == [1]
    assert abs(len(result.columns) - 5 * count) <= 2
    assert "Atomic columns" in (result.folder / "page.html").read_text()
    assert json.loads((result.folder / "provenance.json").read_text())["segmentation"]
    assert json.loads((result.folder / "columns.json").read_text())["after"] == str(result.folder)
    assert not list(result.folder.parent.glob(".*work"))


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("name", ["frames.csv", "readable_frames.csv"])
def test_the_filter_of_readable_frames_gates_counts_and_rates(tracked, tmp_path, name):
    folder, _ = tracked
    shutil.copytree(folder / "out", tmp_path / "out")
    frames = pd.read_csv(tmp_path / "out" / "movie" / "frames.csv")
    write_csv(tmp_path / "out" / "movie" / name, frames.assign(readable=[True, True, False, True, True]))
    result = follow_columns(folder / "movie.npy", after=tmp_path / "out" / "movie")
    assert result.counts["readable"].tolist() == [True, True, False, True, True]
    np.testing.assert_allclose(result.facts["watched_s"], 1.0)


def test_another_movie_than_the_tracked_one_is_refused(tracked, tmp_path):
    folder, _ = tracked
    frames, _, _ = planted_frames(sites=(0,) * 5, seed=1)
    np.save(tmp_path / "other.npy", frames)
    with pytest.raises(SettingsError, match="another movie"):
        follow_columns(tmp_path / "other.npy", after=folder / "out")
    with pytest.raises(SettingsError, match="shape"):
        follow_columns(Stack.from_array(frames[:2]), after=folder / "out")


@pytest.mark.usefixtures("no_figures")
def test_a_network_s_places_and_classes_are_kept_beside_the_fits(tmp_path, monkeypatch):
    """Places as a network would give them: one is no column, which keeps its place without a fit."""
    from temflux.engine.workflows import columns as workflow
    from temflux.engine.workflows.locating.network import Places

    stack, y, x = planted(sites=(0, 0, 0))
    rows = [(frame, *place) for frame in range(3) for place in (*zip(y, x, strict=True), (112.0, 90.0))]
    frame, at_y, at_x = (np.array(column) for column in zip(*rows, strict=True))
    places = {
        "frame": frame.astype(np.int64),
        "y_px": at_y + 0.6,
        "x_px": at_x - 0.4,
        "class": np.where(at_x < 60, 0, 1),
        "probability": np.full(len(frame), 0.9),
    }
    told = Places(places, ("2S", "1S"), 1, {"name": "planted"}, ())
    monkeypatch.setattr(workflow, "predict_places", lambda *_: told)
    monkeypatch.setattr(workflow, "_work_key", lambda *_: {})
    result = follow_columns(stack, tmp_path / "out", ColumnsSettings(model="planted"))
    table = result.columns
    assert len(table) == len(frame)
    counts = result.counts.set_index(["frame", "class"])["columns"]
    assert counts[0, "2S"] == (x < 60).sum()
    assert counts[0, "1S"] == (x > 60).sum() + 1
    real = table["network_x_px"].add(0.4).sub(90.0).abs() > 1
    assert table.loc[real, "x_error_px"].notna().mean() > 0.95
    error = (table["x_px"] - table["network_x_px"])[real] - 0.4
    assert abs(error.mean()) < 0.15
    np.testing.assert_allclose(table["network_y_nm"], table["network_y_px"] * PIXEL_NM)
    assert table["probability"].eq(0.9).all()


@pytest.mark.usefixtures("no_figures")
def test_measured_noise_follows_a_dose_that_changes(tmp_path):
    rng = np.random.default_rng(0)
    frames, y, _ = planted_frames(sites=(0,) * 6)
    bright = 0.5 + 3.0 * rng.poisson(
        rate(SHAPE, y[:0], y[:0], background=60, contrast=0, width_px=4), (4, *SHAPE)
    )
    movie = np.concatenate([0.5 + 3.0 * frames, bright])
    result = follow_columns(Stack.from_array(movie), tmp_path / "out", ColumnsSettings(frames="0:10"))
    assert (result.columns["frame"] < 6).mean() > 0.98
