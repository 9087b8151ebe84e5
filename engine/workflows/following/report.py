"""What `peaks` shows on a movie's page: traces of reflections, their lattices, frames that can be read."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pandas as pd
from matplotlib.figure import Figure

from ...report.canvas import save_figure
from ...report.lattice import outstanding
from ...report.page_sections import put_section
from ...report.pictures import Picture, drawn, themed_svg
from ...report.reflections import lattice_maps, readable_strip, reflection_traces
from ...report.shown import Shown
from .maps import MAPS

_PARTICLES_TRACED = 3
_PARTICLES_MAPPED = 4
_SHOWN_COLUMNS = (
    "particle",
    "pair",
    "frames",
    "d_nm",
    "angle_deg",
    "power",
    "lattice",
    "plane",
    "deviation_percent",
)
_FILES = ("reflections.csv", "pairs.csv", "zone_axis.csv", "rotation.csv", "readable_frames.csv", MAPS)


def put_peaks_section(
    folder: Path,
    shown: Shown,
    *,
    reflections: pd.DataFrame,
    pairs: pd.DataFrame,
    zone_axis: pd.DataFrame,
    zone_axis_map: Picture | None,
    notes: tuple[str, ...],
) -> None:
    """Put the reflections and the frame filter into a movie's page.

    Parameters
    ----------
    folder : Path
        The movie's folder.
    shown : Shown
        The movie's axes and colours.
    reflections, pairs, zone_axis : pandas.DataFrame
        The tables.
    zone_axis_map : Picture or None
        A frame beside its map.
    notes : tuple of str
        What a user should know.

    Raises
    ------
    ReadError, WriteError
        If the page cannot be read or written.
    """
    pictures: list[Picture] = []
    if len(zone_axis):
        pictures.append(
            drawn(
                lambda width: readable_strip(zone_axis, shown, width_in=width),
                folder,
                "readable",
                alt=f"Which particle can be read when, against {shown.time_label}",
            )
        )
    if zone_axis_map is not None:
        pictures.append(zone_axis_map)
    known = outstanding(pairs["particle"].unique().tolist(), shown, most=_PARTICLES_MAPPED)
    if known:
        pictures.append(
            drawn(
                lambda width: cast(Figure, lattice_maps(pairs, known, shown, width_in=width)),
                folder,
                "lattices",
                alt="Places of the reflections of the most outstanding particles, coloured by lattice",
            )
        )
    for particle in known[:_PARTICLES_TRACED]:
        figure = reflection_traces(reflections, particle, shown)
        if figure is not None:
            save_figure(figure, folder / "figures", f"reflections_{particle}")
            alt = f"Intensity and angle of the reflections of particle {particle} against {shown.time_label}"
            pictures.append(Picture(alt, f"figures/reflections_{particle}", themed_svg(figure)))
    said = "".join(f" {line[0].upper()}{line[1:]}." for line in notes)
    unit = "1/px" if shown.pixel_nm is None else "1/nm"
    put_section(
        folder,
        "peaks",
        title="Reflections and zone axes",
        caption="Reflections that stand out of the measured noise, each followed over time; bands are one "
        f"standard error. Rings: q [{unit}]; a dot is larger the more frames show the pair. A particle can "
        "be read where at least two directions of fringes stand out and neither is lost beside the other."
        f"{said}",
        pictures=pictures,
        table=pairs[[name for name in _SHOWN_COLUMNS if name in pairs]] if len(pairs) else None,
        files=[name for name in _FILES if (folder / name).exists()],
    )
