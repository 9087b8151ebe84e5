"""Results of blocks kept on disk, so that stopped work goes on where it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..base.blocks import Block
from ..base.tables import Columns, stack_columns
from ..files.atomic import atomic_file, write_errors


@dataclass(frozen=True)
class KeptOnDisk:
    """A function of a block whose result is written once and found again.

    Parameters
    ----------
    per_block : callable
        Turns a block into a mapping from "table/column" to array; picklable.
    folder : Path
        Where results are kept, one file a block.
    """

    per_block: Callable[[Block], Mapping[str, np.ndarray]]
    folder: Path

    def path(self, block: Block) -> Path:
        """Name the file that a block's result is kept in."""
        return self.folder / f"{block.start:07d}-{block.stop:07d}.npz"

    def __call__(self, block: Block) -> Block:
        """Make sure that the block's result is on disk, and return the block."""
        path = self.path(block)
        if not path.exists():
            result: dict[str, Any] = dict(self.per_block(block))
            with atomic_file(path) as temporary, temporary.open("wb") as file:
                np.savez(file, **result)
        return block

    def load(self, block: Block, table: str) -> dict[str, np.ndarray]:
        """Load one table of what `per_block` returned for a block: the names that begin with "table/"."""
        prefix = f"{table}/"
        with np.load(self.path(block), allow_pickle=False) as kept:
            return {name.removeprefix(prefix): kept[name] for name in kept.files if name.startswith(prefix)}

    def load_all(self, blocks: Sequence[Block], table: str) -> Columns:
        """Load one table of all blocks, one below the other."""
        return stack_columns([self.load(block, table) for block in blocks])


def claim_folder(folder: Path, key: Mapping[str, Any]) -> None:
    """Take over a work folder, keeping what is in it only if it was made for the same work.

    Parameters
    ----------
    folder : Path
        The work folder; made where it is missing.
    key : mapping, as JSON
        What the work depends on: input, settings, version.

    Raises
    ------
    WriteError
        If the folder cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> claim_folder(Path(tempfile.mkdtemp()) / "work", {"version": 1})
    """
    text = json.dumps(key, sort_keys=True, default=str)
    record = folder / "key.json"
    with write_errors(folder):
        if not (record.exists() and record.read_text(encoding="utf-8") == text):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            record.write_text(text, encoding="utf-8")
