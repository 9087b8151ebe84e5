"""Simulated sets on disk: systems with their exit waves, and images with their labels.

    OUT/manifest.json                what was asked for, with seeds and versions
    OUT/train/systems/               models/*.traj, points/*.npz, waves.zarr, systems.jsonl
    OUT/train/images/                images.zarr, labels.zarr, images.jsonl, parameters.json
    OUT/test/…                       the same for validation and tests

A system is whole when its line stands in systems.jsonl, and so are the images of a system when theirs
stands in images.jsonl; lines are only ever added. Arrays are chunked by system, so adding rewrites nothing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from ase import Atoms
from ase.io import read as read_atoms
from zarr.codecs import ZstdCodec

from ..base.errors import DataError, ReadError
from ..files.atomic import atomic_file, write_errors
from ..files.journal import read_journal
from .system import Sites, System

FORMAT = "temflux dataset 1"
PARTS = ("train", "test")


@dataclass(frozen=True)
class SystemSet:
    """The systems of one part of a dataset.

    Parameters
    ----------
    folder : Path
        OUT/train/systems or OUT/test/systems.

    Examples
    --------
    >>> SystemSet(Path("au-ceo2/train/systems")).journal.name
    'systems.jsonl'
    """

    folder: Path

    @property
    def journal(self) -> Path:
        """The list of finished systems."""
        return self.folder / "systems.jsonl"

    def records(self) -> dict[int, dict[str, Any]]:
        """Read what is known of each finished system, by its number; raises ReadError on a broken list."""
        return {int(record["system"]): record for record in read_journal(self.journal)}

    def create_waves(self, shape: tuple[int, int], attributes: Mapping[str, Any], count: int) -> zarr.Array:
        """Make room for the waves of `count` systems (N, Y, X), or grow what is there.

        Raises
        ------
        DataError
            If there are waves of another size, sampling or energy.
        WriteError
            If the system refuses to write.
        """
        return _grow(
            self.folder / "waves.zarr",
            shape=(count, *shape),
            chunks=(1, *shape),
            dtype="complex64",
            names=("system", "y", "x"),
            attributes=attributes,
        )

    def open_waves(self, *, writable: bool = False) -> zarr.Array:
        """Open the exit waves, an array (N, Y, X); attributes sampling_A (y, x) and energy_eV."""
        return _open(self.folder / "waves.zarr", writable=writable)

    def save(self, number: int, system: System, wave: np.ndarray) -> dict[str, str]:
        """Write a system's model, sites and wave, and return their fingerprints.

        Parameters
        ----------
        number : int
            Number of the system.
        system : System
            Atoms and sites.
        wave : array (Y, X), complex64
            Exit wave.

        Returns
        -------
        dict of str
            sha256 of model, points and wave.

        Raises
        ------
        WriteError
            If the system refuses to write.
        """
        model, points = self._model(number), self._points(number)
        with atomic_file(model) as temporary:
            system.atoms.write(temporary, format="traj")
        with atomic_file(points) as temporary, temporary.open("wb") as file:
            system.sites.save(file)
        with write_errors(self.folder / "waves.zarr"):
            self.open_waves(writable=True)[number] = wave
        return {
            "model": _sha256(model.read_bytes()),
            "points": _sha256(points.read_bytes()),
            "wave": fingerprint(wave),
        }

    def load_atoms(self, number: int) -> Atoms:
        """Read a system's atoms; raises ReadError where they are missing or broken."""
        path = self._model(number)
        try:
            atoms = read_atoms(path)
        except Exception as error:
            raise ReadError(f"{path}: expected a system's atoms, {error}; make the set again") from None
        return atoms if isinstance(atoms, Atoms) else atoms[-1]

    def load_sites(self, number: int) -> Sites:
        """Read a system's sites; raises ReadError where they are missing or broken."""
        return Sites.load(self._points(number))

    def load_wave(self, number: int, sha256: str) -> np.ndarray:
        """Read a system's exit wave and see that it is the one that was written.

        Parameters
        ----------
        number : int
            Number of the system.
        sha256 : str
            Fingerprint in the system's record.

        Returns
        -------
        array (Y, X), complex64
            The wave.

        Raises
        ------
        ReadError
            If it is missing or has changed since.
        """
        wave = np.asarray(self.open_waves()[number])
        if fingerprint(wave) != sha256:
            raise ReadError(
                f"{self.folder / 'waves.zarr'}: the wave of system {number} is missing or has changed; "
                "make the set again"
            )
        return wave

    def _model(self, number: int) -> Path:
        return self.folder / "models" / f"{number:06d}.traj"

    def _points(self, number: int) -> Path:
        return self.folder / "points" / f"{number:06d}.npz"


