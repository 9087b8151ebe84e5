"""Column tables: plain mappings of equal-length arrays, the light form of a pandas table.

Functions in ``images/`` and ``measure/`` return them so that they run where pandas is not installed;
``to_dataframe`` turns one into the pandas table that the outer rooms trade in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Columns = dict[str, np.ndarray]


def stack_columns(tables: Sequence[Mapping[str, np.ndarray]]) -> Columns:
    """Append column tables one below the other.

    Parameters
    ----------
    tables : sequence of mappings from column name to array (n,)
        All with the same column names; at least one table.

    Returns
    -------
    dict of arrays (sum of n,)
        Columns in the order of the first table.

    Raises
    ------
    ValueError
        If there is no table, or the column names differ.

    Examples
    --------
    >>> stack_columns([{"a": np.array([1])}, {"a": np.array([2])}])["a"].tolist()
    [1, 2]
    """
    if not tables:
        raise ValueError("expected at least one table to append, got none")
    names = list(tables[0])
    for table in tables:
        if list(table) != names:
            raise ValueError(f"expected columns {names} in every table, got {list(table)}")
    return {name: np.concatenate([np.asarray(table[name]) for table in tables]) for name in names}


def to_dataframe(columns: Mapping[str, Any]) -> pd.DataFrame:
    """Turn a column table into a pandas table.

    Parameters
    ----------
    columns : mapping from column name to array (n,)
        Equal-length columns; units stand in the names.

    Returns
    -------
    pandas.DataFrame (n rows)
        The same columns in the same order.

    Examples
    --------
    >>> to_dataframe({"area_nm2": np.array([3.0])}).shape
    (1, 1)
    """
    import pandas as pd

    return pd.DataFrame(dict(columns))
