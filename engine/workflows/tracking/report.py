"""What tracking shows of a movie: its tables, figures and page, from a few frames and spectra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...base.stack import Stack
from ...files.spectra import open_spectra
from ...images.clean import finite_frame
from ...report.page import write_report
from ...report.shown import show
from ...report.writing import write_csv, write_record, write_tables
from .blocks import FoundFrames
from .peaks import FollowedPeaks
from .segmentation import read_frames

_SPECTRA_SHOWN = 4


@dataclass(frozen=True)
class Findings:
    """All that was found in a movie, as the report takes it.

    Parameters
    ----------
    tracks, events, frames : pandas.DataFrame
        The tables; `frames` has a row per frame with its time, dose and the log's columns.
    peaks : FollowedPeaks
        The peaks, block by block.
    notes : tuple of str
        What a user should know of assumptions made and frames not used.
    provenance : mapping
        Version, settings, input, segmentation.
    """

    tracks: pd.DataFrame
    events: pd.DataFrame
    peaks: FollowedPeaks
    frames: pd.DataFrame
    notes: tuple[str, ...]
    provenance: Mapping[str, Any]


def write_findings(folder: Path, stack: Stack, found: FoundFrames, findings: Findings) -> None:
    """Write a movie's tables, figures, page and provenance.

    Parameters
    ----------
    folder : Path
        Where they go; the spectra stores are already there.
    stack : Stack
        The movie.
    found : FoundFrames
        Its instances.
    findings : Findings
        What to show.

    Raises
    ------
    WriteError
        If the system refuses to write.
    """
    write_tables(folder, tracks=findings.tracks, events=findings.events, peaks=findings.peaks.parts())
    write_csv(folder / "frames.csv", findings.frames)
    write_record(folder / "provenance.json", findings.provenance)
    facts = movie_facts(stack, findings.frames)
    facts |= {"notes": findings.notes, "segmentation": _phrase(findings.provenance["segmentation"])}
    write_report(
        folder,
        facts=facts,
        tracks=findings.tracks,
        events=findings.events,
        peaks=findings.peaks.of_particles(list(show(facts, findings.tracks).colours)),
        overlays=_overlays(stack, found),
        spectra=_spectra(folder, stack, findings.tracks),
        provenance=findings.provenance,
    )


def movie_facts(stack: Stack, frames: pd.DataFrame) -> dict[str, Any]:
    """Gather what the report says of a movie before anything was found in it.

    Parameters
    ----------
    stack : Stack
        The movie.
    frames : pandas.DataFrame
        One row per frame; columns beyond time and dose are a log's.

    Returns
    -------
    dict
        Name, source, frames, shape, calibration, times, dose and log.
    """
    logged = [name for name in frames.columns if name not in ("frame", "time_s", "dose_e_per_A2")]
    return {
        "movie": stack.name,
        "source": stack.source,
        "frames": stack.n_frames,
        "shape": stack.shape[1:],
        "pixel_nm": stack.pixel_nm,
        "times_s": stack.times_s,
        "dose_e_per_A2": stack.dose_e_per_A2,
        "log": {name: frames[name].to_numpy() for name in logged},
    }


def _phrase(segmentation: Mapping[str, Any]) -> str:
    if segmentation["kind"] == "masks":
        return f"masks from {segmentation['source']}"
    if segmentation["kind"] == "model":
        return f"network {segmentation['name']}, probability above {segmentation['probability_threshold']}"
    return f"threshold, {segmentation['polarity']} particles, blur {segmentation['smooth_px']:.3g} px"


def _overlays(stack: Stack, found: FoundFrames) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Take the first, the middle and the last frame that can be read, each with its labels."""
    readable = np.setdiff1d(np.arange(stack.n_frames), stack.missing)
    chosen = np.unique(readable[[0, len(readable) // 2, -1]]) if len(readable) else readable
    overlays = []
    for index in chosen.tolist():
        frame = next(read_frames(stack, index, index + 1))
        if frame is not None:
            labels, _ = next(found.read(index, index + 1))
            overlays.append((index, finite_frame(frame)[0], labels))
    return overlays


def _spectra(
    folder: Path, stack: Stack, tracks: pd.DataFrame
) -> dict[int, list[tuple[int, np.ndarray, float, str]]]:
    """Take the first, middle and last spectrum of the particles that have the most pixels over time."""
    pixels = tracks.groupby("particle")["area_px2"].sum().sort_values(ascending=False, kind="stable")
    shown: dict[int, list[tuple[int, np.ndarray, float, str]]] = {}
    for particle in pixels.index:
        path = folder / "spectra" / f"{particle}.zarr"
        if len(shown) == _SPECTRA_SHOWN or not path.exists():
            continue
        store = open_spectra(path)
        frames = tracks.loc[tracks["particle"] == particle, "frame"].to_numpy()
        step, unit = _reciprocal_step(store.shape[1], stack.pixel_nm)
        shown[int(particle)] = [
            (int(index), np.asarray(store[int(index)]), step, unit)
            for index in np.unique(frames[[0, len(frames) // 2, -1]])
        ]
    return shown


def _reciprocal_step(size: int, pixel_nm: float | None) -> tuple[float, str]:
    return (1.0 / size, "1/px") if pixel_nm is None else (1.0 / (size * pixel_nm), "1/nm")
