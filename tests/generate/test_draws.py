"""Drawn microscopes: distributions, bounds, focal series, and which numbers depend on which."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from temflux.engine.base.errors import SettingsError
from temflux.engine.base.seeds import generator
from temflux.engine.generate.draws import RANGES, check_series, draw_microscope, list_defoci

STORED = {
    "sampling": "sampling_A",
    "log_dose": "dose_e_per_A2",
    "blur": "blur_A",
    "focal_spread": "focal_spread_A",
    "angular_spread": "angular_spread_mrad",
    "defocus": "defocus_A",
    "ctf_c30": "c30_A",
    "ctf_c12": "c12_A",
    "ctf_c21": "c21_A",
    "ctf_c23": "c23_A",
    "ctf_c32": "c32_A",
    "ctf_c34": "c34_A",
    "ctf_c45": "c45_A",
    "mtf_c1": "mtf_c0",
    "mtf_c2": "mtf_floor",
    "mtf_c3": "mtf_c3",
    "readout": "readout_e",
}
ANGLES = ("phi12_rad", "phi21_rad", "phi23_rad", "phi32_rad", "phi34_rad", "phi45_rad")
WIDE = {name: (0.5 + place, 2.5 + 2 * place) for place, name in enumerate(RANGES)}


def draws(count, ranges, **more):
    rows = [draw_microscope(generator(7, "image", n), ranges, **more) for n in range(count)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def test_every_range_is_stored_with_its_unit():
    drawn = draw_microscope(generator(1), WIDE)
    assert list(drawn) == [*STORED.values(), *ANGLES]
    assert set(RANGES) == set(STORED)
    assert all(type(value) is float for value in drawn.values())


def test_all_are_uniform_and_the_dose_in_its_logarithm():
    drawn = draws(3000, WIDE)
    for name, stored in STORED.items():
        values = np.log10(drawn[stored]) if name == "log_dose" else drawn[stored]
        lower, upper = WIDE[name]
        assert kstest(values, "uniform", (lower, upper - lower)).pvalue > 1e-4
    for name in ANGLES:
        assert kstest(drawn[name], "uniform", (0, 2 * math.pi)).pvalue > 1e-4
    table = np.corrcoef(np.stack([np.log(v) if n == "dose_e_per_A2" else v for n, v in drawn.items()]))
    assert np.abs(table - np.eye(len(table))).max() < 0.09


def test_the_same_generator_draws_the_same():
    assert draw_microscope(generator(3, 4), WIDE) == draw_microscope(generator(3, 4), WIDE)
    assert draw_microscope(generator(3, 4), WIDE) != draw_microscope(generator(3, 5), WIDE)


@pytest.mark.parametrize("name", RANGES)
def test_closing_one_range_leaves_all_other_draws(name):
    before = draw_microscope(generator(11), WIDE)
    rng = generator(11)
    after = draw_microscope(rng, {**WIDE, name: (2.0, 2.0)})
    assert after[STORED[name]] == (100.0 if name == "log_dose" else 2.0)
    changed = [key for key in before if before[key] != after[key]]
    assert changed == [STORED[name]]
    # What is drawn next, as the noise, is the same as well.
    other = generator(11)
    draw_microscope(other, WIDE)
    assert rng.random() == other.random()


def test_a_focal_series_leaves_the_other_draws():
    one, three = (
        draw_microscope(generator(5), {**WIDE, "defocus": (-200.0, 200.0)}, multifocus=series)
        for series in (None, (3, 50.0, 1.0))
    )
    assert {name for name in one if one[name] != three[name]} == {"defocus_A"}
    assert set(three) - set(one) == {"defocus_2_A", "defocus_3_A"}
    assert len(list_defoci(one)) == 1
    assert len(list_defoci(three)) == 3


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 12),
    st.floats(0.5, 100),
    st.floats(0, 0.05),
    st.floats(-300, 300),
    st.floats(1.2, 10),
)
def test_all_defoci_lie_within_the_bounds(seed, images, step, spread, lower, room):
    bounds = (lower, lower + max(images - 1, 1) * step * room)
    drawn = draw_microscope(
        generator(seed), {**WIDE, "defocus": bounds}, multifocus=(images, step, spread * step)
    )
    defoci = np.array(list_defoci(drawn))
    assert len(defoci) == images
    assert defoci.min() >= bounds[0] - 1e-9
    assert defoci.max() <= bounds[1] + 1e-9


def test_steps_scatter_around_the_step():
    ranges = {**WIDE, "defocus": (-200.0, 200.0)}
    rows = [
        list_defoci(draw_microscope(generator(1, n), ranges, multifocus=(3, 50.0, 2.0))) for n in range(3000)
    ]
    steps = np.diff(rows, axis=1)
    assert steps.mean() == pytest.approx(50, abs=0.15)
    assert steps.std() == pytest.approx(2, rel=0.05)
    assert abs(np.corrcoef(steps.T)[0, 1]) < 0.07
    first = np.array(rows)[:, 0]
    assert kstest(first, "uniform", (-200, 300)).pvalue > 1e-4


def test_a_series_that_just_fits_is_laid_over_the_middle():
    ranges = {**WIDE, "defocus": (-50.0, 50.0)}
    defoci = list_defoci(draw_microscope(generator(1), ranges, multifocus=(3, 50.0, 0.0)))
    assert defoci == pytest.approx((-50, 0, 50))
    overshoot = []
    for n in range(300):
        defoci = list_defoci(draw_microscope(generator(1, n), ranges, multifocus=(3, 50.0, 1.0)))
        below, above = -50 - min(defoci), max(defoci) - 50
        overshoot.append(max(below, above))
        if max(below, above) > 1e-9:
            assert below == pytest.approx(above)
    assert 0 < max(overshoot) < 3


def test_a_series_of_one_is_a_single_image():
    ranges = {**WIDE, "defocus": (10.0, 10.0)}
    drawn = draw_microscope(generator(1), ranges, multifocus=(1, 50.0, 1.0))
    assert list_defoci(drawn) == (10.0,)
    assert drawn == draw_microscope(generator(1), ranges)


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.integers(0, 1000))
def test_rounding_never_leaves_a_range(lower, width, seed):
    upper = lower + width
    drawn = draw_microscope(generator(seed), {**WIDE, "ctf_c30": (lower, upper)})
    assert lower <= drawn["c30_A"] <= upper


@pytest.mark.parametrize(
    ("series", "line"),
    [
        ((3, 50.0, 1.0), r"multifocus: .*80 Å from -20 to 60 Å, got 3 images 50 Å apart, 100 Å"),
        ((0, 50.0, 1.0), "expected 1 or more images"),
        ((2.5, 1.0, 1.0), "expected 1 or more images"),
        ((3, 0.0, 1.0), "a step above 0 Å"),
        ((3, math.nan, 1.0), "a step above 0 Å"),
        ((3, 1.0, -1.0), "an uncertainty of 0 Å or more"),
    ],
)
def test_impossible_series_are_refused(series, line):
    with pytest.raises(SettingsError, match=line):
        check_series(series, (-20.0, 60.0))
    with pytest.raises(SettingsError, match=line):
        draw_microscope(generator(1), {**WIDE, "defocus": (-20.0, 60.0)}, multifocus=series)


def test_ranges_are_checked():
    with pytest.raises(SettingsError, match=r"missing are blur, unknown none"):
        draw_microscope(generator(1), {k: v for k, v in WIDE.items() if k != "blur"})
    with pytest.raises(SettingsError, match=r"missing are none, unknown blurr"):
        draw_microscope(generator(1), {**WIDE, "blurr": (0, 1)})
    for wrong in ((2.0, 1.0), (0.0, math.inf), (math.nan, 1.0)):
        with pytest.raises(SettingsError, match=r"blur: expected finite bounds, lower first"):
            draw_microscope(generator(1), {**WIDE, "blur": wrong})
