"""Outlines: convex, of the area asked for, in the room; tilts are rotations; places in the cell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from temflux.engine.base.errors import SettingsError
from temflux.engine.generate.outline import (
    displaced,
    hull_of_columns,
    make_room,
    random_outline,
    set_in_cell,
    tilted,
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.floats(18, 200), st.floats(18, 200))
def test_outlines_are_convex_and_in_the_room(seed, width, height):
    room = make_room((width, height), thickness_A=3.0, tilt_deg=5.0)
    corners = random_outline(np.random.default_rng(seed), room)
    x0, y0, x1, y1 = room.window
    assert (corners >= (x0 - 1e-9, y0 - 1e-9)).all()
    assert (corners <= (x1 + 1e-9, y1 + 1e-9)).all()
    hull = ConvexHull(corners)
    assert len(hull.vertices) == len(corners)
    assert hull.volume >= min(0.15 * width * height, 0.4 * min(x1 - x0, y1 - y0) ** 2) - 1e-9
    assert hull.volume <= 0.8 * width * height + 1e-9


def test_outlines_lie_anywhere_and_point_anywhere():
    rng = np.random.default_rng(0)
    room = make_room(60.0)
    outlines = [random_outline(rng, room, shares=(0.1, 0.2)) for _ in range(400)]
    middles = np.array([corners.mean(axis=0) for corners in outlines])
    assert abs(middles.mean(axis=0) - 30).max() < 1.5
    assert middles.std(axis=0).min() > 4
    # The long way of the outline favours no direction.
    long = []
    for corners in outlines:
        step = corners[:, np.newaxis] - corners
        far = step.reshape(-1, 2)[np.linalg.norm(step, axis=2).argmax()]
        long.append(np.exp(4j * np.arctan2(far[1], far[0])))
    assert abs(np.mean(long)) < 0.2


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 45), st.floats(0, 360), st.integers(0, 1000))
def test_tilts_are_rotations(tilt, direction, seed):
    rng = np.random.default_rng(seed)
    positions, centre = rng.normal(size=(9, 3)), rng.normal(size=3)
    moved = tilted(positions, tilt_deg=tilt, direction_deg=direction, centre=centre)
    before, after = positions[:, np.newaxis] - positions, moved[:, np.newaxis] - moved
    np.testing.assert_allclose(np.linalg.norm(after, axis=2), np.linalg.norm(before, axis=2), atol=1e-9)
    # Handedness stays, the centre stays, and the axis along the beam leans as far and where it says.
    if tilt > 0:
        back = tilted(moved, tilt_deg=-tilt, direction_deg=direction, centre=centre)
        np.testing.assert_allclose(back, positions, atol=1e-9)
    above = (centre + np.array([0, 0, 1.0]))[np.newaxis]
    up = tilted(above, tilt_deg=tilt, direction_deg=direction, centre=centre)[0] - centre
    t, d = np.deg2rad([tilt, direction])
    wanted = (np.sin(t) * np.cos(d), np.sin(t) * np.sin(d), np.cos(t))
    np.testing.assert_allclose(up, wanted, atol=1e-9)


def test_displacements_are_gaussian_and_end_at_six_sigma():
    moved = displaced(np.random.default_rng(0), np.zeros((20_000, 3)), 0.1)
    assert moved.std() == pytest.approx(0.1, rel=0.02)
    assert np.mean(np.abs(moved) < 0.1) == pytest.approx(0.6827, abs=0.01)
    assert np.abs(moved).max() <= 0.6


def test_a_hull_of_few_columns_is_those_columns():
    room = make_room(20.0)
    corners = np.array([[5.0, 5], [15, 5], [15, 15], [5, 15]])
    far = np.array([[6.0, 6], [14, 14], [100, 100]])
    assert hull_of_columns(corners, far, room).tolist() == [True, True, False]
    line = np.array([[6.0, 6], [10, 10], [14, 14]])
    assert hull_of_columns(corners, line, room)[[0, 2]].all()
    with pytest.raises(SettingsError, match="leaves no room for a column"):
        hull_of_columns(corners, far + 100, room)


def test_atoms_are_set_in_the_middle_of_a_cell_with_a_height():
    positions = np.array([[30.0, 30, -4], [31, 30, 2]])
    moved, cell = set_in_cell(positions, make_room((60, 60, 30)))
    assert cell == (60, 60, 30)
    np.testing.assert_allclose(moved[:, 2], [12, 18])
    with pytest.raises(SettingsError, match=r"height of at least 10\.0 Å"):
        set_in_cell(positions, make_room((60, 60, 9)))


def test_the_room_gives_way_to_tilt_and_vibration():
    room = make_room(60.0, thickness_A=20.0, tilt_deg=30.0, distort_A=0.1)
    # Half of 20 Å times sin 30°, six standard deviations, and 2 Å.
    np.testing.assert_allclose(room.window, (7.6, 7.6, 52.4, 52.4))


def test_a_hull_ends_at_its_outermost_columns():
    rng = np.random.default_rng(0)
    centres = rng.uniform(5, 55, (4000, 2))
    corners = np.array([[15.0, 15], [45, 20], [30, 45]])
    inside = hull_of_columns(corners, centres, make_room(60.0))
    area = ConvexHull(corners).volume
    assert inside.sum() / 4000 * 50**2 == pytest.approx(area, rel=0.1)
    # The hull is that of the columns next to the corners, and none beyond it is taken.
    nearest = centres[[np.linalg.norm(centres - corner, axis=1).argmin() for corner in corners]]
    hull = ConvexHull(nearest)
    beyond = (centres @ hull.equations[:, :2].T + hull.equations[:, 2]).max(axis=1) > 1e-6
    np.testing.assert_array_equal(inside, ~beyond)
