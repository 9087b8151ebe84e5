"""Outlines: areas, overlaps, contact, and labels that agree with them."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from temflux.engine.base.errors import DataError
from temflux.engine.generate.movie_outlines import (
    area_and_middle,
    common_part,
    contact_distance,
    outline,
    paint_labels,
    union_measures,
)

SQUARE = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]])


def circle(radius=10.0, at=(0.0, 0.0), corners=40):
    angle = np.arange(corners) * 2 * math.pi / corners
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius + at


def inside(points, corners):
    """Whether points lie in a convex polygon, by the sign of every edge's cross product."""
    following = np.roll(corners, -1, axis=0)
    edge, to_point = following - corners, points[:, np.newaxis] - corners
    cross = edge[:, 0] * to_point[..., 1] - edge[:, 1] * to_point[..., 0]
    return (cross >= 0).all(axis=1) | (cross <= 0).all(axis=1)


points = arrays(np.float64, (12, 2), elements=st.floats(-10, 10, width=32), unique=True)


@given(points)
def test_outline_holds_all_points(xy):
    assume(np.linalg.matrix_rank(xy - xy[0], tol=1e-3) == 2)
    hull = outline(xy)
    area, middle = area_and_middle(hull)
    assert inside(xy * 0.999 + middle * 0.001, hull).all()
    assert area > 0
    assert inside(middle[np.newaxis], hull).all()


def test_areas_of_known_shapes():
    area, middle = area_and_middle(circle(10.0, (3.0, -2.0)))
    assert area == pytest.approx(0.5 * 40 * 100 * math.sin(2 * math.pi / 40))
    assert middle == pytest.approx([3, -2])
    triangle = np.array([[0.0, 0], [3, 0], [0, 3]])
    assert area_and_middle(triangle[::-1])[0] == pytest.approx(4.5)
    assert area_and_middle(triangle)[1] == pytest.approx([1, 1])
    assert area_and_middle(SQUARE[:2])[0] == 0


@given(shift=st.tuples(st.floats(-5, 5), st.floats(-5, 5)))
def test_overlap_of_squares(shift):
    common = common_part(SQUARE, (SQUARE + shift)[::-1])
    expected = max(0, 4 - abs(shift[0])) * max(0, 4 - abs(shift[1]))
    assert area_and_middle(common)[0] == pytest.approx(expected, abs=1e-9)
    total, _ = union_measures([SQUARE, SQUARE + shift])
    assert total == pytest.approx(32 - expected)


def test_overlap_of_polygons_is_that_of_their_samples():
    one, other = circle(10, corners=9), circle(7, (6, 4), corners=7)
    grid = np.stack(np.meshgrid(np.arange(-12, 15, 0.1), np.arange(-12, 15, 0.1)), axis=-1).reshape(-1, 2)
    both = inside(grid, one) & inside(grid, other)
    area, middle = area_and_middle(common_part(one, other))
    assert area == pytest.approx(both.sum() * 0.01, rel=0.01)
    assert middle == pytest.approx(grid[both].mean(axis=0), abs=0.05)
    total, centre = union_measures([one, other])
    either = inside(grid, one) | inside(grid, other)
    assert total == pytest.approx(either.sum() * 0.01, rel=0.01)
    assert centre == pytest.approx(grid[either].mean(axis=0), abs=0.05)


@given(direction=st.floats(0, 2 * math.pi), radius=st.floats(1, 20))
def test_circles_touch_at_the_sum_of_their_radii(direction, radius):
    along = np.array([math.cos(direction), math.sin(direction)])
    distance = contact_distance(circle(10), circle(radius), along)
    assert (10 + radius) * math.cos(math.pi / 40) - 1e-6 <= distance <= 10 + radius + 1e-6
    assert len(common_part(circle(10), circle(radius) + (distance + 1e-6) * along)) == 0
    assert len(common_part(circle(10), circle(radius) + (distance - 1e-3) * along)) > 0


@given(at=st.tuples(st.floats(15, 30), st.floats(15, 30)), radius=st.floats(4, 12))
def test_labels_have_the_outlines_area_and_place(at, radius):
    hull = circle(radius, at)
    labels = paint_labels([hull], [5], shape=(160, 160), sampling_A=0.3)
    area, middle = area_and_middle(hull)
    # A sample more or less along the rim, at random: its length's root.
    assert (labels == 5).sum() * 0.09 == pytest.approx(
        area, abs=4 * 0.09 * math.sqrt(2 * math.pi * radius / 0.3)
    )
    rows, columns = np.nonzero(labels)
    assert (columns.mean() * 0.3, rows.mean() * 0.3) == pytest.approx(middle, abs=0.05)


def test_the_nearer_of_two_gets_what_they_share():
    small, large = circle(5, (20, 20)), circle(10, (30, 20))
    labels = paint_labels([small, large], [1, 2], shape=(120, 160), sampling_A=0.3)
    swapped = paint_labels([large, small], [2, 1], shape=(120, 160), sampling_A=0.3)
    np.testing.assert_array_equal(labels, swapped)
    row = labels[round(20 / 0.3)]
    # Distances in radii are equal where (x - 20)/5 = (30 - x)/10.
    border = np.flatnonzero(row == 2)[0] * 0.3
    assert border == pytest.approx(20 + 10 / 3, abs=0.3)


def test_outlines_beyond_the_frame_are_cut():
    labels = paint_labels(
        [circle(10, (-0.25, -0.25)), circle(5, (200, 200))], [1, 2], shape=(50, 60), sampling_A=0.5
    )
    assert set(np.unique(labels)) == {0, 1}
    assert (labels == 1).sum() * 0.25 == pytest.approx(78, rel=0.06)


def test_refuses_what_has_no_outline():
    with pytest.raises(DataError, match="three atoms"):
        outline(np.zeros((2, 2)))
    with pytest.raises(DataError, match="one or two"):
        union_measures([])
