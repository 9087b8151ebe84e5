"""The record of a training run: what it was given, so that going on with it gives the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel

from ..base.errors import ReadError, SettingsError
from ..files.atomic import atomic_file

_MADE_WITH = ("temflux", "keras", "numpy")


def claim_run(
    out: Path,
    settings: BaseModel,
    data: Sequence[str],
    *,
    restart: bool,
    based_on: Mapping[str, str] | None = None,
) -> None:
    """Record what is trained, or see that a run that goes on is the same but for its epochs.

    Parameters
    ----------
    out : Path
        Folder of the run; run.json goes there.
    settings : BaseModel
        Settings with a field `epochs`.
    data : sequence of str
        Where data come from; fingerprints of what may not change where there is a model to start from.
    restart : bool
        Whether an earlier run is gone on with.
    based_on : dict of str to str or None
        Model that training starts from.

    Raises
    ------
    SettingsError
        If the folder holds another run, or one that is not to go on.
    ReadError
        If an earlier record is broken.
    """
    record = {
        "settings": json.loads(settings.model_dump_json(exclude={"epochs"})),
        "data": list(data),
        "made_with": {name: version(name) for name in _MADE_WITH},
    }
    if based_on is not None:
        record["based_on"] = dict(based_on)
    path = out / "run.json"
    if path.exists():
        if not restart:
            raise SettingsError(f"{out}: holds a run; give --restart to go on with it, or another folder")
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            same = [before.get(name) == record.get(name) for name in ("settings", "based_on", "data")]
        except (OSError, ValueError, AttributeError):
            raise ReadError(f"{path}: expected the record of a run; choose another folder") from None
        if not same[0]:
            raise SettingsError(
                f"{path}: that run has other settings; give the same, or choose another folder"
            )
        if not same[1]:
            raise SettingsError(f"{path}: that run started from another model; choose another folder")
        if based_on is not None and not same[2]:
            raise SettingsError(f"{path}: that run learnt from other frames; choose another folder")
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
