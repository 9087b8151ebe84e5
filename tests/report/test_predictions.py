"""Figures of predictions and of single images: panels, colours, scale bars, and what they cost."""

import numpy as np
import pytest

from temflux.engine.report.image_panels import draw_image, draw_spectrum
from temflux.engine.report.predictions import PredictedFrame, figure_of_predictions

RNG = np.random.default_rng(3)


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def frame(**found):
    return PredictedFrame("frame 7", RNG.poisson(50, (40, 60)), RNG.random((40, 60, 2)), **found)


def test_a_row_has_frame_map_and_outline():
    mask = np.zeros((40, 60), np.int32)
    mask[10:20, 10:30] = 1
    mask[25:30, 40:50] = 2
    drawn = figure_of_predictions([frame(mask=mask)] * 2, classes=("Au", "Pt"), pixel_nm=0.1)
    assert len(drawn.axes) == 7
    assert titles(drawn)[:3] == ["frame 7", "probability: any of Au, Pt", "outline, 10.4 % of the frame"]
    outlines = drawn.axes[2].collections
    boxes = [lines.get_paths()[0].get_extents() for lines in outlines]
    assert (boxes[0].x0, boxes[0].x1, boxes[0].y0, boxes[0].y1) == (9.5, 29.5, 9.5, 19.5)
    assert boxes[1].x0 == 39.5
    assert drawn.axes[1].images[0].get_clim() == (0, 1)
    assert [text.get_text() for text in drawn.axes[0].texts] == ["1 nm"]


def test_disagreement_has_a_panel_and_colours_of_its_own():
    shown = [
        frame(mask=np.zeros((40, 60), np.int32)).with_disagreement(np.full((40, 60), deviation), share)
        for deviation, share in ((0.1, 0.052), (0.3, None))
    ]
    drawn = figure_of_predictions(shown, classes=("Au", "Pt"), pixel_nm=0.1)
    assert len(drawn.axes) == 2 * 4 + 2
    assert titles(drawn)[3] == "disagreement, in 5.2 % of pixels"
    assert titles(drawn)[7] == "disagreement"
    limits = [drawn.axes[number].images[0].get_clim() for number in (3, 7)]
    assert limits[0] == limits[1] == (0, pytest.approx(0.3))
    labels = [bar.get_xlabel() for bar in drawn.axes[8:]]
    assert labels == ["probability", "standard deviation"]
    colours = [drawn.axes[number].images[0].get_cmap().name for number in (1, 3)]
    assert colours[0] != colours[1]


def test_columns_are_coloured_and_named_by_class():
    places = np.array([[5.0, 6.0], [20.0, 30.0], [40.0, 10.0]])
    shown = frame(columns_px=places, kinds=np.array([0, 1, 1]))
    drawn = figure_of_predictions([shown], classes=("1Mo", "2S"), pixel_nm=None)
    axes = drawn.axes[2]
    assert axes.get_title(loc="left") == "3 columns"
    assert [len(dots.get_offsets()) for dots in axes.collections] == [1, 2]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["1Mo", "2S"]
    assert [text.get_text() for text in drawn.axes[0].texts] == ["10 px"]


def test_a_background_is_no_class():
    maps = np.zeros((8, 8, 3))
    maps[..., :2], maps[..., 2] = 0.3, 0.4
    shown = PredictedFrame("frame 0", np.eye(8), maps)
    drawn = figure_of_predictions([shown], classes=("1Mo", "2S"), pixel_nm=0.1)
    np.testing.assert_allclose(drawn.axes[1].images[0].get_array(), 0.6, atol=1e-6)


def test_values_that_are_no_probabilities_keep_their_range():
    wave = np.dstack([np.linspace(0.8, 1.3, 64).reshape(8, 8), np.zeros((8, 8))])
    for drawn in (
        figure_of_predictions(
            [PredictedFrame("a", np.eye(8), wave)],
            classes=("real", "imaginary"),
            pixel_nm=0.1,
            is_probability=False,
        ),
        draw_image(
            np.eye(8), title="a", label=wave, classes=("real", "imaginary"), is_probability=False
        ).figure,
    ):
        low, high = drawn.axes[1].images[0].get_clim()
        np.testing.assert_allclose((low, high), (0.8, 1.3), rtol=1e-6)
        assert "real" in drawn.axes[1].get_title(loc="left")


def test_maps_of_a_large_frame_may_be_thinned():
    shown = PredictedFrame("a", np.zeros((40, 60)), np.zeros((10, 15, 1)))
    drawn = figure_of_predictions([shown], classes=("inside",), pixel_nm=0.1)
    assert drawn.axes[1].images[0].get_extent() == [-0.5, 59.5, 39.5, -0.5]


def test_a_mask_of_specks_is_outlined_in_part():
    mask = np.zeros((400, 400), np.int32)
    mask[::4, ::4] = 1
    mask[50:90, 50:90] = 1
    shown = PredictedFrame("a", np.eye(400), np.zeros((400, 400, 1)), mask=mask)
    drawn = figure_of_predictions([shown], classes=("inside",), pixel_nm=0.1)
    paths = drawn.axes[2].collections[0].get_paths()
    assert len(paths) <= 300
    assert max(path.get_extents().width for path in paths) >= 40


def test_a_spectrum_has_a_bar_in_reciprocal_units():
    drawn = draw_spectrum(RNG.random((64, 64)), reciprocal_pixel_per_nm=0.25).figure
    assert [text.get_text() for text in drawn.axes[0].texts] == ["2 nm⁻¹"]
    plain = draw_spectrum(RNG.random((64, 64)), reciprocal_pixel_per_nm=None).figure
    assert [text.get_text() for text in plain.axes[0].texts] == ["0.2 px⁻¹"]
