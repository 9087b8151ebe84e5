"""Outputs that are whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..base.errors import WriteError

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder, then run again",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder, then run again",
    errno.EACCES: "no permission to write there; choose another folder",
    errno.EPERM: "no permission to write there; choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.EEXIST: "a file has that name; choose another folder",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors while writing `path` into one line with a remedy.

    Parameters
    ----------
    path : Path
        What is being written.

    Raises
    ------
    WriteError
        In place of any OSError inside the block.

    Examples
    --------
    >>> with write_errors(Path("table.csv")):
    ...     pass
    """
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, error.strerror or str(error))
        raise WriteError(f"cannot write {path}: {remedy}") from error


def check_folder(path: Path) -> None:
    """See that a folder can be written to, before long work whose results go there.

    Parameters
    ----------
    path : Path
        The folder; nothing is made.

    Raises
    ------
    WriteError
        If it or a part of its path is a file, or the system gives no permission.

    Examples
    --------
    >>> check_folder(Path("new-folder"))
    """
    with write_errors(path):
        there = next(one for one in (path, *path.absolute().parents) if one.exists())
        if not there.is_dir():
            raise OSError(errno.EEXIST if there == path else errno.ENOTDIR, "not a folder")
        if not os.access(there, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, "no permission")


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : Path
        The file to make or replace; its folder is made where it is missing.

    Yields
    ------
    Path
        A temporary name beside `path` to write to; it takes the name of `path` when the block ends well.

    Raises
    ------
    WriteError
        If the system refuses to write; nothing is left behind.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "table.csv"
    >>> with atomic_file(target) as temporary:
    ...     _ = temporary.write_text("a")
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with write_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def replace_folder(finished: Path, path: Path) -> None:
    """Give a finished folder its final name, in place of an earlier one.

    Parameters
    ----------
    finished : Path
        The folder as it shall be, on the same disk as `path`.
    path : Path
        Its final name; an earlier folder of that name goes only once it is out of the way.

    Raises
    ------
    WriteError
        If the system refuses.

    Examples
    --------
    >>> import tempfile
    >>> finished = Path(tempfile.mkdtemp())
    >>> replace_folder(finished, finished.with_name(f"{finished.name}-movie"))
    """
    earlier = path.with_name(f".{path.name}.earlier")
    with write_errors(path):
        if path.exists():
            shutil.rmtree(earlier, ignore_errors=True)
            path.rename(earlier)
        finished.rename(path)
        shutil.rmtree(earlier, ignore_errors=True)
