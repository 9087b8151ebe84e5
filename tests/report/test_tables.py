"""Tables keep their columns, their values and their bytes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from temflux.engine.base.errors import DataError, WriteError
from temflux.engine.report import writing
from temflux.engine.report.tables import (
    EVENT_COLUMNS,
    PEAK_COLUMNS,
    SUMMARY_COLUMNS,
    TRACK_COLUMNS,
    as_table,
    as_trackpy,
    summary_row,
)
from temflux.engine.report.writing import round_significant, write_csv, write_summary, write_tables

from .samples import sample_movie


def test_the_columns_are_a_contract() -> None:
    assert ",".join(TRACK_COLUMNS) == (
        "frame,time_s,particle,y_nm,x_nm,y_px,x_px,area_nm2,perimeter_nm,equivalent_diameter_nm,eccentricity,"
        "orientation_deg,solidity,mean_intensity,touches_edge,bbox_y0_px,bbox_x0_px,bbox_y1_px,bbox_x1_px,"
        "area_px2,perimeter_px,equivalent_diameter_px,pair_ratio"
    )
    assert ",".join(EVENT_COLUMNS) == "frame,time_s,event,particle,other"
    assert ",".join(PEAK_COLUMNS) == (
        "frame,time_s,particle,peak,q_per_nm,d_nm,angle_deg,intensity,pair,q_per_px"
    )
    assert ",".join(SUMMARY_COLUMNS) == (
        "movie,status,reason,frames,duration_s,pixel_nm,dose_e_per_A2,particles,mean_particles_per_frame,"
        "mean_area_nm2,mean_area_px2,births,deaths,splits,merges"
    )


def test_parquet_keeps_every_digit_and_csv_six(tmp_path: Path) -> None:
    movie = sample_movie()
    write_tables(tmp_path, tracks=movie.tracks, events=movie.events, peaks=movie.peaks)
    expected = as_table(movie.tracks, TRACK_COLUMNS)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "tracks.parquet"), expected)
    back = pd.read_csv(tmp_path / "tracks.csv")
    pd.testing.assert_frame_equal(back, expected, rtol=1e-5, check_exact=False, check_dtype=False)
    assert back["touches_edge"].dtype == bool
    assert back["time_s"].tolist() == expected["time_s"].tolist()
    events = pd.read_csv(tmp_path / "events.csv")
    assert events["event"].tolist() == as_table(movie.events, EVENT_COLUMNS)["event"].tolist()
    assert len(pd.read_csv(tmp_path / "peaks.csv")) == len(movie.peaks)


def test_rows_and_bytes_do_not_depend_on_the_order_given(tmp_path: Path) -> None:
    movie = sample_movie()
    for name, shuffle in (("a", False), ("b", True)):
        tracks = movie.tracks.sample(frac=1, random_state=1) if shuffle else movie.tracks
        write_tables(tmp_path / name, tracks=tracks, events=movie.events, peaks=movie.peaks)
    for file in ("tracks.csv", "tracks.parquet", "events.csv", "peaks.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    frames = pd.read_csv(tmp_path / "b" / "tracks.csv")[["frame", "particle"]]
    assert frames.equals(frames.sort_values(["frame", "particle"], ignore_index=True))


def test_long_tables_are_written_in_parts_with_one_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pd.DataFrame({"frame": np.arange(10), "x": np.linspace(0, 1, 10)})
    write_csv(tmp_path / "whole.csv", table)
    monkeypatch.setattr(writing, "_ROWS_AT_ONCE", 3)
    write_csv(tmp_path / "parts.csv", table)
    assert (tmp_path / "whole.csv").read_bytes() == (tmp_path / "parts.csv").read_bytes()


def test_log_columns_follow_with_their_names(tmp_path: Path) -> None:
    movie = sample_movie()
    table = as_table(movie.tracks.assign(**{"temperature, °C": 800.0}), TRACK_COLUMNS)
    assert table.columns.tolist() == [*TRACK_COLUMNS, "temperature_degC", "temperature, °C"]
    write_csv(tmp_path / "tracks.csv", table)
    assert pd.read_csv(tmp_path / "tracks.csv").columns.tolist() == table.columns.tolist()


def test_empty_tables_have_their_header(tmp_path: Path) -> None:
    write_tables(tmp_path, tracks=pd.DataFrame(), events=pd.DataFrame(), peaks=None)
    assert (tmp_path / "tracks.csv").read_text() == ",".join(TRACK_COLUMNS) + "\n"
    assert (tmp_path / "peaks.csv").read_text() == ",".join(PEAK_COLUMNS) + "\n"
    assert pd.read_parquet(tmp_path / "tracks.parquet").dtypes["particle"] == np.int64


def test_wrong_columns_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the column particle"):
        as_table({"frame": [0]}, PEAK_COLUMNS)
    with pytest.raises(DataError, match="whole numbers"):
        as_table({"frame": [0.5], "particle": [1], "event": ["birth"], "other": [0]}, EVENT_COLUMNS)
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot write"):
        write_csv(tmp_path / "file" / "a.csv", pd.DataFrame({"a": [1]}))


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)),
    st.integers(1, 12),
)
def test_rounding_stays_within_half_a_digit(values: list[float], digits: int) -> None:
    rounded = round_significant(np.array(values), digits)
    tolerance = np.abs(values) * 10.0 ** (1 - digits) * 0.5000001 + 1e-20
    assert (np.abs(rounded - values) <= tolerance).all()
    short = [value for value in rounded.tolist() if 1e-9 < abs(value) < 1e20]
    assert all(float(f"{value:.{digits}g}") == value for value in short)


def test_trackpy_takes_the_tracks_in_one_call() -> None:
    trackpy = pytest.importorskip("trackpy")
    movie = sample_movie(n_frames=12)
    moved = trackpy.emsd(as_trackpy(movie.tracks), mpp=movie.facts["pixel_nm"], fps=2.0, max_lagtime=3)
    assert len(moved) == 3
    positions = as_trackpy(movie.tracks, unit="nm")
    assert positions["y"].equals(movie.tracks["y_nm"])


def test_the_summary_counts_and_a_failed_movie_has_its_reason(tmp_path: Path) -> None:
    movie = sample_movie()
    row = summary_row(movie.facts, movie.tracks, movie.events)
    assert tuple(row) == SUMMARY_COLUMNS
    assert row["particles"] == movie.tracks["particle"].nunique()
    assert row["deaths"] == (movie.events["event"] == "death").sum()
    failed = {"movie": "bröken, or not", "status": "failed", "reason": 'no frames in "a"\nat all'}
    write_summary(tmp_path / "summary.csv", [row, failed])
    back = pd.read_csv(tmp_path / "summary.csv")
    assert back["movie"].tolist() == [movie.facts["movie"], "bröken, or not"]
    assert back["reason"].tolist()[1] == failed["reason"]
    assert np.isnan(back["frames"].tolist()[1])
