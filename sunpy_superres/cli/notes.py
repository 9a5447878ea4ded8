"""Warnings on the command line: a sentence each, without the place in the code."""

from __future__ import annotations

import contextlib
import sys
import warnings

from tqdm import tqdm

from sunpy_superres.warning import SuperResWarning

__all__ = ["print_notes"]


@contextlib.contextmanager
def print_notes(quiet=False):
    """
    Print each different `~sunpy_superres.SuperResWarning` once to stderr, and no other warning.

    Parameters
    ----------
    quiet : bool
        Print none at all.
    """
    shown = set()

    def note(message, *_place, **_options):
        text = str(message)
        if not quiet and text not in shown:
            shown.add(text)
            tqdm.write(f"note: {text}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", SuperResWarning)
        warnings.showwarning = note
        yield
