"""The menu items as napari's commands: each takes the selected layers and asks one question at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temflux.engine.base.errors import DataError

from ..results import LabelledMovie, SpectraMovie
from .asking import ask_choice, ask_numbers
from .layers import ORIGIN, Chosen, Origin, calibrate, chosen_layers, stack_of_layer
from .running import Running, Tell, drive, telling_errors
from .showing import (
    add_layers,
    events_layer,
    labelled_layers,
    make_layers,
    show_spectra,
    show_table,
    spectra_layer,
)

if TYPE_CHECKING:
    import napari

    from ..menu import Item, Question, Result

# Items that work on the one particle whose label is selected in its layer.
_OF_ONE_PARTICLE = ("spectrum", "peaks")
_GUESSED_PIXEL_NM = 0.1


def label_particles(viewer: napari.Viewer) -> Running | None:
    """Label the particles of a selected labels layer, each the same in every frame."""
    return _run_item(viewer, "label")


def follow_spectrum(viewer: napari.Viewer) -> Running | None:
    """Fourier transform the selected particle in every frame."""
    return _run_item(viewer, "spectrum")


def measure_particles(viewer: napari.Viewer) -> Running | None:
    """Measure the particles of the selected labels layers in every frame."""
    return _run_item(viewer, "properties")


def follow_peaks(viewer: napari.Viewer) -> Running | None:
    """Follow the Fourier peaks of the selected particle."""
    return _run_item(viewer, "peaks")


def tell_events(viewer: napari.Viewer) -> Running | None:
    """Tell births, deaths, splits and merges of the particles of a selected labels layer."""
    return _run_item(viewer, "events")


def segment_with_model(viewer: napari.Viewer) -> Running | None:
    """Mark the particles of the selected image with a trained network."""
    from .models import mark_particles, models_of_masks

    title = "Segment with a model"
    with telling_errors():
        image = _image_of(chosen_layers(viewer), title)
        if _calibrate(title, Chosen((), image), ()) is None:
            return None
        name = ask_choice(title, "Model", models_of_masks())
        if name is None:
            return None
        stack = stack_of_layer(image)

        def show(made: tuple[list[Any], tuple[str, ...]]) -> None:
            layers, notes = made
            add_layers(viewer, layers)
            _tell_notes(notes)

        return Running(title, lambda tell: drive(mark_particles(stack, name), tell), show)
    return None


def open_page(viewer: napari.Viewer) -> Running | None:
    """Open the page of results that a selected layer is of, or track the selected image's particles first."""
    from temflux.engine.workflows.tracking.settings import TrackSettings

    from ..menu import Question
    from .tracking import open_in_browser, page_of, track_stack

    title = "Open the page"
    with telling_errors():
        origins = [layer.metadata.get(ORIGIN) for layer in viewer.layers.selection]
        folders = [origin.folder for origin in origins if isinstance(origin, Origin) and origin.folder]
        if folders:
            open_in_browser(page_of(Path(folders[0])))
            return None
        image = _image_of(chosen_layers(viewer), title)
        default = TrackSettings().min_separation_nm
        question = Question("Least distance between particles' centres", "nm", default)
        answers = _calibrate(title, Chosen((), image), (question,))
        if answers is None:
            return None
        settings, stack = TrackSettings(min_separation_nm=answers[0]), stack_of_layer(image)
        return Running(
            title,
            lambda tell: track_stack(stack, settings, None, tell),
            lambda result: open_in_browser(page_of(result.folder)),
        )
    return None


def _run_item(viewer: napari.Viewer, key: str) -> Running | None:
    """Run an item of the menu on the selected layers; say in one line what is missing."""
    # The items bring SciPy, which the start of the window must not wait for.
    from ..menu import ITEMS

    item = next(item for item in ITEMS if item.key == key)
    with telling_errors():
        chosen = chosen_layers(viewer)
        one = key in _OF_ONE_PARTICLE
        if not item.fits(chosen.selection(one_particle=one)):
            raise DataError(f"{item.title}: select {item.needs}{_how_to(item)}")
        questions = () if item.question is None else (item.question,)
        answers = _calibrate(item.title, chosen, questions)
        if answers is None:
            return None
        selection = chosen.selection(one_particle=one)
        answer = answers[0] if answers else 0.0

        def work(tell: Tell) -> tuple[Result, list[Any]]:
            result = drive(item.work(selection, answer), tell)
            return result, make_layers(_layers_of(result, chosen))

        return Running(item.title, work, lambda made: _show(viewer, *made))
    return None


def _layers_of(result: Result, chosen: Chosen) -> list[Any]:
    if isinstance(result, LabelledMovie):
        return labelled_layers(result)
    if isinstance(result, SpectraMovie):
        return [spectra_layer(result)]
    if "event" in result.columns and len(result.columns["event"]):
        return [events_layer(result.name, result.columns, stack_of_layer(chosen.labels[0]))]
    return []


def _show(viewer: napari.Viewer, result: Result, layers: list[Any]) -> None:
    if isinstance(result, SpectraMovie):
        show_spectra(viewer, layers[0])
        return
    add_layers(viewer, layers)
    if not isinstance(result, LabelledMovie):
        show_table(viewer, result)


def _calibrate(title: str, chosen: Chosen, questions: Sequence[Question]) -> list[float] | None:
    """Ask an item's question, and the pixel size where a layer has none; then the layer has it.

    Returns the answers to the questions; None where the user cancels.
    """
    from ..menu import Question

    without = chosen.uncalibrated()
    if without:
        # A scale without a unit is a likely answer, not one to take unasked.
        step = float(without[0].scale[-1])
        pixel = Question("Side of a pixel", "nm", _GUESSED_PIXEL_NM if step == 1 else step)
        questions = (*questions, replace(pixel, text=f"Side of a pixel of {without[0].name}"))
    answers = ask_numbers(title, questions)
    if answers is None or not without:
        return answers
    for layer in without:
        calibrate(layer, pixel_nm=answers[-1])
    return answers[:-1]


def _image_of(chosen: Chosen, title: str) -> Any:
    if chosen.image is None:
        raise DataError(f"{title}: select the image layer of one movie")
    return chosen.image


def _how_to(item: Item) -> str:
    """Say what an item needs in napari's words."""
    if item.key in _OF_ONE_PARTICLE:
        return ": a labels layer, the particle's label chosen in it, and the image layer of the movie"
    return ": a labels layer"


def _tell_notes(notes: Sequence[str]) -> None:
    from napari.utils.notifications import show_warning

    for note in notes:
        show_warning(note)
