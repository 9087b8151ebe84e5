"""Dark particles in real micrographs: cross-validation of a network, beside a tuned classical chain.

Five folds of four crops: each network begins with simulations, learns from the sixteen others, and marks
crops that it has never seen; then the same with four crops to learn from. Trained folds are kept below
build/bench/particles (or TEMFLUX_BENCH_WORK), and training that was stopped is gone on with.
"""

import os
from pathlib import Path

import numpy as np
from scipy import ndimage

from temflux.engine.images.threshold import choose_threshold, segment_by_threshold
from temflux.engine.learn.model_files import load_model
from temflux.engine.learn.orientations import predict_orientations
from temflux.engine.learn.predict import Predictor
from temflux.engine.learn.score_shapes import count_instances
from temflux.engine.measure.instances import label_instances
from temflux.engine.workflows.bf_particles import BfRecipe, adapt_to_crops, make_start, read_crops

from ..scores import mask_iou
from .segmenting import DATA, by_tuned_chain

WORK = Path(os.environ.get("TEMFLUX_BENCH_WORK", Path(__file__).parents[2] / "build" / "bench" / "particles"))
FOLDS, FEW, SPECK_PX = 5, 4, 20
FEW_SETTINGS = {"epochs": 12, "samples": 192, "fix_normalisation": True}


def folds(n_crops: int) -> list[tuple[list[int], list[int]]]:
    """Numbers of the crops that each fold learns from, and of those that it is judged by."""
    order = np.random.default_rng(0).permutation(n_crops)
    judged = [sorted(order[fold::FOLDS].tolist()) for fold in range(FOLDS)]
    return [([n for n in range(n_crops) if n not in test], test) for test in judged]


def without_specks(mask: np.ndarray) -> np.ndarray:
    labels, _ = ndimage.label(mask)
    large = np.bincount(labels.ravel()) >= SPECK_PX
    large[0] = False
    return large[labels]


def score(found: list[np.ndarray], truths: np.ndarray, *, split: bool = False) -> dict[str, float]:
    """Mean and least IoU of crops, and the F1 of all their particles together."""
    ious, counts = [], None
    for mask, truth in zip(found, truths > 0, strict=True):
        ious.append(mask_iou(without_specks(mask), without_specks(truth)))
        one = count_instances(truth, label_instances(mask, min_separation_px=10) if split else mask)
        counts = one if counts is None else counts + one
    error = float(np.std(ious, ddof=1) / np.sqrt(len(ious)))
    f1 = float(counts.f1[0])
    return {"IoU": float(np.mean(ious)), "least": min(ious), "error": error, "F1": f1}


def marks(model: Path, crops: np.ndarray, recipe: BfRecipe, *, orientations: int = 1) -> list[np.ndarray]:
    predictor = Predictor(load_model(model), runtime="keras")

    def predict(frame: np.ndarray) -> np.ndarray:
        return predictor(frame, sampling_A=10 * recipe.pixel_nm)

    maps = [predict_orientations(predict, crop, orientations=orientations) for crop in crops]
    return [one[..., 0] > 0.5 for one in maps]


def cross_validate(
    recipe: BfRecipe, work: Path, crops: tuple[np.ndarray, np.ndarray], *, few: int | None = None
) -> dict[int, list[np.ndarray]]:
    """Marks of all crops by networks that have not seen them, of one and of eight orientations.

    With `few`, each network learns from so many of the sixteen.
    """
    images, masks = crops
    start = make_start(recipe, work / "start")
    found = {orientations: [np.zeros(0)] * len(images) for orientations in (1, 8)}
    for number, (learnt, judged) in enumerate(folds(len(images))):
        chosen = learnt if few is None else learnt[number % 4 :: len(learnt) // few][:few]
        name = f"fold-{number}" if few is None else f"few-{number}"
        changed = {} if few is None else FEW_SETTINGS
        run = adapt_to_crops(recipe, start, (images[chosen], masks[chosen]), work / name, **changed)
        for orientations, frames in found.items():
            marked = marks(run.model, images[judged], recipe, orientations=orientations)
            for crop, mask in zip(judged, marked, strict=True):
                frames[crop] = mask
    return found


def bench() -> list[dict]:
    folder = DATA / "au_sintering_masks"
    if not (folder / "frames_and_masks.npz").is_file():
        return []
    recipe = BfRecipe()
    images, masks = read_crops(folder)
    chain = [by_tuned_chain(image) for image in images]
    own = [segment_by_threshold(image, **choose_threshold(image)) for image in images]
    peer = score(chain, masks, split=True)
    start = make_start(recipe, WORK / "start")
    tried = {
        "null: another crop's mask": (None, None, score(list(np.roll(masks > 0, 1, axis=0)), masks)),
        "tuned chain (background, Gaussian 4 px, Otsu)": (None, None, score(chain, masks)),
        "the same, split by watershed": (None, None, peer),
        "temflux threshold, split by watershed": (None, None, score(own, masks, split=True)),
        "simulations alone": (None, None, score(marks(start, images, recipe), masks)),
    }
    for few, name, iou, f1 in (
        (FEW, f"fine-tuned on {FEW} crops", 0.96, 0.97),
        (None, "5-fold cross-validation", 0.97, 0.98),
    ):
        for orientations, found in cross_validate(recipe, WORK, (images, masks), few=few).items():
            tried[f"{name}, {orientations} orientations"] = (iou, f1, score(found, masks))
    rows = []
    for name, (iou, f1, measured) in tried.items():
        plus = f" (standard error {measured['error']:.4f}, least {measured['least']:.3f})"
        for what, key, asked in (("mean IoU" + plus, "IoU", iou), ("instance F1", "F1", f1)):
            line = {"what": f"{name}: {what}", "asked": asked and f">= {asked}"}
            rows.append({**line, "measured": measured[key], "peer": peer[key], "unit": ""})
    return rows
