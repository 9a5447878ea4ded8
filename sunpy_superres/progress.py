"""Progress bars: shown in terminals and notebooks, kept out of files."""

from __future__ import annotations

import sys

__all__ = ["shows_bars"]


def shows_bars(progress=True) -> bool:
    """
    Say whether progress bars are shown.

    Parameters
    ----------
    progress : bool
        Whether the user wants any.

    Returns
    -------
    bool
        False too if stderr, to which bars are drawn, is a file or a pipe: there each of their
        states would be a line.  A notebook draws them itself.
    """
    if not progress or sys.stderr is None:
        return False
    return "ipykernel" in sys.modules or sys.stderr.isatty()
