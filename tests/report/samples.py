"""A small movie's results, made up: discs that drift, shrink, appear, vanish and merge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from temflux.engine.report.tables import PEAK_COLUMNS


@dataclass
class SampleMovie:
    """What a report is written from."""

    facts: dict[str, Any]
    tracks: pd.DataFrame
    events: pd.DataFrame
    peaks: pd.DataFrame
    overlays: list[tuple[int, np.ndarray, np.ndarray]]
    spectra: dict[int, list[tuple[int, np.ndarray, float, str]]]


def sample_movie(
    *,
    n_frames: int = 24,
    n_particles: int = 6,
    size: int = 128,
    pixel_nm: float | None = 0.1,
    timed: bool = True,
    name: str = "gold 800 °C",
    n_spectra: int = 2,
    seed: int = 3,
) -> SampleMovie:
    """Make up a movie with a beam-off gap, a heater's log, one death and one merge."""
    random = np.random.default_rng(seed)
    times = np.arange(n_frames) * 0.5 + np.where(np.arange(n_frames) >= n_frames // 2, 6.0, 0.0)
    times = times - times[:1].sum()
    per_row = max(1, int(np.ceil(np.sqrt(n_particles))))
    step = size / per_row
    centres = np.array([divmod(i, per_row) for i in range(n_particles)]) * step + step / 2
    radii = step * random.uniform(0.22, 0.42, n_particles)
    walk = random.normal(0, step / 60, (n_frames, n_particles, 2)).cumsum(axis=0)
    shrink = np.linspace(0, random.uniform(0.0, 0.5, n_particles), n_frames)
    rows, events = [], []
    for frame in range(n_frames):
        for index in range(n_particles):
            dies = n_frames * 2 // 3 if index == n_particles - 1 and n_frames > 4 else n_frames
            if frame >= dies:
                if frame == dies:
                    events.append((frame, times[frame], "death", index + 1, 0))
                continue
            if frame == 0:
                events.append((0, 0.0, "birth", index + 1, 0))
            centre = centres[index] + walk[frame, index]
            radius = radii[index] * (1 - shrink[frame, index]) * (1 + random.normal(0, 0.01))
            rows.append((frame, times[frame], index + 1, *centre, radius))
    if n_particles > 2 and n_frames > 4:
        events.append((n_frames * 2 // 3, times[n_frames * 2 // 3], "merge", n_particles - 1, n_particles))
    nm = np.nan if pixel_nm is None else pixel_nm
    columns = ["frame", "time_s", "particle", "y_px", "x_px", "radius"]
    base = pd.DataFrame(rows, columns=columns).astype({"frame": "int64", "particle": "int64"})
    tracks = _tracks(base, nm, timed)
    facts = {
        "movie": name,
        "source": "/data/2024/" + name,
        "frames": n_frames,
        "shape": (size, size),
        "pixel_nm": pixel_nm,
        "times_s": times if timed else None,
        "dose_e_per_A2": np.full(n_frames, 140.0) if timed else None,
        "notes": [] if pixel_nm else ["The pixel size is not in the file: results are in pixels."],
    }
    picks = sorted({0, n_frames // 2, n_frames - 1}) if n_frames else []
    overlays = [_overlay(base, frame, size, random) for frame in picks]
    event_table = pd.DataFrame(events, columns=["frame", "time_s", "event", "particle", "other"])
    peaks, spectra = _spectra(tracks, pixel_nm, picks, n_spectra, random)
    return SampleMovie(facts, tracks, event_table, peaks, overlays, spectra)


def _tracks(base: pd.DataFrame, nm: float, timed: bool) -> pd.DataFrame:
    area = np.pi * base["radius"] ** 2
    return pd.DataFrame(
        {
            "frame": base["frame"],
            "time_s": base["time_s"] if timed else np.nan,
            "particle": base["particle"],
            "y_nm": base["y_px"] * nm,
            "x_nm": base["x_px"] * nm,
            "y_px": base["y_px"],
            "x_px": base["x_px"],
            "area_nm2": area * nm**2,
            "perimeter_nm": 2 * np.pi * base["radius"] * nm,
            "equivalent_diameter_nm": 2 * base["radius"] * nm,
            "eccentricity": 0.3,
            "orientation_deg": 12.5,
            "solidity": 0.97,
            "mean_intensity": 1234.567,
            "touches_edge": False,
            **{
                f"bbox_{axis}{end}_px": (base[f"{axis}_px"] + (2 * end - 1) * base["radius"])
                .round()
                .astype("int64")
                for end in (0, 1)
                for axis in "yx"
            },
            "area_px2": area,
            "perimeter_px": 2 * np.pi * base["radius"],
            "equivalent_diameter_px": 2 * base["radius"],
            "pair_ratio": 2.0 + 0.1 * base["frame"],
            "temperature_degC": 700.0 + 5.0 * base["frame"],
        }
    )


def _overlay(
    base: pd.DataFrame, frame: int, size: int, random: np.random.Generator
) -> tuple[int, np.ndarray, np.ndarray]:
    labels = np.zeros((size, size), np.int32)
    y, x = np.mgrid[:size, :size]
    image = random.normal(100, 12, (size, size))
    for row in base[base["frame"] == frame].itertuples():
        inside = (y - row.y_px) ** 2 + (x - row.x_px) ** 2 < row.radius**2
        labels[inside] = row.particle
        fringe = np.cos(2 * np.pi * (x * np.cos(row.particle) + y * np.sin(row.particle)) / 6)
        image[inside] += -30 + 14 * fringe[inside]
    return frame, image.astype(np.float32), labels


def _spectra(
    tracks: pd.DataFrame,
    pixel_nm: float | None,
    picks: list[int],
    n_spectra: int,
    random: np.random.Generator,
) -> tuple[pd.DataFrame, dict[int, list[tuple[int, np.ndarray, float, str]]]]:
    size = 96
    step, unit = (1 / (size * pixel_nm), "1/nm") if pixel_nm else (1 / size, "1/px")
    y, x = np.mgrid[:size, :size] - size // 2
    rows = []
    spectra: dict[int, list[tuple[int, np.ndarray, float, str]]] = {}
    for particle in tracks["particle"].unique()[:n_spectra].tolist():
        own = tracks[tracks["particle"] == particle]
        for frame, time_s in zip(own["frame"], own["time_s"], strict=True):
            spectrum = np.abs(random.normal(0, 0.03, (size, size))) + 0.5 * np.exp(-(x**2 + y**2) / 18)
            for pair, (radius, angle, strength) in enumerate(((22, 20, 0.8), (25.4, 74.7, 0.5)), start=1):
                angle = angle + 4 * np.sin(frame / 5) + 10 * particle
                intensity = strength * (0.7 + 0.3 * np.cos(frame / 4 + pair)) * random.uniform(0.95, 1)
                for sign in (1, -1):
                    at = sign * radius * np.array([np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))])
                    spectrum += intensity * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / 3)
                    q = radius / size
                    q_nm = np.nan if pixel_nm is None else q / pixel_nm
                    turned = (angle + (180 if sign < 0 else 0)) % 360
                    number = 2 * pair - (sign > 0)
                    rows.append((frame, time_s, particle, number, q_nm, 1 / q_nm, turned, intensity, pair, q))
            if frame in picks:
                spectra.setdefault(particle, []).append((frame, spectrum.astype(np.float32), step, unit))
    return pd.DataFrame(rows, columns=list(PEAK_COLUMNS)), spectra
