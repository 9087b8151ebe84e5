"""Logs: columns over time, safe names, midnight, joining by the clock and across gaps."""

from datetime import datetime, timedelta

import numpy as np
import pytest

from temflux.engine.base.errors import ReadError
from temflux.engine.files.logs import Log, join_log, read_log


def test_the_heater_log(real_data):
    log = read_log(real_data / "ti_dislocation_movie" / "heater_log.txt")
    assert log.start == datetime(2022, 9, 23, 12, 55, 20, 500000)
    assert {"Tset_C", "Tmeas_C", "Rheat_ohm", "Vheat_V", "Iheat_mA", "Pheat_mW"} < set(log.table)
    assert log.table["time_s"][1] == pytest.approx(0.36)
    assert log.table["Tmeas_C"][-1] == pytest.approx(599.994)
    assert log.table["time_s"].size == 15022


@pytest.mark.parametrize("name", ["electrical", "electrothermal", "gas_cell", "thermal"])
def test_protochips_logs_equal_their_twins(real_data, name):
    folder = real_data / "readers" / "protochips"
    log = read_log(folder / f"protochips_{name}.csv")
    twin = np.load(folder / f"protochips_{name}.npy")
    values = np.column_stack([column for key, column in log.table.items() if key != "time_s"])
    # Channels that were not connected are left out.
    np.testing.assert_array_equal(values, twin[:, np.isfinite(twin).any(axis=0)])
    assert log.start is not None


def test_an_impulse_log(tmp_path):
    stem = "20240102_log_Synchronized data"
    (tmp_path / f"{stem.rpartition('_')[0]}_Metadata.log").write_text(
        "Experiment date,2024-01-02\nExperiment time,10:00:00\n"
    )
    (tmp_path / f"{stem}.csv").write_text(
        "TimeStamp,Experiment time,Temperature Measured (°C)\n"
        + "".join(f"10:00:{s:02d},{s}.5,{20 + s}.0\n" for s in range(6)),
        encoding="utf-8",
    )
    log = read_log(tmp_path / f"{stem}.csv")
    np.testing.assert_allclose(log.table["Temperature_Measured_C"], 20.0 + np.arange(6))
    np.testing.assert_allclose(log.table["time_s"], np.arange(6))


def test_clock_times_cross_midnight(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("31/12/'23 23:59\nsample\ttime\tT[C]\n1\t23:59:59.0\t10\tnorm\n2\t00:00:01.0\t20\tfine\n")
    log = read_log(path)
    np.testing.assert_allclose(log.table["time_s"], [0, 2])
    assert log.start == datetime(2023, 12, 31, 23, 59, 59)
    assert list(log.table) == ["time_s", "T_C"]


def test_units_of_the_time_and_columns_of_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("name;time [ms];p [mbar]\na;0;1,5\nb;500;2,5\n")
    log = read_log(path)
    np.testing.assert_allclose(log.table["time_s"], [0, 0.5])
    np.testing.assert_allclose(log.table["p_mbar"], [1.5, 2.5])
    assert "name" not in log.table


def test_joining_by_the_clock_and_without_one():
    start = datetime(2024, 1, 1, 12)
    log = Log({"time_s": np.arange(0.0, 100.0), "T_C": np.arange(0.0, 100.0)}, start, "a.txt")
    times = np.array([0.0, 0.5, 10.0])
    by_clock, note = join_log(log, times, start + timedelta(seconds=20))
    np.testing.assert_allclose(by_clock["T_C"], [20, 20.5, 30])
    assert "by the clock" in note
    from_zero, note = join_log(log, times)
    np.testing.assert_allclose(from_zero["T_C"], times)
    assert "the movie has no clock time" in note
    shifted, note = join_log(log, times, offset_s=95)
    np.testing.assert_allclose(shifted["T_C"], [95, 95.5, np.nan])
    assert "1 of 3 frames lie outside" in note


def test_long_gaps_are_not_bridged():
    rows = np.array([0.0, 1, 2, 3, 30, 31, 32])
    log = Log({"time_s": rows, "T_C": rows * 2})
    joined, _ = join_log(log, np.array([-1.0, 0, 2.5, 3, 10, 30, 30.5, 40]))
    np.testing.assert_allclose(joined["T_C"], [np.nan, 0, 5, 6, np.nan, 60, 61, np.nan])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("time,T\n", "no rows"),
        ("1,2\n3,4\n", "header"),
        ("time,T\na,b\n", "time"),
        ("time,comment\n0,hot\n1,cold\n", "numbers"),
    ],
)
def test_bad_logs_in_one_line(tmp_path, text, why):
    path = tmp_path / "bad log ü.csv"
    path.write_text(text)
    with pytest.raises(ReadError, match=why) as caught:
        read_log(path)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_a_missing_log_and_protochips_ones_that_are_broken(tmp_path, real_data):
    with pytest.raises(ReadError, match="not a file"):
        read_log(tmp_path / "none.csv")
    with pytest.raises(ReadError, match="invalid_protochips"):
        read_log(real_data / "readers" / "protochips" / "invalid_protochips_file.csv")
