"""Figures of reflections: what is drawn of whom, gaps, and tables without rows."""

import numpy as np
import pandas as pd

from temflux.engine.report.reflections import lattice_maps, readable_strip, reflection_traces
from temflux.engine.report.shown import show

N_FRAMES = 12
TIMES_S = np.concatenate([np.arange(6.0), 30 + np.arange(6.0)])
TRACKS = pd.DataFrame({"frame": [0, 0], "particle": [1, 2], "area_px2": [900.0, 800.0]})
SHOWN = show({"movie": "a", "frames": N_FRAMES, "times_s": TIMES_S, "pixel_nm": 0.05}, TRACKS)


def reflections():
    rows = []
    for frame in range(N_FRAMES):
        for pair, angle in ((1, 88 + frame), (2, 20 + frame)):
            for member in (0, 1):
                rows.append(
                    {
                        "frame": frame,
                        "particle": 1,
                        "peak": 2 * pair - 1 + member,
                        "pair": pair,
                        "d_nm": 0.2355,
                        "q_per_px": 0.21,
                        "angle_deg": (angle + 180 * member + 180) % 360 - 180,
                        "angle_error_deg": 0.2,
                        "intensity": 0.01 * pair,
                        "intensity_error": 0.001,
                    }
                )
    return pd.DataFrame(rows)


def scores():
    table = pd.DataFrame({"frame": np.tile(np.arange(N_FRAMES), 2), "particle": np.repeat([1, 2], N_FRAMES)})
    table["readable"] = table["particle"] == 1
    table["reason"] = np.where(table["readable"], "", "too few counts: 3 e⁻/Å², would take 9")
    return table


def test_traces_have_a_line_and_a_band_for_each_pair():
    figure = reflection_traces(reflections(), 1, SHOWN)
    above, below = figure.axes
    labels = [str(line.get_label()) for line in above.lines if not str(line.get_label()).startswith("_")]
    assert labels == ["0.235 nm, 26°", "0.235 nm, 94°"]
    assert len(above.collections) >= 2
    turned = below.lines[0].get_ydata()
    assert np.nanmax(turned) - np.nanmin(turned) == 11
    # The line is broken where no frames are.
    assert np.isnan(turned).sum() == 1
    assert reflection_traces(reflections(), 2, SHOWN) is None


def test_a_strip_says_who_can_be_read_when():
    axes = readable_strip(scores(), SHOWN).axes[0]
    bars = [collection for collection in axes.collections if len(collection.get_paths())]
    # Two spans of each particle: no bar crosses the gap.
    assert sum(len(bar.get_paths()) for bar in bars) == 4
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["readable", "too few counts"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["1", "2"]


def test_maps_name_the_planes_and_colour_the_lattices():
    pairs = pd.DataFrame(
        {
            "particle": [1, 1, 2],
            "pair": [1, 2, 1],
            "q_per_nm": [4.25, 4.9, 4.25],
            "q_per_px": [0.21, 0.24, 0.21],
            "angle_deg": [10.0, 65.0, -30.0],
            "lattice": ["1", "2", ""],
            "share": [1.0, 0.5, 0.2],
            "plane": ["{111}", "{200}", ""],
        }
    )
    figure = lattice_maps(pairs, [1, 2, 9], SHOWN)
    assert [axes.get_title() for axes in figure.axes if axes.axison] == ["particle 1", "particle 2"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["{111}", "{200}"]
    spots = figure.axes[0].collections[0].get_offsets()
    # Counter-clockwise on the screen: at 10° the spot lies to the right and a little up.
    np.testing.assert_allclose(spots[0], [4.25 * np.cos(np.radians(10)), 4.25 * np.sin(np.radians(10))])
    assert lattice_maps(pairs, [9], SHOWN) is None
