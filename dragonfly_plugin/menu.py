"""The menu items, host-neutral: what each takes, the one thing it asks, what it does and what it gives.

An item's work is a generator: it yields how far it has come, so that the host can draw its own progress and
stop between two frames, and returns what the host is to show. Nothing here knows a window.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np

from temflux.engine.base.errors import DataError
from temflux.engine.base.stack import Stack
from temflux.engine.base.tables import Columns, stack_columns
from temflux.engine.images.clean import finite_frame
from temflux.engine.measure.connectivity import MovieInstances, history_of_runs, place_events
from temflux.engine.measure.fourier import (
    MOST_STEP_PER_PX,
    crop_size,
    find_peaks,
    link_peaks,
    particle_spectrum,
    reciprocal_pixel,
)
from temflux.engine.measure.properties import measure_properties
from temflux.engine.measure.runs import runs_of_labels

from .results import Curve, LabelledMovie, SpectraMovie, Step, Table
from .selection import Particle, Selection, check_selection, pixel_nm_of, times_s_of

_DEFAULT_SEPARATION_NM = 2.0
_DRAWN_REFLECTIONS = 6


@dataclass(frozen=True)
class Question:
    """The one number that an item asks for.

    Parameters
    ----------
    text : str
        What is asked.
    unit : str
        Its unit.
    default : float
        What stands in the field; any answer is above 0.
    """

    text: str
    unit: str
    default: float


Result = LabelledMovie | SpectraMovie | Table
Work = Generator[Step, None, Result]


@dataclass(frozen=True)
class Item:
    """A menu item.

    Parameters
    ----------
    key : str
        Name for programs.
    title : str
        Name in the menu.
    fits : callable
        Whether a selection is of the right kind.
    needs : str
        What must be selected, in words for a message.
    work : callable
        Selection and answer to the work.
    question : Question or None
        What is asked; None for nothing.
    """

    key: str
    title: str
    fits: Callable[[Selection], bool]
    needs: str
    work: Callable[[Selection, float], Work]
    question: Question | None = None


def label_particles(selection: Selection, min_separation_nm: float) -> Work:
    """Label the particles of a binary segmentation, each the same in every frame.

    Parameters
    ----------
    selection : Selection
        One segmentation.
    min_separation_nm : float
        Least distance of two particles' centres [nm]; its square is the least area.

    Yields
    ------
    Step
        Frames done.

    Returns
    -------
    LabelledMovie
        Labels of all frames (thesis 6.1, Menu Item 1).
    """
    check_selection(selection)
    (particle,) = selection.particles
    masks = particle.masks
    movie = MovieInstances(min_separation_px=min_separation_nm / pixel_nm_of(masks))
    for frame in range(masks.n_frames):
        movie.add(particle.mask(frame))
        yield Step("finding particles", frame + 1, masks.n_frames)
    instances, events = movie.link()
    n_particles = int(instances["particle"].max(initial=0))
    if n_particles == 0:
        least = f"{min_separation_nm**2:g} nm²"
        raise DataError(
            f"no particle of at least {least} (the separation's square) is marked; give a smaller one"
        )
    return LabelledMovie(
        f"{particle.name}: particles",
        masks,
        n_particles,
        lambda frame: movie.paint(frame, instances),
        instances,
        events,
    )


def follow_spectrum(selection: Selection, _: float = 0.0) -> Work:
    """Fourier transform one particle in every frame.

    Parameters
    ----------
    selection : Selection
        One particle and its image.

    Yields
    ------
    Step
        Frames done.

    Returns
    -------
    SpectraMovie
        Calibrated in 1/nm (thesis 6.1, Menu Item 2).
    """
    check_selection(selection)
    (particle,) = selection.particles
    image = _image_of(selection)
    rows = yield from _follow(particle)
    size = _size(rows)
    spectra = np.full((image.n_frames, size, size), np.nan, np.float32)
    for row, frame in enumerate(rows["frame"].tolist()):
        spectra[frame] = _spectrum(particle, image, rows, row, size)
        yield Step("following the spectrum", frame + 1, image.n_frames)
    step = reciprocal_pixel(size, pixel=pixel_nm_of(image))
    return SpectraMovie(f"{particle.name}: spectra", spectra, step, image)


def measure_particles(selection: Selection, _: float = 0.0) -> Work:
    """Measure one or many particles in every frame.

    Parameters
    ----------
    selection : Selection
        Particles; with their image, mean intensities as well. Where no label is chosen, each is a particle.

    Yields
    ------
    Step
        Frames done.

    Returns
    -------
    Table
        Area over time, and every other property (thesis 6.1, Menu Item 3).
    """
    check_selection(selection)
    tables: list[Columns] = []
    names: dict[int, str] = {}
    for particle in selection.particles:
        rows = yield from _measure(particle, selection.image)
        labels, number = np.unique(rows["particle"], return_inverse=True)
        alone = len(selection.particles) == 1
        numbers = labels if alone else len(names) + 1 + np.arange(len(labels))
        for label, chosen in zip(labels.tolist(), numbers.tolist(), strict=True):
            names[chosen] = particle.name if len(labels) == 1 else f"{particle.name} {label}"
        tables.append({**rows, "particle": numbers[number.reshape(-1)]})
    columns = stack_columns(tables)
    if not len(columns["frame"]):
        raise DataError("no pixel is marked in any frame; choose another object")
    order = np.lexsort((columns["frame"], columns["particle"]))
    columns = {name: values[order] for name, values in columns.items()}
    curve = over_time(columns, "area_nm2", "particle", "area [nm²]")
    return Table("particle properties", columns, (curve,), names)


def follow_peaks(selection: Selection, _: float = 0.0) -> Work:
    """Follow the Fourier peaks of one particle: intensity and angle over time.

    Parameters
    ----------
    selection : Selection
        One particle and its image.

    Yields
    ------
    Step
        Frames done.

    Returns
    -------
    Table
        A row for each peak and frame (thesis, Figure 6.5); drawn are the reflections seen in most frames.
    """
    check_selection(selection)
    (particle,) = selection.particles
    image = _image_of(selection)
    rows = yield from _follow(particle)
    size = _size(rows)
    tables = []
    for row, frame in enumerate(rows["frame"].tolist()):
        spectrum = _spectrum(particle, image, rows, row, size)
        found = find_peaks(spectrum, area_px2=float(rows["area_px2"][row]))
        tables.append({"frame": np.full(len(found["peak"]), frame, np.int64), **found})
        yield Step("following the peaks", frame + 1, image.n_frames)
    peaks = stack_columns(tables)
    if not len(peaks["frame"]):
        raise DataError("no Fourier peak rises out of the noise in any frame: no lattice is resolved")
    peaks["peak"], peaks["pair"] = link_peaks(peaks, max_step=MOST_STEP_PER_PX)
    order = np.lexsort((peaks["frame"], peaks["peak"]))
    peaks = {name: values[order] for name, values in peaks.items()}
    q_per_nm = peaks["q"] / pixel_nm_of(image)
    columns = {
        "frame": peaks["frame"],
        "time_s": times_s_of(image)[peaks["frame"]],
        **{name: peaks[name] for name in ("peak", "pair", "angle_deg", "intensity")},
        "q_per_nm": q_per_nm,
        "d_nm": 1 / q_per_nm,
    }
    curves = (
        over_time(columns, "intensity", "peak", "intensity / greatest"),
        over_time(columns, "angle_deg", "peak", "angle [°]"),
    )
    return Table(f"{particle.name}: Fourier peaks", columns, curves, _name_peaks(columns))


def tell_events(selection: Selection, _: float = 0.0) -> Work:
    """Tell births, deaths, splits and merges of the particles of a movie of labels.

    Parameters
    ----------
    selection : Selection
        One movie of labels.

    Yields
    ------
    Step
        Frames done.

    Returns
    -------
    Table
        A row for each event, with its place: the particle's centre, or its last.
    """
    check_selection(selection)
    (particle,) = selection.particles
    masks = particle.masks
    runs = []
    for frame in range(masks.n_frames):
        runs.append(runs_of_labels(masks.read(frame, frame + 1)[0]))
        yield Step("comparing frames", frame + 1, masks.n_frames)
    instances, events = history_of_runs(runs)
    y_px, x_px = place_events(instances, events)
    columns = {
        "frame": events["frame"],
        "time_s": times_s_of(masks)[events["frame"]],
        **{name: events[name] for name in ("event", "particle", "other")},
        "y_px": y_px,
        "x_px": x_px,
    }
    return Table(f"{particle.name}: events", columns)


ITEMS = (
    Item(
        "label",
        "Label by 2+1D Connectivity",
        lambda chosen: len(chosen.particles) == 1,
        "one binary segmentation",
        label_particles,
        Question("Least distance between particles' centres", "nm", _DEFAULT_SEPARATION_NM),
    ),
    Item(
        "spectrum",
        "Get FFT along time axis",
        lambda chosen: len(chosen.particles) == 1 and chosen.image is not None,
        "one particle and its image",
        follow_spectrum,
    ),
    Item(
        "properties",
        "Get ROI properties",
        lambda chosen: len(chosen.particles) > 0,
        "one or more particles",
        measure_particles,
    ),
    Item(
        "peaks",
        "Track Fourier peaks",
        lambda chosen: len(chosen.particles) == 1 and chosen.image is not None,
        "one particle and its image",
        follow_peaks,
    ),
    Item(
        "events",
        "Show events",
        lambda chosen: len(chosen.particles) == 1,
        "one movie of labels",
        tell_events,
    ),
)


def _image_of(selection: Selection) -> Stack:
    if selection.image is None:
        raise DataError("expected a particle and the image that it was marked in, got no image")
    return selection.image


def _frame(stack: Stack, frame: int) -> np.ndarray:
    """Read a frame as the batch does: pixels that are not finite replaced."""
    return finite_frame(stack.read(frame, frame + 1)[0])[0]


def _measure(particle: Particle, image: Stack | None) -> Generator[Step, None, Columns]:
    """Properties of a selected object's particles in every frame."""
    masks = particle.masks
    tables = []
    for frame in range(masks.n_frames):
        labels = masks.read(frame, frame + 1)[0]
        if labels.dtype == bool or particle.label is not None:
            labels = particle.mask(frame).astype(np.uint16) * np.uint16(particle.label or 1)
        pixels = None if image is None else _frame(image, frame)
        found = measure_properties(labels, pixels, pixel_nm=masks.pixel_nm)
        found = {"particle": found.pop("label"), **found}
        number = np.full(len(found["particle"]), frame, np.int64)
        tables.append({"frame": number, "time_s": times_s_of(masks)[number], **found})
        yield Step("measuring", frame + 1, masks.n_frames)
    return stack_columns(tables)


