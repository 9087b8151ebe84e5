"""Micrographs against a brute-force computation on a fine grid, abTEM, and positions of known atoms."""

import math
from dataclasses import replace

import numpy as np
import pytest

from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.generate.image_grid import plan_grid
from temflux.engine.generate.micrograph import form_focal_series, form_image, prepare_wave, resample_wave
from temflux.engine.generate.transfer import Microscope, transfer

MICROSCOPE = Microscope(
    energy_eV=300e3,
    defocus_A=90.0,
    c30_A=8e4,
    c12_A=15.0,
    phi12_rad=0.4,
    c21_A=300.0,
    phi21_rad=1.0,
    focal_spread_A=6.0,
    blur_A=0.3,
)
EXTENT = (22.0, 22.0)


def atoms_wave(shape=(198, 198), extent=EXTENT, *, depth=1.2, width_A=0.22, sites=None, band=0.9):
    """A phase object of Gaussian atoms, band-limited as a multislice wave is."""
    y, x = (np.arange(n) * side / n for n, side in zip(shape, extent[::-1], strict=True))
    phase = np.zeros(shape)
    if sites is None:
        sites = np.random.default_rng(5).uniform(0.2, 0.8, (25, 2)) * extent
    for site_x, site_y in sites:
        down = np.exp(-((y - site_y) ** 2) / (2 * width_A**2))
        phase += depth * np.multiply.outer(down, np.exp(-((x - site_x) ** 2) / (2 * width_A**2)))
    q_y, q_x = (np.fft.fftfreq(n, side / n) for n, side in zip(shape, extent[::-1], strict=True))
    spectrum = np.fft.fft2(np.exp(1j * phase))
    spectrum[q_y[:, np.newaxis] ** 2 + q_x**2 > (band * min(q_y.max(), q_x.max())) ** 2] = 0
    return np.fft.ifft2(spectrum).astype(np.complex64)


def brute_force(wave, extent, microscope, shape, sampling_A, *, finer=4):
    """Pad, transfer, take the intensity on a grid four times as fine, cut, and sum its Fourier series."""
    grid = plan_grid(wave.shape, extent, shape=shape, sampling_A=sampling_A)
    padded = np.ones(grid.padded, np.complex128)
    padded[: wave.shape[0], : wave.shape[1]] = wave
    spectrum = np.fft.fftshift(
        np.fft.fft2(padded, norm="forward") * transfer(grid.padded, grid.extent_A, microscope)
    )
    fine = [finer * n for n in grid.padded]
    big = np.zeros(fine, np.complex128)
    start = [f // 2 - n // 2 for f, n in zip(fine, grid.padded, strict=True)]
    big[start[0] : start[0] + grid.padded[0], start[1] : start[1] + grid.padded[1]] = spectrum
    intensity = np.abs(np.fft.ifft2(np.fft.ifftshift(big), norm="forward")) ** 2
    image = np.fft.fft2(intensity, norm="forward")
    for axis in (0, 1):
        side, origin = grid.extent_A[1 - axis], grid.origin_A[1 - axis]
        orders = np.fft.fftfreq(fine[axis], 1 / fine[axis])
        at = origin + np.arange(shape[axis]) * side / grid.points[axis]
        series = np.exp(2j * np.pi * np.multiply.outer(at, orders) / side)
        series[:, np.abs(orders) > (grid.points[axis] - 1) // 2] = 0
        image = np.moveaxis(np.tensordot(series, image, (1, axis)), 0, axis)
    return np.maximum(image.real, 0)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    ("shape", "sampling_A"),
    [((180, 180), 0.07), ((180, 180), 0.11), ((180, 180), 0.175), ((96, 150), 0.2), ((250, 130), 0.05)],
)
def test_images_equal_brute_force(shape, sampling_A, compiled):
    wave = atoms_wave()
    made = form_image(
        wave,
        extent_A=EXTENT,
        microscope=MICROSCOPE,
        shape=shape,
        sampling_A=sampling_A,
        compiled=compiled,
    )
    expected = brute_force(wave, EXTENT, MICROSCOPE, shape, sampling_A)
    assert made.image.shape == shape
    assert made.image.dtype == np.float32
    assert expected.std() > 0.05
    np.testing.assert_allclose(made.image, expected, atol=1e-4)


def test_waves_that_end_in_a_step_at_the_cell_equal_brute_force():
    sites = np.random.default_rng(8).uniform(0.0, 1.0, (40, 2)) * EXTENT
    wave = atoms_wave(sites=sites, width_A=0.3)
    assert np.abs(wave[:, -1] - 1).max() > 0.3
    made = form_image(wave, extent_A=EXTENT, microscope=MICROSCOPE, shape=(180, 180), sampling_A=0.175)
    expected = brute_force(wave, EXTENT, MICROSCOPE, (180, 180), 0.175)
    np.testing.assert_allclose(made.image, expected, atol=1e-3)
    np.testing.assert_allclose(made.image.mean(), expected.mean(), rtol=1e-5)


@pytest.mark.parametrize("sampling_A", [0.07, 0.175])
def test_a_wave_without_any_damping_equals_brute_force(sampling_A):
    wave = atoms_wave(width_A=0.1, depth=0.9)
    microscope = Microscope(energy_eV=300e3, defocus_A=60.0, c30_A=8e4)
    made = form_image(wave, extent_A=EXTENT, microscope=microscope, shape=(150, 150), sampling_A=sampling_A)
    expected = brute_force(wave, EXTENT, microscope, (150, 150), sampling_A)
    np.testing.assert_allclose(made.image, expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(120, 120), (160, 100)])
