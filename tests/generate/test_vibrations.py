"""Vibrations by environment: an EMT gold cluster, planted amplitudes, unknown environments, refusals."""

import pickle

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, mx2
from ase.calculators.emt import EMT
from ase.cluster import Icosahedron
from ase.io import write
from ase.md.langevin import Langevin

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.generate.debye_waller import debye_waller_A
from temflux.engine.generate.vibrations import (
    VibrationalAmplitudes,
    get_vibrational_amplitudes,
    look_up_amplitudes,
    perturb_atoms,
)


@pytest.fixture(scope="module")
def gold_frames():
    """A gold cluster of 55 atoms at 300 K by effective medium theory; it drifts and turns."""
    atoms = Icosahedron("Au", 3)
    atoms.calc = EMT()
    dynamics = Langevin(
        atoms,
        5 * units.fs,
        temperature_K=300,
        friction=0.02 / units.fs,
        fixcm=False,
        rng=np.random.default_rng(0),
    )
    frames = []
    dynamics.attach(lambda: frames.append(atoms.copy()), interval=3)
    dynamics.run(500)
    return frames


@pytest.fixture(scope="module")
def gold(gold_frames):
    return get_vibrational_amplitudes(gold_frames, skip=40, remove_rotation=True)


def flake():
    sheet = mx2("MoS2", kind="2H", a=3.18, thickness=3.19, size=(4, 4, 1), vacuum=8)
    sheet.pbc = False
    return sheet


def shaken(atoms, sigma, count, seed=0):
    rng = np.random.default_rng(seed)
    frames = [atoms.copy() for _ in range(count)]
    for frame in frames:
        frame.positions += sigma * rng.standard_normal((len(atoms), 3))
    return frames


def test_low_coordination_vibrates_more(gold):
    mean = {key[2]: np.mean(sigma) for key, sigma in gold.items()}
    surface = np.mean([sigma for number, sigma in mean.items() if number <= 8])
    core = np.mean([sigma for number, sigma in mean.items() if number >= 11])
    assert min(mean) <= 6
    assert max(mean) == 12
    assert surface > 1.15 * core


def test_the_core_vibrates_as_bulk_gold_does(gold):
    assert np.mean(gold["Au", "Au", 12]) == pytest.approx(debye_waller_A("Au"), rel=0.3)


def test_a_turning_cluster_vibrates_less_once_turned_back(gold_frames, gold):
    turning = get_vibrational_amplitudes(gold_frames, skip=40)
    drifting = get_vibrational_amplitudes(gold_frames, skip=40, remove_drift=False)
    means = [np.mean(list(found.values())) for found in (gold, turning, drifting)]
    assert means[0] < means[1] < means[2]


def test_what_was_planted_is_found():
    """Each environment of a flake gets its own amplitude; the file gives the same as the frames."""
    atoms = flake()
    planted = {("Mo", "S", n): (0.01 * n, 0.02 * n, 0.005 * n) for n in range(1, 7)}
    planted |= {("S", "Mo", n): (0.09 / n, 0.06 / n, 0.12 / n) for n in range(1, 4)}
    rng = np.random.default_rng(2)
    frames = [perturb_atoms(rng, atoms, planted) for _ in range(400)]
    found = get_vibrational_amplitudes(frames, remove_drift=False)
    checked = [key for key in found if key in planted]
    assert {key[0] for key in checked} == {"Mo", "S"}
    assert len(checked) >= 5
    for key in checked:
        assert found[key] == pytest.approx(planted[key], rel=0.15)


def test_pairs_are_listed_where_they_are_bonded():
    found = get_vibrational_amplitudes(shaken(flake(), 0.02, 10))
    pairs = {key[:2] for key in found}
    assert ("S", "Mo") in pairs
    assert ("Mo", "S") in pairs
    assert ("S", "S") not in pairs
    assert all(np.mean(sigma) == pytest.approx(0.02, rel=0.5) for sigma in found.values())


def test_a_trajectory_file_gives_the_same(tmp_path, gold_frames):
    write(tmp_path / "md.traj", gold_frames[:20])
    assert get_vibrational_amplitudes(tmp_path / "md.traj") == get_vibrational_amplitudes(gold_frames[:20])


def test_the_amplitudes_do_not_change_and_travel(gold):
    with pytest.raises(TypeError):
        gold["Au", "Au", 12] = (0, 0, 0)
    assert pickle.loads(pickle.dumps(gold)) == gold
    assert hash(gold) == hash(VibrationalAmplitudes(gold.rows))
    assert list(gold) == sorted(gold)
    assert dict(gold) == dict(gold.rows)
    assert ("Au", "Au", 99) not in gold


