"""The warning of the package, and the one way to give it."""

from __future__ import annotations

import sys
import warnings

from sunpy.util.exceptions import SunpyUserWarning

__all__ = ["SuperResWarning", "warn_user"]


class SuperResWarning(SunpyUserWarning):
    """The result is usable, but something about the input or the model calls for care."""


def warn_user(*notes):
    """
    Give each note as a `SuperResWarning` that points to the code that called this package.

    Parameters
    ----------
    *notes : str
        One sentence or more for each warning.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("sunpy_superres."):
        level, frame = level + 1, frame.f_back
    for note in notes:
        warnings.warn(note, SuperResWarning, stacklevel=level)
