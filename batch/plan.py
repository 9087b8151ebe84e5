"""The plan of a batch: which movies lie below the paths given, and what each one's outputs are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from temflux.engine.base.errors import ReadError
from temflux.engine.files.read import movies_below


@dataclass(frozen=True)
class Movie:
    """A movie to be tracked.

    Parameters
    ----------
    name : str
        Name of its output folder, unlike any other's of the batch.
    source : str
        Its file or folder; "PATH#NAME" names an array within.
    """

    name: str
    source: str


def plan_movies(sources: Sequence[str | Path]) -> list[Movie]:
    """Find the movies that a user means.

    Parameters
    ----------
    sources : sequence of paths
        Files, or folders to look through.

    Returns
    -------
    list of Movie
        In the order given, folders sorted within; names differ and do not depend on the order.

    Raises
    ------
    ReadError
        If a path does not exist or no movie lies there.
    """
    found: list[tuple[str, Path]] = []
    for source in sources:
        root = Path(str(source).partition("#")[0])
        if not root.exists():
            raise ReadError(f"{root}: no such file or folder")
        if root.is_file():
            found.append((str(source), root.parent))
            continue
        below = movies_below(root)
        if not below:
            raise ReadError(f"{root}: expected a movie or a folder of movies, found no file of a known kind")
        found += [(str(path), root) for path in below]
    return [Movie(name, source) for name, (source, _) in zip(_names(found), found, strict=True)]


def _names(found: Sequence[tuple[str, Path]]) -> list[str]:
    """Short names where they differ; longer ones, with the folder or the ending, where they do not."""
    candidates = [_candidates(source, root) for source, root in found]
    names = [options[0] for options in candidates]
    for level in (1, 2):
        twice = {name for name, count in Counter(name.lower() for name in names).items() if count > 1}
        names = [
            options[level] if name.lower() in twice else name
            for name, options in zip(names, candidates, strict=True)
        ]
    counts: Counter[str] = Counter()
    unique = []
    for name in names:
        counts[name.lower()] += 1
        unique.append(name if counts[name.lower()] == 1 else f"{name}-{counts[name.lower()]}")
    return unique


def _candidates(source: str, root: Path) -> tuple[str, str, str]:
    text, _, dataset = source.partition("#")
    path = Path(text)
    below = path.relative_to(root) if path != root else Path(path.resolve().name)
    stem = path.resolve().name if path.is_dir() else path.stem.removesuffix(".ome")
    tail = f"_{dataset.replace('/', '_')}" if dataset else ""
    folder = "_".join(below.parts[:-1])
    with_folder = f"{folder}_{stem}" if folder else stem
    with_ending = f"{with_folder}_{path.suffix.lstrip('.')}" if path.suffix else with_folder
    return f"{stem}{tail}", f"{with_folder}{tail}", f"{with_ending}{tail}"
