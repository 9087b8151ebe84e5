"""Figures show gaps as gaps, keep identities' colours, and stay small with many particles and frames."""

import re

import numpy as np
import pandas as pd
import pytest

from temflux.engine.report.canvas import NARROW_IN, WIDE_IN, png_of, svg_of
from temflux.engine.report.curves import in_runs, run_length, with_gaps
from temflux.engine.report.figures import area_over_time, event_timeline, spread
from temflux.engine.report.lattice import peak_traces, spectra_strip
from temflux.engine.report.overlay import choose_smoothing, displayed, overlay
from temflux.engine.report.shown import IDENTITY_COLOURS, label_of, number, show

from .samples import sample_movie


def test_no_curve_crosses_a_gap_in_time() -> None:
    movie = sample_movie()
    shown = show(movie.facts, movie.tracks)
    assert shown.gaps == ((5.5, 12.0),)
    figure = area_over_time(movie.tracks, shown)
    for line in figure.axes[0].lines:
        x, y = line.get_data()
        inside = (np.asarray(x) > 5.5) & (np.asarray(x) < 12.0)
        assert inside.sum() == 1
        assert np.isnan(np.asarray(y)[inside]).all()


def test_no_curve_crosses_frames_without_the_particle() -> None:
    movie = sample_movie(n_particles=1)
    tracks = movie.tracks[~movie.tracks["frame"].isin([3, 4])]
    (line,) = area_over_time(tracks, show(movie.facts, tracks)).axes[0].lines
    assert np.isnan(np.asarray(line.get_ydata())[[3, 4]]).all()


def test_a_particle_has_one_colour_everywhere() -> None:
    movie = sample_movie(n_particles=12)
    shown = show(movie.facts, movie.tracks)
    assert sorted(shown.colours.values()) == sorted(IDENTITY_COLOURS)
    areas = area_over_time(movie.tracks, shown)
    names = {text.get_text(): text.get_color() for text in areas.axes[0].texts if text.get_text().isdigit()}
    assert names == {str(particle): colour for particle, colour in shown.colours.items()}
    frame, image, labels = movie.overlays[0]
    picture, _ = overlay(image, labels, frame=frame, shown=shown)
    found = {text.get_text(): text.get_color() for text in picture.axes[0].texts}
    assert {name: found[name] for name in names} == names


def test_coloured_are_the_largest_and_longest_seen() -> None:
    areas = pd.DataFrame({"particle": np.repeat(np.arange(1, 11), 2), "frame": [0, 1] * 10, "area_px2": 10.0})
    areas.loc[areas["particle"] == 7, "area_px2"] = 30.0
    areas = areas[~((areas["particle"] == 2) & (areas["frame"] == 1))]
    shown = show({"movie": "a", "frames": 2}, areas)
    assert next(iter(shown.colours)) == 7
    assert 2 not in shown.colours


@pytest.mark.parametrize(
    ("last_s", "unit"), [(0.02, "ms"), (40.0, "s"), (600.0, "min"), (20_000.0, "h"), (None, None)]
)
def test_time_has_a_readable_unit(last_s: float | None, unit: str | None) -> None:
    times = None if last_s is None else np.linspace(0, last_s, 5)
    shown = show({"movie": "a", "frames": 5, "times_s": times}, pd.DataFrame())
    assert shown.time_unit == unit
    assert shown.time_label == ("frame" if unit is None else f"time [{unit}]")


def test_every_axis_has_a_title_with_its_unit() -> None:
    movie = sample_movie()
    shown = show(movie.facts, movie.tracks)
    areas = area_over_time(movie.tracks, shown)
    assert areas.axes[0].get_ylabel() == "area [nm²]"
    assert areas.axes[1].get_ylabel() == "temperature\n[°C]"
    assert areas.axes[1].get_xlabel() == "time [s]"
    traces = peak_traces(movie.peaks, 1, shown)
    assert traces is not None
    assert [axes.get_ylabel() for axes in traces.axes] == ["intensity [strongest = 1]", "change of angle [°]"]


def test_the_log_is_taken_from_facts_or_from_the_tracks() -> None:
    movie = sample_movie()
    assert list(show(movie.facts, movie.tracks).log) == ["temperature_degC"]
    given = show(movie.facts | {"log": {"pressure_mbar": np.ones(24)}}, movie.tracks)
    assert list(given.log) == ["pressure_mbar"]
    assert label_of("pressure_mbar") == "pressure [mbar]"


