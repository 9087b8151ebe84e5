"""Masks to labels, tracks and properties on large frames, against the plain composition of libraries."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.measure import regionprops_table
from skimage.segmentation import watershed

from temflux.engine.base.tables import stack_columns
from temflux.engine.measure.instances import instance_runs
from temflux.engine.measure.properties import measure_runs
from temflux.engine.measure.runs import label_runs, labels_of_runs
from temflux.engine.measure.tracks import link_instances, overlap_runs

SIZE, PER_SIDE, FRAMES = 4096, 10, 4
SEPARATION_PX = 40
PROPERTIES = (
    "label",
    "area",
    "centroid",
    "intensity_mean",
    "axis_major_length",
    "axis_minor_length",
    "perimeter",
    "solidity",
)
Times = dict[str, list[float]]


def bench() -> list[dict]:
    masks = [frame_mask(index) for index in range(FRAMES)]
    image = np.random.default_rng(1).normal(size=(SIZE, SIZE)).astype(np.float32)
    project(masks[:2], image, defaultdict(list))  # numba compiles at the first call, once a machine
    ours, plain = defaultdict(list), defaultdict(list)
    labels, particle = project(masks, image, ours)
    others, identities = composition(masks, image, plain)
    counts = [int(np.mean([frame.max() for frame in frames])) for frames in (labels, others)]
    foreground = float(np.mean([mask.mean() for mask in masks]))
    setting = f"{SIZE}², {PER_SIDE**2} particles, 40 touching, {foreground:.0%} foreground, one process"
    seconds, peer = (sum(statistics.median(step) for step in steps.values()) for steps in (ours, plain))
    rows = [
        {"what": f"labels, tracks, properties: {setting}", "asked": ">= 12", "measured": peer / seconds,
         "peer": "scipy + scikit-image", "unit": "times the frames/s"},
        {"what": "the same, after a first call", "asked": "", "measured": 1 / seconds,
         "peer": f"{1 / peer:.3g}", "unit": "frames/s"},
        {"what": "particles a frame (watersheds differ in merging maxima)", "asked": f"{PER_SIDE**2}",
         "measured": counts[0], "peer": f"{counts[1]}", "unit": ""},
        {"what": "identities over the movie", "asked": f"{PER_SIDE**2}", "measured": int(particle.max()),
         "peer": f"{int(identities)}", "unit": ""},
    ]  # fmt: skip
    # Components are found within "instances"; told apart, and not counted twice.
    ours["of instances: components"] = [_seconds(lambda: label_runs(masks[0])) for _ in range(FRAMES)]
    for steps, name in ((ours, "project"), (plain, "plain")):
        for step, values in steps.items():
            milliseconds = 1e3 * statistics.median(values)
            what = f"  {name}: {step}"
            rows.append(
                {"what": what, "asked": "", "measured": milliseconds, "peer": "", "unit": "ms a frame"}
            )
    return rows


def frame_mask(index: int) -> np.ndarray:
    """Rough discs on a grid, some pairs overlapping, each drifting by up to 3 px a frame."""
    rng = np.random.default_rng(0)
    mask = np.zeros((SIZE, SIZE), bool)
    pitch = SIZE / PER_SIDE
    for row in range(PER_SIDE):
        for column in range(PER_SIDE):
            centre = pitch * (np.array([row, column]) + 0.5) + rng.uniform(-8, 8, 2)
            # Columns 0 with 1 and 4 with 5 are pairs about 1.7 radii apart.
            centre[1] += {0: 127, 1: -127, 4: 127, 5: -127}.get(column, 0)
            drift, phases = rng.uniform(-3, 3, 2), rng.uniform(0, 2 * np.pi, 8)
            corner = np.floor(centre).astype(int) - 110
            stop = np.minimum(corner + 221, SIZE)
            corner = np.maximum(corner, 0)
            y, x = np.mgrid[corner[0] : stop[0], corner[1] : stop[1]]
            y, x = y - centre[0] - index * drift[0], x - centre[1] - index * drift[1]
            angle = np.arctan2(y, x)
            rough = sum(np.cos((order + 3) * angle + phase) for order, phase in enumerate(phases))
            mask[corner[0] : stop[0], corner[1] : stop[1]] |= np.hypot(y, x) < 93 + 0.7 * rough
    return mask


@contextmanager
def timed(times: Times, step: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    times[step].append(time.perf_counter() - started)


def project(masks: list[np.ndarray], image: np.ndarray, times: Times) -> tuple[list[np.ndarray], np.ndarray]:
    """The way of the workflow: runs throughout, pixels painted once."""
    painted, instances, overlaps = [], [], []
    before = np.zeros((0, 4), np.int32)
    for index, mask in enumerate(masks):
        with timed(times, "instances"):
            runs = instance_runs(mask, min_separation_px=SEPARATION_PX)
        with timed(times, "properties"):
            table = measure_runs(runs, mask.shape, image)
        with timed(times, "overlaps"):
            pairs = overlap_runs(before, runs)
        with timed(times, "painting labels"):
            painted.append(labels_of_runs(runs, mask.shape))
        at = np.full(len(table["label"]), index)
        instances.append({"frame": at, "label": table["label"], "area_px": table["area_px2"]})
        at = np.full(len(pairs["previous"]), index)
        overlaps.append({"frame": at, "lag": np.ones_like(at), **pairs})
        before = runs
    share: Times = defaultdict(list)
    with timed(share, "links"):
        particle, _ = link_instances(stack_columns(instances), stack_columns(overlaps), n_frames=len(masks))
    times["links"].append(share["links"][0] / len(masks))
    return painted, particle


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def composition(masks: list[np.ndarray], image: np.ndarray, times: Times) -> tuple[list[np.ndarray], int]:
    """The plain way: every step of a library, on the whole frame."""
    painted: list[np.ndarray] = []
    identity: dict[int, int] = {}
    newest = 0
    for index, mask in enumerate(masks):
        with timed(times, "distance_transform_edt"):
            distance = ndimage.distance_transform_edt(mask)
        with timed(times, "peak_local_max"):
            peaks = peak_local_max(distance, min_distance=SEPARATION_PX, exclude_border=False)
        with timed(times, "watershed"):
            markers = np.zeros(mask.shape, np.int32)
            markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
            labels = watershed(-distance, markers, mask=mask)
        with timed(times, "regionprops_table"):
            table = regionprops_table(labels, image, properties=PROPERTIES)
        with timed(times, "overlaps and links"):
            linked = _linked(painted[-1], labels, identity) if index else {}
            identity = {}
            for label in table["label"].tolist():
                newest += label not in linked
                identity[label] = linked.get(label, newest)
        painted.append(labels)
    return painted, newest


def _linked(previous: np.ndarray, current: np.ndarray, identity: dict[int, int]) -> dict[int, int]:
    """Identity of each current label by largest overlap above half of the smaller area."""
    size = int(current.max()) + 1
    keys, counts = np.unique(previous.astype(np.int64) * size + current, return_counts=True)
    areas = np.bincount(previous.ravel()), np.bincount(current.ravel())
    linked: dict[int, int] = {}
    taken = set()
    for row in np.argsort(-counts, kind="stable"):
        before, now = divmod(int(keys[row]), size)
        enough = counts[row] > 0.5 * min(areas[0][before], areas[1][now])
        if before and now and before not in taken and now not in linked and enough:
            linked[now] = identity[before]
            taken.add(before)
    return linked