def _follow(particle: Particle) -> Generator[Step, None, Columns]:
    """Place, area and box of one particle in each frame that has it."""
    rows = yield from _measure(particle, None)
    if not len(rows["frame"]):
        raise DataError(f"{particle.name}: no pixel is marked in any frame; choose another object")
    return rows


def _size(rows: Columns) -> int:
    """One side [px] for all spectra of a particle, so that they share one reciprocal pixel."""
    heights = rows["bbox_y1_px"] - rows["bbox_y0_px"]
    widths = rows["bbox_x1_px"] - rows["bbox_x0_px"]
    return crop_size(int(heights.max()), int(widths.max()))


def _spectrum(particle: Particle, image: Stack, rows: Columns, row: int, size: int) -> np.ndarray:
    frame = int(rows["frame"][row])
    centre = (float(rows["y_px"][row]), float(rows["x_px"][row]))
    return particle_spectrum(_frame(image, frame), particle.mask(frame), centre=centre, size=size)


def over_time(columns: Columns, y: str, by: str, y_label: str) -> Curve:
    """Draw a column against the time, or the frame's number where a time is not known."""
    timed = bool(np.isfinite(columns["time_s"]).all())
    return Curve("time_s" if timed else "frame", y, by, "time [s]" if timed else "frame", y_label)


def _name_peaks(peaks: Columns) -> dict[int, str]:
    """Name one member of each of the reflections seen in most frames by its lattice spacing."""
    pairs, seen = np.unique(peaks["pair"][peaks["peak"] % 2 == 1], return_counts=True)
    most = pairs[np.argsort(-seen, kind="stable")][:_DRAWN_REFLECTIONS]
    return {
        int(2 * pair - 1): f"{np.median(peaks['d_nm'][peaks['peak'] == 2 * pair - 1]):.3f} nm"
        for pair in most
    }
