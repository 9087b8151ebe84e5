"""Dark particles in real micrographs: cross-validation of a network, beside a tuned classical chain.

Five folds of four crops: each network begins with simulations, learns from the sixteen others, and marks
crops that it has never seen; then the same with four crops to learn from. Trained folds are kept below
build/bench/particles (or TEMFLUX_BENCH_WORK), and training that was stopped is gone on with.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from temflux.engine.images.threshold import choose_threshold, segment_by_threshold
from temflux.engine.measure.instances import label_instances
from temflux.engine.workflows.zoo import read_zoo_recipe
from temflux.engine.workflows.zoo_models.bf_figures import judge_bf_particles, score_crops
from temflux.engine.workflows.zoo_models.bf_particles import BfRecipe, read_crops

from .segmenting import DATA, by_tuned_chain

WORK = Path(os.environ.get("TEMFLUX_BENCH_WORK", Path(__file__).parents[2] / "build" / "bench" / "particles"))
ASKED = {"": (0.97, 0.98), "from_4_frames_": (0.96, 0.97)}


def bench() -> Iterator[dict]:
    folder = DATA / "au_sintering_masks"
    if not (folder / "frames_and_masks.npz").is_file():
        return
    images, masks = read_crops(folder)
    chain = [by_tuned_chain(image) for image in images]
    split = [label_instances(mask, min_separation_px=10) for mask in chain]
    own = [
        label_instances(segment_by_threshold(image, **choose_threshold(image)), min_separation_px=10)
        for image in images
    ]
    peer = score_crops(split, masks)
    yield from rows("background, Gaussian 4 px, Otsu", score_crops(chain, masks), peer)
    yield from rows("the same, split by watershed", peer, peer)
    yield from rows("temflux threshold, split by watershed", score_crops(own, masks), peer)
    recipe = read_zoo_recipe("bf-particles")
    assert isinstance(recipe, BfRecipe)
    figures = judge_bf_particles(recipe, folder, WORK)
    for key in figures:
        if key.endswith("iou"):
            name = key.removesuffix("iou")
            measured = {one: float(figures[name + one]) for one in peer}
            words = name.replace("_", " ").strip() or "5-fold cross-validation"
            yield from rows(words, measured, peer, *ASKED.get(name, (None, None)))


def rows(
    name: str,
    measured: dict[str, float],
    peer: dict[str, float],
    iou: float | None = None,
    f1: float | None = None,
) -> Iterator[dict]:
    """The two figures of a method, beside those of the tuned chain."""
    error, least = measured["iou_error"], measured["iou_least"]
    plus = f" (standard error {error:.4f}, least {least:.3f})"
    for what, key, asked in (("mean IoU" + plus, "iou", iou), ("instance F1", "instance_f1", f1)):
        line = {"what": f"{name}: {what}", "asked": asked and f">= {asked}"}
        yield {**line, "measured": measured[key], "peer": peer[key], "unit": ""}
