"""Files that appear whole or not at all; the standard library alone, as trainings need it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path, write, *, only_writer=False):
    """
    Let ``write`` make a file beside ``path``, then move it there in one step.

    If that fails (a full disk, an interrupt), what was written goes and ``path`` stays as it was.

    Parameters
    ----------
    path : path-like
    write : callable
        ``write(temporary_path)``; through Python's own files, if its errors are to say what is
        wrong: libraries that write by name have errors of their own kinds.
    only_writer : bool
        No other process writes ``path``: the temporary file then has a fixed name, ``path`` with
        ".part", so that what a killed process left is written over by the next.
    """
    path = Path(path)
    if only_writer:
        partial = path.with_name(path.name + ".part")
    else:
        handle, name = tempfile.mkstemp(prefix=".part-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        partial = Path(name)
    try:
        write(str(partial))
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        partial.chmod(0o666 & ~mask)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
