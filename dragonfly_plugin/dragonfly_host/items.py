"""The menu items in Dragonfly: when each is offered, what it asks, and what is done with its result."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from temflux.dragonfly_plugin.menu import ITEMS, Item
from temflux.dragonfly_plugin.results import LabelledMovie, SpectraMovie, Step, Table
from temflux.dragonfly_plugin.selection import Selection, check_selection
from temflux.dragonfly_plugin.tables import save_table
from temflux.engine.base.errors import DataError, TemfluxError

from .host import Cancelled, ask_folder, ask_number, ask_object, ask_text, from_host, say
from .other_python import movie_page, movie_slug, segment_movie
from .progress import drive
from .reading import (
    ChannelFrames,
    Chosen,
    calibrate,
    movie_shape,
    selection_of,
    sort_objects,
    stack_of,
    time_axis,
)
from .writing import make_multiroi, make_roi, make_spectra

_PROPER_MODEL = "bf-particles"


@dataclass(frozen=True)
class HostItem:
    """A menu item as Dragonfly has it.

    Parameters
    ----------
    title : str
        Name in the menu.
    needs : str
        What must be selected, in words.
    takes : callable
        Whether the kinds of the selected objects are right.
    start : callable
        Selected objects and the folder of the private copy to what is done: asks, works, shows.
    """

    title: str
    needs: str
    takes: Callable[[Chosen], bool]
    start: Callable[[Chosen, Path], None]


def is_offered(key: str, objects: Iterable[Any]) -> bool:
    """Say whether an item is in the menu of a selection.

    Parameters
    ----------
    key : str
        The item.
    objects : iterable of the host's objects
        What is selected.

    Returns
    -------
    bool
        By the objects' kinds alone: what else is wrong is said when the item is chosen.
    """
    chosen = sort_objects(objects)
    return chosen.n_others == 0 and host_items()[key].takes(chosen)


def run_item(key: str, objects: Iterable[Any], home: Path) -> None:
    """Run an item on a selection; whatever is wrong is told in a message, a Cancel leaves nothing behind.

    Parameters
    ----------
    key : str
        The item.
    objects : iterable of the host's objects
        What is selected.
    home : Path
        Folder of the private copy.
    """
    try:
        chosen, item = sort_objects(objects), host_items()[key]
        if chosen.n_others or not item.takes(chosen):
            raise DataError(f"{item.title}: select {item.needs}")
        item.start(chosen, home)
    except Cancelled:
        return
    except TemfluxError as error:
        say(str(error), is_error=True)
    except Exception as error:
        # Not one of ours: this Dragonfly is other than what is known of it, and its console has the rest.
        say(
            f"temflux cannot go on in this Dragonfly: {type(error).__name__}: {error}. Report this line, and "
            "what `temflux menus check` says",
            is_error=True,
        )
        raise


def host_items() -> dict[str, HostItem]:
    """List the items by key: those of all hosts, and two that another Python works for."""
    takes = {
        "label": _one_roi,
        "spectrum": _one_roi,
        "properties": lambda chosen: len(chosen.marked) > 0 and len(chosen.channels) <= 1,
        "peaks": _one_roi,
        "events": lambda chosen: len(chosen.multirois) == 1 and not chosen.rois and not chosen.channels,
    }
    needs = {
        "label": "one ROI, with its image or without",
        "spectrum": "one ROI, with its image or without",
        "properties": "ROIs or multi-ROIs, and at most one image",
        "peaks": "one ROI, with its image or without",
        "events": "one multi-ROI",
    }
    items = {
        item.key: HostItem(item.title, needs[item.key], takes[item.key], _starter(item)) for item in ITEMS
    }
    items["segment"] = HostItem(
        "Segment with a model",
        "one image",
        lambda chosen: len(chosen.channels) == 1 and not chosen.marked,
        _segment,
    )
    items["page"] = HostItem(
        "Track and open the page",
        "one image, with a ROI that marks its particles or without",
        lambda chosen: len(chosen.channels) == 1 and len(chosen.rois) <= 1 and not chosen.multirois,
        _open_page,
    )
    return items


def _one_roi(chosen: Chosen) -> bool:
    return len(chosen.rois) == 1 and not chosen.multirois and len(chosen.channels) <= 1


def _starter(item: Item) -> Callable[[Chosen, Path], None]:
    gives_table = item.key in ("properties", "peaks", "events")

    def start(chosen: Chosen, _: Path) -> None:
        selection = _with_image(item, chosen)
        selection = _calibrated(selection)
        check_selection(selection)
        like = chosen.marked[0]
        note = f"{selection.particles[0].masks.n_frames} frames along {time_axis(like)}"
        folder = ask_folder(f"{item.title}: folder for the table") if gives_table else None
        answer = 0.0
        if item.question is not None:
            label = f"{item.question.text} ({note})"
            answer = ask_number(label, item.question.unit, f"{item.question.default:g}")
        result = drive(_work_and_show(item, selection, answer, like), note)
        if isinstance(result, Table) and folder is not None:
            _tell_table(result, folder, note)

    return start


def _work_and_show(item: Item, selection: Selection, answer: float, like: Any) -> Generator[Step, None, Any]:
    """Do an item's work, and make the host's object of what it gives; a table is handed on."""
    result = yield from item.work(selection, answer)
    if isinstance(result, LabelledMovie):
        return (yield from make_multiroi(result, like))
    if isinstance(result, SpectraMovie):
        return (yield from make_spectra(result))
    return result


def _with_image(item: Item, chosen: Chosen) -> Selection:
    """Ask for the image where an item needs one: the host does not say which a ROI was marked in."""
    selection = selection_of(chosen)
    if item.fits(selection) or selection.image is not None:
        return selection
    channel = ask_object(
        from_host("ORSModel", "Channel"), f"{item.title}: the image of {chosen.marked[0].getTitle()}"
    )
    return replace(selection, image=stack_of(channel, ChannelFrames(channel)))


def _calibrated(selection: Selection) -> Selection:
    """Ask for the pixel size where the host knows none, and use it for this call alone."""
    stacks = [particle.masks for particle in selection.particles]
    stacks += [] if selection.image is None else [selection.image]
    unknown = [stack.name for stack in stacks if stack.pixel_nm is None]
    if not unknown:
        return selection
    return calibrate(selection, ask_number(f"{unknown[0]} is not calibrated: side of a pixel", "nm", ""))


def _tell_table(table: Table, folder: Path, note: str) -> None:
    n_rows = len(table.columns["frame"])
    if not n_rows:
        say(f"{table.name}: none in {note}")
        return
    written = save_table(table, folder)
    pictures = [path for path in written if path.suffix == ".png"]
    missing = "" if pictures or not table.curves else "; for pictures, matplotlib is missing in this Python"
    names = ", ".join(path.name for path in written)
    say(f"{table.name}: {n_rows} rows of {note} in {folder}: {names}{missing}")
    if pictures:
        webbrowser.open(pictures[0].as_uri())


def _segment(chosen: Chosen, home: Path) -> None:
    (channel,) = chosen.channels
    selection = _calibrated(selection_of(chosen))
    model = ask_text("Model: a name that `temflux models` lists, or a model's folder", _PROPER_MODEL)
    image = selection.image
    assert image is not None
    name = f"{image.name}: particles by {Path(model).name}"
    work = segment_movie(image, model, home, lambda masks: make_roi(masks, name, channel))
    notes = drive(work, f"{image.n_frames} frames along {time_axis(channel)}")
    if notes:
        say(f"{name}: {'; '.join(notes)}")


def _open_page(chosen: Chosen, home: Path) -> None:
    (channel,) = chosen.channels
    selection = _calibrated(selection_of(chosen))
    check_selection(selection)
    image = selection.image
    assert image is not None
    folder = ask_folder("Folder for the movie's results")
    masks = selection.particles[0].masks if selection.particles else None
    work = movie_page(image, masks, home, folder / f"{movie_slug(image)}-temflux")
    page = drive(work, f"{movie_shape(channel)[0]} frames along {time_axis(channel)}")
    webbrowser.open(page.as_uri())
