"""
Write and move files so that no reader ever finds half of one; compute their checksums.

This module loads only the standard library, because a training on a bare GPU machine imports it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

__all__ = [
    "TABLE_FORMATS",
    "check_regular",
    "check_table_path",
    "file_sha256",
    "find_fits",
    "move_together",
    "refuse_existing",
    "remove_suffixes",
    "write_atomically",
    "write_table",
    "write_tensors",
]

#: Formats of astropy by the end of the name of a table's file; JSON is written here.
TABLE_FORMATS = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".fits": "fits", ".json": None}


#: Ends of the names of FITS files, after which that of a compression may stand; in any case.
_SUFFIXES, _COMPRESSIONS = (".fits", ".fts", ".fit"), (".gz", ".fz", ".z", ".bz2", ".xz", ".zip")


def _split_suffixes(name):
    """Return a file's name without its FITS suffixes, and whether it has any."""
    stem, is_fits, changed = name, False, True
    while changed:
        changed = False
        for suffix in (*_SUFFIXES, *_COMPRESSIONS):
            if stem.lower().endswith(suffix) and stem[: -len(suffix)]:
                stem, changed = stem[: -len(suffix)], True
                is_fits |= suffix in _SUFFIXES or suffix == ".fz"
    return stem, is_fits


def remove_suffixes(path) -> str:
    """Return the name of a file without its folder and its FITS suffixes."""
    return _split_suffixes(Path(path).name)[0]


def find_fits(folder) -> list[Path]:
    """
    Find the FITS files in and below a folder, in the order of their paths.

    They end in .fits, .fts or .fit, in capitals or not, and may be compressed (.gz, .fz, .Z, .bz2,
    .xz, .zip); .fz alone, which only FITS files have, is enough.  Linked folders are searched, each
    once; hidden files and folders are not.

    Parameters
    ----------
    folder : path-like
    """
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(place, name) for name in names if not name.startswith("."))
        found += [path for path in paths if _split_suffixes(path.name)[1] and path.is_file()]
    return sorted(found)


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


def refuse_existing(paths, overwrite=False):
    """
    Refuse to write where something is already.

    Parameters
    ----------
    paths : iterable of path-like
    overwrite : bool
        Refuse nothing.

    Raises
    ------
    FileExistsError
        If something is at one of the paths.
    """
    for path in paths:
        if not overwrite and os.path.lexists(path):
            raise FileExistsError(
                f"{path} exists; give --overwrite to replace it, or another name."
            )


def file_sha256(path) -> str:
    """Return the SHA-256 of a file as a hexadecimal number."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_table_path(path):
    """
    Check that `write_table` knows the format of a file.

    Raises
    ------
    ValueError
        If the name does not end as one of `TABLE_FORMATS`.
    """
    if Path(path).suffix.lower() not in TABLE_FORMATS:
        *first, last = TABLE_FORMATS
        raise ValueError(f"The table {path} must end in {', '.join(first)} or {last}; rename it.")


def write_table(table, path):
    """
    Write a table as CSV, ECSV, FITS or JSON, as the end of the file's name says.

    ECSV and FITS keep the units, ECSV all metadata.  JSON holds the table's ``meta``, and in "rows"
    a dictionary for each row, null where masked.

    Parameters
    ----------
    table : `~astropy.table.Table`
    path : path-like

    Raises
    ------
    ValueError
        If the name ends otherwise.
    """
    check_table_path(path)
    form = TABLE_FORMATS[Path(path).suffix.lower()]
    table = table.copy()
    for name in table.colnames:
        table[name].info.format = None  # all digits
    if form is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata that FITS cannot hold
            write_atomically(path, lambda name: table.write(name, format=form, overwrite=True))
        return
    columns = {name: table[name] for name in table.colnames}
    columns = {name: getattr(c, "value", c).tolist() for name, c in columns.items()}
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    content = {**table.meta, "rows": rows}
    text = json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n"
    write_atomically(path, lambda name: Path(name).write_text(text, encoding="utf-8"))


def write_tensors(path, tensors, metadata, *, only_writer=False):
    """
    Write arrays or tensors into a safetensors file, value by value.

    safetensors writes the memory of an array as it lies.  Here every array is first brought into
    the order of C and the byte order of the machine, whatever it is a view of.

    Parameters
    ----------
    path : path-like
    tensors : dict of str to numpy.ndarray or torch.Tensor
        All of one kind.
    metadata : dict of str to str
    only_writer : bool
        As in `write_atomically`.

    Raises
    ------
    TypeError
        If an array is masked: the file has no place for a mask.
    """
    tensors = {name: _lay_out(name, values) for name, values in tensors.items()}
    if any(hasattr(values, "detach") for values in tensors.values()):
        from safetensors.torch import save
    else:
        from safetensors.numpy import save
    # Not by safetensors' save_file, whose errors hide the cause (such as a full disk).
    content = save(tensors, metadata)
    write_atomically(path, lambda name: Path(name).write_bytes(content), only_writer=only_writer)


def _lay_out(name, values):
    """Copy an array or a tensor into memory of its own, in the order of C."""
    import numpy as np

    if hasattr(values, "detach"):
        values = values.detach().cpu().resolve_conj().resolve_neg()
        return values.clone(memory_format=sys.modules["torch"].contiguous_format)
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"The array {name} is masked; fill it with NaN before it is written.")
    values = np.asarray(values)
    return np.array(values, dtype=values.dtype.newbyteorder("="), order="C")
