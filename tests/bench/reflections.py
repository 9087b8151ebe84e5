"""Reflections at the limit of the counts: position, angle, detection; and their speed on one core."""

import math
import time

import numpy as np
from scipy.ndimage import find_objects, gaussian_filter
from skimage.feature import peak_local_max

from temflux.engine.generate.phantom import phantom_frames
from temflux.engine.measure.fourier import find_peaks, particle_spectrum
from temflux.engine.measure.reflections.find import find_reflections
from temflux.engine.measure.reflections.noise_spectrum import background_noise, pool_noise
from temflux.engine.measure.reflections.particle_patch import cut_patch

PIXEL_NM, RADIUS_PX, SIDE = 0.05, 30, 96
FRINGE_PER_PX = PIXEL_NM / 0.2355
CONTRAST, DOSE_PER_PX = 0.06, 200 * 100 * PIXEL_NM**2
ALPHA = 1e-3
ASKED_PER_CORE = 1500
SIZE = 256
Y, X = np.mgrid[:SIDE, :SIDE] - SIDE // 2
DISC = Y**2 + X**2 < RADIUS_PX**2


def fringe(rng, *, dose, contrast):
    """Counts of a disc with a fringe in vacuum, and the fringe's direction."""
    angle_deg = rng.uniform(-90, 90)
    angle = math.radians(angle_deg)
    phase = 2 * np.pi * FRINGE_PER_PX * (np.cos(angle) * X - np.sin(angle) * Y) + rng.uniform(0, 2 * np.pi)
    return rng.poisson(dose * (1 + contrast * DISC * np.cos(phase))), angle_deg


def vacuum_noise(rng, dose):
    """The noise as a movie gives it: measured in the vacuum of four frames."""
    empty = np.zeros((256, 256), bool)
    return pool_noise([background_noise(rng.poisson(dose, empty.shape), empty) for _ in range(4)])


def ours(counts, noise):
    rows = find_reflections(cut_patch(counts, DISC), noise=noise, false_alarm=ALPHA).rows
    return rows["q_per_px"], rows["angle_deg"]


def by_parabola(counts, _):
    """What `track` does: softened by 4 px, its own noise, a parabola through the transform's points."""
    spectrum = particle_spectrum(counts, DISC, centre=(SIDE // 2, SIDE // 2), size=SIDE)
    found = find_peaks(spectrum, area_px2=float(DISC.sum()), false_alarm=ALPHA)
    return found["q"], found["angle_deg"]


def errors(method, runs=600):
    """Root mean square errors of q [1/px] and of the angle [°]."""
    rng = np.random.default_rng(0)
    noise = vacuum_noise(rng, DOSE_PER_PX)
    q_off, turn = [], []
    for _ in range(runs):
        counts, planted = fringe(rng, dose=DOSE_PER_PX, contrast=CONTRAST)
        q, angle = method(counts, noise)
        if q.size:
            q_off.append(q[0] - FRINGE_PER_PX)
            turn.append((angle[0] - planted + 90) % 180 - 90)
    return math.sqrt(np.mean(np.square(q_off))), math.sqrt(np.mean(np.square(turn)))


def half_found(method, *, contrast=0.2, runs=250):
    """Dose at which half of the fringes are found, over the bound 4·ln(M/α)/m² of electrons."""
    rng = np.random.default_rng(1)
    frequencies = find_reflections(cut_patch(rng.poisson(1.0, (SIDE, SIDE)), DISC)).frequencies
    bound = 4 * math.log(frequencies / ALPHA) / contrast**2 / DISC.sum()
    factors, shares = np.linspace(0.7, 1.9, 9), []
    for factor in factors:
        noise, hits = vacuum_noise(rng, factor * bound), 0
        for _ in range(runs):
            q, _ = method(fringe(rng, dose=factor * bound, contrast=contrast)[0], noise)
            hits += bool((np.abs(q - FRINGE_PER_PX) < 1 / RADIUS_PX).any())
        shares.append(hits / runs)
    return float(np.interp(0.5, np.maximum.accumulate(shares), factors))


def seconds(call, repeats):
    """Median time of a call on its core, which others share."""
    call()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return float(np.median(taken))


def rates():
    """Spectra of 256² with their reflections a second, and those of a plain composition."""
    movie = phantom_frames(n_frames=1, shape=(2048, 2048), n_particles=81, seed=1)
    frame, labels = movie.read(0, 1)[0], movie.labels(0, 1)[0]
    noise = pool_noise([background_noise(frame, labels)])
    found = [(number, part) for number, part in enumerate(find_objects(labels), start=1) if part is not None]
    here = [(number, (a.start, b.start, a.stop, b.stop)) for number, (a, b) in found]

    def fast():
        return [
            find_reflections(cut_patch(frame, labels, label=number, box=box), noise=noise, size=SIZE)
            for number, box in here
        ]

    def plain():
        every = []
        for number, box in here:
            rows, columns = slice(max(box[0] - 8, 0), box[2] + 8), slice(max(box[1] - 8, 0), box[3] + 8)
            soft = gaussian_filter((labels[rows, columns] == number).astype(float), 2)
            pixels = frame[rows, columns].astype(float)
            pixels = soft * (pixels - (pixels * soft).sum() / soft.sum())
            power = np.abs(np.fft.fftshift(np.fft.fft2(pixels, (SIZE, SIZE)))) ** 2
            every.append(peak_local_max(power, min_distance=2, threshold_abs=20 * np.median(power)))
        return every

    return len(here) / seconds(fast, 9), len(here) / seconds(plain, 3)


def bench() -> list[dict]:
    bound_q = 1 / (2 * math.pi * math.sqrt(DOSE_PER_PX * DISC.sum() * CONTRAST**2 / 2 * RADIUS_PX**2 / 4))
    bound_deg = math.degrees(bound_q / FRINGE_PER_PX)
    measured, peer = errors(ours), errors(by_parabola)
    what = "3 nm, m 0.06, 200 e⁻/Å²"
    fast, plain = rates()
    return [
        {
            "what": f"r.m.s. error of q over its bound, {what}",
            "asked": 1.3,
            "measured": measured[0] / bound_q,
            "peer": peer[0] / bound_q,
            "unit": f"of {bound_q / PIXEL_NM:.4f}/nm",
        },
        {
            "what": f"r.m.s. error of the angle over its bound, {what}",
            "asked": 1.3,
            "measured": measured[1] / bound_deg,
            "peer": peer[1] / bound_deg,
            "unit": f"of {bound_deg:.2f}°",
        },
        {
            "what": "dose at which half are found, over its bound",
            "asked": 1.2,
            "measured": half_found(ours),
            "peer": half_found(by_parabola),
            "unit": "of 4·ln(M/α)/m²",
        },
        {
            "what": "spectra of 256² with reflections a second, one core",
            "asked": ASKED_PER_CORE,
            "measured": fast,
            "peer": plain,
            "unit": "1/s",
        },
    ]
