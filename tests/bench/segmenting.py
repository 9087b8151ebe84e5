"""Masks without a network on real micrographs, against plain Otsu and a chain tuned to those micrographs."""

import os
import statistics
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu

from temflux.engine.images.threshold import choose_threshold, segment_by_threshold
from temflux.engine.measure.instances import label_instances

from ..scores import f1_of_counts, instance_counts, mask_iou

DATA = Path(os.environ.get("TEMFLUX_DATA", Path(__file__).parents[3] / "shared" / "data"))


def by_otsu(frame):
    return frame < threshold_otsu(frame)


def by_tuned_chain(frame):
    smooth = gaussian_filter(frame.astype(np.float32), 4)
    flat = smooth - gaussian_filter(smooth, 100)
    return flat < threshold_otsu(flat)


def scores(segment, frames, truths):
    ious, counts, times = [], [], []
    for frame, truth in zip(frames, truths, strict=True):
        start = time.perf_counter()
        mask = segment(frame)
        times.append(time.perf_counter() - start)
        ious.append(mask_iou(mask, truth))
        counts.append(instance_counts(label_instances(mask, min_separation_px=10), truth))
    return {
        "mean IoU": float(np.mean(ious)),
        "least IoU": float(min(ious)),
        "instance F1": float(f1_of_counts(counts)),
        "time of a 512² frame [ms]": 1000 * statistics.median(times),
    }


def large_frame(size=4096):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] % 400 - 200
    return rng.poisson(np.where(y**2 + x**2 < 60**2, 28.0, 40.0)).astype(np.uint16)


def bench() -> list[dict]:
    rows = []
    path = DATA / "au_sintering_masks" / "frames_and_masks.npz"
    if path.is_file():
        with np.load(path) as file:
            frames, truths = file["images"], file["masks"]
        once = choose_threshold(frames)
        ours = {
            "chosen for each crop": scores(
                lambda frame: segment_by_threshold(frame, **choose_threshold(frame)), frames, truths
            ),
            "chosen once": scores(lambda frame: segment_by_threshold(frame, **once), frames, truths),
        }
        peers = {"Otsu": scores(by_otsu, frames, truths), "tuned": scores(by_tuned_chain, frames, truths)}
        for how, measured in ours.items():
            for peer, theirs in peers.items():
                for figure, value in measured.items():
                    asked = 0.93 if figure in ("mean IoU", "instance F1") else None
                    unit = "ms" if "ms" in figure else ""
                    what = f"{figure}, {how}; peer: {peer}"
                    rows.append(
                        {
                            "what": what,
                            "asked": asked,
                            "measured": value,
                            "peer": theirs[figure],
                            "unit": unit,
                        }
                    )
    frame = large_frame()
    settings = choose_threshold(frame)
    times, peer_times = [], []
    for _ in range(3):
        start = time.perf_counter()
        segment_by_threshold(frame, **settings)
        times.append(time.perf_counter() - start)
        start = time.perf_counter()
        by_tuned_chain(frame)
        peer_times.append(time.perf_counter() - start)
    rows.append(
        {
            "what": "segmenting a 4096² frame; peer: tuned",
            "asked": 1000,
            "measured": 1000 * statistics.median(times),
            "peer": 1000 * statistics.median(peer_times),
            "unit": "ms",
        }
    )
    return rows
