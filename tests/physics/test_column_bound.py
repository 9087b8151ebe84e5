"""Positions of planted columns against the Cramér-Rao bound of all their parameters together."""

import numpy as np
import pytest

from temflux.engine.measure.columns.fit import fit_columns
from temflux.engine.measure.columns.noise import Noise
from tests.planted_columns import lattice, position_bound_px, rate

PIXEL_A, WIDTH_PX, CONTRAST = 0.1, 4.5, -0.5
SHAPE = (130, 130)


@pytest.mark.parametrize("dose", [100, 300, 1_000, 3_000, 10_000])
@pytest.mark.parametrize("spacing_A", [2.0, 5.0])
def test_positions_are_within_1_3_of_the_bound(dose, spacing_A):
    y, x = lattice(SHAPE, spacing_A / PIXEL_A, margin_px=14)
    inner = np.hypot(y - SHAPE[0] / 2, x - SHAPE[1] / 2) < 60
    how = {"background": dose * PIXEL_A**2, "contrast": CONTRAST, "width_px": WIDTH_PX}
    mean = rate(SHAPE, y, x, **how)
    rng = np.random.default_rng(dose)
    error = []
    for _ in range(4 if spacing_A < 4 else 12):
        start = rng.normal(0, 0.35 * WIDTH_PX, (2, len(y)))
        fit = fit_columns(
            rng.poisson(mean), y + start[0], x + start[1], width_px=1.15 * WIDTH_PX, noise=Noise()
        )
        error.append(np.stack([fit["y_px"] - y, fit["x_px"] - x])[:, inner])
    measured = float(np.sqrt(np.mean(np.square(error))))
    bound = position_bound_px(SHAPE, y, x, inner=inner, **how)
    assert 0.8 < measured / bound < 1.3


def test_the_bound_of_one_faint_column_is_the_published_one():
    """σ_x = 0.80/(|c|·√D) Å, whatever the width, to first order of the contrast."""
    for width_px in (3.0, 5.0):
        bound = position_bound_px(
            (70, 70), [35.2], [34.7], background=10.0, contrast=-0.02, width_px=width_px, inner=[True]
        )
        np.testing.assert_allclose(bound * PIXEL_A, 0.80 / (0.02 * np.sqrt(1_000)), rtol=0.02)
