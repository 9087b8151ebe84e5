"""Phantom movies: analytic particles with lattice fringes on an amorphous support, with known truth.

They look like an in situ HR-TEM movie and are drawn in a moment, but no electron is scattered: fringes
are cosines that follow the particle's thickness, contrast is linear, the support is filtered noise. Use
them to try the measuring steps; contrast against defocus, thickness or tilt needs a multislice simulation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import fft

from ..base.errors import CalibrationError, SettingsError
from ..base.stack import ArrayFrames, Stack
from ..base.tables import Columns
from .scene import Scene, plan_scene

# Gold along [110]: {200} at 0, {111} at plus and minus 54.74 degrees from it, with their spacings [nm].
_FRINGES = ((0.0, 0.2039, 0.07), (54.7356, 0.2355, 0.10), (-54.7356, 0.2355, 0.10))
_MEAN_CONTRAST = 0.16
_SUPPORT_CONTRAST = 0.06
_RIM_CONTRAST = 0.05
_TILE_PX = 512
# Thon rings of the support at 300 keV: wavelength [nm] times defocus [nm] = 0.00197 · 55.
_RING_NM2 = 0.108
_INFORMATION_LIMIT_PER_NM = 5.5
_A2_PER_NM2 = 100.0


@dataclass(frozen=True)
class PhantomFrames:
    """Frames of a phantom movie, drawn when they are asked for; any block gives the same bytes.

    Parameters
    ----------
    scene : Scene
        Where the particles are.
    size : (int, int)
        Rows and columns of a frame.
    pixel_nm : float
        Side of a pixel [nm].
    dose_e_per_A2 : float
        Mean dose of a frame where there is vacuum [e⁻/Å²].
    seed : int
        Seed of support and noise; frame t draws from (seed, t) alone.

    Examples
    --------
    >>> frames = phantom_frames(n_frames=3, shape=(128, 160))
    >>> frames.read(1, 3).shape, frames.dtype
    ((2, 128, 160), dtype('uint16'))
    """

    scene: Scene
    size: tuple[int, int]
    pixel_nm: float
    dose_e_per_A2: float
    seed: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of frames, rows and columns (T, Y, X)."""
        return (len(self.scene.times_s), *self.size)

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return np.dtype(np.uint16)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Draw frames start (included) to stop (excluded), an array (stop - start, Y, X) of counts."""
        frames = np.empty((len(range(*slice(start, stop).indices(self.shape[0]))), *self.size), np.uint16)
        tile = _support_tile(self.pixel_nm, self.seed)
        for frame, out in zip(range(start, stop), frames, strict=False):
            rng = np.random.default_rng([self.seed, 1, frame])
            out[:] = np.minimum(rng.poisson(self._expected(frame, tile)), np.iinfo(np.uint16).max)
        return frames

    def stack(self, name: str = "phantom") -> Stack:
        """Hand the movie over as a calibrated Stack with time stamps and dose."""
        return Stack(
            self,
            name,
            self.pixel_nm,
            self.scene.times_s,
            np.full(self.shape[0], self.dose_e_per_A2),
            source="phantom",
        )

    def expected(self, frame: int) -> np.ndarray:
        """Draw one frame without noise: the mean counts, an array (Y, X), float32."""
        return self._expected(frame, _support_tile(self.pixel_nm, self.seed))

    def labels(self, start: int, stop: int) -> np.ndarray:
        """Draw the true instances of frames start to stop, an array (stop - start, Y, X), int32."""
        count = len(range(*slice(start, stop).indices(self.shape[0])))
        labels = np.zeros((count, *self.size), np.int32)
        for frame, out in zip(range(start, stop), labels, strict=False):
            earlier: list[tuple[tuple[slice, slice], np.ndarray]] = []
            for index, box, distance in self._outlines(frame, reach=1.0):
                inside = distance < 1
                # Where two overlap, a pixel belongs to the one whose centre is nearer, in radii.
                for other_box, other_distance in earlier:
                    shared = _overlap(box, other_box)
                    if shared is not None:
                        mine, theirs = shared
                        inside[mine] &= distance[mine] < other_distance[theirs]
                out[box][inside] = index + 1
                earlier.append((box, distance))
        return labels

    def _expected(self, frame: int, tile: np.ndarray) -> np.ndarray:
        rows, columns = self.size
        dy, dx = np.rint(self.scene.drift_px[frame]).astype(int)
        down = (np.arange(rows) - dy) % _TILE_PX
        across = (np.arange(columns) - dx) % _TILE_PX
        image = tile[down[:, np.newaxis], across]
        image += 1
        for index, box, distance in self._outlines(frame, reach=1.25):
            image[box] += self._particle(frame, index, box, distance)
        image *= np.float32(self.dose_e_per_A2 * self.pixel_nm**2 * _A2_PER_NM2)
        return np.maximum(image, 0, out=image)

    def _outlines(self, frame: int, *, reach: float) -> list[tuple[int, tuple[slice, slice], np.ndarray]]:
        """List the particles in view: index, box, and distance from the centre in radii over the box."""
        found = []
        scene = self.scene
        for index in np.flatnonzero(scene.a_px[frame] > 0):
            y, x = scene.y_px[frame, index], scene.x_px[frame, index]
            a, b = scene.a_px[frame, index], scene.b_px[frame, index]
            side = reach * a + 1
            box = tuple(
                slice(max(0, math.floor(c - side)), max(0, min(n, math.ceil(c + side) + 1)))
                for c, n in zip((y, x), self.size, strict=True)
            )
            tilt = math.radians(scene.tilt_deg[frame, index])
            down = (np.arange(box[0].start, box[0].stop) - y).astype(np.float32)[:, np.newaxis]
            across = (np.arange(box[1].start, box[1].stop) - x).astype(np.float32)
            along = across * math.cos(tilt) - down * math.sin(tilt)
            aside = across * math.sin(tilt) + down * math.cos(tilt)
            distance = np.sqrt((along / a) ** 2 + (aside / b) ** 2)
            if distance.size:
                found.append((int(index), (box[0], box[1]), distance))
        return found

    def _particle(self, frame: int, index: int, box: tuple[slice, slice], distance: np.ndarray) -> np.ndarray:
        """Draw one particle's relative contrast: darker than vacuum, with fringes and a bright rim."""
        thickness = np.sqrt(np.maximum(1 - distance**2, 0))
        a = float(self.scene.a_px[frame, index])
        down = np.arange(box[0].start, box[0].stop) - self.scene.y_px[frame, index]
        across = np.arange(box[1].start, box[1].stop) - self.scene.x_px[frame, index]
        # The lattice reaches nearly full contrast a little inside the edge, as in thin particles.
        contrast = np.zeros_like(distance)
        for turn, spacing_nm, depth in _FRINGES:
            angle = self.scene.lattice_deg[frame, index] + turn
            contrast += fringes(
                down, across, period_px=spacing_nm / self.pixel_nm, angle_deg=angle, depth=depth
            )
        contrast *= np.sqrt(thickness)
        contrast -= np.float32(_MEAN_CONTRAST) * (
            np.float32(0.45) * (distance < 1) + np.float32(0.55) * thickness
        )
        width = 0.25 / self.pixel_nm / a
        contrast += np.float32(_RIM_CONTRAST) * np.exp(-(((distance - 1 - width) / width) ** 2))
        return contrast


