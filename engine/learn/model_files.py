"""Trained networks on disk, as folders of numbers and text that run no code when they are read.

MODEL/model.json     architecture by name, its arguments, and the weights' names, shapes and types
MODEL/weights.npz    the weights in that order, 0.npy, 1.npy, …
MODEL/card.json      what the network is for and how good it is; sha256 of the other two files
"""

from __future__ import annotations

import json
import math
import os
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from temflux.models.networks import ACTIVATIONS, network_sizes

from ..base.errors import DataError, ReadError
from ..files.atomic import replace_folder, write_errors
from .checkpoints import hash_file
from .model_cards import ModelCard, card_from_json
from .trained import FORMAT, NetworkSpec, TrainedModel, describe_model

if TYPE_CHECKING:
    import keras

_FILES = ("model.json", "weights.npz", "card.json")
_MOST_TEXT_BYTES = 4 * 2**20
_MOST_WEIGHTS = 2**28
_MOST_CHANNELS = 256
_TYPES = ("float32", "float16")
_ADVICE = "ask for the file again, or train anew with temflux train"


def save_model(
    path: str | Path, network: keras.Model, spec: NetworkSpec, card: ModelCard, *, half: bool = False
) -> ModelCard:
    """Write a trained network as a folder, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Folder to make; an earlier model of that name is replaced.
    network : keras.Model
        Network with its weights.
    spec : NetworkSpec
        What `network` was built from.
    card : ModelCard
        What is known of it.
    half : bool
        Whether weights are kept in float16, in half the space.

    Returns
    -------
    ModelCard
        The card with the files' fingerprints.

    Raises
    ------
    DataError
        If a weight is not finite, or the folder is something else than a model.
    WriteError
        If the system refuses to write; an earlier model stays.

    Examples
    --------
    >>> import tempfile
    >>> from temflux.models.networks import build_network
    >>> spec = NetworkSpec("compact", {"in_channels": 1, "out_channels": 1, "channels": 4, "levels": 1})
    >>> folder = Path(tempfile.mkdtemp()) / "mine"
    >>> card = save_model(folder, build_network(spec.name, **spec.arguments), spec, ModelCard("mine"))
    >>> load_model(folder).card == card
    True
    """
    path = Path(path)
    if path.exists() and not (path / "model.json").is_file() and (path.is_file() or any(path.iterdir())):
        raise DataError(
            f"{path}: expected a model's folder or nothing, so as not to replace it; choose another"
        )
    weights = TrainedModel.from_network(network, spec, card).weights
    if half:
        with np.errstate(over="ignore"):
            weights = {name: array.astype(np.float16) for name, array in weights.items()}
    for name, array in weights.items():
        if not np.isfinite(array).all():
            hint = "; save with half=False" if half else "; training has diverged, take an earlier checkpoint"
            raise DataError(f"weight {name} is not finite{hint}")
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with write_errors(path):
        try:
            beside.mkdir(parents=True)
            (beside / "model.json").write_text(_dump(describe_model(spec, weights)), encoding="utf-8")
            arrays: dict[str, Any] = {str(number): array for number, array in enumerate(weights.values())}
            np.savez_compressed(beside / "weights.npz", allow_pickle=False, **arrays)
            card = replace(card, sha256={name: hash_file(beside / name) for name in _FILES[:2]})
            (beside / "card.json").write_text(_dump(card.as_json()), encoding="utf-8")
            replace_folder(beside, path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return card


def load_model(path: str | Path) -> TrainedModel:
    """Read a trained network; nothing in its files is ever run.

    Parameters
    ----------
    path : str or Path
        Folder of a model, or the name of one of the zoo.

    Returns
    -------
    TrainedModel
        Architecture, card and weights.

    Raises
    ------
    ReadError
        If there is no such model, or a file is missing, damaged, of another form or size than it says, or
        of a kind that may hold code (.keras, .h5, .pt, …).

    Notes
    -----
    Formats of other programs are refused, not opened "safely": Keras' safe mode has been circumvented more
    than once. sha256 tells damage, not who made a file; what keeps code out is that only numbers are read.

    Examples
    --------
    >>> load_model("downloaded.keras")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    temflux.engine.base.errors.ReadError: downloaded.keras: files of this kind can hold code and are not ...
    """
    folder = _find(path)
    card = _read_card(folder)
    for name in _FILES[:2]:
        limit = _MOST_TEXT_BYTES if name == "model.json" else 4 * _MOST_WEIGHTS
        _check_size(folder / name, limit)
        if hash_file(folder / name) != card.sha256.get(name):
            raise ReadError(f"{folder / name}: damaged, its sha256 is not the card's; {_ADVICE}")
    spec, wanted = _read_spec(folder / "model.json")
    return TrainedModel(spec, card, _read_weights(folder / "weights.npz", wanted))


def list_models(folder: str | Path | None = None) -> list[ModelCard]:
    """Read the cards of the zoo.

    Parameters
    ----------
    folder : str, Path or None
        Folder of models; None for the zoo that comes with temflux.

    Returns
    -------
    list of ModelCard
        Cards by name.

    Raises
    ------
    ReadError
        If a card is damaged.

    Examples
    --------
    >>> list_models("no-such-folder")
    []
    """
    zoo = Path(folder) if folder is not None else zoo_folder()
    return [_read_card(card.parent) for card in sorted(zoo.glob("*/card.json"))]


def zoo_folder() -> Path:
    """Give the folder of the models that come with temflux."""
    return Path(str(files("temflux.models"))) / "zoo"


def _find(path: str | Path) -> Path:
    folder = Path(path)
    if folder.is_dir():
        return folder
    if folder.is_file() or folder.suffix in (".keras", ".h5", ".hdf5", ".pt", ".pth", ".pkl", ".npz"):
        raise ReadError(
            f"{path}: files of this kind can hold code and are not opened; build the network with "
            "temflux.models.networks, load its weights yourself, and save it with save_model"
        )
    named = zoo_folder() / folder
    if len(folder.parts) == 1 and folder.name == str(path) and (named / "card.json").is_file():
        return named
    known = ", ".join(one.parent.name for one in sorted(zoo_folder().glob("*/card.json")))
    raise ReadError(
        f"{path}: no such model; give a model's folder, or a name of the zoo: {known or 'none yet'}"
    )


def _read_card(folder: Path) -> ModelCard:
    try:
        return card_from_json(_read_json(folder / "card.json"))
    except ReadError as error:
        text = str(error)
        where = "" if text.startswith(str(folder)) else f"{folder / 'card.json'}: "
        raise ReadError(f"{where}{text}") from None


def _read_json(path: Path) -> Any:
    _check_size(path, _MOST_TEXT_BYTES)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ReadError(f"{path}: not a JSON file, {type(error).__name__}; {_ADVICE}") from None


def _check_size(path: Path, limit: int) -> None:
    if not path.is_file():
        raise ReadError(f"{path}: missing, a model has {', '.join(_FILES)}; {_ADVICE}")
    if path.stat().st_size > limit:
        raise ReadError(f"{path}: larger than any model of temflux ({limit} bytes); {_ADVICE}")


def _read_spec(path: Path) -> tuple[NetworkSpec, list[tuple[str, tuple[int, ...], str]]]:
    """Read the architecture, and the name, shape and type of each weight."""
    record = _read_json(path)
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ReadError(f"{path}: expected the format {FORMAT!r}; update temflux, or {_ADVICE}")
    try:
        spec = NetworkSpec(str(record["network"]), dict(record["arguments"]))
        wanted = [(str(name), _read_shape(shape), str(kind)) for name, shape, kind in record["weights"]]
        _check_spec(spec)
    except (KeyError, TypeError, ValueError) as error:
        raise ReadError(f"{path}: not a network that temflux can build ({error}); {_ADVICE}") from None
    n_weights = sum(math.prod(shape) for _, shape, _ in wanted)
    strange = any(kind not in _TYPES for _, _, kind in wanted) or len({name for name, _, _ in wanted}) < len(
        wanted
    )
    if strange or n_weights > _MOST_WEIGHTS:
        raise ReadError(
            f"{path}: expected at most {_MOST_WEIGHTS} weights of {' or '.join(_TYPES)}; {_ADVICE}"
        )
    return spec, wanted


def _read_shape(shape: Any) -> tuple[int, ...]:
    if len(shape) > 6 or any(type(side) is not int or side < 0 for side in shape):
        raise ValueError(f"impossible shape {str(shape)[:40]}")
    return tuple(shape)


def _check_spec(spec: NetworkSpec) -> None:
    """Raise ValueError for a network that cannot be built, or would fill the memory."""
    sizes = network_sizes(spec.name, **spec.sizes)
    for name in ("in_channels", "out_channels"):
        value = spec.arguments[name]
        if type(value) is not int or not 1 <= value <= _MOST_CHANNELS:
            raise ValueError(f"{name} of {str(value)[:20]}")
    if spec.activation not in ACTIVATIONS or type(spec.arguments.get("seed", 0)) is not int:
        raise ValueError("activation or seed")
    # More than the widest convolution that these sizes can give.
    width = sizes["channels"] * max(sizes.get("layers", 1), 2 ** sizes.get("levels", 1))
    if sizes.get("layers", 1) > 1000 or (width * sizes.get("kernel", 3)) ** 2 > 8 * _MOST_WEIGHTS:
        raise ValueError(f"sizes {sizes} beyond any that fits a memory")


def _read_weights(path: Path, wanted: list[tuple[str, tuple[int, ...], str]]) -> dict[str, np.ndarray]:
    """Read numbers alone, and no more of them than were announced."""
    weights = {}
    try:
        with zipfile.ZipFile(path) as archive:
            if sorted(archive.namelist()) != sorted(f"{number}.npy" for number in range(len(wanted))):
                raise ReadError(f"{path}: its members are not the weights that model.json names; {_ADVICE}")
            for number, (name, shape, kind) in enumerate(wanted):
                with archive.open(f"{number}.npy") as member:
                    weights[name] = _read_array(member, shape, np.dtype(kind))
    except ReadError:
        raise
    # Whatever a damaged or hostile archive makes the readers raise.
    except Exception as error:
        raise ReadError(f"{path}: not readable as weights ({error}); {_ADVICE}") from None
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise ReadError(f"{path}: weight {name} is not finite; {_ADVICE}")
    return weights


def _read_array(member: IO[bytes], shape: tuple[int, ...], kind: np.dtype) -> np.ndarray:
    if np.lib.format.read_magic(member) != (1, 0):
        raise ValueError("arrays of an unknown version")
    found = np.lib.format.read_array_header_1_0(member)
    if found != (shape, False, kind):
        raise ValueError(
            f"an array of shape {str(found[0])[:40]}, {found[2]}, where {shape}, {kind} was announced"
        )
    n_bytes = math.prod(shape) * kind.itemsize
    data = member.read(n_bytes + 1)
    if len(data) != n_bytes:
        raise ValueError(f"an array of {n_bytes} bytes is shorter or longer than it says")
    return np.frombuffer(data, kind).reshape(shape)


def _dump(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
