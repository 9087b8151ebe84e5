"""Predictions of a movie: what is written, what it says, how it goes on, and what is refused."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import zarr

from temflux.engine.base.errors import CalibrationError, DataError, SettingsError, WriteError
from temflux.engine.base.stack import Stack
from temflux.engine.learn.predict import Predictor
from temflux.engine.workflows import predict as workflow
from temflux.engine.workflows.checked_settings import check_settings
from temflux.engine.workflows.predict import predict_movie
from temflux.engine.workflows.predicting.settings import PredictSettings
from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.movies import disc_movie, save_movie
from tests.predictors import save_dark_model

FUSED = {"runtime": "fused"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_dark_model(folder / "dark")
    save_dark_model(folder / "series", n_images=3)
    classes = ("1Mo", "2S", "background")
    save_dark_model(folder / "columns", label="Disk", channels=classes, normalize_A=60.0)
    return folder


def tree(folder):
    """Every file's bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_maps_are_averaged_over_orientations(models, tmp_path, monkeypatch):
    movie = save_movie(tmp_path / "discs.npz", n_frames=1)
    looks = []
    see = Predictor.__call__

    def skewed(self, frame, *, sampling_A=None):
        """A network that sees more the more often it looks, so that orientations differ."""
        looks.append(frame.shape)
        return see(self, frame, sampling_A=sampling_A) * len(looks) / 4

    monkeypatch.setattr(Predictor, "__call__", skewed)
    settings = PredictSettings(**FUSED, orientations=4)
    maps = np.asarray(predict_movie(models / "dark", movie, tmp_path / "four", settings).maps)[0]
    assert looks == [(1, 160, 200), (1, 200, 160)] * 2
    monkeypatch.undo()
    plain = np.asarray(predict_movie(models / "dark", movie, tmp_path / "one", PredictSettings(**FUSED)).maps)
    # The hand-made network is the same in all orientations: (1 + 2 + 3 + 4) / 16 of what it sees.
    np.testing.assert_allclose(maps, plain[0] * 10 / 16, atol=2e-3)


def test_masks_of_a_movie_are_written_and_tracked(models, tmp_path):
    movie = save_movie(tmp_path / "discs.npz", n_frames=3)
    result = predict_movie(models / "dark", movie, tmp_path / "out", PredictSettings(**FUSED))
    truth = disc_movie(3)[1]
    maps, masks = np.asarray(result.maps), np.asarray(result.masks)
    assert maps.shape == (3, 160, 200, 1)
    assert maps.dtype == np.float16
    assert ((masks > 0) == (maps[..., 0] > np.float16(0.5))).all()
    assert ((masks > 0) & truth).sum() / ((masks > 0) | truth).sum() > 0.85
    attributes = result.maps.attrs
    assert attributes["channels"] == ["inside"]
    assert [axis["name"] for axis in attributes["axes"]] == ["t", "y", "x", "c"]
    assert attributes["axes"][0] == {"name": "t", "type": "time", "scale": 0.5, "unit": "second"}
    assert attributes["axes"][1] == {"name": "y", "type": "space", "scale": 0.1, "unit": "nanometer"}
    assert zarr.open_array(tmp_path / "out" / "maps.zarr").chunks == (1, 160, 200, 1)
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert record["model"]["sha256"]["weights.npz"]
    assert record["runtime"] == ["fused"]
    assert record["fingerprint"]
    assert (tmp_path / "out" / "preview.png").read_bytes()[1:4] == b"PNG"

    segment = f"masks:{tmp_path / 'out' / 'masks.zarr'}"
    tracked = track(movie, TrackSettings(segment=segment, spectra="none"), out=tmp_path / "tracked")
    assert tracked.tracks.groupby("frame").size().tolist() == [3, 3, 3]


