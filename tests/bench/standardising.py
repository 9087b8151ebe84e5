"""Local standardisation of a large frame, against SciPy's Gaussian filter doing the same."""

import statistics
import time

import numpy as np
from scipy.ndimage import gaussian_filter

from temflux.engine.images.standardise import standardise

SIZE, SIGMA_PX, REPEATS = 4096, 100, 7


def by_scipy(image):
    image = image.astype(np.float32)
    deviation = image - gaussian_filter(image, SIGMA_PX)
    return deviation / np.sqrt(gaussian_filter(deviation**2, SIGMA_PX))


def seconds(call):
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def bench() -> list[dict]:
    rng = np.random.default_rng(0)
    light = 400 + 100 * np.sin(np.arange(SIZE) / 700)
    image = rng.poisson(light + np.zeros((SIZE, 1))).astype(np.uint16)
    peer_s, exact = seconds(lambda: by_scipy(image))
    rows = []
    for name, compiled in (("numba", True), ("NumPy and SciPy", False)):
        error = float(np.abs(standardise(image, sigma_px=SIGMA_PX, compiled=compiled) - exact).max())
        # Results are let go at once, as in a loop over a movie's frames.
        times = [
            seconds(lambda c=compiled: standardise(image, sigma_px=SIGMA_PX, compiled=c))[0]
            for _ in range(REPEATS)
        ]
        median_s = statistics.median(times)
        what = f"local standardisation, 4096², sigma 100 px, {name}"
        rows += [
            {"what": what, "asked": None, "measured": 1000 * median_s, "peer": 1000 * peer_s, "unit": "ms"},
            {"what": "times faster", "asked": 100, "measured": peer_s / median_s, "peer": 1, "unit": ""},
            {"what": "greatest error / contrast", "asked": 0.01, "measured": error, "peer": 0, "unit": ""},
        ]
    return rows
