"""Why an input failed, in a sentence for the person who gave it."""

from __future__ import annotations

import zipfile
import zlib

__all__ = ["describe_failure"]

#: Errors whose messages are sentences of this package, or of one that it calls on the user's input.
_TOLD = (TypeError, ValueError, OSError, ImportError, zipfile.BadZipFile)


def describe_failure(error) -> str:
    """
    Say why something failed, without the names of classes.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    str
        The message of an error that the package foresees.  What it does not foresee is named with
        its kind, for a report of it.
    """
    text, kind = " ".join(str(error).split()), type(error).__name__
    if isinstance(error, MemoryError) or kind == "OutOfMemoryError":
        advice = "The memory is full; give a cut-out, fewer workers or another device"
        return f"{advice} ({text})." if text else f"{advice}."
    if kind == "KilledWorker":
        return (
            "The processes that computed it ended again and again, most often because the memory "
            "was full; give fewer workers, or more memory."
        )
    if isinstance(error, OSError) and error.strerror:
        names = [str(name) for name in (error.filename, error.filename2) if name]
        return ": ".join([*names, error.strerror])
    if isinstance(error, EOFError | zlib.error):
        return f"It is cut short or damaged ({text}); download it again."
    if isinstance(error, KeyError):
        return f"It has no {text}, which is needed."
    if isinstance(error, _TOLD) and text:
        return text
    return f"An error that the package does not know ({kind}: {text}); please report it."
