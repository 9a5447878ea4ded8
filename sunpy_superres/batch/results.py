"""Results on disk: compressed, stamped with what they were made from, and checked."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import socket
import tempfile
import warnings
from pathlib import Path

import psutil
import sunpy.map
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from sunpy_superres.files import move_together, write_atomically

__all__ = [
    "Stamp",
    "is_result",
    "is_whole",
    "output_paths",
    "partial_folder",
    "refuse_other",
    "clean_up_leftovers",
    "remove_leftovers",
    "save_result",
]

#: Gauss of one step of a compressed file: under a tenth of HMI's noise of 6 G and, for the
#: uncertainty, which is smooth, a tenth of a Gauss.
_STEPS = {"hmi_like": 0.5, "uncertainty": 0.1}
#: Card that holds the stamp.
_CARD = "srstamp"
_SUFFIXES = (".gz", ".fz", ".fits", ".fts", ".fit")


def file_stem(path) -> str:
    """Name of a file without its FITS suffixes."""
    name = Path(path).name
    for suffix in _SUFFIXES:
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name


def output_paths(folder, stem) -> dict[str, Path]:
    """Paths of the two Maps of a result."""
    return {kind: Path(folder) / f"{stem}_{kind}.fits" for kind in _STEPS}


class Stamp(str):
    """What a result follows from: input, model and settings, as one short hash."""

    @classmethod
    def of(cls, source_sha256, model_sha256, settings) -> Stamp:
        """
        The stamp of a result to be made.

        Parameters
        ----------
        source_sha256, model_sha256 : str
        settings : dict
            Ready for JSON.
        """
        text = json.dumps([source_sha256, model_sha256, settings], sort_keys=True)
        return cls(hashlib.sha256(text.encode()).hexdigest()[:32])


def _compressed(kind, lossless, seed):
    """Constructor of a tiled, compressed image."""
    how = {"compression_type": "GZIP_2", "quantize_level": 0.0}
    if not lossless:
        how = {
            "compression_type": "RICE_1",
            "quantize_level": -_STEPS[kind],
            "quantize_method": 1,  # subtractive dither: no steps in a smooth field
            "dither_seed": 1 + seed % 10000,
        }
    return functools.partial(fits.CompImageHDU, **how)


def is_result(path) -> bool:
    """Whether a file is, by its name, a result or a part of one, and so no input."""
    path = Path(path)
    return any(file_stem(path).endswith("_" + kind) for kind in _STEPS) or any(
        parent.name.startswith(".part-") for parent in path.parents
    )


def refuse_other(outputs, stamp):
    """
    Raise where a whole result of another input, model or settings would be replaced.

    Parameters
    ----------
    outputs : dict
        Of `output_paths`.
    stamp : Stamp

    Raises
    ------
    FileExistsError
    """
    for path in outputs.values():
        if is_whole(path) and not is_whole(path, stamp):
            raise FileExistsError(
                f"{path} was made from another input, model or settings; "
                "give overwrite, or another folder."
            )


def save_result(outputs, result, stamp, *, lossless=False, overwrite=False):
    """
    Write both Maps of a result: each appears whole, the uncertainty last.

    Parameters
    ----------
    outputs : dict
        Of `output_paths`.
    result : `~sunpy_superres.SuperResolution`
    stamp : Stamp
    lossless : bool
        Keep each bit; else quantised in steps of 0.5 G, and of 0.1 G for the uncertainty.
    overwrite : bool
        Replace a result of another input, model or settings.

    Raises
    ------
    FileExistsError
        As `refuse_other`; another process may have written it meanwhile.
    """
    folder = outputs["hmi_like"].parent
    with partial_folder(folder) as partial:
        for kind, path in outputs.items():
            smap = getattr(result, kind)
            smap = sunpy.map.Map(smap.data, dict(smap.meta, **{_CARD: str(stamp)}))
            hdu = _compressed(kind, lossless, int(smap.meta["srseed"]))
            write_atomically(
                partial / path.name,
                lambda name, smap=smap, hdu=hdu: smap.save(
                    name, hdu_type=hdu, checksum=True, overwrite=True
                ),
            )
        move_together(
            [partial / path.name for path in outputs.values()],
            list(outputs.values()),
            check=None if overwrite else functools.partial(refuse_other, outputs, stamp),
        )
        _sync(folder)


def _sync(folder):
    """Have the names of a folder's files on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_whole(path, stamp=None) -> bool:
    """
    Whether a file is a result that nothing has happened to since it was written.

    Parameters
    ----------
    path : path-like
    stamp : Stamp, optional
        That it must carry.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", AstropyUserWarning)  # a checksum that is wrong
            with fits.open(path, checksum=True, disable_image_compression=True) as file:
                header = file[1].header
                complete = "CHECKSUM" in header and file[1].data is not None
    except (OSError, ValueError, TypeError, IndexError, Warning):
        return False
    return complete and (stamp is None or header.get(_CARD) == stamp)


@contextlib.contextmanager
def partial_folder(folder):
    """A folder in another one that is gone at the end; `remove_leftovers` knows it by its name."""
    prefix = f".part-{socket.gethostname()}-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=folder) as partial:
        yield Path(partial)


@contextlib.contextmanager
def clean_up_leftovers(folder):
    """
    A command's work in a folder: no temporary folder is left, wherever a signal strikes.

    One may come while a temporary folder is being made or removed.

    Parameters
    ----------
    folder : path-like
    """
    remove_leftovers(folder)
    try:
        yield
    except KeyboardInterrupt:
        remove_leftovers(folder, own=True)
        raise


def remove_leftovers(folder, own=False):
    """
    Remove temporary folders of processes of this machine that are no more.

    Parameters
    ----------
    folder : path-like
    own : bool
        Of this process as well, which is about to end.
    """
    start = f".part-{socket.gethostname()}-"
    for path in Path(folder).glob(f"{start}*"):
        number = path.name.removeprefix(start).split("-")[0]
        if not number.isdigit():
            continue
        ended = own if int(number) == os.getpid() else not psutil.pid_exists(int(number))
        if ended:
            shutil.rmtree(path, ignore_errors=True)
