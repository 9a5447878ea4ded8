"""
Write and move files so that no reader ever finds half of one; compute their checksums.

This module needs only the standard library, because a training on a bare GPU machine imports it.
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

    If that fails (a full disk, an interrupt), the new file is removed and ``path`` stays as it was.

    Parameters
    ----------
    path : path-like
    write : callable
        Called as ``write(temporary_path)``.  It should write through `open` or `pathlib.Path`, so
        that a failure is an `OSError`; libraries that open files themselves raise their own errors.
    only_writer : bool
        Whether this is the only process that writes ``path``.  The temporary file then has a fixed
        name, ``path`` with ".part", so that the next process overwrites what a killed one left.
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
    Refuse anything but a regular file; reading from a pipe may never end.

    Parameters
    ----------
    path : pathlib.Path

    Raises
    ------
    FileNotFoundError
        If nothing is at the path.
    ValueError
        If the path leads to a folder, a pipe or a device.
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
    """Keep other processes out of a folder, if the system and the disk support it."""
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
    Move files that belong together, so that a new one never lies beside an old one.

    Parameters
    ----------
    sources, targets : sequence of pathlib.Path
        The targets are all in one folder.
    check : callable, optional
        ``check()`` raises an error if the targets must not be replaced.  While it and the move
        run, no other process can move files there with this function.
    """
    with _locked(targets[0].parent):
        if check is not None:
            check()
        for target in targets[:0:-1]:
            target.unlink(missing_ok=True)
        for source, target in zip(sources, targets, strict=True):
            source.replace(target)


def file_sha256(path) -> str:
    """Return the SHA-256 of a file as a hexadecimal number."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
