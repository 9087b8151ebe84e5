"""Make zone-axis: train a classifier of spectra, and judge it beside the ratios of pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from temflux.models.networks import build_network

from ...base.blocks import Runner, run_serial
from ...base.tables import Columns
from ...learn.model_cards import ModelCard
from ...learn.model_files import load_model, save_model
from ...learn.spectrum_classes import (
    ClassifierTraining,
    History,
    class_probabilities,
    roc_area,
    train_classifier,
)
from ...learn.trained import NetworkSpec
from .zone_axis_data import CLASSES, ZoneAxisRecipe, make_spectra

Progress = Callable[[str, int, int], None]

_LOW_DOSES = (100.0, 1000.0)


def make_zone_axis(
    recipe: ZoneAxisRecipe,
    work: str | Path,
    *,
    runner: Runner = run_serial,
    progress: Progress | None = None,
    on_epoch: Callable[[History], None] | None = None,
) -> tuple[Path, dict[str, float]]:
    """Make the classifier of spectra: data, training, figures.

    Parameters
    ----------
    recipe : ZoneAxisRecipe
        How it is made.
    work : str or Path
        Folder for data and model; what is there already is kept.
    runner : callable
        Where spectra are read.
    progress : callable or None
        Told (what is made, done, total).
    on_epoch : callable or None
        Called with the history after every epoch.

    Returns
    -------
    model : Path
        Folder of the trained model.
    figures : dict of str to float
        See `judge_zone_axis`.
    """
    work = Path(work)
    spectra = make_spectra(recipe, work, runner=runner, progress=progress)
    shapes = {"in_channels": 1, "out_channels": len(CLASSES), "activation": "softmax"}
    spec = NetworkSpec("polar", {**shapes, "seed": recipe.seed, **recipe.network})
    network = build_network(spec.name, **spec.arguments)
    parts = {
        part: np.isin(spectra["movie"], recipe.numbers(part)) for part in ("train", "validation", "test")
    }
    history = train_classifier(
        network,
        spectra["map"][parts["train"]],
        spectra["class"][parts["train"]],
        validation=(spectra["map"][parts["validation"]], spectra["class"][parts["validation"]]),
        how=ClassifierTraining(recipe.epochs, recipe.batch_size, seed=recipe.seed),
        on_epoch=on_epoch,
    )
    card = ModelCard(
        recipe.name,
        label="Zone axis",
        channels=CLASSES,
        ranges={
            "sampling_A": recipe.sampling,
            "dose_e_per_A2": (10 ** recipe.log_dose[0], 10 ** recipe.log_dose[1]),
        },
        recipe={
            "spectra": {part: int(rows.sum()) for part, rows in parts.items()},
            "polar": {"most_q_per_nm": recipe.most_q_per_nm, "size": recipe.map_size},
            "best_epoch": int(np.argmin([epoch["val_loss"] for epoch in history])) + 1,
        },
    )
    save_model(work / "model", network, spec, card)
    test = {name: values[parts["test"]] for name, values in spectra.items()}
    return work / "model", judge_zone_axis(work / "model", test)


def judge_zone_axis(model: str | Path, spectra: Columns) -> dict[str, float]:
    """Compare the classifier with the ratios of pairs on the same spectra.

    Parameters
    ----------
    model : str or Path
        Name or folder of the classifier.
    spectra : dict of arrays (n,)
        As `make_spectra` gives them, of particles that it has not learnt from.

    Returns
    -------
    dict of str to float
        Accuracy of the class; areas under the ROC for "zone axis" against all else, of the classifier and of
        each score, over all doses and below two of them; without those that there are no spectra for.
    """
    found = class_probabilities(load_model(model).network, spectra["map"])
    member = spectra["class"] == CLASSES.index("zone axis")
    scores = {
        "classifier": found[:, -1],
        "pair_ratio": -spectra["pair_ratio"],
        "independent_reflections": spectra["independent_reflections"].astype(float),
        "noise_floored_ratio": -spectra["noise_floored_ratio"],
    }
    figures = {
        "test_spectra": float(len(member)),
        "test_share_zone_axis": float(member.mean()),
        "accuracy": float((found.argmax(axis=1) == spectra["class"]).mean()),
        "accuracy_of_commonest_class": float(np.bincount(spectra["class"]).max() / len(member)),
    }
    for name, score in scores.items():
        figures[f"roc_area_{name}"] = roc_area(score, member)
        for dose in _LOW_DOSES:
            low = spectra["dose_e_per_A2"] < dose
            figures[f"roc_area_{name}_below_{dose:g}_e_per_A2"] = roc_area(score[low], member[low])
    return {name: round(value, 4) for name, value in figures.items() if np.isfinite(value)}
