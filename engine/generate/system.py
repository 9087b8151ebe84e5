"""An atomic system in its cell, and its atomic columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from ase import Atoms

from ..base.errors import ReadError


@dataclass(frozen=True)
class Sites:
    """The atomic columns of a system, projected along the beam (thesis, Table 3.1).

    Parameters
    ----------
    xy_A : array (n, 2), float64
        Centres of mass of the columns, x and y [Å].
    classes : array (n,), int64
        Class of each column, an index into `class_names`.
    class_names : tuple of str
        What the classes are, as ("1Mo", "2S", "1S").
    occupancy : array (n,), float64, or None
        Atoms of the column as a fraction of those that a full one has.

    Examples
    --------
    >>> sites = Sites(np.zeros((1, 2)), np.zeros(1, np.int64), ("1Mo",))
    >>> len(sites.xy_A), sites.class_names
    (1, ('1Mo',))
    """

    xy_A: np.ndarray
    classes: np.ndarray
    class_names: tuple[str, ...]
    occupancy: np.ndarray | None = None

    def save(self, path: str | Path | BinaryIO) -> None:
        """Write an .npz file with `sites`, `classes`, `class_names` and, where known, `occupancy`."""
        known = {
            "sites": self.xy_A,
            "classes": self.classes,
            "class_names": np.array(self.class_names, dtype=np.str_),
        }
        if self.occupancy is not None:
            known["occupancy"] = self.occupancy
        np.savez(path, allow_pickle=False, **known)

    @classmethod
    def load(cls, path: str | Path) -> Sites:
        """Read what `save` wrote; raises ReadError where the file is none of those."""
        try:
            with np.load(Path(path), allow_pickle=False) as file:
                return cls(
                    file["sites"],
                    file["classes"],
                    tuple(str(name) for name in file["class_names"]),
                    file.get("occupancy"),
                )
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise ReadError(f"{path}: expected the sites of a system (.npz), {error}") from None


@dataclass(frozen=True)
class System:
    """Atoms in their cell, how they were drawn, and their columns.

    Parameters
    ----------
    atoms : ase.Atoms
        All atoms inside an orthogonal cell [Å], z along the beam; tag 1 is labelled, tag 0 supports it.
    drawn : dict
        The random degrees of freedom, with units in their names.
    sites : Sites
        Columns of the atoms with tag 1.

    Examples
    --------
    >>> sites = Sites(np.zeros((1, 2)), np.zeros(1, np.int64), ("Au",))
    >>> System(Atoms("Au", cell=(9, 9, 9)), {"tilt_deg": 0.0}, sites).drawn
    {'tilt_deg': 0.0}
    """

    atoms: Atoms
    drawn: dict[str, float | int | str]
    sites: Sites
