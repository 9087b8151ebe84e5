"""The record of a training run: what it was given, so that going on with it gives the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ..base.errors import ReadError, SettingsError
from ..files.atomic import atomic_file
from ..generate.dataset import ImageSet
from ..learn.checkpoints import Checkpoints
from ..learn.optimizers import make_optimizer

_MADE_WITH = ("temflux", "keras", "numpy")


def claim_run(
    out: Path,
    settings: BaseModel,
    data: Sequence[str],
    *,
    restart: bool,
    based_on: Mapping[str, str] | None = None,
    fingerprints: Sequence[str] | None = None,
) -> None:
    """Record what is trained, or see that a run that goes on is the same but for its epochs.

    Parameters
    ----------
    out : Path
        Folder of the run; run.json goes there. A run that left nothing but that is written over.
    settings : BaseModel
        Settings with fields `epochs`, `optimizer`, `learning_rate` and `loss`.
    data : sequence of str
        Where data come from, or what they are where nothing else tells.
    restart : bool
        Whether an earlier run is gone on with.
    based_on : dict of str to str or None
        Model that training starts from.
    fingerprints : sequence of str or None
        What the data are, wherever they lie; None where `data` says that.

    Raises
    ------
    SettingsError
        If optimiser or loss are unknown, or the folder holds another run, or one that is not to go on.
    ReadError
        If an earlier record is broken.
    """
    _check_names(settings)
    record: dict[str, Any] = {
        "settings": json.loads(settings.model_dump_json(exclude={"epochs"})),
        "data": list(data),
        "made_with": {name: version(name) for name in _MADE_WITH},
    }
    if based_on is not None:
        record["based_on"] = dict(based_on)
    if fingerprints is not None:
        record["fingerprints"] = list(fingerprints)
    path = out / "run.json"
    if path.exists() and _has_something(out):
        if not restart:
            raise SettingsError(f"{out}: holds a run; give --restart to go on with it, or another folder")
        _check_same(path, record)
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def fingerprint_images(folder: Path) -> str:
    """Compute what tells a set of images from others, wherever it lies.

    Parameters
    ----------
    folder : Path
        Folder with images.jsonl, which has the sha256 of all images and labels, and parameters.json.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    ReadError
        If they cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("images.jsonl", "parameters.json"):
    ...     _ = (folder / name).write_text("{}")
    >>> len(fingerprint_images(folder))
    64
    """
    digest = hashlib.sha256()
    try:
        # Lines come in the order in which processes ended, which is not that of the images.
        for line in sorted(ImageSet(folder).journal.read_bytes().splitlines()):
            digest.update(line + b"\n")
        digest.update((folder / "parameters.json").read_bytes())
    except OSError as error:
        raise ReadError(
            f"{folder}: cannot read what the images are, {error.strerror}; make them again"
        ) from None
    return digest.hexdigest()


def _check_names(settings: BaseModel) -> None:
    """Refuse optimisers and losses that nobody knows, before anything is written."""
    from ..learn.losses import find_loss

    chosen = settings.model_dump()
    make_optimizer(chosen["optimizer"], chosen["learning_rate"])
    if chosen["loss"] is not None:
        find_loss(chosen["loss"])


def _has_something(out: Path) -> bool:
    """Tell whether a run came as far as a checkpoint, or to its end."""
    return Checkpoints(out).exist() or (out / "model").exists() or (out / "curves.csv").exists()


def _check_same(path: Path, record: Mapping[str, Any]) -> None:
    """Refuse to go on with a run of something else; what older versions did not write down is let pass."""
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        settings = dict(before["settings"])
        same_data = before.get("data") == record["data"]
        if "fingerprints" in before and "fingerprints" in record:
            same_data = before["fingerprints"] == record["fingerprints"]
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        raise ReadError(f"{path}: expected the record of a run; choose another folder") from None
    if any(record["settings"].get(name, value) != value for name, value in settings.items()):
        raise SettingsError(f"{path}: that run has other settings; give the same, or choose another folder")
    if before.get("based_on") != record.get("based_on"):
        raise SettingsError(f"{path}: that run started from another model; choose another folder")
    if not same_data:
        raise SettingsError(f"{path}: that run learnt from other frames; choose another folder")
