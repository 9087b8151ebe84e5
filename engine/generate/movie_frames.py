"""Frames of a simulated movie: waves put together, imaged and recorded, with labels and truth."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from operator import methodcaller

import numpy as np
from scipy import fft

from ..base.errors import SettingsError
from ..base.seeds import generator
from ..base.tables import Columns
from ..files.raw import PerProcess
from .detector import Detector, detect
from .image_grid import ImageGrid, plan_grid
from .micrograph import form_image, prepare_wave
from .movie_outlines import outline, paint_labels, union_measures
from .movie_scene import MovieScene, Pose
from .movie_waves import SUPPORTS, Patch, PatchOptics, multiply_patch, particle_patch, support_wave
from .transfer import Microscope, round_envelope, wavelength_A

# Frequencies that the microscope damps to less than this are left out of the movie's wave.
_DAMPED = 1e-3
# The wave's band is kept within this [1/Å]: below, gold's lattice is lost; above, there is next to nothing.
_BAND_PER_A = (1.0, 2.2)
# The wave reaches this far beyond the image, for what delocalisation brings in [Å].
_LEAST_MARGIN_A, _MOST_MARGIN_A = 8.0, 60.0
# Recorded about each frame and cut off again: the camera's blur reaches over a few pixels.
_RIM_PX = 16
_KEPT_BYTES = 128_000_000
_A_PER_NM = 10.0


@dataclass(frozen=True)
class MovieOptics:
    """How a movie is recorded; the same for all frames but for the dose.

    Parameters
    ----------
    microscope : Microscope
        Energy, aberrations and spreads.
    detector : Detector
        Camera, and the dose of the first frame.
    shape : (int, int)
        Rows and columns of a frame.
    sampling_A : float
        Sampling asked for; the one taken is within 0.4 % of it [Å/pixel].
    support : {"carbon", "none"}
        What the particles lie on.
    support_thickness_A : float
        Thickness of the carbon film [Å].
    debye_waller_A : float
        R.m.s. thermal displacement of the particles' atoms along one axis [Å].

    Raises
    ------
    SettingsError
        If the support is unknown.

    Examples
    --------
    >>> optics = MovieOptics(Microscope(300e3), Detector(100.0), (256, 256), 0.35)
    >>> optics.support
    'carbon'
    """

    microscope: Microscope
    detector: Detector
    shape: tuple[int, int]
    sampling_A: float
    support: str = "carbon"
    support_thickness_A: float = 30.0
    debye_waller_A: float = 0.0

    def __post_init__(self) -> None:
        """Refuse an unknown support."""
        if self.support not in SUPPORTS:
            raise SettingsError(f"support: expected one of {', '.join(SUPPORTS)}, got {self.support!r}")

    @property
    def grid(self) -> ImageGrid:
        """Samples in the wave's cell: those of the image, the rim about it, and a margin about all."""
        band = _band_per_A(self.microscope)
        margin_px = math.ceil(_margin_A(self.microscope, band) / self.sampling_A)
        shape = (self.shape[0] + 2 * _RIM_PX, self.shape[1] + 2 * _RIM_PX)
        points = [fft.next_fast_len(n + 2 * margin_px) for n in shape]
        sides_A = [n * self.sampling_A for n in points]
        samples = [fft.next_fast_len(math.ceil(2 * band * side)) for side in sides_A]
        return plan_grid(
            (samples[0], samples[1]),
            (sides_A[1], sides_A[0]),
            shape=shape,
            sampling_A=self.sampling_A,
        )


@dataclass(frozen=True)
class Frame:
    """One frame of a simulated movie and what is known of it.

    Parameters
    ----------
    image : array (Y, X), float32
        Electrons per pixel.
    labels : array (Y, X), int32
        Particle of each pixel; 0 is background.
    truth : dict of arrays (n,)
        A row for each particle in view; see `MovieFrames.truth`.
    columns : dict of arrays (n,)
        A row for each site of each hopping column.
    """

    image: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    truth: Columns = field(repr=False)
    columns: Columns = field(repr=False)


