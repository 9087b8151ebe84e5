"""One page a movie and one over all movies: whole in itself, no network, readable on a phone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from ..files.atomic import atomic_file
from .canvas import save_figure
from .curves import run_length
from .figures import area_over_time, event_timeline
from .lattice import Spectra, outstanding, peak_traces, spectra_strip
from .listing import event_rows, fact_rows, headline, particle_rows
from .overlay import TITLE_IN, choose_smoothing, overlay
from .pictures import Picture, drawn, photograph, themed_svg, thumbnail, webp_uri
from .shown import Shown, number, show
from .tables import EVENT_COLUMNS, PEAK_COLUMNS, TRACK_COLUMNS, as_table

_PARTICLES_TRACED = 3
_FILES = (
    ("tracks.csv", "every particle in every frame"),
    ("tracks.parquet", "the same with every digit"),
    ("frames.csv", "time, dose and log of every frame"),
    ("events.csv", "births, deaths, splits, merges"),
    ("peaks.csv", "Fourier peaks"),
    ("labels.zarr", "identities in every pixel (OME-Zarr, opens in napari)"),
    ("spectra", "spectra over time, one store a particle"),
    ("figures", "the figures as PNG and SVG"),
    ("provenance.json", "version, settings, input"),
)


def write_report(
    folder: Path,
    *,
    facts: Mapping[str, Any],
    tracks: pd.DataFrame,
    events: pd.DataFrame,
    peaks: pd.DataFrame | None,
    overlays: Sequence[tuple[int, np.ndarray, np.ndarray]],
    spectra: Spectra,
    provenance: Mapping[str, Any],
) -> None:
    """Write a movie's page.html, and its figures as PNG and SVG.

    Parameters
    ----------
    folder : Path
        The movie's output folder.
    facts : mapping
        `movie` (name), `frames` (T), `shape` (Y, X); where known `pixel_nm`, `times_s` (T,), `dose_e_per_A2`
        (T,), `log` (column name to (T,); the tracks' own columns where missing), `segmentation` (a phrase),
        `source`, `notes` (sentences a user should see).
    tracks, events, peaks : pandas.DataFrame
        As in `TRACK_COLUMNS`, `EVENT_COLUMNS`, `PEAK_COLUMNS`; peaks may be None, and those of the
        particles that stand out (`show`) are enough.
    overlays : sequence of (int, array (Y, X), array (Y, X) int32)
        Frame number, frame and particle identities: first, middle and last.
    spectra : mapping from int to sequence of (int, array (N, N), float, str)
        For some particles: frame, amplitude, side of a reciprocal pixel, its unit (1/nm or 1/px).
    provenance : mapping
        Shown as it is.

    Raises
    ------
    DataError
        If a table lacks a column.
    WriteError
        If the system refuses to write.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_report(folder, facts={"movie": "a", "frames": 1, "shape": (8, 8)}, tracks=pd.DataFrame(),
    ...              events=pd.DataFrame(), peaks=None, overlays=[], spectra={}, provenance={})
    >>> "No particle was found" in (folder / "page.html").read_text()
    True
    """
    tracks, events = as_table(tracks, TRACK_COLUMNS), as_table(events, EVENT_COLUMNS)
    peaks = as_table(peaks, PEAK_COLUMNS)
    shown = show(facts, tracks)
    happened, more_events, at_start = event_rows(events, shown)
    frames, grey_values = _overlays(folder, overlays, shown)
    areas = drawn(
        lambda width: area_over_time(tracks, shown, width_in=width),
        folder,
        "area",
        alt=f"Area [{shown.area_unit}] against {shown.time_label} of {shown.n_particles} particles",
    )
    timeline = drawn(
        lambda width: event_timeline(tracks, events, shown, width_in=width),
        folder,
        "events",
        alt=f"Number of particles, and {len(events)} events, against {shown.time_label}",
    )
    text = (
        page_templates()
        .get_template("page.html")
        .render(
            shown=shown,
            run=run_length(shown.n_frames),
            headline=headline(shown, events),
            facts=fact_rows(facts, shown, tracks),
            notes=[str(note) for note in facts.get("notes", ())],
            overlays=frames,
            grey_values=grey_values,
            areas=areas,
            timeline=timeline,
            spectra=_spectra(folder, spectra, peaks, shown),
            traces=_traces(folder, peaks, shown),
            particles=particle_rows(tracks, shown),
            events=happened,
            more_events=more_events,
            at_start=at_start,
            files=[(quote(name), name, what) for name, what in _FILES if (folder / name).exists()],
            provenance=json.dumps(dict(provenance), indent=2, ensure_ascii=False, default=str),
        )
    )
    with atomic_file(folder / "page.html") as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_index(folder: Path, movies: Iterable[Mapping[str, Any]]) -> None:
    """Write index.html over all movies.

    Parameters
    ----------
    folder : Path
        The output folder of the run.
    movies : iterable of mapping
        Rows as from `summary_row`: `movie`, `status` (done or failed), `reason`, and so on; `folder` is the
        movie's folder within the run's, `movie` where missing.

    Raises
    ------
    WriteError
        If the system refuses to write.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_index(folder, [{"movie": "a", "status": "failed", "reason": "empty file"}])
    >>> "empty file" in (folder / "index.html").read_text()
    True
    """
    rows = [_index_row(folder, movie) for movie in movies]
    text = (
        page_templates()
        .get_template("index.html")
        .render(
            movies=rows,
            done=sum(row["done"] for row in rows),
            failed=sum(not row["done"] for row in rows),
            particles=sum(row["particles"] or 0 for row in rows),
            frames=sum(row["frames"] or 0 for row in rows),
        )
    )
    with atomic_file(folder / "index.html") as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def page_templates() -> Environment:
    """Open the templates of pages, with their filters.

    Returns
    -------
    jinja2 Environment
        Text in them is escaped; a name that is missing is an error.

    Examples
    --------
    >>> page_templates().get_template("index.html").name
    'index.html'
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters["number"] = number
    return environment


def _overlays(
    folder: Path, overlays: Sequence[tuple[int, np.ndarray, np.ndarray]], shown: Shown
) -> tuple[list[Picture], str]:
    smoothing = choose_smoothing([image for _, image, _ in overlays])
    pictures, said = [], ""
    for place, (frame, image, labels) in enumerate(overlays):
        figure, said = overlay(image, labels, frame=frame, shown=shown, smoothing_px=smoothing)
        png = save_figure(figure, folder / "figures", f"overlay_{frame}")
        if place == 0:
            with atomic_file(folder / "figures" / "thumbnail.webp") as temporary:
                temporary.write_bytes(thumbnail(png, title_share=TITLE_IN / figure.get_figheight()))
        count = len(np.unique(labels[labels > 0]))
        alt = f"{shown.at(frame)}: the frame with {count} particles outlined and numbered"
        pictures.append(Picture(alt, f"figures/overlay_{frame}", photograph(png)))
    return pictures, said


def _spectra(folder: Path, spectra: Spectra, peaks: pd.DataFrame, shown: Shown) -> Picture | None:
    column = "q_per_px" if shown.pixel_nm is None else "q_per_nm"
    # Beyond the peaks there is only noise; the rings tell the scale.
    edge = None if peaks.empty else 1.5 * float(np.nanquantile(peaks[column], 0.98))
    if not any(len(moments) for moments in spectra.values()):
        return None
    return drawn(
        lambda width: cast(Figure, spectra_strip(spectra, shown, q_shown=edge, width_in=width)),
        folder,
        "spectra",
        alt="Fourier transforms of the most outstanding particles at their first, middle and last frame",
    )


def _traces(folder: Path, peaks: pd.DataFrame, shown: Shown) -> list[Picture]:
    pictures = []
    for particle in outstanding(peaks["particle"].unique().tolist(), shown, most=_PARTICLES_TRACED):
        figure = peak_traces(peaks, particle, shown)
        if figure is not None:
            save_figure(figure, folder / "figures", f"peaks_{particle}")
            alt = (
                f"Intensity and angle of the Fourier peaks of particle {particle} against {shown.time_label}"
            )
            pictures.append(Picture(alt, f"figures/peaks_{particle}", themed_svg(figure)))
    return pictures


def _index_row(folder: Path, movie: Mapping[str, Any]) -> dict[str, Any]:
    name = str(movie["movie"])
    place = str(movie.get("folder") or name)
    picture = folder / place / "figures" / "thumbnail.webp"
    values = {key: _known(movie.get(key)) for key in ("frames", "particles", "duration_s", "mean_area_nm2")}
    return {
        **values,
        "mean_area_px2": _known(movie.get("mean_area_px2")),
        "name": name,
        "done": movie.get("status") == "done",
        "reason": str(movie.get("reason") or ""),
        "page": quote(f"{place}/page.html"),
        "thumbnail": webp_uri(picture.read_bytes()) if picture.is_file() else "",
    }


def _known(value: Any) -> Any:
    return None if value is None or pd.isna(value) else value