def test_long_movies_are_drawn_in_runs_that_hide_nothing() -> None:
    curve = np.zeros((1, 10_000))
    curve[0, 7_777] = 5.0
    curve[0, :3_000] = np.nan
    runs = in_runs(np.arange(10_000.0), curve)
    assert runs.mean.shape[1] <= 600
    assert np.nanmax(runs.high) == 5.0
    assert np.isnan(runs.mean[0, : 3_000 // run_length(10_000)]).all()


def test_many_particles_and_frames_stay_small() -> None:
    n_frames, n_particles = 2_000, 200
    frame, particle = (grid.ravel() for grid in np.mgrid[:n_frames, 1 : n_particles + 1])
    tracks = pd.DataFrame({"frame": frame, "particle": particle, "area_px2": 100.0 + particle})
    events = pd.DataFrame({"frame": frame[:2000], "event": "split"})
    shown = show({"movie": "a", "frames": n_frames}, tracks)
    assert len(svg_of(area_over_time(tracks, shown))) < 1.5e6
    assert len(svg_of(event_timeline(tracks, events, shown))) < 5e5


def test_files_are_equal_and_carry_no_date() -> None:
    movie = sample_movie(n_frames=4, size=64)
    shown = show(movie.facts, movie.tracks)
    draw = [area_over_time(movie.tracks, shown, width_in=width) for width in (WIDE_IN, WIDE_IN)]
    assert svg_of(draw[0]) == svg_of(draw[1])
    assert png_of(draw[0]) == png_of(draw[1])
    assert not re.search(rb"<dc:date>|matplotlib\.org", svg_of(draw[0]))


@pytest.mark.parametrize("width_in", [NARROW_IN, WIDE_IN])
def test_spectra_rings_lie_on_nice_numbers(width_in: float) -> None:
    movie = sample_movie(n_frames=3)
    figure = spectra_strip(movie.spectra, show(movie.facts, movie.tracks), q_shown=3.0, width_in=width_in)
    assert figure is not None
    radii = {
        patch.get_radius() for axes in figure.axes for patch in axes.patches if hasattr(patch, "get_radius")
    }
    assert radii == {1.0, 2.0}
    assert "2 nm⁻¹" in [text.get_text() for text in figure.axes[0].texts]


def test_an_absent_spectrum_is_called_absent() -> None:
    nothing = np.full((16, 16), np.nan, np.float32)
    shown = show({"movie": "a", "frames": 1}, pd.DataFrame())
    figure = spectra_strip({1: [(0, nothing, 0.5, "1/nm")]}, shown)
    assert figure is not None
    assert "absent" in [text.get_text() for text in figure.axes[0].texts]


def test_noise_is_smoothed_for_display_and_clear_frames_are_left() -> None:
    random = np.random.default_rng(0)
    clear = np.zeros((128, 128))
    clear[40:80, 40:80] = 1.0
    assert choose_smoothing([clear]) == 0
    noisy = clear + random.normal(0, 2, clear.shape)
    assert choose_smoothing([clear, noisy]) >= 1
    grey, said = displayed(noisy, smoothing_px=2.0)
    assert "smoothed for display only (Gaussian, σ = 2 px)" in said
    assert grey.min() == 0
    assert grey.max() == 1


@pytest.mark.parametrize("image", [np.full((32, 48), 7.0), np.full((32, 48), np.nan), np.zeros((1, 1))])
def test_odd_frames_are_drawn(image: np.ndarray) -> None:
    shown = show({"movie": "a", "frames": 1, "pixel_nm": 0.1}, pd.DataFrame())
    figure, _ = overlay(image, np.zeros(image.shape, np.int32), frame=0, shown=shown)
    assert png_of(figure, dpi=40)


def test_the_scale_bar_has_the_right_length() -> None:
    shown = show({"movie": "a", "frames": 1, "pixel_nm": 0.05}, pd.DataFrame())
    figure, said = overlay(np.zeros((2048, 2048)), np.zeros((2048, 2048), np.int32), frame=0, shown=shown)
    (text,) = (text.get_text() for text in figure.axes[0].texts)
    bar = figure.axes[0].patches[-1]
    assert text == "20 nm"
    assert bar.get_width() * 2 * 0.05 == pytest.approx(20.0)
    assert "averaged over 2 × 2 pixels" in said


def test_names_beside_curves_do_not_touch() -> None:
    heights = spread([0.1, 0.1, 0.11, 0.5, 0.52], apart=0.05)
    assert heights == sorted(heights)
    assert min(np.diff(heights)) >= 0.05 - 1e-9


def test_gaps_are_found_in_times_only() -> None:
    shown = show({"movie": "a", "frames": 4, "times_s": [0.0, 1.0, 9.0, 10.0]}, pd.DataFrame())
    x, y = with_gaps(shown.times, np.arange(4.0), shown)
    assert x.tolist() == [0, 1, 5, 9, 10]
    assert np.isnan(y[2])
    assert show({"movie": "a", "frames": 4}, pd.DataFrame()).gaps == ()


def test_numbers_are_written_for_reading() -> None:
    assert [number(value) for value in (0.0, -12.5, 1e8, 3e-6, 999_999.4, float("nan"))] == [
        "0",
        "−12.5",
        "1 × 10⁸",
        "3 × 10⁻⁶",
        "999,999",
        "–",
    ]
