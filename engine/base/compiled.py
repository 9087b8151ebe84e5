"""Whether compiled (numba) kernels run: asked for, or simply there."""

from __future__ import annotations

from importlib.util import find_spec

from .errors import SettingsError


def use_compiled(wanted: bool | None) -> bool:
    """Say whether compiled kernels are to be used.

    Parameters
    ----------
    wanted : bool or None
        True asks for numba, False for the plain NumPy/SciPy path, None takes numba where it is installed.

    Returns
    -------
    bool
        True where the numba kernels are to run.

    Raises
    ------
    SettingsError
        If numba is asked for and not installed.

    Examples
    --------
    >>> use_compiled(False)
    False
    """
    if wanted is False:
        return False
    there = find_spec("numba") is not None
    if wanted and not there:
        raise SettingsError("compiled=True needs numba, which is not installed; use compiled=None or False")
    return there
