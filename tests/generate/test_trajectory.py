"""Trajectories: drift, rotation and jumps over cell boundaries are taken out; bad ones are refused."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.cluster import Octahedron
from ase.io import write
from scipy.spatial.transform import Rotation

from temflux.engine.base.errors import DataError, ReadError, SettingsError
from temflux.engine.generate.trajectory import count_neighbours, find_bonds, follow_atoms


@pytest.fixture(scope="module")
def cluster():
    return Octahedron("Au", 4, 1)


def shaken(atoms, rng, count, sigma=0.05):
    frames = [atoms.copy() for _ in range(count)]
    for frame in frames[1:]:
        frame.positions += sigma * rng.standard_normal((len(atoms), 3))
    return frames


def test_drift_is_taken_out(cluster):
    frames = shaken(cluster, np.random.default_rng(0), 20)
    drifting = [frame.copy() for frame in frames]
    for number, frame in enumerate(drifting):
        frame.positions += number * np.array([0.3, -0.1, 0.2])
    still = follow_atoms(frames).positions_A
    assert follow_atoms(drifting).positions_A == pytest.approx(still, abs=1e-10)
    kept = follow_atoms(drifting, remove_drift=False).positions_A
    assert (kept[-1] - kept[0]).mean(axis=0) == pytest.approx([5.7, -1.9, 3.8], abs=0.05)


def test_the_centre_is_that_of_mass():
    frames = [Atoms("AuH", [(0, 0, 0), (0, 0, 1.5)]), Atoms("AuH", [(0, 0, 0), (0, 0, 2.5)])]
    moved = follow_atoms(frames).positions_A[1] - frames[0].positions
    assert abs(moved[0, 2]) < 0.01
    assert moved[1, 2] == pytest.approx(1, abs=0.01)


def test_rotation_is_taken_out(cluster):
    rng = np.random.default_rng(1)
    frames = shaken(cluster, rng, 20, sigma=0.0)
    for number, frame in enumerate(frames):
        turn = Rotation.from_rotvec(0.02 * number * np.array([1.0, 2.0, -1.0]))
        frame.positions = turn.apply(frame.positions) + number
    followed = follow_atoms(frames, remove_rotation=True).positions_A
    assert followed == pytest.approx(np.broadcast_to(cluster.positions, followed.shape), abs=1e-6)
    assert np.ptp(follow_atoms(frames).positions_A, axis=0).max() > 1


def test_rotation_without_drift_turns_about_the_moving_centre(cluster):
    frames = [cluster.copy(), cluster.copy()]
    frames[1].positions += [1.0, 0.0, 0.0]
    followed = follow_atoms(frames, remove_drift=False, remove_rotation=True).positions_A
    assert followed[1] - followed[0] == pytest.approx(np.tile([1.0, 0, 0], (len(cluster), 1)), abs=1e-6)


def test_atoms_that_leave_the_cell_go_on(tmp_path):
    crystal = bulk("Au", cubic=True) * 2
    frames = []
    for number in range(30):
        frame = crystal.copy()
        frame.positions += 0.4 * number
        frame.wrap()
        frames.append(frame)
    followed = follow_atoms(frames, remove_drift=False).positions_A
    assert (followed[-1] - followed[0]) == pytest.approx(np.full((32, 3), 0.4 * 29), abs=1e-9)
    write(tmp_path / "md.traj", frames)
    assert follow_atoms(tmp_path / "md.traj", remove_drift=False).positions_A == pytest.approx(followed)
    assert follow_atoms(str(tmp_path / "md.traj"), skip=10).positions_A.shape == (20, 32, 3)


def test_skipped_frames_leave_the_reference(cluster):
    frames = shaken(cluster, np.random.default_rng(0), 6)
    motion = follow_atoms(iter(frames), skip=2)
    assert motion.positions_A.shape == (4, len(cluster), 3)
    assert (motion.reference.positions == cluster.positions).all()
    assert motion.mean_structure.positions == pytest.approx(motion.positions_A.mean(axis=0))


def test_given_frames_are_not_changed(cluster):
    frames = shaken(cluster, np.random.default_rng(0), 4)
    before = [frame.positions.copy() for frame in frames]
    follow_atoms(frames, remove_rotation=True).reference.positions += 1
    assert all((a == b.positions).all() for a, b in zip(before, frames, strict=True))


def test_bonds_of_bulk_gold_are_twelve():
    first, second, vectors = find_bonds(bulk("Au", cubic=True) * 2)
    assert np.bincount(first).tolist() == [12] * 32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(4.08 / np.sqrt(2))
    assert len(first) == len(second)


def test_neighbours_are_counted_by_element():
    carbon_dioxide = Atoms("OCO", [(-1.16, 0, 0), (0, 0, 0), (1.16, 0, 0)])
    counts = count_neighbours(carbon_dioxide)
    assert {symbol: number.tolist() for symbol, number in counts.items()} == {"C": [1, 0, 1], "O": [0, 2, 0]}


@pytest.mark.parametrize(
    ("frames", "settings", "error", "line"),
    [
        ([Atoms("Au")], {}, DataError, "2 or more frames after skip = 0, got 1"),
        (Atoms("Au"), {}, DataError, "2 or more frames"),
        ([], {}, DataError, "2 or more frames after skip = 0, got 0"),
        ([Atoms("Au")] * 5, {"skip": 4}, DataError, "2 or more frames after skip = 4, got 5"),
        ([Atoms("Au")] * 5, {"skip": -1}, SettingsError, "skip 0 or more whole frames, got -1"),
        ([Atoms("Au"), Atoms("Ag")], {}, DataError, "the same atoms in all frames, got others in frame 1"),
        ([Atoms("Au"), Atoms("Au2")], {}, DataError, "the same atoms"),
        ([Atoms("Au"), Atoms("Au", [(np.nan, 0, 0)])], {}, DataError, "finite positions"),
    ],
)
def test_trajectories_that_cannot_be_used_are_refused(frames, settings, error, line):
    with pytest.raises(error, match=line):
        follow_atoms(frames, **settings)


def test_files_that_are_none_are_refused(tmp_path):
    (tmp_path / "notes.traj").write_text("no trajectory")
    for name in ("notes.traj", "missing.traj"):
        with pytest.raises(ReadError, match=name):
            follow_atoms(tmp_path / name)