@dataclass(frozen=True)
class ImageSet:
    """Images with labels, `epochs` of each system: row = system · epochs + epoch.

    Parameters
    ----------
    folder : Path
        OUT/train/images or another name beside it.

    Examples
    --------
    >>> ImageSet(Path("au-ceo2/train/images")).journal.name
    'images.jsonl'
    """

    folder: Path

    @property
    def journal(self) -> Path:
        """The list of systems whose images are finished."""
        return self.folder / "images.jsonl"

    @property
    def images(self) -> zarr.Array:
        """Electrons a pixel, an array (N, F, Y, X), float32; F images of a focal series."""
        return _open(self.folder / "images.zarr")

    @property
    def labels(self) -> zarr.Array:
        """Labels, an array (N, Y, X, C); attribute `channels` names them."""
        return _open(self.folder / "labels.zarr")

    def records(self) -> dict[int, dict[str, Any]]:
        """Read what is known of each finished system's images, by its number."""
        return {int(record["system"]): record for record in read_journal(self.journal)}

    def drawn(self) -> list[dict[str, Any]]:
        """List the drawn values, one dict an image: row, system, epoch, then what was drawn, with units."""
        return [image for record in self.records().values() for image in record["images"]]

    def create(
        self,
        count: int,
        epochs: int,
        *,
        image_shape: tuple[int, int, int],
        label_shape: tuple[int, int, int],
        label_dtype: str,
        channels: tuple[str, ...],
    ) -> None:
        """Make room for the images and labels of `count` systems, or grow what is there.

        Raises
        ------
        DataError
            If there are images of another size.
        WriteError
            If the system refuses to write.
        """
        _grow(
            self.folder / "images.zarr",
            shape=(count * epochs, *image_shape),
            chunks=(epochs, *image_shape),
            dtype="float32",
            names=("image", "focus", "y", "x"),
            attributes={"unit": "electrons per pixel"},
        )
        _grow(
            self.folder / "labels.zarr",
            shape=(count * epochs, *label_shape),
            chunks=(epochs, *label_shape),
            dtype=label_dtype,
            names=("image", "y", "x", "channel"),
            attributes={"channels": list(channels)},
            # Labels are nearly empty; images are noise, which nothing makes smaller.
            compressors=ZstdCodec(level=1),
        )

    def clear(self) -> None:
        """Take away what a run that made no image left."""
        for name in ("images.zarr", "labels.zarr"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def save(self, system: int, images: np.ndarray, labels: np.ndarray) -> dict[str, str]:
        """Write images (E, F, Y, X) and labels (E, Y, X, C) of a system, and return their fingerprints."""
        rows = slice(system * len(images), (system + 1) * len(images))
        with write_errors(self.folder):
            _open(self.folder / "images.zarr", writable=True)[rows] = images
            _open(self.folder / "labels.zarr", writable=True)[rows] = labels
        return {"images": fingerprint(images), "labels": fingerprint(labels)}


def fingerprint(array: np.ndarray) -> str:
    """Compute the sha256 of an array's bytes.

    Parameters
    ----------
    array : array
        Of any shape and type.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> fingerprint(np.zeros(2, np.uint8))[:8]
    '96a296d2'
    """
    return _sha256(np.ascontiguousarray(array).data)


def read_manifest(out: str | Path) -> dict[str, Any]:
    """Read what a dataset was asked to hold.

    Parameters
    ----------
    out : str or Path
        Folder of the dataset.

    Returns
    -------
    dict
        format, recipes, images; empty lists of both where there is no dataset yet.

    Raises
    ------
    ReadError
        If there is a manifest that is not one of a dataset.

    Examples
    --------
    >>> read_manifest("nothing-here")["recipes"]
    []
    """
    path = Path(out) / "manifest.json"
    if not path.exists():
        return {"format": FORMAT, "recipes": [], "images": []}
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        known = manifest["format"] == FORMAT and {"recipes", "images"} <= manifest.keys()
    except (OSError, ValueError, TypeError, KeyError):
        known = False
    if not known:
        raise ReadError(f"{path}: expected the manifest of a dataset ({FORMAT})")
    return dict(manifest)


def add_to_manifest(out: str | Path, kind: str, entry: Mapping[str, Any]) -> None:
    """Record what is about to be made; the same entry twice is one.

    Parameters
    ----------
    out : str or Path
        Folder of the dataset; made where it is missing.
    kind : str
        "recipes" or "images".
    entry : mapping, as JSON
        Part, settings, seed, versions.

    Raises
    ------
    ReadError
        If the folder holds another manifest.
    WriteError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> add_to_manifest(tempfile.mkdtemp(), "recipes", {"part": "train", "seed": 1})
    """
    manifest = read_manifest(out)
    entry = json.loads(json.dumps(entry))
    if entry not in manifest[kind]:
        manifest[kind].append(entry)
    with atomic_file(Path(out) / "manifest.json") as temporary:
        temporary.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _grow(
    path: Path,
    *,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    dtype: str,
    names: tuple[str, ...],
    attributes: Mapping[str, Any],
    compressors: Any = None,
) -> zarr.Array:
    """Make an array, or make one that is there longer; its first axis alone may differ."""
    with write_errors(path):
        if not (path / "zarr.json").exists():
            return zarr.create_array(
                path,
                shape=shape,
                chunks=chunks,
                dtype=dtype,
                compressors=compressors,
                dimension_names=names,
                attributes=dict(attributes),
            )
        array = _open(path, writable=True)
        held = (array.shape[1:], array.chunks, str(array.dtype), dict(array.attrs))
        wanted = (shape[1:], chunks, dtype, json.loads(json.dumps(attributes)))
        if held != wanted:
            raise DataError(f"{path}: holds {held}, cannot add {wanted}; choose another folder")
        if shape[0] > array.shape[0]:
            array.resize((shape[0], *array.shape[1:]))
    return array


def _open(path: Path, *, writable: bool = False) -> zarr.Array:
    try:
        array = zarr.open_array(path, mode="r+" if writable else "r")
    except (OSError, ValueError, KeyError) as error:
        raise ReadError(f"{path}: expected an array of a dataset, {type(error).__name__}") from None
    return array


def _sha256(data: Any) -> str:
    return hashlib.sha256(data).hexdigest()
