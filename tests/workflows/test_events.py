"""Onsets of a tracked movie: planted losses, turns, columns; tables, page, what cannot be watched."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from temflux.engine.base.errors import DataError, ReadError, SettingsError
from temflux.engine.base.stack import Stack
from temflux.engine.report.tables import PEAK_COLUMNS
from temflux.engine.workflows.checked_settings import check_settings
from temflux.engine.workflows.events import find_events
from temflux.engine.workflows.onsets.settings import EventSettings
from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.movies import FRAME_S, PIXEL_NM, disc_masks

FRAMES, AT = 48, 30
SHORT = {"baseline_frames": 16}


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """Track two discs: one loses a fifth of its radius at once, one is cut by the edge for a while."""
    rng = np.random.default_rng(0)
    shape = (64, 96)
    frames = []
    for frame in range(FRAMES):
        radii = [14 - 3 * (frame >= AT) + 0.1 * rng.standard_normal(), 12 + 0.1 * rng.standard_normal()]
        centres = [(30, 28), (30, 76 + 8 * (frame < 10))]
        mask = disc_masks(centres, radii, shape).any(axis=0)
        frames.append(rng.poisson(np.where(mask, 60.0, 100.0)))
    log = tmp_path_factory.mktemp("log") / "heater.csv"
    times = np.arange(0, FRAMES * FRAME_S, 1.0)
    log.write_text(
        "time_s,temperature_degC\n" + "".join(f"{t},{300 + 200 * (t >= 15)}\n" for t in times),
        encoding="utf-8",
    )
    stack = Stack.from_array(np.array(frames, np.uint16), pixel_nm=PIXEL_NM, frame_s=FRAME_S, name="discs")
    settings = TrackSettings(min_separation_nm=1.0, spectra="none", log=log)
    return track(stack, settings, out=tmp_path_factory.mktemp("tracked") / "discs").folder


@pytest.fixture
def folder(tracked, tmp_path):
    return shutil.copytree(tracked, tmp_path / "discs")


def write_peaks(folder, *, turn_at=None, seen=FRAMES):
    """Put two reflections, each a pair of peaks, into peaks.csv; one turns from a frame on."""
    rng, rows = np.random.default_rng(1), []
    for frame in range(seen):
        for pair, angle in ((1, 89.7), (2, 30.0)):
            turned = angle + 0.1 * rng.standard_normal()
            if pair == 1 and turn_at is not None and frame >= turn_at:
                turned += 1.0
            intensity = 0.3 + 0.01 * rng.standard_normal()
            for peak in (2 * pair - 1, 2 * pair):
                shown = (turned + 180 * (peak % 2 == 0) + 180) % 360 - 180
                row = {"frame": frame, "time_s": FRAME_S * frame, "particle": 1, "peak": peak, "pair": pair}
                rows.append(
                    row | {"q_per_nm": 4.25, "d_nm": 0.2353, "angle_deg": shown, "intensity": intensity}
                )
    table = pd.DataFrame(rows).reindex(columns=list(PEAK_COLUMNS))
    table.to_csv(folder / "peaks.csv", index=False)


def test_a_planted_loss_is_found_and_shown(folder):
    told = []
    result = find_events(folder, EventSettings(**SHORT), progress=lambda *told_now: told.append(told_now))
    assert told[-1] == ("watching series", 2, 2)
    onsets = result.onsets
    loss = onsets.iloc[0]
    assert loss["onset_frame"] == AT
    assert AT <= loss["frame"] <= AT + 3
    assert loss["onset_time_s"] == pytest.approx(AT * FRAME_S)
    assert loss["time_s"] == pytest.approx(loss["frame"] * FRAME_S)
    assert (loss["direction"], loss["unit"], bool(loss["sure"])) == ("down", "nm2", True)
    assert loss["size"] == pytest.approx(-np.pi * (1.4**2 - 1.1**2), rel=0.15)
    assert loss["confidence"] == pytest.approx(1 - loss["p"])
    assert loss["p"] <= loss["q"] < 0.05
    assert loss["frames_per_false_alarm"] == 1000
    assert loss["s_per_false_alarm"] == pytest.approx(500)
    assert result.provenance["false_alarms"] == "one false alarm in 1,000 quiet frames (500 s) of a series"
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "onsets.parquet"), onsets)
    assert len(pd.read_csv(folder / "onsets.csv")) == len(onsets)
    assert json.loads((folder / "onsets.json").read_text())["settings"]["baseline_frames"] == 16
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert page.count("<h2>Onsets of instability</h2>") == 1
    assert (folder / "figures" / "onsets.png").stat().st_size > 10_000
    assert "temperature" in (folder / "figures" / "onsets.svg").read_text(encoding="utf-8")


def test_frames_in_which_the_edge_cuts_a_particle_are_missing(folder):
    result = find_events(folder, EventSettings(**SHORT))
    assert any("touches the frame's edge are left out" in note for note in result.notes)
    cut = result.watched.loc[result.watched["particle"] == 2].iloc[0]
    assert cut["frames_seen"] == FRAMES - 10
    assert not (result.onsets["particle"] == 2).any()


def test_the_same_again_gives_the_same_bytes(folder):
    find_events(folder, EventSettings(**SHORT))
    names = [
        "onsets.csv",
        "onsets_watched.csv",
        "onsets.json",
        "onsets.parquet",
        "page.html",
        "figures/onsets.png",
    ]
    before = [(folder / name).read_bytes() for name in names]
    find_events(folder, EventSettings(**SHORT))
    assert [(folder / name).read_bytes() for name in names] == before


def test_a_turn_is_found_in_angles_that_pass_half_a_turn(folder):
    write_peaks(folder, turn_at=AT)
    result = find_events(folder, EventSettings(on="angle,intensity", trend=False, **SHORT))
    sure = result.onsets[result.onsets["sure"]]
    assert sure[["series", "reflection", "onset_frame"]].to_numpy().tolist() == [["angle", 1, AT]]
    assert sure["size"].iloc[0] == pytest.approx(1, abs=0.15)
    assert len(result.watched) == 4


def test_reflections_of_temflux_peaks_go_before_those_of_tracking(folder):
    write_peaks(folder)
    shutil.copy(folder / "peaks.csv", folder / "reflections.csv")
    write_peaks(folder, seen=5)
    result = find_events(folder, EventSettings(on="intensity", **SHORT))
    assert result.watched["unit"].tolist() == ["contrast2", "contrast2"]
    assert list(result.provenance["tables"]) == ["reflections.csv"]


def test_reflections_seen_too_briefly_are_counted(folder):
    write_peaks(folder, seen=10)
    with pytest.raises(SettingsError, match="none of 0 series of angle can be watched"):
        find_events(folder, EventSettings(on="angle", **SHORT))


def test_lost_columns_are_found_where_frames_can_be_read(folder):
    rng, rows = np.random.default_rng(2), []
    for frame in range(FRAMES):
        count = rng.poisson(30 if frame < AT else 12) if frame != 20 else 1
        rows += [{"frame": frame, "particle": 1, "column": number} for number in range(count)]
    pd.DataFrame(rows).to_csv(folder / "columns.csv", index=False)
    readable = {"frame": range(FRAMES), "particle": 1, "readable": [frame != 20 for frame in range(FRAMES)]}
    pd.DataFrame(readable).to_csv(folder / "zone_axis.csv", index=False)
    for method in ("glr", "cusum"):
        found = find_events(folder, EventSettings(on="columns", method=method, **SHORT))
        assert found.onsets["onset_frame"].tolist() == [AT], method
        assert found.onsets["size"].iloc[0] == pytest.approx(-18, abs=4)
        assert found.watched["frames_seen"].tolist() == [FRAMES - 1]
        assert any("1 counts are left out" in note for note in found.notes)


def test_what_is_not_there_is_said(folder, tmp_path):
    with pytest.raises(DataError, match=r"run temflux columns --after .* first"):
        find_events(folder, EventSettings(on="columns"))
    with pytest.raises(DataError, match="expected Fourier peaks to watch the angle of"):
        find_events(folder, EventSettings(on="angle"))
    with pytest.raises(ReadError, match="run temflux track"):
        find_events(tmp_path / "nothing")
    with pytest.raises(SettingsError, match="try --baseline-frames 24"):
        find_events(folder, EventSettings(baseline_frames=60))
    assert not (folder / "onsets.csv").exists()


def test_series_that_are_too_short_have_a_row_with_a_reason(folder):
    result = find_events(folder, EventSettings(baseline_frames=40))
    reasons = dict(zip(result.watched["particle"], result.watched["reason"], strict=True))
    assert reasons[1] == ""
    assert reasons[2].startswith("38 frames with a value, 41 or more are needed")
    assert any("1 of 2 series could not be watched" in note for note in result.notes)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"on": "areas"}, "expected some of area, intensity, angle, columns"),
        ({"on": "area,area"}, "each once"),
        ({"method": "glr"}, "glr is for counts"),
        ({"method": "glr", "on": "columns", "change": "spread"}, "choose another method for change spread"),
        ({"run_length": 1}, "run_length"),
        ({"baselines": 3}, "no such setting"),
    ],
)
def test_settings_that_cannot_be_are_refused(values, said):
    with pytest.raises(SettingsError, match=said):
        check_settings(EventSettings, values)
