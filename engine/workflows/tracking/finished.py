"""A movie that has been tracked, opened again from its folder: for what is measured after tracking."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...base.errors import DataError, ReadError
from ...base.stack import Stack
from ...files.calibration import read_errors
from ...files.labels import open_labels
from ...files.read import open_movie
from ...files.spectra import open_spectra
from ...report.shown import Shown, show

_TABLES = ("tracks.parquet", "frames.csv", "events.csv", "peaks.csv", "provenance.json")


@dataclass(frozen=True)
class TrackedMovie:
    """What `track` left of one movie.

    Parameters
    ----------
    folder : Path
        Its folder, as `temflux track` wrote it.
    stack : Stack or None
        The movie itself, where it is at hand; None to open it again where it is needed.
    """

    folder: Path
    stack: Stack | None = None

    @cached_property
    def tracks(self) -> pd.DataFrame:
        """One row per particle and frame, with every digit."""
        with read_errors(self.folder / "tracks.parquet", "a table"):
            return pd.read_parquet(self.folder / "tracks.parquet")

    @cached_property
    def frames(self) -> pd.DataFrame:
        """One row per frame: time_s, dose_e_per_A2 where known, and the log's columns."""
        return self.table("frames.csv")

    @property
    def events(self) -> pd.DataFrame:
        """Births, deaths, splits and merges."""
        return self.table("events.csv")

    @property
    def peaks(self) -> pd.DataFrame:
        """Fourier peaks per particle and frame; often millions of rows."""
        return self.table("peaks.csv")

    def table(self, name: str) -> pd.DataFrame:
        """Read one of the folder's CSV files."""
        with read_errors(self.folder / name, "a table"):
            return pd.read_csv(self.folder / name)

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Version, settings, input and segmentation of the tracking."""
        with read_errors(self.folder / "provenance.json", "a record"):
            return json.loads((self.folder / "provenance.json").read_text(encoding="utf-8"))

    @property
    def labels(self) -> Any:
        """Label image (T, Y, X) of identities, a Zarr array that reads when sliced."""
        return open_labels(self.folder / "labels.zarr")

    def spectra(self, particle: int) -> Any:
        """Spectra (T, N, N) of a particle, a Zarr array that reads when sliced."""
        return open_spectra(self.folder / "spectra" / f"{particle}.zarr")

    @property
    def pixel_nm(self) -> float | None:
        """Side of a pixel [nm]; None where it is not known."""
        return self.provenance["pixel_nm"]

    @property
    def times_s(self) -> np.ndarray | None:
        """Time of each frame (T,) [s]; None where the movie has no time stamps."""
        times = self.frames["time_s"].to_numpy(np.float64)
        return None if np.isnan(times).all() else times

    @property
    def dose_e_per_A2(self) -> np.ndarray | None:
        """Dose of each frame (T,) [e⁻/Å²]; None where it is not known."""
        return self.frames["dose_e_per_A2"].to_numpy(np.float64) if "dose_e_per_A2" in self.frames else None

    @property
    def facts(self) -> dict[str, Any]:
        """What a report says of the movie: name, source, frames, shape, calibration, times, dose and log."""
        n_frames, *shape = self.provenance["shape"]
        known = ("frame", "time_s", "dose_e_per_A2")
        return {
            "movie": self.folder.name,
            "source": self.provenance["source"],
            "frames": n_frames,
            "shape": tuple(shape),
            "pixel_nm": self.pixel_nm,
            "times_s": self.times_s,
            "dose_e_per_A2": self.dose_e_per_A2,
            "log": {name: self.frames[name].to_numpy() for name in self.frames if name not in known},
        }

    def shown(self) -> Shown:
        """Choose units and colours as the movie's page does."""
        return show(self.facts, self.tracks)

    def open_movie(self) -> Stack:
        """Open the movie itself again, calibrated as it was tracked.

        Returns
        -------
        Stack
            The movie.

        Raises
        ------
        ReadError
            If it is no longer where it was.
        DataError
            If it is no longer the same.
        """
        if self.stack is not None:
            return self.stack
        settings = self.provenance["settings"]
        # The source as it was typed, perhaps from another folder than the one that we are in.
        source = Path(self.provenance["working_folder"]) / self.provenance["source"]
        try:
            stack = open_movie(source, dataset=settings["dataset"], pixel_nm=settings["pixel_nm"])
        except ReadError as error:
            raise ReadError(
                f"{self.folder}: its frames are needed again, and {error}; put the movie back"
            ) from error
        if stack.fingerprint != self.provenance["fingerprint"]:
            raise DataError(
                f"{source}: has changed since it was tracked; run temflux track {source} again before this"
            )
        return stack.with_calibration(
            pixel_nm=settings["pixel_nm"],
            frame_s=settings["frame_s"],
            dose_e_per_A2=settings["dose_e_per_A2"],
        )


def open_tracked(folder: str | Path) -> TrackedMovie:
    """Open the results of tracking one movie.

    Parameters
    ----------
    folder : str or Path
        The movie's folder within the output of `temflux track`; the output's own folder where it holds
        one movie alone.

    Returns
    -------
    TrackedMovie
        Tables, labels, spectra, and the movie itself.

    Raises
    ------
    ReadError
        If the folder holds no tracked movie, or more than one.
    """
    folder = Path(folder)
    if _is_tracked(folder):
        return TrackedMovie(folder)
    inside = sorted(path for path in folder.glob("*") if _is_tracked(path)) if folder.is_dir() else []
    if len(inside) == 1:
        return TrackedMovie(inside[0])
    if inside:
        raise ReadError(
            f"{folder}: holds {len(inside)} tracked movies, expected the folder of one, such as {inside[0]}"
        )
    raise ReadError(f"{folder}: holds no tracked movie; run temflux track MOVIE --out {folder} first")


def _is_tracked(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _TABLES)
