"""Checkpoints of a training run: numbers and text only, and at any moment a whole one on disk.

    RUN/checkpoints/index.json           state, and which files are `last` and `best`, with their sha256
    RUN/checkpoints/epoch-000012.npz     weights and optimiser variables after 12 epochs

A checkpoint counts from the moment when index.json, replaced in one step, names it; what it no longer names
is then taken away. A kill or a full disk in between leaves the one before.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import DataError, ReadError
from ..files.atomic import atomic_file, write_errors

FORMAT = "temflux training 1"
_NAMES = ("last", "best")


@dataclass(frozen=True)
class Checkpoint:
    """What a run was after some epoch.

    Parameters
    ----------
    epoch : int
        Finished epochs.
    arrays : dict of arrays
        Weights ("weights/0", …) and optimiser variables ("optimizer/0", …).
    state : dict
        Everything else, as JSON: history, settings.
    """

    epoch: int
    arrays: dict[str, np.ndarray]
    state: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run.

    Parameters
    ----------
    run : str or Path
        Folder of the run.

    Examples
    --------
    >>> import tempfile
    >>> checkpoints = Checkpoints(tempfile.mkdtemp())
    >>> checkpoints.save(1, {"weights/0": np.zeros(3)}, {"history": []}, best=True)
    >>> checkpoints.load("best").epoch
    1
    """

    def __init__(self, run: str | Path) -> None:
        self.folder = Path(run) / "checkpoints"
        self._index = self.folder / "index.json"

    def exist(self) -> bool:
        """Say whether there is a checkpoint to go on from."""
        return self._index.exists()

    def save(
        self, epoch: int, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any], *, best: bool
    ) -> None:
        """Write a checkpoint as the last one, and as the best one where it is.

        Parameters
        ----------
        epoch : int
            Finished epochs.
        arrays : mapping of arrays
            Weights and optimiser variables.
        state : mapping
            Everything else, as JSON.
        best : bool
            Whether it is the best so far.

        Raises
        ------
        WriteError
            If the system refuses to write; the checkpoint before is then as it was.
        """
        path = self.folder / f"epoch-{epoch:06d}.npz"
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **dict(arrays))  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        entry = {"epoch": epoch, "file": path.name, "sha256": hash_file(path)}
        index = self._read() if self.exist() else {}
        index |= {"format": FORMAT, "state": dict(state), "last": entry}
        if best or "best" not in index:
            index["best"] = entry
        with atomic_file(self._index) as temporary, temporary.open("w", encoding="utf-8") as text:
            json.dump(index, text, indent=1, ensure_ascii=False)
            text.flush()
            os.fsync(text.fileno())
        kept = {index[name]["file"] for name in _NAMES}
        with write_errors(self.folder):
            # A kill leaves its half-written file, too.
            for old in (*self.folder.glob("epoch-*.npz"), *self.folder.glob(".epoch-*.partial")):
                if old.name not in kept:
                    old.unlink(missing_ok=True)

    def load(self, name: str = "last") -> Checkpoint:
        """Read a checkpoint and see that it is the one that was written.

        Parameters
        ----------
        name : str
            "last" or "best".

        Returns
        -------
        Checkpoint
            With the state of the last one.

        Raises
        ------
        ReadError
            If there is none, or it is broken.
        """
        if not self.exist():
            raise ReadError(f"{self.folder}: no checkpoint; train first")
        index = self._read()
        entry = index[name]
        path = self.folder / Path(entry["file"]).name
        try:
            if hash_file(path) != entry["sha256"]:
                raise ReadError(f"{path}: the checkpoint has changed since it was written; train again")
            with np.load(path, allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ReadError(f"{path}: expected a checkpoint, {type(error).__name__}; train again") from None
        return Checkpoint(int(entry["epoch"]), arrays, index["state"])

    def _read(self) -> dict[str, Any]:
        try:
            index = json.loads(self._index.read_text(encoding="utf-8"))
            whole = index["format"] == FORMAT and isinstance(index["state"], dict)
            whole = whole and all({"epoch", "file", "sha256"} <= index[name].keys() for name in _NAMES)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            whole = False
        if not whole:
            raise ReadError(f"{self._index}: expected the checkpoints of a run ({FORMAT})")
        return dict(index)


def hash_file(path: Path) -> str:
    """Compute the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def gather_arrays(network: Any) -> dict[str, np.ndarray]:
    """Copy all numbers of a network that is being trained.

    Parameters
    ----------
    network : keras.Model
        Compiled or not.

    Returns
    -------
    dict of arrays
        weights/0, … with seeds of random layers, and optimizer/0, …, in the network's order.

    Examples
    --------
    >>> import keras
    >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> {name: array.shape for name, array in gather_arrays(network).items()}
    {'weights/0': (2, 1), 'weights/1': (1,)}
    """
    from keras import ops

    return {
        f"{kind}/{number}": np.array(ops.convert_to_numpy(variable))
        for kind, variables in _variables(network).items()
        for number, variable in enumerate(variables)
    }


def restore_arrays(network: Any, arrays: Mapping[str, np.ndarray], *, optimizer: bool = True) -> None:
    """Set all numbers of a network to those of a checkpoint.

    Parameters
    ----------
    network : keras.Model
        Of the same architecture; compiled with the same optimiser where that is to be set, too.
    arrays : mapping of arrays
        As `gather_arrays` gives them.
    optimizer : bool
        Whether to set the optimiser's variables; False for the weights alone.

    Raises
    ------
    DataError
        If number or shapes differ; the network is then as it was.

    Examples
    --------
    >>> import keras
    >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> restore_arrays(network, {"weights/0": np.ones((2, 1)), "weights/1": np.zeros(1)})
    >>> float(network(np.ones((1, 2)))[0, 0])
    2.0
    """
    found = _variables(network)
    if not optimizer:
        found.pop("optimizer", None)
    for kind, variables in found.items():
        stored = [name for name in arrays if name.startswith(f"{kind}/")]
        if len(stored) != len(variables):
            raise DataError(
                f"the checkpoint has {len(stored)} arrays of {kind}, the network {len(variables)}; give the "
                "network and the optimiser that it was made with"
            )
        for number, variable in enumerate(variables):
            shape = arrays.get(f"{kind}/{number}", np.empty(0)).shape
            wanted = tuple(variable.shape)
            if shape != wanted:
                raise DataError(
                    f"{variable.path}: the checkpoint has shape {shape}, the network {wanted}; "
                    "give the network and the optimiser that it was made with"
                )
    for kind, variables in found.items():
        for number, variable in enumerate(variables):
            variable.assign(arrays[f"{kind}/{number}"])


def _variables(network: Any) -> dict[str, list[Any]]:
    """Variables of a network, seeds included, and those of its optimiser."""
    found = {"weights": list(network.variables)}
    optimizer = getattr(network, "optimizer", None)
    if optimizer is not None:
        if not optimizer.built:
            optimizer.build(network.trainable_variables)
        found["optimizer"] = list(optimizer.variables)
    return found