def test_cells_with_unequal_sides_equal_brute_force(shape):
    extent = (19.0, 23.5)
    wave = atoms_wave((216, 180), extent)
    made = form_image(wave, extent_A=extent, microscope=MICROSCOPE, shape=shape, sampling_A=0.13)
    expected = brute_force(wave, extent, MICROSCOPE, shape, 0.13)
    np.testing.assert_allclose(made.image, expected, atol=1e-4)
    assert made.sampling_A == pytest.approx(0.13, rel=0.004)


def test_image_on_the_waves_own_samples_is_that_of_abtem():
    import abtem

    wave = atoms_wave(band=0.5)
    n = len(wave)
    with abtem.config.set({"device": "cpu"}):
        waves = abtem.Waves(wave.T.copy(), energy=MICROSCOPE.energy_eV, extent=EXTENT)
        ctf = abtem.CTF(
            energy=MICROSCOPE.energy_eV,
            defocus=90.0,
            C30=8e4,
            C12=15.0,
            phi12=0.4,
            C21=300.0,
            phi21=1.0,
            focal_spread=6.0,
        )
        theirs = np.asarray(waves.apply_ctf(ctf).intensity().array).T
    ours = form_image(
        wave,
        extent_A=EXTENT,
        microscope=replace(MICROSCOPE, blur_A=0.0),
        shape=(n, n),
        sampling_A=EXTENT[0] / n,
    )
    assert theirs.std() > 0.1
    assert ours.origin_A == (0.0, 0.0)
    np.testing.assert_allclose(ours.image, theirs, atol=1e-4)


@pytest.mark.parametrize(("shape", "sampling_A"), [((120, 90), 0.1), ((200, 240), 0.15), ((64, 64), 0.07)])
def test_atoms_lie_where_origin_and_sampling_say(shape, sampling_A):
    site = np.array([10.3, 12.1])
    wave = atoms_wave(sites=[site], depth=0.3)
    microscope = Microscope(energy_eV=300e3, defocus_A=38.4, c30_A=5e4, focal_spread_A=20.0)
    made = form_image(wave, extent_A=EXTENT, microscope=microscope, shape=shape, sampling_A=sampling_A)
    at = (site - made.origin_A) / made.sampling_A
    dark = np.maximum(1 - made.image - 0.05, 0)
    rows, columns = np.indices(shape)
    centre = np.array([(columns * dark).sum(), (rows * dark).sum()]) / dark.sum()
    np.testing.assert_allclose(centre, at, atol=0.02)


