"""Properties follow geometry and scikit-image, compiled or not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.measure import perimeter_crofton, regionprops

from temflux.engine.base.errors import CalibrationError, DataError
from temflux.engine.measure.properties import measure_properties, measure_runs
from temflux.engine.measure.runs import relabel_runs, runs_of_labels

frames = hnp.arrays(
    np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.integers(0, 3)
)
both = pytest.mark.parametrize("compiled", [True, False])


def ellipse(long, short, angle, size=160):
    y, x = np.mgrid[:size, :size] - size / 2 + 0.37
    a = np.radians(angle)
    # The long axis lies at this angle from the row axis towards the column axis.
    u, v = y * np.cos(a) + x * np.sin(a), x * np.cos(a) - y * np.sin(a)
    return ((u / long) ** 2 + (v / short) ** 2 <= 1).astype(int)


@given(frames, st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_both_paths_measure_the_same(labels, seed):
    image = np.random.default_rng(seed).normal(size=labels.shape)
    plain = measure_properties(labels, image, pixel_nm=0.2, compiled=False)
    compiled = measure_properties(labels, image, pixel_nm=0.2, compiled=True)
    assert list(plain) == list(compiled)
    for name, values in plain.items():
        assert values.dtype == compiled[name].dtype
        np.testing.assert_allclose(compiled[name], values, rtol=1e-9, err_msg=name)


@given(frames, st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_scikit_image_measures_the_same(labels, seed):
    image = np.random.default_rng(seed).normal(size=labels.shape)
    table = measure_properties(labels, image)
    regions = regionprops(labels, image)
    assert table["label"].tolist() == [region.label for region in regions]
    for row, region in enumerate(regions):
        at = {name: values[row] for name, values in table.items()}
        assert at["area_px2"] == region.area
        assert tuple(at[f"bbox_{side}_px"] for side in ("y0", "x0", "y1", "x1")) == region.bbox
        np.testing.assert_allclose((at["y_px"], at["x_px"]), region.centroid, rtol=1e-9)
        np.testing.assert_allclose(at["mean_intensity"], region.intensity_mean, rtol=1e-9, atol=1e-12)
        alone = labels == region.label
        np.testing.assert_allclose(at["perimeter_px"], perimeter_crofton(alone, directions=4), rtol=1e-9)
        np.testing.assert_allclose(at["equivalent_diameter_px"], region.equivalent_diameter_area, rtol=1e-9)
        # A round region's eccentricity is the root of a rounding error, and its angle is noise.
        np.testing.assert_allclose(at["eccentricity"] ** 2, region.eccentricity**2, atol=1e-9)
        if at["eccentricity"] > 1e-3:
            turn = at["orientation_deg"] - np.degrees(region.orientation)
            assert abs((turn + 90) % 180 - 90) < 1e-6


@both
@pytest.mark.parametrize("radius", [10, 25, 60])
def test_a_disc_has_the_area_and_outline_of_a_circle(radius, compiled):
    table = measure_properties(ellipse(radius, radius, 0), compiled=compiled)
    np.testing.assert_allclose(table["area_px2"], np.pi * radius**2, rtol=0.02)
    np.testing.assert_allclose(table["perimeter_px"], 2 * np.pi * radius, rtol=0.02)
    np.testing.assert_allclose(table["equivalent_diameter_px"], 2 * radius, rtol=0.01)
    np.testing.assert_allclose((table["y_px"][0], table["x_px"][0]), 160 / 2 - 0.37, atol=0.1)
    assert table["eccentricity"][0] < 0.15
    assert table["solidity"][0] > 0.94


@both
@pytest.mark.parametrize("angle", [-75, -45, -10, 0, 30, 45, 80])
def test_an_ellipse_has_its_eccentricity_and_angle_however_turned(angle, compiled):
    table = measure_properties(ellipse(60, 20, angle), compiled=compiled)
    np.testing.assert_allclose(table["eccentricity"], np.sqrt(1 - (20 / 60) ** 2), atol=2e-3)
    np.testing.assert_allclose(table["orientation_deg"], angle, atol=0.3)
    np.testing.assert_allclose(table["area_px2"], np.pi * 60 * 20, rtol=0.01)
    assert table["solidity"][0] > 0.95


@both
def test_shapes_of_known_hull(compiled):
    labels = np.zeros((12, 30), int)
    labels[1:5, 1:9] = 1  # a rectangle fills its hull
    labels[6:10, 1:5] = 2
    labels[6:8, 3:5] = 0  # an L: 12 of 16 − 2 square pixels
    labels[3, 20] = labels[9, 26] = 3  # two pixels far apart: a band of 1 + 6 + 6
    table = measure_properties(labels, compiled=compiled)
    np.testing.assert_allclose(table["solidity"], [1, 12 / 14, 2 / 13], rtol=1e-12)


def test_nm_columns_are_scaled_px_columns_and_nan_without_a_pixel_size():
    labels = ellipse(30, 20, 20)
    scaled, bare = measure_properties(labels, pixel_nm=0.25), measure_properties(labels)
    for name in ("y", "x", "perimeter", "equivalent_diameter"):
        np.testing.assert_allclose(scaled[f"{name}_nm"], scaled[f"{name}_px"] * 0.25)
        assert np.isnan(bare[f"{name}_nm"]).all()
    np.testing.assert_allclose(scaled["area_nm2"], scaled["area_px2"] / 16)
    assert np.isnan(bare["area_nm2"]).all()
    assert np.isnan(bare["mean_intensity"]).all()


@both
def test_edges_are_told_from_the_inside(compiled):
    labels = np.zeros((9, 9), int)
    for label, place in enumerate(((0, 4), (4, 0), (8, 4), (4, 8), (4, 4)), start=1):
        labels[place] = label
    assert measure_properties(labels, compiled=compiled)["touches_edge"].tolist() == [True] * 4 + [False]


@both
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, ">u2", np.float16, np.float32, ">f8"])
def test_images_of_any_real_type_are_averaged(dtype, compiled):
    image = np.array([[0, 1, 1], [1, 1, 0]]).astype(dtype)
    table = measure_properties(np.array([[1, 1, 0], [0, 2, 2]]), image, compiled=compiled)
    assert table["mean_intensity"].tolist() == [0.5, 0.5]


@both
def test_labels_need_not_be_numbered_without_gaps(compiled):
    labels = np.array([[7, 7, 0], [0, 2**31 - 1, 0]])
    table = measure_properties(labels, np.ones((2, 3)), compiled=compiled)
    assert table["label"].tolist() == [7, 2**31 - 1]
    assert table["area_px2"].tolist() == [2, 1]


@both
def test_runs_that_became_one_particle_measure_as_its_labels(compiled):
    labels = np.array([[1, 1, 2, 2], [1, 2, 2, 1]])
    joined = relabel_runs(runs_of_labels(labels), np.array([0, 1, 1]))
    one = measure_properties(np.ones((2, 4), int), compiled=compiled)
    for name, values in measure_runs(joined, (2, 4), compiled=compiled).items():
        np.testing.assert_array_equal(values, one[name])


@both
def test_a_frame_without_particles_gives_an_empty_table(compiled):
    table = measure_properties(np.zeros((5, 6), int), np.ones((5, 6)), pixel_nm=1.0, compiled=compiled)
    assert {len(values) for values in table.values()} == {0}


def test_bad_input_is_refused():
    labels = np.ones((3, 4), int)
    for image in (np.ones((4, 3)), np.ones((3, 4), complex), np.ones((3, 4, 3))):
        with pytest.raises(DataError, match="expected an image"):
            measure_properties(labels, image)
    for pixel_nm in (0, -1, np.nan):
        with pytest.raises(CalibrationError, match="above 0 nm"):
            measure_properties(labels, pixel_nm=pixel_nm)
