"""The main job from end to end, on movies whose truth is known."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from temflux.engine.base.errors import CalibrationError, DataError, ReadError, SettingsError
from temflux.engine.base.stack import Stack
from temflux.engine.generate.phantom import phantom_movie
from temflux.engine.measure.fourier import pair_ratio
from temflux.engine.report.tables import EVENT_COLUMNS, PEAK_COLUMNS, TRACK_COLUMNS
from temflux.engine.workflows.checked_settings import check_settings
from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.movies import FRAME_S, PIXEL_NM, disc_movie, disc_stack, save_movie


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return track(disc_stack(), TrackSettings(), out=tmp_path_factory.mktemp("track") / "discs")


def test_every_particle_is_followed_through_every_frame(result):
    assert result.tracks.groupby("particle")["frame"].apply(list).tolist() == [list(range(6))] * 3


def test_positions_areas_and_times_are_those_planted(result):
    first = result.tracks[result.tracks["particle"] == 1]
    np.testing.assert_allclose(first["y_nm"], (50 + np.arange(6)) * PIXEL_NM, atol=0.05)
    np.testing.assert_allclose(first["x_nm"], 50 * PIXEL_NM, atol=0.05)
    np.testing.assert_allclose(first["area_nm2"], np.pi * 2.0**2, rtol=0.05)
    np.testing.assert_allclose(first["time_s"], np.arange(6) * FRAME_S)


def test_the_contract_of_files_and_columns(result):
    wanted = [
        "tracks.csv",
        "tracks.parquet",
        "events.csv",
        "peaks.csv",
        "labels.zarr",
        "page.html",
        "provenance.json",
    ]
    assert [name for name in wanted if not (result.folder / name).exists()] == []
    assert tuple(pd.read_csv(result.folder / "tracks.csv").columns) == TRACK_COLUMNS
    assert tuple(pd.read_csv(result.folder / "events.csv").columns) == EVENT_COLUMNS
    assert tuple(pd.read_csv(result.folder / "peaks.csv").columns) == PEAK_COLUMNS
    pd.testing.assert_frame_equal(
        pd.read_parquet(result.folder / "tracks.parquet"), result.tracks, check_dtype=False
    )


def test_labels_carry_the_identities_of_the_table(result):
    labels = np.asarray(result.labels)
    assert labels.shape == (6, 160, 200)
    for row in result.tracks.itertuples():
        assert np.count_nonzero(labels[row.frame] == row.particle) == row.area_px2


def test_spectra_share_one_reciprocal_pixel(result):
    spectra = result.spectra(1)
    frames, rows, columns = spectra.shape
    assert frames == 6
    assert rows == columns
    assert np.isfinite(np.asarray(spectra)).all()


def test_provenance_says_what_was_done(result):
    provenance = json.loads((result.folder / "provenance.json").read_text(encoding="utf-8"))
    assert provenance["settings"]["overlap"] == 0.5
    assert provenance["segmentation"]["kind"] == "threshold"


def test_nothing_is_left_behind(result):
    assert [path.name for path in result.folder.parent.iterdir()] == ["discs"]


def test_masks_from_elsewhere_are_used_as_they_are(tmp_path):
    frames, masks = disc_movie()
    np.save(tmp_path / "masks é.npy", masks)
    stack = Stack.from_array(frames, pixel_nm=PIXEL_NM)
    result = track(stack, TrackSettings(segment=f"masks:{tmp_path / 'masks é.npy'}", spectra="none"))
    np.testing.assert_array_equal(np.asarray(result.labels) > 0, masks)


def test_probability_maps_are_cut_at_nine_tenths(tmp_path):
    frames, masks = disc_movie()
    np.save(tmp_path / "p.npy", np.where(masks, 0.95, 0.85).astype(np.float32))
    result = track(
        Stack.from_array(frames), TrackSettings(segment=f"masks:{tmp_path / 'p.npy'}", spectra="none")
    )
    np.testing.assert_array_equal(np.asarray(result.labels) > 0, masks)


def test_masks_of_another_shape_are_refused(tmp_path):
    np.save(tmp_path / "masks.npy", np.zeros((6, 10, 10), bool))
    with pytest.raises(DataError, match=r"expected masks of the movie's shape \(6, 160, 200\)"):
        track(disc_stack(), TrackSettings(segment=f"masks:{tmp_path / 'masks.npy'}"))


def test_without_calibration_everything_is_in_pixels_and_said_so():
    frames, _ = disc_movie()
    result = track(Stack.from_array(frames), TrackSettings(spectra="1"))
    assert result.tracks["area_nm2"].isna().all()
    assert result.tracks["time_s"].isna().all()
    assert result.peaks["q_per_nm"].isna().all()
    assert (result.tracks["area_px2"] > 0).all()
    assert any("pixels" in note for note in result.notes)


def test_memory_bridges_a_blank_frame():
    stack = disc_stack(blank=(3,))
    apart = track(stack, TrackSettings(spectra="none"))
    bridged = track(stack, TrackSettings(spectra="none", memory=1))
    assert apart.tracks["particle"].nunique() == 6
    assert bridged.tracks["particle"].nunique() == 3
    assert any("one value everywhere" in note and "frame 3" in note for note in bridged.notes)


def test_pixels_that_are_not_finite_are_filled_and_counted():
    frames, _ = disc_movie()
    frames = frames.astype(np.float32)
    frames[2, :3, :5] = np.nan
    result = track(Stack.from_array(frames, pixel_nm=PIXEL_NM), TrackSettings(spectra="none"))
    assert any("not finite" in note and "15 in frame 2" in note for note in result.notes)
    assert result.tracks["particle"].nunique() == 3


def test_a_single_frame_is_a_movie():
    result = track(disc_stack(1))
    assert result.tracks["particle"].tolist() == [1, 2, 3]
    assert result.events.empty


def test_a_constant_movie_has_no_particles():
    result = track(Stack.from_array(np.full((3, 64, 64), 9, np.uint8), pixel_nm=0.1))
    assert result.tracks.empty
    assert any("no particle was found" in note for note in result.notes)
    assert any("one value everywhere" in note for note in result.notes)


def test_only_the_spectra_asked_for_are_kept(tmp_path):
    result = track(disc_stack(), TrackSettings(spectra="2"), out=tmp_path / "m")
    assert [path.name for path in (result.folder / "spectra").iterdir()] == ["2.zarr"]
    assert set(result.peaks["particle"]) <= {2}


def test_a_particle_that_is_not_there_is_said():
    result = track(disc_stack(), TrackSettings(spectra="2,9"))
    assert any("no spectra of particle 9" in note for note in result.notes)


def test_the_pair_ratio_of_a_row_is_that_of_its_peaks():
    result = track(phantom_movie(n_frames=3, shape=(256, 256), n_particles=2).stack)
    for row in result.tracks.itertuples():
        own = result.peaks[(result.peaks["frame"] == row.frame) & (result.peaks["particle"] == row.particle)]
        wanted = pair_ratio(own["intensity"].to_numpy(), own["pair"].to_numpy())
        np.testing.assert_allclose(row.pair_ratio, wanted, rtol=1e-5)
    assert result.tracks["pair_ratio"].notna().any()


def test_a_log_is_joined_by_time(tmp_path):
    log = tmp_path / "heater.csv"
    log.write_text("time_s,T[C]\n" + "".join(f"{t / 4},{20 + t}\n" for t in range(20)))
    result = track(disc_stack(), TrackSettings(log=log, spectra="none"))
    first = result.tracks[result.tracks["particle"] == 1]
    np.testing.assert_allclose(first["T_C"], 20 + 2 * np.arange(6))


def test_the_dose_of_each_frame_is_measured_in_vacuum():
    frames, _ = disc_movie()
    frames = frames.astype(float) * np.arange(1, 7)[:, None, None]
    settings = TrackSettings(spectra="none", vacuum_box_px="0,0,20,100", counts_per_electron=4)
    result = track(Stack.from_array(frames, pixel_nm=0.05), settings)
    dose = pd.read_csv(result.folder / "frames.csv")["dose_e_per_A2"]
    # 100 counts a pixel of 0.25 Å², 4 counts an electron, brighter by 1 each frame.
    np.testing.assert_allclose(dose, 100 / 4 / 0.25 * np.arange(1, 7), rtol=0.02)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"vacuum_box_px": "0,0,20"}, "top,left,bottom,right"),
        ({"vacuum_box_px": "0,0,20,20"}, "needed together"),
        ({"vacuum_box_px": "0,0,20,20", "counts_per_electron": 1, "dose_e_per_A2": 3}, "not both"),
    ],
)
def test_half_a_dose_is_refused(given, said):
    with pytest.raises(SettingsError, match=said):
        check_settings(TrackSettings, given)


def test_a_vacuum_beyond_the_frame_is_refused():
    settings = TrackSettings(vacuum_box_px="0,0,20,999", counts_per_electron=1)
    with pytest.raises(SettingsError, match="within 160 by 200"):
        track(disc_stack(), settings)


def test_a_log_that_cannot_be_joined_is_said_before_any_work(tmp_path):
    log = tmp_path / "heater.csv"
    log.write_text("time_s,T[C]\n0,20\n9,30\n")
    stages = []
    for stack, path, said in (
        (
            Stack.from_array(disc_movie()[0], pixel_nm=PIXEL_NM),
            log,
            "no frame times are known; give --frame-s",
        ),
        (disc_stack(), tmp_path / "absent.csv", "absent"),
    ):
        with pytest.raises((CalibrationError, ReadError), match=said):
            track(stack, TrackSettings(log=path), progress=lambda *stage: stages.append(stage))
    assert stages == []


def test_a_file_is_tracked_with_its_own_calibration(tmp_path):
    result = track(save_movie(tmp_path / "my movie.npz"), TrackSettings(spectra="none"))
    assert result.provenance["pixel_nm"] == PIXEL_NM
    with_other = track(
        tmp_path / "my movie.npz", TrackSettings(spectra="none", pixel_nm=0.2, min_separation_nm=1)
    )
    ratio = with_other.tracks["area_nm2"].to_numpy() / result.tracks["area_nm2"].to_numpy()
    np.testing.assert_allclose(ratio, 4)


def test_masks_painted_in_colour_are_masks(tmp_path):
    frames, masks = disc_movie(3)
    (tmp_path / "painted").mkdir()
    for index, mask in enumerate(masks):
        colours = np.where(mask[..., None], np.array([31, 119, 180], np.uint8), np.uint8(0))
        Image.fromarray(colours).save(tmp_path / "painted" / f"{index:03d}.png")
    settings = TrackSettings(segment=f"masks:{tmp_path / 'painted'}", spectra="none")
    result = track(Stack.from_array(frames, pixel_nm=PIXEL_NM), settings)
    np.testing.assert_array_equal(np.asarray(result.labels) > 0, masks)


def test_a_mask_that_cannot_be_read_is_said(tmp_path):
    frames, masks = disc_movie(3)
    for index, mask in enumerate(masks):
        Image.fromarray(mask).save(tmp_path / f"{index:03d}.png")
    (tmp_path / "001.png").write_bytes(b"")
    settings = TrackSettings(segment=f"masks:{tmp_path}", spectra="none", memory=1)
    result = track(Stack.from_array(frames, pixel_nm=PIXEL_NM), settings)
    assert any("masks: 1 of 3 files cannot be read" in note for note in result.notes)
    assert result.tracks["frame"].unique().tolist() == [0, 2]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(2, 3, 3), (3, 1, 1), (2, 4, 16), (1, 9, 130)])
def test_frames_too_small_for_particles_have_none(shape):
    result = track(Stack.from_array(np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)))
    assert result.tracks.empty


def test_a_table_saved_as_an_array_is_refused():
    with pytest.raises(DataError, match="at most 16 times as long as wide"):
        track(Stack.from_array(np.zeros((2578, 4))))


def test_complex_frames_are_refused_with_a_remedy():
    with pytest.raises(DataError, match="modulus"):
        track(Stack.from_array(np.ones((2, 32, 32), complex)))


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(ReadError, match="absent"):
        track(tmp_path / "absent.dm4")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"overlap": 1.5}, "overlap"),
        ({"pixel_nm": -1}, "pixel_nm"),
        ({"pixel_nm": 0}, "pixel_nm"),
        ({"segment": "magic"}, "expected threshold, masks:PATH or model:PATH"),
        ({"segment": "model:"}, "expected threshold, masks:PATH or model:PATH"),
        ({"spectra": "some"}, "particle numbers"),
        ({"min_seperation_nm": 2}, "no such setting"),
    ],
)
def test_settings_out_of_range_are_named(values, said):
    with pytest.raises(SettingsError, match=said):
        check_settings(TrackSettings, values)


def test_impossible_calibration_is_refused():
    with pytest.raises(CalibrationError, match="above 0"):
        Stack.from_array(np.zeros((2, 8, 8)), pixel_nm=-0.1)
