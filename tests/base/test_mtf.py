"""The modulation transfer of a camera: limits, half-width, grid, refusals, Publication II's Table 3."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from temflux.engine.base.errors import SettingsError
from temflux.engine.base.mtf import MTF_MODELS, mtf_on_grid, nyquist_fractions, parametric_mtf

c0s = st.floats(0.01, 2.0)
c3s = st.floats(0.2, 8.0)
floors = st.floats(0.0, 0.99)


@given(c0s, c3s, floors)
def test_it_falls_from_one_to_the_floor(c0, c3, floor):
    mtf = parametric_mtf(np.linspace(0, 1e3, 200), c0=c0, c3=c3, floor=floor)
    assert mtf[0] == 1
    assert (np.diff(mtf) <= 0).all()
    assert (mtf >= floor).all()


@given(c0s, c3s, floors)
def test_it_is_half_way_to_the_floor_at_c0(c0, c3, floor):
    assert parametric_mtf(c0, c0=c0, c3=c3, floor=floor) == pytest.approx((1 + floor) / 2)
    assert parametric_mtf(-c0, c0=c0, c3=c3, floor=floor) == pytest.approx((1 + floor) / 2)


def test_the_curve_of_figure_1_4():
    mtf = parametric_mtf(np.array([0.1, 1.0]), c0=0.2, c3=2.57, floor=0.51)
    assert mtf == pytest.approx([0.49 / (1 + 0.5**2.57) + 0.51, 0.49 / (1 + 5**2.57) + 0.51])


def test_a_large_exponent_is_a_step_without_warnings():
    with np.errstate(all="raise"):
        mtf = parametric_mtf(np.array([0.0, 0.01, 1.4]), c0=0.1, c3=400.0)
    assert mtf.tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"c0": 0.0, "c3": 2.0}, "c0 .* above 0, got 0.0"),
        ({"c0": -0.2, "c3": 2.0}, "c0 .* above 0, got -0.2"),
        ({"c0": float("nan"), "c3": 2.0}, "c0 .* got nan"),
        ({"c0": 0.2, "c3": 0.0}, "c3 .* above 0, got 0.0"),
        ({"c0": 0.2, "c3": float("inf")}, "c3 .* got inf"),
        ({"c0": 0.2, "c3": 2.0, "floor": 1.0}, r"floor .* \[0, 1\), got 1.0"),
        ({"c0": 0.2, "c3": 2.0, "floor": -0.1}, r"floor .* \[0, 1\), got -0.1"),
    ],
)
def test_parameters_out_of_range_are_named(settings, line):
    with pytest.raises(SettingsError, match=line):
        parametric_mtf(0.5, **settings)
    with pytest.raises(SettingsError, match=line):
        mtf_on_grid((4, 4), **settings)


@given(st.integers(1, 40), st.integers(1, 40))
def test_the_grid_is_that_of_the_half_spectrum(height, width):
    q = nyquist_fractions((height, width))
    assert q.shape == np.fft.rfft2(np.zeros((height, width))).shape
    assert q[0, 0] == 0
    assert q.max() <= np.sqrt(2)
    assert np.allclose(q[1:], q[1:][::-1])


def test_each_axis_ends_at_its_own_nyquist():
    q = nyquist_fractions((6, 10))
    assert q[3, 0] == pytest.approx(1)
    assert q[0, 5] == pytest.approx(1)
    assert q[3, 5] == pytest.approx(np.sqrt(2))


def test_a_wave_loses_what_the_function_says():
    x = np.arange(64)
    wave = np.cos(2 * np.pi * 8 / 64 * x) * np.ones((16, 1))
    seen = np.fft.irfft2(np.fft.rfft2(wave) * mtf_on_grid((16, 64), c0=0.25, c3=3.0), s=(16, 64))
    assert seen == pytest.approx(wave / 2, abs=1e-12)


@pytest.mark.parametrize("shape", [(0, 4), (4, 0)])
def test_a_frame_without_pixels_is_refused(shape):
    with pytest.raises(SettingsError, match="1 px or more"):
        nyquist_fractions(shape)


def test_the_five_models_of_table_3():
    assert list(MTF_MODELS) == ["MTF 1", "MTF 2", "MTF 3", "MTF 4", "MTF 5"]
    assert [model.c0 for model in MTF_MODELS.values()] == [
        (0.4, 0.6),
        (0.4, 0.6),
        (0.2, 0.3),
        (0.25, 0.6),
        (0.6, 0.8),
    ]
    assert [model.c3 for model in MTF_MODELS.values()] == [(2, 3), (1, 5), (1, 5), (2, 5), (2, 5)]
    assert {model.readout_e for model in MTF_MODELS.values()} == {(0.005, 0.015)}
    with pytest.raises(TypeError):
        MTF_MODELS["MTF 6"] = MTF_MODELS["MTF 1"]
