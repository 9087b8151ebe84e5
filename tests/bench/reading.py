"""Reading rates against the raw sequential rate, and opening an in situ folder against parsing every file."""

import os
import shutil
import statistics
import struct
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from temflux.engine.files.read import open_movie

from ..files.dm4 import write_dm4, write_in_situ

SHAPE = (32, 4096, 4096)
DTYPE = np.dtype("uint16")
FRAMES_A_READ = 4
REPEATS = 9
N_FILES = 500


def bench():
    """Measure all of the reading half; about 1 GB a file in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="temflux-bench-"))
    try:
        return [*_rates(folder), _in_situ(folder / "in situ")]
    finally:
        shutil.rmtree(folder)


def _rates(folder):
    rows = []
    for name, write in (("DM4 stack", _dm4), ("MRC", _mrc), ("TIFF", _tiff)):
        path = folder / f"film.{name.split()[0].lower()}".replace(".tiff", ".tif")
        write(path)
        stack = open_movie(path)
        for cached in (False, True):
            ours, raw = [], []
            for _ in range(REPEATS):
                raw.append(_timed(path, cached, lambda p=path: _read_raw(p)))
                ours.append(_timed(path, cached, lambda s=stack: _read_stack(s)))
            size = path.stat().st_size / 1e6
            where = "cached" if cached else "from disk"
            raw_s, ours_s = statistics.median(raw), statistics.median(ours)
            rows.append(
                {
                    "what": f"reading an uncompressed {name}, {where}: share of the raw rate",
                    "asked": 0.8,
                    "measured": round(raw_s / ours_s, 2),
                    "peer": f"raw {size / raw_s:.0f} MB/s, temflux {size / ours_s:.0f} MB/s",
                    "unit": "",
                }
            )
        path.unlink()
    return rows


def _timed(path, cached, read):
    if not cached:
        _forget(path)
    begin = time.perf_counter()
    read()
    return time.perf_counter() - begin


def _forget(path):
    """Drop the file from the system's cache, so that the disk is measured."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read_raw(path):
    """Read the file from begin to end into new arrays of the same blocks, without looking at them."""
    block = FRAMES_A_READ * SHAPE[1] * SHAPE[2] * DTYPE.itemsize
    with path.open("rb", buffering=0) as file:
        while True:
            if file.readinto(np.empty(block, np.uint8).data) < block:
                return


def _read_stack(stack):
    for start in range(0, stack.n_frames, FRAMES_A_READ):
        stack.read(start, start + FRAMES_A_READ)


def _fill(file):
    frame = np.random.default_rng(0).integers(0, 4096, SHAPE[1:], DTYPE)
    for _ in range(SHAPE[0]):
        frame.tofile(file)


def _dm4(path):
    offset = write_dm4(path, (SHAPE, DTYPE), pixel_nm=0.1, frame_s=0.05)
    with path.open("r+b") as file:
        file.seek(offset)
        _fill(file)


def _mrc(path):
    header = bytearray(1024)
    header[0:16] = struct.pack("<4i", SHAPE[2], SHAPE[1], SHAPE[0], 6)
    header[28:40] = struct.pack("<3i", SHAPE[2], SHAPE[1], SHAPE[0])
    header[40:52] = struct.pack("<3f", SHAPE[2], SHAPE[1], SHAPE[0])
    with path.open("wb") as file:
        file.write(header)
        _fill(file)


def _tiff(path):
    frame = np.random.default_rng(0).integers(0, 4096, SHAPE[1:], DTYPE)
    tifffile.imwrite(
        path, (frame for _ in range(SHAPE[0])), shape=SHAPE, dtype=DTYPE, metadata={"axes": "TYX"}
    )


def _in_situ(folder):
    frame = np.zeros((256, 256), np.uint16)
    tags = {f"group {g}": {f"tag {t}": float(t) for t in range(40)} for g in range(10)}
    clock = [(0, 0, n // 25, n % 25) for n in range(N_FILES)]
    write_in_situ(folder, [frame] * N_FILES, clock, rate_hz=25, more_tags=tags)
    from rsciio.digitalmicrograph import file_reader

    files = sorted(folder.rglob("*.dm4"))
    ours, peer = [], []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        open_movie(folder)
        ours.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        for file in files:
            file_reader(str(file), lazy=True)
        peer.append(time.perf_counter() - begin)
    return {
        "what": f"opening an in situ folder of {N_FILES} frames with 400 tags each",
        "asked": None,
        "measured": round(statistics.median(ours), 3),
        "peer": f"parsing every file {statistics.median(peer):.2f} s",
        "unit": "s",
    }
