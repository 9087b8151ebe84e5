"""The whole job: memory against the number of frames, frames per second, and how fast help comes."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHAPE = (1024, 1024)
N_PARTICLES = 100
FEW, MANY = 100, 1000
HELP_RUNS = 7

# Runs in a process of its own: peak memory cannot be reset within one.
_TRACK = """
import json, sys, time
from temflux.engine.workflows.tracking.settings import TrackSettings
from temflux.engine.workflows.track import track
from tests.bench.tracking import movie, peak_mb
began = time.perf_counter()
result = track(movie(int(sys.argv[1])), TrackSettings(min_separation_nm=1), out=sys.argv[2])
seconds = time.perf_counter() - began
print(json.dumps({"peak_mb": peak_mb(), "seconds": seconds, "rows": len(result.tracks)}))
"""


def movie(n_frames: int):
    """A movie that is computed as it is read, so that only the work's own memory counts."""
    from temflux.engine.generate.phantom import phantom_frames

    return phantom_frames(n_frames=n_frames, shape=SHAPE, n_particles=N_PARTICLES).stack()


def peak_mb() -> float:
    """Most memory that this process has held [MB].

    Not `ru_maxrss`: a new process takes that over from the one that started it.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def bench() -> list[dict]:
    few, many = (track_apart(n_frames) for n_frames in (FEW, MANY))
    return [
        {
            "what": f"peak memory, {MANY} against {FEW} frames of {SHAPE[0]}², {N_PARTICLES} particles",
            "asked": "<= 1.1",
            "measured": many["peak_mb"] / few["peak_mb"],
            "peer": f"{many['peak_mb']:.0f} MB against {few['peak_mb']:.0f} MB",
            "unit": "ratio",
        },
        {
            "what": f"whole job, one process, {MANY} frames of {SHAPE[0]}², {N_PARTICLES} particles",
            "asked": "",
            "measured": MANY / many["seconds"],
            "peer": "",
            "unit": "frames/s",
        },
        {
            "what": "temflux --help, whole process",
            "asked": "< 0.5",
            "measured": _help_seconds(),
            "peer": f"python -c pass: {_seconds([sys.executable, '-c', 'pass']):.3f}",
            "unit": "s",
        },
    ]


def track_apart(n_frames: int) -> dict:
    """Track a movie in a process of its own; return its peak memory [MB], seconds and rows."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", _TRACK, str(n_frames), str(Path(folder) / "movie")],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
        )
    return json.loads(done.stdout)


def _help_seconds() -> float:
    command = Path(sys.executable).with_name("temflux.exe" if os.name == "nt" else "temflux")
    return _seconds([str(command), "--help"])


def _seconds(command: list[str]) -> float:
    taken = []
    for _ in range(HELP_RUNS):
        began = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)
