"""What bf-particles reaches on crops that it has not seen, beside a null and a tuned classical method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from ...learn.classical import tune_masks
from ...learn.model_files import load_model
from ...learn.orientations import predict_orientations
from ...learn.predict import Predictor
from ...learn.reading import choose_reading
from ...learn.score_shapes import count_instances
from ...learn.scores import count_pixels
from .bf_particles import BfRecipe, Progress, adapt_to_crops, make_start, read_crops

FOLDS, FEW, ORIENTATIONS = 5, 4, (1, 8)
# Of four crops less can be learnt before they are known by heart.
_FEW_SETTINGS = {"epochs": 12, "samples": 192, "fix_normalisation": True}
_SPECK_PX = 20


def split_folds(n_crops: int) -> list[tuple[list[int], list[int]]]:
    """Give the numbers of crops that each of five networks learns from, and of those that judge it.

    Parameters
    ----------
    n_crops : int
        How many there are.

    Returns
    -------
    list of (list of int, list of int)
        Every crop judges one network.

    Examples
    --------
    >>> sorted(sum((judged for _, judged in split_folds(6)), []))
    [0, 1, 2, 3, 4, 5]
    """
    order = np.random.default_rng(0).permutation(n_crops)
    judged = [sorted(order[fold::FOLDS].tolist()) for fold in range(min(FOLDS, n_crops))]
    return [([n for n in range(n_crops) if n not in test], test) for test in judged]


def choose_few(learnt: list[int], fold: int) -> list[int]:
    """Choose the crops of a fold that stand for what a user would label.

    Parameters
    ----------
    learnt : list of int
        Crops that the fold learns from.
    fold : int
        Its number, so that folds choose differently.

    Returns
    -------
    list of int
        Four of them, or all of fewer.
    """
    step = max(1, len(learnt) // FEW)
    return learnt[fold % step :: step][:FEW]


def score_crops(found: Sequence[np.ndarray], truths: np.ndarray) -> dict[str, float]:
    """Score marked crops.

    Parameters
    ----------
    found : sequence of arrays (Y, X), bool or integer
        Masks, or labels of particles; pieces of fewer than 20 px are left out.
    truths : array (T, Y, X)
        Above 0 inside particles.

    Returns
    -------
    dict of str to float
        iou, its mean over crops; iou_error, the standard error of it; iou_least; instance_f1 of the
        particles of all crops, matched at an IoU of 0.5.

    Examples
    --------
    >>> truth = np.pad(np.ones((1, 6, 6)), ((0, 0), (3, 3), (3, 3)))
    >>> score_crops([truth[0] > 0], truth)["iou"]
    1.0
    """
    ious, counts = [], None
    for mask, truth in zip(found, np.asarray(truths) > 0, strict=True):
        pixels = count_pixels(_without_specks(truth), _without_specks(mask > 0)).counts
        ious.append(float(pixels.iou[0]))
        one = count_instances(truth, mask, min_area_px=_SPECK_PX)
        counts = one if counts is None else counts + one
    error = float(np.std(ious, ddof=1) / np.sqrt(len(ious))) if len(ious) > 1 else float("nan")
    f1 = float("nan") if counts is None else float(counts.f1[0])
    return {"iou": float(np.mean(ious)), "iou_error": error, "iou_least": min(ious), "instance_f1": f1}


def cross_validate(
    recipe: BfRecipe,
    crops: tuple[np.ndarray, np.ndarray],
    work: str | Path,
    *,
    few: bool = False,
    progress: Progress | None = None,
) -> dict[int, list[np.ndarray]]:
    """Mark every crop by a network that has not seen it; folds that are there already are kept.

    Parameters
    ----------
    recipe : BfRecipe
        How networks are made.
    crops : (array, array)
        Crops and masks (T, Y, X).
    work : str or Path
        Folder of the folds.
    few : bool
        Learn from four crops, not from all of the other folds.
    progress : callable or None
        Told (what is going on, done, total) batches.

    Returns
    -------
    dict from int to list of arrays (Y, X), bool
        Masks from one orientation of each crop, and from maps averaged over eight; at the threshold that
        each network found on the crops that it learnt from, as `predict` takes it.
    """
    images, masks = crops
    work = Path(work)
    start = make_start(recipe, work / "start", progress=progress)
    marked = {count: [np.zeros(0, bool)] * len(images) for count in ORIENTATIONS}
    for fold, (learnt, judged) in enumerate(split_folds(len(images))):
        chosen = choose_few(learnt, fold) if few else learnt
        name = f"few-{fold}" if few else f"fold-{fold}"
        changed = _FEW_SETTINGS if few else {}
        run = adapt_to_crops(
            recipe, start, (images[chosen], masks[chosen]), work / name, progress=progress, **changed
        )
        threshold = choose_reading(load_model(run.model)).threshold
        for count, found in marked.items():
            maps = predict_crops(run.model, images[judged], recipe, orientations=count)
            for crop, one in zip(judged, maps, strict=True):
                found[crop] = one > threshold
    return marked


def predict_crops(
    model: str | Path, images: np.ndarray, recipe: BfRecipe, *, orientations: int = 1
) -> np.ndarray:
    """Predict the maps of crops.

    Parameters
    ----------
    model : str or Path
        Folder of a trained model.
    images : array (T, Y, X)
        Crops.
    recipe : BfRecipe
        Their pixel size.
    orientations : int
        How many orientations are averaged, 1 to 8.

    Returns
    -------
    array (T, Y, X), float32
        Probability of being inside a particle.
    """
    predictor = Predictor(load_model(model), runtime="keras")

    def predict(frame: np.ndarray) -> np.ndarray:
        return predictor(frame, sampling_A=10 * recipe.pixel_nm)

    maps = [predict_orientations(predict, image, orientations=orientations)[..., 0] for image in images]
    return np.asarray(maps, np.float32)


def mark_classically(images: np.ndarray, masks: np.ndarray, recipe: BfRecipe) -> list[np.ndarray]:
    """Mark crops by the classical method, and its settings, that are best on the other folds.

    Parameters
    ----------
    images, masks : arrays (T, Y, X)
        Crops, and above 0 inside.
    recipe : BfRecipe
        Pixel size.

    Returns
    -------
    list of arrays (Y, X), bool
        Masks.
    """
    marked: list[np.ndarray] = [np.zeros(0, bool)] * len(images)
    sampling_A = 10 * recipe.pixel_nm
    for learnt, judged in split_folds(len(images)):
        inside = [masks[crop] > 0 for crop in learnt]
        tuned = tune_masks([images[crop] for crop in learnt], inside, [sampling_A] * len(learnt))
        for crop in judged:
            marked[crop] = tuned(images[crop], sampling_A=sampling_A)
    return marked


def judge_bf_particles(
    recipe: BfRecipe, data: str | Path, work: str | Path, *, progress: Progress | None = None
) -> dict[str, float | str]:
    """Measure what bf-particles reaches by five-fold cross-validation on the real crops.

    Parameters
    ----------
    recipe : BfRecipe
        How the model is made.
    data : str or Path
        Folder with frames_and_masks.npz.
    work : str or Path
        Folder for what is made on the way.
    progress : callable or None
        Told (what is going on, done, total) batches.

    Returns
    -------
    dict from name to float or str
        Figures for the card.

    Raises
    ------
    ReadError, WriteError
        If the crops are missing, or what is made cannot be written.
    """
    images, masks = read_crops(data)
    marked = cross_validate(recipe, (images, masks), work, progress=progress)
    few = cross_validate(recipe, (images, masks), work, few=True, progress=progress)
    start = predict_crops(Path(work) / "start" / "model", images, recipe)
    tried = {
        "": score_crops(marked[1], masks),
        "orientations_": score_crops(marked[8], masks),
        "from_4_frames_": score_crops(few[1], masks),
        "from_4_frames_orientations_": score_crops(few[8], masks),
        "simulations_alone_": score_crops(list(start > 0.5), masks),
        "classical_": score_crops(mark_classically(images, masks, recipe), masks),
        "scrambled_": score_crops(list(np.roll(masks > 0, 1, axis=0)), masks),
    }
    figures: dict[str, float | str] = {}
    for name, scores in tried.items():
        figures |= {f"{name}{key}": round(value, 4) for key, value in scores.items()}
    return figures


def _without_specks(mask: np.ndarray) -> np.ndarray:
    labels, _ = ndimage.label(mask)
    large = np.bincount(labels.ravel()) >= _SPECK_PX
    large[0] = False
    kept: np.ndarray = large[labels]
    return kept
