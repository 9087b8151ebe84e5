import numpy as np
import pytest
from ase import Atoms

from temflux.engine.generate.potential import plane_potentials


def potential(position, *, element="Au", u_A=0.09, n=128, side=12.0):
    atoms = Atoms(element, [position], cell=(side, side, 2))
    return next(plane_potentials(atoms, np.zeros(1, int), 1, shape=(n, n), debye_waller_A=u_A))


def test_an_atom_between_two_pixels_stays_there():
    """Centre of mass and width of the potential do not depend on where in a pixel the atom is."""
    n, side = 128, 12.0
    x = np.arange(n) * side / n
    for shift in (0.0, 0.2, 0.5, 0.77):
        at = (64 + shift) * side / n
        v = potential((at, 6.0, 1.0))
        row = v.sum(axis=0).astype(np.float64)
        phase = np.sum(row * np.exp(-2j * np.pi * x / side))
        assert (-np.angle(phase) / (2 * np.pi) * side) % side == pytest.approx(at, abs=1e-4)
        assert abs(phase) == pytest.approx(
            abs(np.sum(potential((6.0, 6.0, 1.0)).sum(axis=0) * np.exp(-2j * np.pi * x / side))), rel=1e-4
        )


def test_rows_are_y_and_columns_are_x():
    v = potential((3.0, 9.0, 1.0))
    assert np.unravel_index(v.argmax(), v.shape) == (96, 32)


def test_planes_share_the_atoms():
    rng = np.random.default_rng(0)
    atoms = Atoms("AuCeO2", rng.uniform(0, 10, (4, 3)), cell=(10, 10, 10))
    (one,) = plane_potentials(atoms, np.zeros(4, int), 1, shape=(64, 64))
    three = list(plane_potentials(atoms, np.array([0, 2, 2, 0]), 3, shape=(64, 64)))
    np.testing.assert_allclose(sum(three), one, atol=1e-2)
    assert not three[1].any()


def test_mean_is_the_forward_scattering_of_abtem():
    from abtem.parametrizations import KirklandParametrization

    v = potential((2.0, 5.0, 1.0))
    forward = KirklandParametrization().projected_scattering_factor("Au")(np.zeros(1))[0]
    assert v.mean() * 144 == pytest.approx(forward, rel=1e-4)


def test_equals_abtem_for_an_atom_on_a_pixel():
    """Where abTEM need not interpolate, its potential and ours are the same."""
    import abtem

    atoms = Atoms("Au", [(6.0, 6.0, 1.0)], cell=(12, 12, 2))
    with abtem.config.set({"diagnostics.progress_bar": False}):
        theirs = abtem.Potential(atoms, gpts=128, slice_thickness=2, parametrization="kirkland").build(
            lazy=False
        )
    ours = next(plane_potentials(atoms, np.zeros(1, int), 1, shape=(128, 128)))
    theirs = theirs.array[0]
    # abTEM keeps a round band and sets the least value to 0.
    difference = ours - theirs
    difference -= difference.mean()
    near = np.hypot(*np.meshgrid(np.arange(128) - 64, np.arange(128) - 64)) < 20
    assert np.abs(difference[near]).max() < 0.03 * theirs.max()


def test_smearing_lowers_the_peak_and_keeps_the_sum():
    sharp, smeared = potential((6, 6, 1), u_A=0.0), potential((6, 6, 1), u_A=0.15)
    assert smeared.max() < 0.6 * sharp.max()
    assert smeared.sum() == pytest.approx(sharp.sum(), rel=1e-4)