def test_perturbed_atoms_have_the_amplitudes_of_their_environment():
    atoms = bulk("Au", cubic=True) * 2
    atoms.pbc = False
    amplitudes = {("Au", "Au", 3): (0.3, 0.2, 0.1), ("Au", "Au", 12): (0.1, 0.1, 0.1)}
    rng = np.random.default_rng(5)
    moved = np.array([perturb_atoms(rng, atoms, amplitudes).positions for _ in range(600)]) - atoms.positions
    expected = look_up_amplitudes(atoms, amplitudes)
    assert moved.std(axis=0) == pytest.approx(expected, rel=0.15)
    assert moved.mean(axis=0) == pytest.approx(0, abs=0.06)
    assert (expected.max(axis=0) == [0.3, 0.2, 0.1]).all()


def test_an_unknown_coordination_takes_the_nearest_and_the_lower_of_two():
    chain = Atoms("Au5", [(2.9 * x, 0, 0) for x in range(5)])
    known = {("Au", "Au", 0): (0.4,) * 3, ("Au", "Au", 4): (0.1,) * 3, ("Au", "Au", 9): (0.05,) * 3}
    assert look_up_amplitudes(chain, known)[:, 0].tolist() == [0.4, 0.4, 0.4, 0.4, 0.4]
    known["Au", "Au", 3] = (0.2,) * 3
    assert look_up_amplitudes(chain, known)[:, 0].tolist() == [0.4, 0.2, 0.2, 0.2, 0.4]


def test_neighbours_of_two_elements_share_their_variances():
    atoms = Atoms("AuPd", [(0, 0, 0), (2.8, 0, 0)])
    known = {("Au", "Au", 0): (0.1,) * 3, ("Au", "Pd", 1): (0.7,) * 3, ("Pd", "Au", 1): (0.2,) * 3}
    assert look_up_amplitudes(atoms, known)[:, 0] == pytest.approx([0.5, 0.2])
    alone = Atoms("Au")
    assert look_up_amplitudes(alone, known)[0, 0] == pytest.approx(0.5)


def test_factor_scales_and_the_same_state_gives_the_same_atoms(gold):
    atoms = Icosahedron("Au", 2)
    one = perturb_atoms(np.random.default_rng(3), atoms, gold).positions - atoms.positions
    three = perturb_atoms(np.random.default_rng(3), atoms, gold, factor=3.0).positions - atoms.positions
    assert three == pytest.approx(3 * one)
    assert (one != 0).all()
    assert (perturb_atoms(np.random.default_rng(3), atoms, gold, factor=0).positions == atoms.positions).all()


def test_the_structure_given_stays_and_so_do_atoms_left_out(gold):
    atoms = Icosahedron("Au", 2)
    atoms.set_tags(7)
    before = atoms.positions.copy()
    moved = perturb_atoms(np.random.default_rng(3), atoms, gold, leave=[0, 4])
    assert (atoms.positions == before).all()
    still = (moved.positions == before).all(axis=1)
    assert np.flatnonzero(still).tolist() == [0, 4]
    assert (moved.get_tags() == 7).all()
    everything = perturb_atoms(np.random.default_rng(3), atoms, gold)
    assert (everything.positions[~still] == moved.positions[~still]).all()


def test_elements_without_amplitudes_are_refused_or_kept(gold):
    atoms = Atoms("AuC", [(0, 0, 0), (9, 0, 0)])
    with pytest.raises(SettingsError, match=r"known amplitudes \(Au\), got C"):
        perturb_atoms(np.random.default_rng(0), atoms, gold)
    kept = perturb_atoms(np.random.default_rng(0), atoms, gold, unknown="keep")
    assert (kept.positions[1] == atoms.positions[1]).all()
    assert (kept.positions[0] != atoms.positions[0]).all()
    with pytest.raises(SettingsError, match="refuse or keep, got 'guess'"):
        perturb_atoms(np.random.default_rng(0), atoms, gold, unknown="guess")


@pytest.mark.parametrize("factor", [-1.0, np.nan, np.inf])
def test_factors_out_of_range_are_refused(gold, factor):
    with pytest.raises(SettingsError, match="factor must be 0 or more"):
        perturb_atoms(np.random.default_rng(0), Icosahedron("Au", 2), gold, factor=factor)


def test_atoms_without_bonds_are_refused():
    with pytest.raises(DataError, match="bonded atoms in the trajectory, got none"):
        get_vibrational_amplitudes([Atoms("Au2", [(0, 0, 0), (9, 0, 0)])] * 3)