@dataclass(frozen=True)
class Phantom:
    """A phantom movie in memory with all that is known of it.

    Parameters
    ----------
    frames : array (T, Y, X), uint16
        Counts.
    labels : array (T, Y, X), int32
        True particle of each pixel; 0 is background.
    truth : dict of arrays (n,)
        frame, particle, y_px, x_px, area_px2, lattice_angle_deg; see `Scene.truth`.
    events : dict of arrays (n,)
        frame, event (birth, death, merge), particle, other (0 = none).
    times_s : array (T,), float64
        Time stamps with a beam-off gap [s].
    pixel_nm : float
        Side of a pixel [nm].
    dose_e_per_A2 : float
        Mean dose of a frame where there is vacuum [e⁻/Å²].
    """

    frames: np.ndarray
    labels: np.ndarray
    truth: Columns
    events: Columns
    times_s: np.ndarray
    pixel_nm: float
    dose_e_per_A2: float

    @property
    def stack(self) -> Stack:
        """The frames as a calibrated Stack with time stamps and dose."""
        dose = np.full(len(self.frames), self.dose_e_per_A2)
        return Stack(ArrayFrames(self.frames), "phantom", self.pixel_nm, self.times_s, dose, source="phantom")


def phantom_frames(
    *,
    n_frames: int = 40,
    shape: tuple[int, int] = (512, 512),
    pixel_nm: float = 0.05,
    n_particles: int = 7,
    dose_e_per_A2: float = 400.0,
    frame_s: float = 0.4,
    beam_off_s: float = 6.0,
    seed: int = 0,
) -> PhantomFrames:
    """Plan a phantom movie whose frames are drawn when they are read.

    Parameters
    ----------
    n_frames : int
        Frames.
    shape : (int, int)
        Rows and columns of a frame [px].
    pixel_nm : float
        Side of a pixel [nm]; fringes need 0.1 or less.
    n_particles : int
        Gold-like particles on a grid as wide as the frame; see `plan_scene` for what befalls them.
    dose_e_per_A2 : float
        Dose of a frame [e⁻/Å²].
    frame_s, beam_off_s : float
        Time from frame to frame, and of one gap with the beam off [s].
    seed : int
        Seed of everything drawn.

    Returns
    -------
    PhantomFrames
        Frames for a Stack of any length; `labels` draws the true instances, `scene` knows the truth.

    Raises
    ------
    SettingsError
        If there is no frame, a side below 32 px, or a negative number of particles or seed.
    CalibrationError
        If pixel, dose or frame time is not above 0, or the gap is negative.

    Examples
    --------
    >>> phantom_frames(n_frames=10).stack().shape
    (10, 512, 512)
    """
    if n_frames < 1 or min(shape) < 32 or n_particles < 0 or seed < 0:
        raise SettingsError(
            f"expected 1 frame, 32 by 32 px, 0 particles and a seed of 0 or more, got {n_frames} frames, "
            f"{shape} px, {n_particles} particles and seed {seed}"
        )
    given = (pixel_nm, dose_e_per_A2, frame_s)
    if not (all(math.isfinite(g) and g > 0 for g in given) and 0 <= beam_off_s < math.inf):
        raise CalibrationError(
            f"expected pixel, dose and frame time above 0 and a gap of 0 s or more, got {pixel_nm} nm, "
            f"{dose_e_per_A2} e⁻/Å², {frame_s} s and {beam_off_s} s"
        )
    scene = plan_scene(
        n_frames=n_frames,
        shape=shape,
        n_particles=n_particles,
        frame_s=frame_s,
        beam_off_s=beam_off_s,
        seed=seed,
    )
    return PhantomFrames(scene, (shape[0], shape[1]), pixel_nm, dose_e_per_A2, seed)


