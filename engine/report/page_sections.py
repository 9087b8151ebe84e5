"""Sections that later commands put into a movie's page: its peaks, columns and onsets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..base.errors import DataError
from ..files.atomic import atomic_file
from ..files.calibration import read_errors
from .page import page_templates
from .pictures import Picture
from .shown import label_of, number

_PLACE = "<!-- more sections -->\n"
_ROWS_SHOWN = 40


def put_section(
    folder: Path,
    key: str,
    *,
    title: str,
    caption: str,
    pictures: Sequence[Picture] = (),
    table: pd.DataFrame | None = None,
    files: Sequence[str] = (),
) -> None:
    r"""Put a section into a movie's page, or replace the one that a run before put there.

    Parameters
    ----------
    folder : Path
        The movie's output folder, with its page.html.
    key : str
        Name of the section within the page, one word.
    title : str
        Its heading.
    caption : str
        What the pictures and the table show.
    pictures : sequence of Picture
        Its figures: wide ones, which have a narrow form or are photographs, one below the other; behind them
        small ones side by side.
    table : pandas.DataFrame or None
        Its rows, the first of which are shown; units stand in the columns' names.
    files : sequence of str
        Files in the folder that hold all of it.

    Raises
    ------
    DataError
        If the page was made by a version that had no place for sections.
    ReadError, WriteError
        If the page cannot be read or written; it then stays as it was.

    Examples
    --------
    >>> import tempfile
    >>> page = Path(tempfile.mkdtemp()) / "page.html"
    >>> _ = page.write_text("<!-- more sections -->\n")
    >>> put_section(page.parent, "hops", title="Hops", caption="Of columns.")
    >>> "<h2>Hops</h2>" in page.read_text()
    True
    """
    page = folder / "page.html"
    with read_errors(page, "a page"):
        text = page.read_text(encoding="utf-8")
    if _PLACE not in text:
        raise DataError(
            f"{page}: has no place for more sections, so another version made it; run temflux track again"
        )
    rows, columns = _as_text(table)
    section = (
        page_templates()
        .get_template("section.html")
        .render(
            key=key,
            title=title,
            caption=caption,
            whole=[picture for picture in pictures if _takes_the_width(picture)],
            beside=[picture for picture in pictures if not _takes_the_width(picture)],
            rows=rows,
            columns=columns,
            more=0 if table is None else len(table) - len(rows),
            files=files,
        )
    )
    marks = re.escape(f"<!-- section {key} -->"), re.escape(f"<!-- /section {key} -->")
    before = re.compile(f"{marks[0]}.*?{marks[1]}\n", re.DOTALL)
    if before.search(text):
        text = before.sub(lambda _: section, text, count=1)
    else:
        text = text.replace(_PLACE, section + _PLACE, 1)
    with atomic_file(page) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _takes_the_width(picture: Picture) -> bool:
    return bool(picture.narrow) or picture.wide.startswith("data:image/webp")


def _as_text(table: pd.DataFrame | None) -> tuple[list[list[str]], list[tuple[str, str, bool]]]:
    """Write the first rows of a table as a reader would, and its columns as name, unit and kind."""
    if table is None:
        return [], []
    columns = []
    for name in table.columns:
        heading, _, unit = label_of(str(name)).removesuffix("]").partition(" [")
        columns.append((heading, unit, table[name].dtype.kind not in "fiu"))
    rows = [[_written(value) for value in row] for row in table.head(_ROWS_SHOWN).itertuples(index=False)]
    return rows, columns


def _written(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return number(float(value)) if np.isfinite(value) else "–"
    return str(value)