def test_a_small_cell_lies_in_the_middle_of_vacuum_that_fringes_reach():
    wave = atoms_wave(sites=[(11.0, 11.0), (20.5, 11.0)], depth=1.0)
    microscope = replace(MICROSCOPE, defocus_A=600.0, c30_A=0.0, c12_A=0.0, c21_A=0.0)
    made = form_image(wave, extent_A=EXTENT, microscope=microscope, shape=(300, 300), sampling_A=0.12)
    x, y = made.origin_A
    assert x == y == pytest.approx((22.0 - 300 * made.sampling_A) / 2)
    edge = round((22.0 - x) / made.sampling_A)
    beyond = made.image[:, edge + 5 : edge + 25]
    assert beyond.std() > 5e-3
    assert made.image[:20].std() < beyond.std() / 4


def test_focal_series_is_its_images():
    prepared = prepare_wave(atoms_wave(), EXTENT)
    common = {"shape": (100, 120), "sampling_A": 0.15}
    series = form_focal_series(prepared, microscope=MICROSCOPE, defoci_A=(30.0, 80.5, -40.0), **common)
    assert series.image.shape == (3, 100, 120)
    for defocus, image in zip((30.0, 80.5, -40.0), series.image, strict=True):
        alone = form_image(prepared, microscope=replace(MICROSCOPE, defocus_A=defocus), **common)
        assert np.array_equal(alone.image, image)
        assert (alone.sampling_A, alone.origin_A) == (series.sampling_A, series.origin_A)
    assert np.abs(series.image[0] - series.image[1]).max() > 0.1


def test_prepared_waves_give_the_bytes_of_waves():
    wave = atoms_wave()
    common = {"microscope": MICROSCOPE, "shape": (128, 128), "sampling_A": 0.1}
    first = form_image(wave, extent_A=EXTENT, **common).image
    prepared = prepare_wave(wave, EXTENT)
    assert all(np.array_equal(form_image(prepared, **common).image, first) for _ in range(2))


@pytest.mark.parametrize("sampling_A", [0.1, 0.2])
def test_intensities_of_frozen_phonons_are_averaged(sampling_A):
    waves = np.stack([atoms_wave(depth=depth) for depth in (0.5, 1.0, 1.5)])
    common = {"extent_A": EXTENT, "microscope": MICROSCOPE, "shape": (140, 140), "sampling_A": sampling_A}
    mean = np.mean([form_image(wave, **common).image for wave in waves], axis=0)
    np.testing.assert_allclose(form_image(waves, **common).image, mean, atol=1e-5)


@pytest.mark.parametrize(("shape", "sampling_A"), [((128, 100), 0.1), ((160, 160), 0.17)])
def test_numba_and_plain_agree(shape, sampling_A):
    wave = atoms_wave()
    compiled, plain = (
        form_image(
            wave, extent_A=EXTENT, microscope=MICROSCOPE, shape=shape, sampling_A=sampling_A, compiled=c
        ).image
        for c in (True, False)
    )
    np.testing.assert_allclose(compiled, plain, atol=1e-5)


