import numpy as np
import pytest
from ase import Atoms

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.generate.exit_wave import exit_wave, grid_shape

ATOM = Atoms("Au", [(4, 4, 2)], cell=(8, 8, 4))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"energy_eV": 0}, "energy_eV: expected 1,000"),
        ({"energy_eV": float("nan")}, "energy_eV"),
        ({"energy_eV": 300e3, "sampling_A": 0}, "sampling_A"),
        ({"energy_eV": 300e3, "debye_waller_A": -0.1}, "debye_waller_A"),
        ({"energy_eV": 300e3, "debye_waller_A": {"Au": 2.0}}, "debye_waller_A"),
        ({"energy_eV": 300e3, "spread_A": 0}, "spread_A"),
        ({"energy_eV": 300e3, "parametrisation": "doyle"}, "kirkland, lobato"),
    ],
)
def test_refuses_settings_out_of_range(settings, said):
    with pytest.raises(SettingsError, match=said):
        exit_wave(ATOM, **settings)


def test_refuses_a_structure_that_leaves_its_cell():
    outside = Atoms("AuO", [(4, 4, 2), (8.5, 4, 2)], cell=(8, 8, 4))
    with pytest.raises(DataError, match=r"1 atoms outside, the first O at 8\.50, 4\.00, 2\.00"):
        exit_wave(outside, energy_eV=300e3)


@pytest.mark.parametrize("cell", [(8, 8, 0), (8, 8, 4, 90, 90, 120)])
def test_refuses_a_cell_that_is_not_a_box(cell):
    with pytest.raises(DataError, match="orthogonal"):
        exit_wave(Atoms("Au", [(1, 1, 0)], cell=cell), energy_eV=300e3)


def test_the_grid_is_even_and_fine_enough():
    for side in (20.0, 33.3, 60.0):
        rows, columns = grid_shape(Atoms(cell=(side, side / 2, 1)), 0.1)
        assert rows % 2 == columns % 2 == 0
        assert side / columns <= 0.1 + 1e-9
        assert side / columns > 0.09


def test_the_beam_sees_rows_as_y():
    atoms = Atoms("Au", [(3, 9, 1)], cell=(12, 18, 2))
    wave = exit_wave(atoms, energy_eV=300e3, debye_waller_A=0.1)
    peak = np.unravel_index(np.abs(wave - 1).argmax(), wave.shape)
    assert peak == (wave.shape[0] // 2, wave.shape[1] // 4)


def test_same_bytes_whatever_the_threads():
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    atoms = Atoms("Au400", rng.uniform(0, 20, (400, 3)), cell=(20, 20, 20))
    waves = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            waves.append(exit_wave(atoms, energy_eV=300e3, debye_waller_A=0.1))
    assert waves[0].tobytes() == waves[1].tobytes()


def test_leaves_the_settings_of_abtem_alone():
    import abtem

    before = abtem.config.get("antialias.cutoff"), abtem.config.get("fftw.planning_effort")
    exit_wave(ATOM, energy_eV=300e3)
    assert (abtem.config.get("antialias.cutoff"), abtem.config.get("fftw.planning_effort")) == before
