"""
Files that appear whole or not at all, and their checksums.

Only the standard library is needed, since a training on a bare GPU machine imports this.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

__all__ = ["check_regular", "file_sha256", "move_together", "write_atomically"]


def write_atomically(path, write, *, only_writer=False):
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


def check_regular(path):
    """
    Refuse what is no file on a disk: a pipe would be waited for, and may never end.

    Parameters
    ----------
    path : pathlib.Path

    Raises
    ------
    FileNotFoundError
        If there is nothing.
    ValueError
        If it is a folder, a pipe or a device.
    """
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}; check the path.")
    if not path.is_file():
        raise ValueError(
            f"{path} is not a readable FITS image (it is a folder, a pipe or a device); "
            "give a file."
        )


@contextlib.contextmanager
def _locked(folder):
    """Keep other processes out of a folder, where the system and the disk can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def move_together(sources, targets, check=None):
    """
    Move files that belong together; never are some of them beside others' old ones.

    Parameters
    ----------
    sources, targets : sequence of pathlib.Path
        All targets in one folder.
    check : callable, optional
        ``check()`` raises if the targets must not be replaced; no other process that uses this
        function moves anything there between the check and the move.
    """
    with _locked(targets[0].parent):
        if check is not None:
            check()
        for target in targets[:0:-1]:
            target.unlink(missing_ok=True)
        for source, target in zip(sources, targets, strict=True):
            source.replace(target)


def file_sha256(path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
