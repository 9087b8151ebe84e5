"""Tables of menu items as files: nothing overwritten or half-written; without matplotlib, numbers alone."""

import csv

import numpy as np
import pytest

from temflux.dragonfly_plugin import tables
from temflux.dragonfly_plugin.results import Curve, Table
from temflux.engine.base.errors import WriteError


def areas(n_particles=2, frames=(0, 1, 3)):
    """Areas of particles over time, with a gap."""
    frame = np.tile(frames, n_particles)
    particle = np.repeat(np.arange(1, n_particles + 1), len(frames))
    columns = {"frame": frame, "time_s": 0.5 * frame, "particle": particle, "area_nm2": 1.0 * particle}
    curve = Curve("time_s", "area_nm2", "particle", "time [s]", "area [nm²]")
    return Table("Au: areas", columns, (curve,), {n: f"particle {n}" for n in range(1, n_particles + 1)})


def test_files_hold_the_numbers(tmp_path):
    paths = tables.save_table(areas(), tmp_path / "new")
    assert [path.name for path in paths] == ["Au-areas.csv", "Au-areas.png", "Au-areas.svg"]
    with paths[0].open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[2] == {"frame": "3", "time_s": "1.5", "particle": "1", "area_nm2": "1"}
    assert "area [nm²]" in paths[2].read_text(encoding="utf-8")


def test_nothing_is_overwritten(tmp_path):
    first, second = (tables.save_table(areas(), tmp_path) for _ in range(2))
    assert not set(first) & set(second)
    assert second[0].name == "Au-areas-2.csv"
    assert not list(tmp_path.glob(".*"))


def test_without_matplotlib_the_numbers_are_there(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "find_spec", lambda _: None)
    assert [path.suffix for path in tables.save_table(areas(), tmp_path)] == [".csv"]


def test_missing_numbers_are_empty(tmp_path):
    table = Table("gaps", {"frame": np.array([0]), "time_s": np.array([np.nan])})
    (path,) = tables.save_table(table, tmp_path)
    assert path.read_text(encoding="utf-8").split() == ["frame,time_s", "0,"]


def test_a_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(WriteError, match="choose another folder"):
        tables.save_table(areas(), tmp_path / "taken")


def test_lines_stop_where_nothing_was_measured():
    from matplotlib.figure import Figure

    figure = Figure()
    tables.draw_table(areas(), figure)
    (line, _) = figure.axes[0].get_lines()
    assert np.isnan(line.get_ydata()).tolist() == [False, False, True, False]


def test_lines_stop_while_the_beam_was_off():
    from matplotlib.figure import Figure

    table = areas(1, frames=(0, 1, 2, 3, 4))
    table.columns["time_s"] = np.array([0, 0.5, 1.0, 6.0, 6.5])
    figure = Figure()
    tables.draw_table(table, figure)
    (line,) = figure.axes[0].get_lines()
    assert np.isnan(line.get_ydata()).tolist() == [False, False, False, True, False, False]


def test_many_lines_are_thinned_to_the_largest_and_said():
    from matplotlib.figure import Figure

    figure = Figure()
    tables.draw_table(areas(30), figure)
    names = [line.get_label() for line in figure.axes[0].get_lines()]
    assert names == [f"particle {n}" for n in range(11, 31)]
    assert figure.axes[0].get_title(loc="left") == "the 20 largest of 30"
