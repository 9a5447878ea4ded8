"""Files of a training that appear whole or not at all; the standard library alone."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["whole_file"]


@contextlib.contextmanager
def whole_file(path):
    """
    Give the name of a file to write, which becomes ``path`` once it is on the disk.

    If the writing fails (a full disk, an interrupt), what was written goes and ``path`` stays as
    it was.  Write it with Python's own files, whose errors say what is wrong: those of libraries
    that write by name are of their own kinds.

    Parameters
    ----------
    path : path-like
        Its folder is made if need be.

    Yields
    ------
    `pathlib.Path`
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
