"""Dose series of predictors whose limits are known, and limits of curves that are known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.generate.detector import Detector
from temflux.engine.learn.dose_series import dose_series, full_dose, half_dose

IMAGE = np.pad(np.full((24, 24), 0.5), 12, constant_values=1.0)
TRUTH = IMAGE < 1


def series(predict, doses, *, seed=0, **keywords):
    return dose_series(
        predict, IMAGE, TRUTH, doses, rng=np.random.default_rng(seed), sampling_A=0.4, **keywords
    )


def curve(*points):
    doses, values = np.array(points, float).T
    return {"dose_e_per_A2": doses, "area": values}


def below_three_quarters(counts):
    return counts < 0.75 * np.median(counts[:4])


def test_more_dose_finds_more_and_less_that_is_false():
    rows = series(below_three_quarters, [10, 100, 1000, 10_000], repeats=3)
    assert rows["dose_e_per_A2"].tolist() == [10] * 3 + [100] * 3 + [1000] * 3 + [10_000] * 3
    assert rows["repeat"].tolist() == [0, 1, 2] * 4
    means = {name: values.reshape(4, 3).mean(axis=1) for name, values in rows.items()}
    assert (np.diff(means["f1"]) >= 0).all()
    assert (np.diff(means["false_area"]) <= 0).all()
    assert means["false_area"][0] > 0.05
    assert means["f1"][-1] == means["area"][-1] == means["recall"][-1] == 1
    assert means["false_area"][-1] == 0


def test_area_recall_and_f1_are_what_they_say():
    half = TRUTH.copy()
    half[:, 24:] = False
    rows = series(lambda _: half, [50.0])
    assert (rows["area"][0], rows["recall"][0]) == (0.5, 0.5)
    assert rows["f1"][0] == pytest.approx(2 / 3)
    assert rows["false_area"][0] == half.mean()
    wide = series(lambda counts: np.ones(counts.shape, np.uint8), [50.0])
    assert (wide["area"][0], wide["recall"][0]) == (4, 1)


def test_the_predictor_sees_the_camera_and_the_dose():
    seen = []

    def predict(counts):
        seen.append(counts)
        return TRUTH

    camera = Detector(dose_e_per_A2=1.0, mtf_c0=0.3, mtf_c3=2.5, readout_e=0.1)
    series(predict, [400.0, 100.0], camera=camera)
    assert [counts.dtype for counts in seen] == [np.float32] * 4
    assert [round(float(counts[:6].mean())) for counts in seen[1::2]] == [16, 64]
    vacuum = seen[3]
    # Noise that the modulation transfer has smoothed is far below Poisson's.
    assert vacuum.var() < 0.5 * 64
    assert seen[0].mean() < seen[1].mean()


def test_the_same_seed_gives_the_same_rows():
    one, same, other = (series(below_three_quarters, [20, 200], seed=seed) for seed in (3, 3, 4))
    for name, values in one.items():
        np.testing.assert_array_equal(values, same[name])
    assert (one["f1"] != other["f1"]).any()


def test_a_series_of_images_gives_one_mask():
    focal = np.stack([IMAGE, IMAGE])
    rows = dose_series(
        lambda counts: counts.mean(axis=0) < 0.75 * np.median(counts[:, :4]),
        focal,
        np.stack([TRUTH, ~TRUTH], axis=-1),
        [1e5],
        rng=np.random.default_rng(0),
        sampling_A=0.4,
    )
    assert rows["f1"].tolist() == [1]


def test_limits_are_interpolated_in_the_logarithm():
    rows = curve((10, 0.1), (100, 0.7), (1000, 1.0))
    assert half_dose(rows).dose_e_per_A2 == pytest.approx(10 ** (1 + 0.4 / 0.6))
    assert full_dose(rows).dose_e_per_A2 == pytest.approx(10 ** (2 + 0.2 / 0.3))
    assert half_dose(rows).kind == full_dose(rows).kind == "reached"
    falling = curve((10, 1.6), (100, 1.05), (1000, 1.0))
    assert full_dose(falling).dose_e_per_A2 == pytest.approx(10 ** (1 + 0.5 / 0.55))


def test_the_area_must_stay_full():
    rows = curve((10, 1.0), (100, 0.5), (1000, 0.95), (10_000, 1.05))
    assert full_dose(rows).dose_e_per_A2 == pytest.approx(10 ** (2 + 0.4 / 0.45))
    assert half_dose(rows).kind == "always"
    dip = curve((10, 0.6), (100, 0.4), (1000, 1.0))
    assert half_dose(dip).dose_e_per_A2 == pytest.approx(10 ** (2 + 0.1 / 0.6))


def test_limits_that_are_never_or_always_reached_say_so():
    low = curve((10, 0.1), (1000, 0.45))
    assert half_dose(low).kind == full_dose(low).kind == "never"
    assert math.isnan(half_dose(low).dose_e_per_A2)
    assert str(half_dose(low)) == "not up to 1000 e⁻/Å²"
    high = curve((10, 0.98), (1000, 1.0))
    assert str(full_dose(high)) == "at most 10 e⁻/Å²"
    assert full_dose(curve((10, 1.2), (100, 1.3))).kind == "never"
    assert full_dose(curve((10, 0.0), (100, 0.0)), of_highest=True).kind == "never"
    assert half_dose(curve((7, 0.5))).kind == "always"


def test_the_highest_dose_can_stand_for_the_truth():
    rows = curve((10, 0.4), (100, 0.78), (1000, 0.8))
    assert full_dose(rows).kind == "never"
    limit = full_dose(rows, of_highest=True)
    assert limit.dose_e_per_A2 == pytest.approx(10 ** (1 + (0.9 - 0.5) / (0.975 - 0.5)))


def test_rows_of_one_dose_are_averaged_in_any_order():
    rows = curve((100, 1.0), (10, 0.2), (100, 0.6), (10, 0.0))
    assert half_dose(rows).dose_e_per_A2 == pytest.approx(10 ** (1 + 0.4 / 0.7))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 2), min_size=2, max_size=8),
    st.floats(0.05, 0.9),
    st.floats(1.5, 10),
)
def test_from_the_limit_on_the_condition_holds(values, within, ratio):
    doses = ratio ** np.arange(len(values))
    limit = full_dose({"dose_e_per_A2": doses, "area": np.array(values)}, within=within)
    inside = np.abs(np.array(values) - 1) <= within * (1 + 1e-9)
    if limit.kind == "never":
        assert not inside[-1] or abs(abs(values[-1] - 1) - within) < 1e-9
        return
    assert inside[doses > limit.dose_e_per_A2 * (1 + 1e-9)].all()
    if limit.kind == "reached":
        at = np.interp(math.log(limit.dose_e_per_A2), np.log(doses), values)
        assert abs(at - 1) == pytest.approx(within, abs=1e-6)
    # Ten times the dose at every point is ten times the limit.
    scaled = full_dose({"dose_e_per_A2": 10 * doses, "area": np.array(values)}, within=within)
    assert scaled.dose_e_per_A2 == pytest.approx(10 * limit.dose_e_per_A2)


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match=r"apply a threshold"):
        series(lambda counts: counts / counts.max(), [10.0])
    with pytest.raises(DataError, match=r"predict: expected a mask"):
        series(lambda _: TRUTH[:3], [10.0])
    for doses in ([], [0.0], [-1.0, 5.0], [math.inf]):
        with pytest.raises(SettingsError, match="doses_e_per_A2"):
            series(below_three_quarters, doses)
    with pytest.raises(SettingsError, match="repeats"):
        series(below_three_quarters, [10.0], repeats=0)
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="label of the image's shape"):
        dose_series(below_three_quarters, IMAGE, TRUTH[:5], [10.0], rng=rng, sampling_A=0.4)
    with pytest.raises(DataError, match="empty"):
        dose_series(below_three_quarters, IMAGE, TRUTH & False, [10.0], rng=rng, sampling_A=0.4)
    with pytest.raises(DataError, match="column f1"):
        half_dose(curve((10, 1)), column="f1")
    for bad in (curve((0, 1.0)), curve((10, math.nan)), {"dose_e_per_A2": np.zeros(0), "area": np.zeros(0)}):
        with pytest.raises(DataError, match="rows"):
            half_dose(bad)
    with pytest.raises(SettingsError, match="within"):
        full_dose(curve((10, 1)), within=0)
    with pytest.raises(SettingsError, match="share"):
        half_dose(curve((10, 1)), share=0)