def test_columns_are_listed_in_nm(models, tmp_path):
    frames = np.full((2, 96, 96), 1000.0) + np.random.default_rng(1).normal(0, 5, (2, 96, 96))
    places = [(20, 30), (60, 70), (75, 20)]
    for y, x in places:
        frames[:, y - 2 : y + 3, x - 2 : x + 3] -= 200
    stack = Stack.from_array(frames, pixel_nm=0.05)
    result = predict_movie(models / "columns", stack, tmp_path / "out", PredictSettings(**FUSED))
    table = pd.read_csv(tmp_path / "out" / "columns.csv")
    assert list(table) == ["frame", "x_nm", "y_nm", "class", "probability"]
    for frame in (0, 1):
        rows = table[table["frame"] == frame]
        found = sorted(zip((rows["y_nm"] / 0.05).round(), (rows["x_nm"] / 0.05).round(), strict=True))
        near = [min(abs(y - b) + abs(x - a) for b, a in found) for y, x in places]
        assert max(near) <= 2
    assert set(table["class"]) == {"1Mo"}
    assert not (tmp_path / "out" / "masks.zarr").exists()
    assert result.provenance["model"]["channels"] == ["1Mo", "2S", "background"]


def test_focal_series_are_consecutive_frames(models, tmp_path):
    frames, _ = disc_movie(7)
    stack = Stack.from_array(frames, pixel_nm=0.1, frame_s=0.5)
    with pytest.raises(SettingsError, match=r"series takes focal series of 3 images, got 7 frames .* 0:6"):
        predict_movie(models / "series", stack, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(
        SettingsError, match="takes focal series of 3 images, got 1 frame of memory; choose an"
    ):
        predict_movie(models / "series", stack, tmp_path / "out", PredictSettings(frames="0:1"))
    settings = PredictSettings(frames="1:7", **FUSED)
    result = predict_movie(models / "series", stack, tmp_path / "out", settings)
    assert result.maps.shape[0] == 2
    assert result.maps.attrs["first_frame"] == 1
    assert result.maps.attrs["axes"][0]["scale"] == 1.5
    journal = (tmp_path / "out" / "frames.jsonl").read_text().splitlines()
    assert [json.loads(line)["frame"] for line in journal] == [1, 4]


@pytest.mark.parametrize("model", ["dark", "columns"])
def test_a_stopped_run_goes_on_to_the_same_bytes(models, tmp_path, model):
    movie = save_movie(tmp_path / "discs.npz", n_frames=4)
    settings = PredictSettings(pixel_nm=0.1, **FUSED)
    predict_movie(models / model, movie, tmp_path / "whole", settings)

    def stop(stage, done, total):  # noqa: ARG001
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_movie(models / model, movie, tmp_path / "out", settings, progress=stop)
    # What a kill leaves: a line cut short, and columns without their line.
    with (tmp_path / "out" / "frames.jsonl").open("a") as file:
        file.write('{"frame": 2, "fa')
    if model == "columns":
        with (tmp_path / "out" / "columns.csv").open("a") as file:
            file.write("2,1.0,1.0,1M")
    assert not (tmp_path / "out" / "provenance.json").exists()
    told = []
    result = predict_movie(
        models / model, movie, tmp_path / "out", settings, progress=lambda *now: told.append(now)
    )
    assert (result.made, result.kept) == (2, 2)
    assert told[-1] == ("predicting frames", 2, 2)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_a_finished_run_is_left_and_another_refused(models, tmp_path, monkeypatch):
    movie = save_movie(tmp_path / "discs.npz", n_frames=2)
    first = predict_movie(models / "dark", movie, tmp_path / "out", PredictSettings(**FUSED))
    monkeypatch.setattr(workflow, "NamedPredictor", None)
    again = predict_movie(models / "dark", movie, tmp_path / "out", PredictSettings(**FUSED))
    assert (again.made, again.kept, again.notes) == (0, 2, first.notes)
    with pytest.raises(SettingsError, match="made with another settings and calibration; give another --out"):
        predict_movie(models / "dark", movie, tmp_path / "out", PredictSettings(threshold=0.8, **FUSED))
    with pytest.raises(SettingsError, match="holds something else than predictions"):
        predict_movie(models / "dark", movie, tmp_path, PredictSettings(**FUSED))


@pytest.mark.parametrize("lost", ["provenance.json", "maps.zarr", "damaged"])
def test_what_was_lost_or_damaged_is_made_again(models, tmp_path, lost):
    movie = save_movie(tmp_path / "discs.npz", n_frames=2)
    predict_movie(models / "dark", movie, tmp_path / "out", PredictSettings(**FUSED))
    before = tree(tmp_path / "out")
    if lost == "maps.zarr":
        shutil.rmtree(tmp_path / "out" / lost)
    elif lost == "damaged":
        (tmp_path / "out" / "provenance.json").write_text('{"temflux": ')
    else:
        (tmp_path / "out" / lost).unlink()
    result = predict_movie(models / "dark", movie, tmp_path / "out", PredictSettings(**FUSED))
    assert result.made == (2 if lost == "maps.zarr" else 0)
    assert tree(tmp_path / "out") == before


def test_frames_that_show_nothing_have_no_maps(models, tmp_path):
    frames, _ = disc_movie(4)
    frames = frames.astype(np.float32)
    frames[0, :5, :5] = np.nan
    frames[1] = np.nan
    frames[2] = 7
    stack = Stack.from_array(frames, pixel_nm=0.1)
    result = predict_movie(models / "dark", stack, tmp_path / "out", PredictSettings(**FUSED))
    maps, masks = np.asarray(result.maps), np.asarray(result.masks)
    assert np.isfinite(maps[0]).all()
    assert np.isfinite(maps[3]).all()
    assert np.isnan(maps[1:3]).all()
    assert not masks[1:3].any()
    assert "one value everywhere, without maps: frames 1, 2" in result.notes
    assert "pixels that are not finite, taken as their surroundings: 25 in frame 0" in result.notes


def test_a_movie_of_nothing_but_blank_frames_ends_without_a_picture(models, tmp_path):
    stack = Stack.from_array(np.zeros((2, 32, 32)), pixel_nm=0.1)
    predict_movie(models / "dark", stack, tmp_path / "out", PredictSettings(**FUSED))
    assert not (tmp_path / "out" / "preview.png").exists()


@pytest.mark.parametrize("window_px", [None, 64])
def test_frames_smaller_than_a_window_and_windows_smaller_than_a_frame(models, tmp_path, window_px):
    frames, _ = disc_movie(1)
    settings = PredictSettings(window_px=window_px, pixel_nm=0.1, **FUSED)
    result = predict_movie(models / "dark", Stack.from_array(frames), tmp_path / "whole", settings)
    tiny = predict_movie(models / "dark", Stack.from_array(frames[:, :9, :7]), tmp_path / "tiny", settings)
    assert result.maps.shape == (1, 160, 200, 1)
    assert np.isfinite(np.asarray(tiny.maps)).all()


def test_use_beyond_the_training_is_noted_once(tmp_path):
    frames, _ = disc_movie(2)
    stack = Stack.from_array(frames, pixel_nm=0.4, dose_e_per_A2=5.0)
    card = {"defocus_A": (0.0, 100.0), "sampling_A": (0.5, 2.0), "dose_e_per_A2": (10.0, 1e5)}
    model = save_dark_model(tmp_path / "narrow", ranges=card, energies_eV=(300e3,))
    settings = PredictSettings(defocus_A="-50", **FUSED)
    notes = predict_movie(model, stack, tmp_path / "out", settings).notes
    for said in ("sampling of 4 Å/px", "dose of 5 e⁻/Å²", "defocus of -50 Å"):
        assert sum(said in note for note in notes) == 1


def test_the_card_gives_the_threshold_and_no_temperature(tmp_path):
    stack = Stack.from_array(disc_movie(1)[0], pixel_nm=0.1)
    figures = {"threshold": 0.9, "temperature": 4.0, "fitted_temperature": 4.0}
    model = save_dark_model(tmp_path / "sure", figures=figures)
    own = predict_movie(model, stack, tmp_path / "own", PredictSettings(**FUSED))
    assert (own.provenance["threshold"], own.provenance["temperature"]) == (0.9, 1)
    asked = PredictSettings(threshold=0.5, **FUSED)
    plain = predict_movie(model, stack, tmp_path / "plain", asked)
    np.testing.assert_array_equal(np.asarray(own.maps), np.asarray(plain.maps))
    assert (np.asarray(own.masks) > 0).sum() < (np.asarray(plain.masks) > 0).sum()


@pytest.mark.parametrize("channels", [("inside",), ("inside", "background")])
def test_a_temperature_changes_probabilities_and_not_masks(tmp_path, channels):
    stack = Stack.from_array(disc_movie(1)[0], pixel_nm=0.1)
    model = save_dark_model(tmp_path / "sure", channels=channels, figures={"threshold": 0.9})
    cool = predict_movie(model, stack, tmp_path / "cool", PredictSettings(**FUSED))
    warm = predict_movie(model, stack, tmp_path / "warm", PredictSettings(temperature=4.0, **FUSED))
    assert warm.provenance["threshold"] == pytest.approx(1 / (1 + 9**-0.25))
    before, after = (np.asarray(one.maps, np.float32)[..., 0] for one in (cool, warm))
    assert np.abs(after - 0.5).mean() < np.abs(before - 0.5).mean()
    # What half precision cannot tell from the threshold may fall on either side of it.
    clear = np.abs(before - 0.9) > 0.001
    assert clear.mean() > 0.99
    changed = np.asarray(cool.masks) != np.asarray(warm.masks)
    assert not changed[clear].any()
    asked = PredictSettings(temperature=4.0, threshold=0.9, **FUSED)
    assert (
        predict_movie(model, stack, tmp_path / "asked", asked).masks[:].sum() < np.asarray(warm.masks).sum()
    )


@pytest.mark.parametrize("runtime", ["fused", "keras"])
def test_windows_together_give_the_masks_of_windows_one_by_one(models, tmp_path, runtime):
    stack = Stack.from_array(disc_movie(1)[0], pixel_nm=0.1)
    one, four = (
        predict_movie(
            models / "dark",
            stack,
            tmp_path / str(batch),
            PredictSettings(batch=batch, window_px=64, runtime=runtime),
        )
        for batch in (1, 4)
    )
    np.testing.assert_array_equal(np.asarray(one.masks), np.asarray(four.masks))
    assert np.asarray(one.masks).any()


def test_what_cannot_be_is_refused_in_one_line(models, tmp_path):
    frames, _ = disc_movie(1)
    plain = Stack.from_array(frames)
    with pytest.raises(CalibrationError, match="the file does not give; give --pixel-nm"):
        predict_movie(models / "dark", plain, tmp_path / "out")
    with pytest.raises(CalibrationError, match="pixel size of 500 Å is too far from the"):
        predict_movie(models / "dark", plain, tmp_path / "out", PredictSettings(pixel_nm=50))
    with pytest.raises(SettingsError, match="expected some of 0:1, got 4:9"):
        predict_movie(models / "dark", plain, tmp_path / "out", PredictSettings(frames="4:9"))
    with pytest.raises(SettingsError, match="expected 1 or 3 numbers for series, got 2"):
        three = Stack.from_array(np.repeat(frames, 3, axis=0), pixel_nm=0.1)
        predict_movie(models / "series", three, tmp_path / "out", PredictSettings(defocus_A="1,2"))
    assert not (tmp_path / "out").exists()
    for values, said in (({"frames": "a:b"}, "frames A:B"), ({"defocus_A": "x"}, "numbers in Å")):
        with pytest.raises(SettingsError, match=said):
            check_settings(PredictSettings, values)


def test_a_network_that_overflows_is_named(tmp_path):
    frames, _ = disc_movie(1)
    model = save_dark_model(tmp_path / "wild", slope=3e38, channels=("1Mo", "background"), label="Disk")
    stack = Stack.from_array(frames, pixel_nm=0.1)
    with pytest.raises(DataError, match="wild gives values that are not finite"):
        predict_movie(model, stack, tmp_path / "out", PredictSettings(runtime="keras"))


def test_a_full_disk_keeps_what_was_finished(models, tmp_path, monkeypatch):
    movie = save_movie(tmp_path / "discs.npz", n_frames=3)
    real, calls = workflow.open_maps, []

    class Full:
        def __setitem__(self, key, value):
            raise OSError(28, "No space left on device")

    def open_maps(path, **options):
        calls.append(path)
        return Full() if len(calls) == 2 else real(path, **options)

    monkeypatch.setattr(workflow, "open_maps", open_maps)
    with pytest.raises(WriteError, match="the disk is full; free some space"):
        predict_movie(models / "dark", movie, tmp_path / "out", PredictSettings(**FUSED))
    result = predict_movie(models / "dark", movie, tmp_path / "out", PredictSettings(**FUSED))
    assert (result.made, result.kept) == (2, 1)