class MovieFrames:
    """Makes frames of a scene; any frame is the same bytes whoever makes it, and after whichever other.

    Waves of particles are kept and used again when a pose comes back; a pickled copy leaves them behind.

    Parameters
    ----------
    scene : MovieScene
        Who is where.
    optics : MovieOptics
        How it is recorded.
    seed : int
        Seed of the support and the noise; the noise of frame t depends on nothing else but t.

    Examples
    --------
    >>> from temflux.engine.generate.movie_plan import plan_movie
    >>> from temflux.engine.generate.movie_scene import MovieSettings
    >>> settings = MovieSettings(n_frames=2, size_A=(40.0, 40.0), radius_A=(8.0, 9.0))
    >>> scene = plan_movie(np.random.default_rng(0), settings)
    >>> optics = MovieOptics(Microscope(300e3), Detector(500.0), (80, 80), 0.5)
    >>> frame = MovieFrames(scene, optics, seed=0).frame(0)
    >>> frame.image.shape, frame.labels.max().item()
    ((80, 80), 1)
    """

    def __init__(self, scene: MovieScene, optics: MovieOptics, *, seed: int) -> None:
        self.scene = scene
        self.optics = optics
        self.seed = seed
        self.grid = optics.grid
        rows, columns = self.grid.padded
        self.step_A = (self.grid.extent_A[1] / rows, self.grid.extent_A[0] / columns)
        self._patches = PerProcess(_KeptPatches, scene, self._patch_optics())
        self._support = PerProcess(_support, optics, self.grid, seed)

    @property
    def sampling_A(self) -> float:
        """Side of a pixel [Å]."""
        return self.grid.sampling_A

    def frame(self, index: int) -> Frame:
        """Make one frame with its labels and truth.

        Parameters
        ----------
        index : int
            Which frame, from 0.

        Returns
        -------
        Frame
            Image, labels, and a table of particles and one of column sites.
        """
        labels, truth = self.truth(index)
        dose = self.optics.detector.dose_e_per_A2 * float(self.scene.dose_factor[index])
        image = detect(
            generator(self.seed, "movie", "frame", index),
            self._with_rim(index),
            sampling_A=self.sampling_A,
            detector=replace(self.optics.detector, dose_e_per_A2=dose),
        )
        return Frame(_without_rim(image), labels, truth, self.columns(index))

    def intensity(self, index: int) -> np.ndarray:
        """Image one frame without noise, an array (Y, X), float32; 1 in vacuum."""
        return _without_rim(self._with_rim(index))

    def _with_rim(self, index: int) -> np.ndarray:
        """Image a frame and a rim about it, in which the camera's blur may wrap round."""
        drift = self.scene.drift_A[index] / self.step_A
        # Whole samples of the drift move what lies on the wave's grid, the rest is a phase of the image.
        whole = np.rint(drift).astype(int)
        wave = np.roll(self._support.use(_same), tuple(whole.tolist()), axis=(0, 1))
        origin_A = [side + _RIM_PX * self.sampling_A for side in self.grid.origin_A[::-1]]
        for body in self.scene.bodies(index):
            patch = self._patches.use(methodcaller("patch", self.scene.pose(index, body)))
            place_A = (self.scene.y_A[index, body], self.scene.x_A[index, body])
            row, column = (
                (place + origin) / step + moved
                for place, origin, step, moved in zip(place_A, origin_A, self.step_A, whole, strict=True)
            )
            multiply_patch(wave, patch, (float(row), float(column)))
        prepared = prepare_wave(wave, self.grid.extent_A)
        rest_A = (drift - whole) * self.step_A
        turned = [
            np.exp(-2j * math.pi * np.arange(-(n // 2), n // 2 + 1) * rest / side)
            for n, rest, side in zip(
                prepared.spectrum.shape[1:], rest_A, self.grid.extent_A[::-1], strict=True
            )
        ]
        spectrum = prepared.spectrum * np.outer(*turned).astype(np.complex64)
        return form_image(
            replace(prepared, spectrum=spectrum),
            microscope=self.optics.microscope,
            shape=self.grid.shape,
            sampling_A=self.optics.sampling_A,
        ).image

    def truth(self, index: int) -> tuple[np.ndarray, Columns]:
        """Draw the labels of a frame, and list its particles.

        Parameters
        ----------
        index : int
            Which frame, from 0.

        Returns
        -------
        labels : array (Y, X), int32
            Identities; 0 is background.
        truth : dict of arrays (n,)
            frame, particle, y_nm, x_nm (middle of the outline), area_nm2 (of the whole outline),
            label_area_nm2 (of its label: less where the frame ends or a nearer one covers it),
            lattice_angle_deg (normal of the reference planes, counter-clockwise from growing columns),
            tilt_deg, on_zone_axis, n_atoms. Angle and tilt of two crystals that are one particle are those
            of the larger.
        """
        scene = self.scene
        bodies = scene.bodies(index)
        outlines = [self._outline(index, body) for body in bodies]
        identities = [int(scene.identity[index, body]) for body in bodies]
        labels = paint_labels(outlines, identities, shape=self.optics.shape, sampling_A=self.sampling_A)
        counts = np.bincount(labels.ravel(), minlength=max(identities, default=0) + 1)
        rows = []
        for particle in sorted(set(identities)):
            if not counts[particle]:
                continue
            own = [place for place, identity in enumerate(identities) if identity == particle]
            area_A2, middle_A = union_measures([outlines[place] for place in own])
            main = max((bodies[place] for place in own), key=lambda body: scene.n_atoms[index, body])
            pose = scene.pose(index, main)
            angle = scene.crystals[main].lattice_angle_deg(tilt_deg=pose.tilt_deg, angle_deg=pose.angle_deg)
            n_atoms = sum(len(scene.positions_A(scene.pose(index, bodies[place]))) for place in own)
            label_A2 = float(counts[particle]) * self.sampling_A**2
            measures = [*(middle_A[::-1] / _A_PER_NM), area_A2 / _A_PER_NM**2, label_A2 / _A_PER_NM**2]
            rows.append([particle, *measures, angle, pose.tilt_deg, n_atoms])
        table = np.array(rows, np.float64).reshape(-1, 8)
        truth = {
            "frame": np.full(len(table), index, np.int64),
            "particle": table[:, 0].astype(np.int64),
            "y_nm": table[:, 1],
            "x_nm": table[:, 2],
            "area_nm2": table[:, 3],
            "label_area_nm2": table[:, 4],
            "lattice_angle_deg": table[:, 5],
            "tilt_deg": table[:, 6],
            "on_zone_axis": table[:, 6] <= scene.settings.on_zone_deg,
            "n_atoms": table[:, 7].astype(np.int64),
        }
        return labels, truth

    def columns(self, index: int) -> Columns:
        """List the sites of the hopping columns in a frame, the taken and the empty ones.

        Parameters
        ----------
        index : int
            Which frame, from 0.

        Returns
        -------
        dict of arrays (n,)
            frame, particle, column (from 1), site (from 0), y_nm, x_nm, occupied.
        """
        scene = self.scene
        rows = []
        for body in scene.sites:
            pose = scene.pose(index, body)
            if not pose.n_atoms:
                continue
            for number, column in enumerate(scene.hop_columns[body]):
                middle_A = scene.crystals[body].place(
                    column.middle_A, tilt_deg=pose.tilt_deg, angle_deg=pose.angle_deg
                )
                places_A = middle_A[:, :2] + self._place_A(index, body)
                for site, (x_A, y_A) in enumerate(places_A.tolist()):
                    taken = site == pose.sites[number]
                    particle = scene.identity[index, body]
                    rows.append([particle, number + 1, site, y_A / _A_PER_NM, x_A / _A_PER_NM, taken])
        table = np.array(rows, np.float64).reshape(-1, 6)
        return {
            "frame": np.full(len(table), index, np.int64),
            "particle": table[:, 0].astype(np.int64),
            "column": table[:, 1].astype(np.int64),
            "site": table[:, 2].astype(np.int64),
            "y_nm": table[:, 3],
            "x_nm": table[:, 4],
            "occupied": table[:, 5].astype(bool),
        }

    def _outline(self, index: int, body: int) -> np.ndarray:
        atoms_A = self.scene.positions_A(self.scene.pose(index, body))
        return outline(atoms_A[:, :2]) + self._place_A(index, body)

    def _place_A(self, index: int, body: int) -> np.ndarray:
        """Find x and y of a crystal's middle in the frame, from sample (0, 0)."""
        drift_y, drift_x = self.scene.drift_A[index]
        return np.array([self.scene.x_A[index, body] + drift_x, self.scene.y_A[index, body] + drift_y])

    def _patch_optics(self) -> PatchOptics:
        return PatchOptics(self.optics.microscope.energy_eV, self.step_A, self.optics.debye_waller_A)


class _KeptPatches:
    """Patches of the poses that came last, computed when they are first asked for."""

    def __init__(self, scene: MovieScene, optics: PatchOptics) -> None:
        self._scene = scene
        self._optics = optics
        self._kept: OrderedDict[Pose, Patch] = OrderedDict()
        self._bytes = 0

    def patch(self, pose: Pose) -> Patch:
        """Return the wave of a pose."""
        if pose in self._kept:
            self._kept.move_to_end(pose)
            return self._kept[pose]
        symbol = self._scene.crystals[pose.body].symbol
        patch = particle_patch(symbol, self._scene.positions_A(pose), self._optics)
        self._kept[pose] = patch
        self._bytes += patch.n_bytes
        while self._bytes > _KEPT_BYTES and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.n_bytes
        return patch


def _support(optics: MovieOptics, grid: ImageGrid, seed: int) -> np.ndarray:
    return support_wave(
        generator(seed, "movie", "support"),
        grid.padded,
        grid.extent_A,
        energy_eV=optics.microscope.energy_eV,
        thickness_A=optics.support_thickness_A if optics.support == "carbon" else 0.0,
    )


def _without_rim(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[_RIM_PX:-_RIM_PX, _RIM_PX:-_RIM_PX])


def _same(wave: np.ndarray) -> np.ndarray:
    return wave


def _band_per_A(microscope: Microscope) -> float:
    """Highest frequency that the microscope passes on, within the bounds of the movie's wave."""
    q = np.arange(*_BAND_PER_A, 0.01)
    passed = round_envelope(q, microscope) > _DAMPED
    return float(q[passed].max()) if passed.any() else _BAND_PER_A[0]


def _margin_A(microscope: Microscope, band: float) -> float:
    """How far the microscope carries the frequencies of a band, |∂χ/∂q|/2π of its round aberrations."""
    wavelength = wavelength_A(microscope.energy_eV)
    q = np.linspace(0, band, 200)
    spread = np.abs(microscope.c30_A * wavelength**3 * q**3 - microscope.defocus_A * wavelength * q)
    return float(np.clip(spread.max(), _LEAST_MARGIN_A, _MOST_MARGIN_A))