def phantom_movie(**settings: Any) -> Phantom:
    """Draw a whole phantom movie in memory; `phantom_frames` streams larger ones.

    Parameters
    ----------
    **settings
        Those of `phantom_frames`.

    Returns
    -------
    Phantom
        Frames, true labels, truth, events, time stamps and calibration.

    Raises
    ------
    SettingsError, CalibrationError
        As `phantom_frames`.

    Examples
    --------
    >>> phantom_movie(n_frames=2, shape=(96, 128), n_particles=2).labels.max().item()
    2
    """
    movie = phantom_frames(**settings)
    n_frames = movie.shape[0]
    return Phantom(
        movie.read(0, n_frames),
        movie.labels(0, n_frames),
        movie.scene.truth(),
        movie.scene.events,
        movie.scene.times_s,
        movie.pixel_nm,
        movie.dose_e_per_A2,
    )


def fringes(
    down: np.ndarray, across: np.ndarray, *, period_px: float, angle_deg: float, depth: float
) -> np.ndarray:
    """Draw lattice fringes as a plane cosine.

    Parameters
    ----------
    down, across : arrays (Y,) and (X,), float
        Rows and columns of the pixels about the point of zero phase [px].
    period_px : float
        Distance of the fringes [px].
    angle_deg : float
        Direction of their normal, counter-clockwise on the screen from growing columns.
    depth : float
        Amplitude.

    Returns
    -------
    array (Y, X), float32
        depth·cos(2π g·r).

    Examples
    --------
    >>> fringes(np.zeros(1), np.arange(3), period_px=4, angle_deg=0, depth=1).round(3).tolist()
    [[1.0, 0.0, -1.0]]
    """
    angle = math.radians(angle_deg)
    row = -2 * math.pi * math.sin(angle) / period_px * np.asarray(down, np.float64)
    column = 2 * math.pi * math.cos(angle) / period_px * np.asarray(across, np.float64)
    # cos(r + c) by two outer products: no cosine per pixel.
    wave = np.outer((depth * np.cos(row)).astype(np.float32), np.cos(column).astype(np.float32))
    wave -= np.outer((depth * np.sin(row)).astype(np.float32), np.sin(column).astype(np.float32))
    return wave


def _support_tile(pixel_nm: float, seed: int) -> np.ndarray:
    """Draw the support's contrast, a periodic tile: noise under the rings and envelope of a lens."""
    rng = np.random.default_rng([seed, 2])
    white = rng.standard_normal((_TILE_PX, _TILE_PX), dtype=np.float32)
    q = fft.fftfreq(_TILE_PX, pixel_nm)
    squared = q[:, np.newaxis] ** 2 + q[: _TILE_PX // 2 + 1] ** 2
    transfer = np.sin(math.pi * _RING_NM2 * squared + 0.1) * np.exp(
        -squared / _INFORMATION_LIMIT_PER_NM**2 * 2
    )
    tile = fft.irfft2(fft.rfft2(white) * transfer.astype(np.float32), s=white.shape)
    tile *= _SUPPORT_CONTRAST / tile.std()
    return tile.astype(np.float32)


def _overlap(
    first: tuple[slice, slice], second: tuple[slice, slice]
) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Find the overlap of two boxes, in the coordinates of each; None where there is none."""
    mine, theirs = [], []
    for one, two in zip(first, second, strict=True):
        start, stop = max(one.start, two.start), min(one.stop, two.stop)
        if start >= stop:
            return None
        mine.append(slice(start - one.start, stop - one.start))
        theirs.append(slice(start - two.start, stop - two.start))
    return (mine[0], mine[1]), (theirs[0], theirs[1])
