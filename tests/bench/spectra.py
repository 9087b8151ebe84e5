"""Spectra of particles and their peaks a second on one core, and along time, against plain compositions."""

import time

import numpy as np
from scipy.ndimage import gaussian_filter

from temflux.engine.generate.phantom import phantom_frames
from temflux.engine.measure.fourier import find_peaks, particle_spectrum
from temflux.engine.measure.temporal import dominant_frequency

SIZE = 256
ASKED_PER_CORE = 1500


def seconds(call, repeats):
    """Median time of a call."""
    call()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def plain_spectrum(frame, labels, label, centre):
    """What the steps of the thesis are in plain NumPy and SciPy."""
    y, x = (round(c) - SIZE // 2 for c in centre)
    crop = frame[y : y + SIZE, x : x + SIZE].astype(float)
    soft = gaussian_filter((labels[y : y + SIZE, x : x + SIZE] == label).astype(float), 4, truncate=3)
    crop = soft * (crop - (crop * soft).sum() / soft.sum())
    spectrum = np.abs(np.fft.fftshift(np.fft.fft2(crop)))
    return (spectrum / spectrum.max()).astype(np.float32)


def bench() -> list[dict]:
    movie = phantom_frames(n_frames=1, shape=(2048, 2048), n_particles=81, seed=1)
    frame, labels = movie.read(0, 1)[0], movie.labels(0, 1)[0]
    scene = movie.scene
    here = [
        (p + 1, (y, x))
        for p, (y, x, a) in enumerate(zip(scene.y_px[0], scene.x_px[0], scene.a_px[0], strict=True))
        if a > 0 and min(y, x) >= SIZE // 2 and max(y, x) < 2048 - SIZE // 2
    ]

    def ours():
        return [particle_spectrum(frame, labels, label=p, centre=c, size=SIZE) for p, c in here]

    def plain():
        return [plain_spectrum(frame, labels, p, c) for p, c in here]

    spectra = ours()
    areas = [int((labels == p).sum()) for p, _ in here]

    def peaks():
        return [find_peaks(s, area_px2=area) for s, area in zip(spectra, areas, strict=True)]

    frames = np.random.default_rng(0).poisson(50, (128, 256, 256)).astype(np.uint16)

    def along_time():
        return dominant_frequency(frames, frame_s=1.0)

    def along_time_plain():
        power = np.abs(np.fft.rfft(frames - frames.mean(axis=0), axis=0)) ** 2
        return power[1:].argmax(axis=0), power[1:].max(axis=0) / power[1:].sum(axis=0)

    n = len(here)
    row = {"what": "spectra of 256² a second, one core", "unit": "1/s"}
    rate = {"asked": ASKED_PER_CORE, "measured": n / seconds(ours, 9), "peer": n / seconds(plain, 3)}
    return [
        row | rate,
        {
            "what": "peak searches of 256² a second, one core",
            "asked": None,
            "measured": n / seconds(peaks, 5),
            "peer": None,
            "unit": "1/s",
        },
        {
            "what": "dominant frequency of 128 frames of 256²",
            "asked": None,
            "measured": seconds(along_time, 3),
            "peer": seconds(along_time_plain, 3),
            "unit": "s",
        },
    ]
