"""What Dragonfly's Python cannot do: the `temflux` command of another Python, told of through files.

That Python is the one that installed the items (settings.json beside the private copy), or what the
environment's TEMFLUX_PYTHON names.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from temflux.dragonfly_plugin.results import Step
from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.base.stack import Stack

from .host import HostError

_ENVIRONMENT = "TEMFLUX_PYTHON"
_SECONDS_BETWEEN_LOOKS = 0.1

Work = Generator[Step, None, Any]


def segment_movie(
    image: Stack, model: str, home: Path, show: Callable[[Callable[[int], np.ndarray]], Work]
) -> Work:
    """Mark the particles of a movie with a trained network.

    Parameters
    ----------
    image : Stack
        The movie, calibrated.
    model : str
        Name of the zoo, or a model's folder.
    home : Path
        Folder of the private copy.
    show : callable
        Makes the host's object of the masks, given as frame's number to mask (Y, X).

    Yields
    ------
    Step
        Frames written, marked and shown.

    Returns
    -------
    tuple of str
        What the user should know of the network on this movie.
    """
    python = find_python(home)
    with tempfile.TemporaryDirectory(prefix="temflux-") as exchange:
        movie, found = Path(exchange) / "movie.npz", Path(exchange) / "masks.npy"
        yield from write_movie(image, movie)
        command = ["menus", "segment", model, str(movie), "--out", str(found)]
        notes = yield from run_command(python, command, Path(exchange), "asking the model", image.n_frames)
        yield from show(lambda frame: _read_frame(found, frame))
    return notes


def movie_page(image: Stack, masks: Stack | None, home: Path, out: Path) -> Work:
    """Track a movie with `temflux track`.

    Parameters
    ----------
    image : Stack
        The movie, calibrated.
    masks : Stack or None
        What marks its particles; a threshold where None.
    home : Path
        Folder of the private copy.
    out : Path
        Folder for the results; must not be there.

    Yields
    ------
    Step
        Frames written, then that tracking goes on.

    Returns
    -------
    Path
        The movie's page.
    """
    python = find_python(home)
    if out.exists():
        raise SettingsError(f"{out} is there already; choose another folder, or move it away")
    name = movie_slug(image)
    with tempfile.TemporaryDirectory(prefix="temflux-") as exchange:
        movie = Path(exchange) / f"{name}.npz"
        yield from write_movie(image, movie)
        command = ["track", str(movie), "--out", str(out)]
        if masks is not None:
            marked = Path(exchange) / "masks.npz"
            yield from write_movie(masks, marked)
            command += ["--segment", f"masks:{marked}"]
        try:
            yield from run_command(python, command, Path(exchange), "tracking", image.n_frames)
        except BaseException:
            shutil.rmtree(out, ignore_errors=True)
            raise
    page = out / name / "page.html"
    if not page.exists():
        raise HostError(f"temflux ended without {page}; run `temflux track` on the movie to see why")
    return page


def movie_slug(image: Stack) -> str:
    """Make a file's name of a movie's title."""
    kept = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in image.name)
    return "-".join(kept.split()) or "movie"


def find_python(home: Path) -> str:
    """Find the Python that has the whole of temflux.

    Parameters
    ----------
    home : Path
        Folder of the private copy.

    Returns
    -------
    str
        Path of its executable.

    Raises
    ------
    SettingsError
        If none is named, or what is named is not there.
    """
    remedy = f"install the items again with that Python, or set {_ENVIRONMENT} to it before Dragonfly starts"
    named = os.environ.get(_ENVIRONMENT)
    if not named:
        try:
            named = str(json.loads((home / "settings.json").read_text(encoding="utf-8"))["python"])
        except (OSError, ValueError, KeyError, TypeError):
            raise SettingsError(f"which Python has temflux is not known: {remedy}") from None
    if shutil.which(named) is None:
        raise SettingsError(f"{named}, the Python that has temflux, is not there; {remedy}")
    return named


def write_movie(stack: Stack, path: Path) -> Generator[Step, None, None]:
    """Write a movie as an uncompressed .npz, a frame at a time: frames, pixel_nm, and frame_s where known.

    Parameters
    ----------
    stack : Stack
        The movie.
    path : Path
        The file.

    Yields
    ------
    Step
        Frames written.
    """
    facts = {"pixel_nm": stack.pixel_nm, "frame_s": stack.frame_s}
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, value in facts.items():
                if value is not None:
                    with archive.open(f"{name}.npy", "w") as member:
                        npy_format.write_array(member, np.asarray(value, np.float64))
            with archive.open("frames.npy", "w", force_zip64=True) as member:
                header = {"descr": stack.dtype.str, "fortran_order": False, "shape": stack.shape}
                npy_format.write_array_header_1_0(member, header)
                for frame in range(stack.n_frames):
                    pixels = np.ascontiguousarray(stack.read(frame, frame + 1)[0], stack.dtype)
                    member.write(pixels.tobytes())
                    yield Step("handing over the movie", frame + 1, stack.n_frames)
    except OSError as error:
        raise DataError(f"{path}: cannot write the movie for temflux: {error.strerror or error}") from None


def run_command(
    python: str, arguments: list[str], folder: Path, stage: str, total: int
) -> Generator[Step, None, tuple[str, ...]]:
    """Run a `temflux` command, and end it where the work is closed.

    Parameters
    ----------
    python : str
        The Python that has temflux.
    arguments : list of str
        What would be typed after `temflux`.
    folder : Path
        Where what it says of errors is kept meanwhile.
    stage : str
        What it does, in words.
    total : int
        Frames in all.

    Yields
    ------
    Step
        Ten times a second: frames done as its lines "done total" say.

    Returns
    -------
    tuple of str
        Its notes: lines that begin with "note: ".

    Raises
    ------
    SettingsError
        If that Python does not run, or does not have temflux.
    DataError
        With what the command said, if it failed.
    """
    heard = _Heard()
    with (folder / "errors.txt").open("w+", encoding="utf-8", errors="replace") as errors:
        with _running(python, arguments, errors) as (process, lines):
            while process.poll() is None:
                heard.listen(lines)
                yield Step(stage, min(heard.done, total), total)
        heard.listen(lines)
        errors.seek(0)
        said = [line.strip() for line in errors if line.strip()]
    if process.returncode == 0:
        return tuple(heard.notes)
    # Libraries may have the last word, but what was wrong is said by temflux.
    ours = [line.removeprefix("temflux: ") for line in said if line.startswith("temflux: ")]
    reason = (ours or said or [f"it ended with code {process.returncode}"])[-1]
    if "No module named" in reason:
        raise SettingsError(f"{python} does not have temflux ({reason}); set {_ENVIRONMENT} to one that has")
    raise DataError(f"temflux: {reason}")


@contextmanager
def _running(
    python: str, arguments: list[str], errors: Any
) -> Iterator[tuple[subprocess.Popen[str], queue.SimpleQueue[str]]]:
    """Start a command, gather its lines as they come, and end it with all its children if it still runs."""
    # What Dragonfly sets for its own Python and Qt must not reach the other one.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "QT_")) or name == "PYTHONUTF8"
    }
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NO_WINDOW}
    try:
        process = subprocess.Popen(
            [python, "-m", "temflux.batch.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            **apart,
        )
    except OSError as error:
        raise SettingsError(f"{python} does not run: {error.strerror or error}") from None
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    reader = threading.Thread(target=_gather, args=(process, lines), daemon=True)
    reader.start()
    try:
        yield process, lines
    finally:
        if process.poll() is None:
            _end(process)
        reader.join(timeout=1)


def _read_frame(path: Path, frame: int) -> np.ndarray:
    """Read one frame of an .npy file (T, Y, X); no map stays open that would hold the file."""
    with path.open("rb") as file:
        npy_format.read_magic(file)
        (_, rows, columns), _, dtype = npy_format.read_array_header_1_0(file)
        file.seek(frame * rows * columns * dtype.itemsize, os.SEEK_CUR)
        return np.fromfile(file, dtype, rows * columns).reshape(rows, columns)


def _gather(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            lines.put(line)


@dataclass
class _Heard:
    """What a command's lines said so far."""

    done: int = 0
    notes: list[str] = field(default_factory=list)

    def listen(self, lines: queue.SimpleQueue[str]) -> None:
        """Wait a moment for lines, and take in those that came."""
        wait = _SECONDS_BETWEEN_LOOKS
        while True:
            try:
                line = lines.get(timeout=wait)
            except queue.Empty:
                return
            wait = 0.001
            words = line.split()
            if len(words) == 2 and all(word.isdigit() for word in words):
                self.done = int(words[0])
            elif line.startswith("note: "):
                self.notes.append(line.removeprefix("note: ").strip())


def _end(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