@pytest.mark.parametrize(("shape", "sampling_A"), [((150, 150), 0.07), ((128, 96), 0.12), ((200, 220), 0.15)])
def test_resampled_wave_is_the_smoothed_wave_at_the_images_samples(shape, sampling_A):
    """A plane wave's amplitude, smoothed by a Gaussian of s, falls to exp(−2π²s²q²)."""
    n, side = 198, 22.0
    q = np.array([3, -5]) / side
    x = np.arange(n) * side / n
    ripple = np.exp(2j * np.pi * np.add.outer(q[1] * x, q[0] * x))
    made = form_image(
        1 + 0.3 * ripple, extent_A=EXTENT, microscope=MICROSCOPE, shape=shape, sampling_A=sampling_A
    )
    found = resample_wave(1 + 0.3 * ripple, extent_A=EXTENT, shape=shape, sampling_A=sampling_A, smooth_A=0.2)
    at_y, at_x = (
        origin + np.arange(size) * made.sampling_A
        for origin, size in zip(made.origin_A[::-1], shape, strict=True)
    )
    weaker = 0.3 * math.exp(-2 * math.pi**2 * 0.2**2 * (q**2).sum())
    expected = 1 + weaker * np.exp(2j * np.pi * np.add.outer(q[1] * at_y, q[0] * at_x))
    inside = np.logical_and.outer(abs(at_y - 11) < 9, abs(at_x - 11) < 9)
    assert found.dtype == np.complex64
    assert found.shape == shape
    # Where vacuum was added the ripple ends at the cell's edge, and rings there.
    tolerance = 1e-5 if min(made.origin_A) >= 0 else 2e-3
    np.testing.assert_allclose(found[inside], expected[inside], atol=tolerance)


def test_resampled_wave_averages_frozen_phonons():
    waves = np.stack([atoms_wave(depth=depth) for depth in (0.5, 1.5)])
    common = {"extent_A": EXTENT, "shape": (90, 90), "sampling_A": 0.15}
    mean = np.mean([resample_wave(wave, **common) for wave in waves], axis=0)
    np.testing.assert_allclose(resample_wave(waves, **common), mean, atol=1e-5)


def test_images_are_never_negative():
    wave = atoms_wave(depth=2.5, width_A=0.3)
    microscope = Microscope(energy_eV=300e3, defocus_A=-60.0)
    made = form_image(wave, extent_A=EXTENT, microscope=microscope, shape=(90, 90), sampling_A=0.22)
    assert made.image.min() >= 0


COMMON = {"microscope": MICROSCOPE, "shape": (32, 32), "sampling_A": 0.1}
WAVE = np.ones((32, 32), np.complex64)


@pytest.mark.parametrize(
    ("error", "line", "call"),
    [
        (DataError, "expected complex exit waves", lambda: form_image(WAVE.real, extent_A=(4, 4), **COMMON)),
        (DataError, "shape \\(32,\\)", lambda: form_image(WAVE[0], extent_A=(4, 4), **COMMON)),
        (DataError, "finite exit waves", lambda: form_image(WAVE * np.nan, extent_A=(4, 4), **COMMON)),
        (SettingsError, "extent_A: expected the sides", lambda: form_image(WAVE, **COMMON)),
        (SettingsError, "extent_A: expected two sides", lambda: form_image(WAVE, extent_A=(4, 0), **COMMON)),
        (
            SettingsError,
            "shape: expected rows and columns",
            lambda: form_image(WAVE, extent_A=(4, 4), **COMMON | {"shape": (0, 32)}),
        ),
        (
            SettingsError,
            "sampling_A: expected above 0",
            lambda: form_image(WAVE, extent_A=(4, 4), **COMMON | {"sampling_A": 0.0}),
        ),
        (
            SettingsError,
            "defoci_A: expected one defocus or more",
            lambda: form_focal_series(WAVE, extent_A=(4, 4), defoci_A=(), **COMMON),
        ),
        (
            SettingsError,
            "defocus_A: expected a finite number",
            lambda: form_focal_series(WAVE, extent_A=(4, 4), defoci_A=(1.0, math.nan), **COMMON),
        ),
        (
            SettingsError,
            "smooth_A: expected 0 Å or more",
            lambda: resample_wave(WAVE, extent_A=(4, 4), shape=(8, 8), sampling_A=0.1, smooth_A=-1.0),
        ),
    ],
)
def test_bad_input_is_refused_in_one_line(error, line, call):
    with pytest.raises(error, match=line) as caught:
        call()
    assert "\n" not in str(caught.value)
