"""Results on disk: how they are named, written, stamped, checked and drawn."""

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

import numpy as np
import psutil
import sunpy.map
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from PIL import Image

from sunpy_superres.files import move_together, remove_suffixes, write_atomically
from sunpy_superres.maps.plotting import plot_result
from sunpy_superres.super_resolution import SuperResolution

__all__ = [
    "Stamp",
    "clean_up_leftovers",
    "has_result_name",
    "is_intact",
    "name_outputs",
    "open_partial_folder",
    "read_stamp",
    "refuse_to_replace",
    "remove_leftovers",
    "save_picture",
    "save_result",
]

#: Quantisation step in Gauss of a compressed file: under a tenth of HMI's noise of 6 G for the
#: field, and finer for the uncertainty, which is smooth.
_STEPS = {"hmi_like": 0.5, "uncertainty": 0.1}
#: FITS card, and text chunk of a PNG file, that hold the stamp.
_CARD = "srstamp"


def name_outputs(folder, stem, plot=False) -> dict[str, Path]:
    """
    Name the files of a result.

    Parameters
    ----------
    folder : path-like
    stem : str
        Beginning of the names; it may have folders.
    plot : bool
        Name a picture too.

    Returns
    -------
    dict
        Paths by kind: "hmi_like", "uncertainty" and, if asked for, "plot".
    """
    outputs = {kind: Path(folder) / f"{stem}_{kind}.fits" for kind in _STEPS}
    return outputs | ({"plot": Path(folder) / f"{stem}.png"} if plot else {})


def has_result_name(path) -> bool:
    """Return whether a file has the name of a result, or lies in a folder of unfinished ones."""
    path = Path(path)
    return any(remove_suffixes(path).endswith("_" + kind) for kind in _STEPS) or any(
        parent.name.startswith(".part-") for parent in path.parents
    )


class Stamp(str):
    """One short hash of everything that decides a result: input, model and settings."""

    @classmethod
    def of(cls, source_sha256, model_sha256, settings) -> Stamp:
        """
        Work out the stamp of a result.

        Parameters
        ----------
        source_sha256, model_sha256 : str
        settings : dict
            Its values can be written as JSON.
        """
        text = json.dumps([source_sha256, model_sha256, settings], sort_keys=True)
        return cls(hashlib.sha256(text.encode()).hexdigest()[:32])


def read_stamp(path):
    """
    Read the stamp of a result or of a picture, even if the rest of the file is damaged.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    str or None
        None if the file has no readable stamp: it does not exist, another program wrote it, or
        its header is damaged.
    """
    if not path.is_file():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path.suffix == ".png":
                with Image.open(path) as image:
                    return image.info.get(_CARD)
            with fits.open(path, disable_image_compression=True) as file:
                return file[1].header.get(_CARD)
    except Exception:  # a damaged file makes astropy and Pillow raise a dozen kinds
        return None


def is_intact(path, stamp=None) -> bool:
    """
    Return whether a file is a result, or its picture, and undamaged.

    Parameters
    ----------
    path : pathlib.Path
    stamp : Stamp, optional
        The stamp that it must carry; any, by default.
    """
    found = read_stamp(path)
    if found is None or stamp not in (None, found):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", AstropyUserWarning)  # a checksum that is wrong
            if path.suffix == ".png":
                with Image.open(path) as image:
                    image.verify()
                return True
            with fits.open(path, checksum=True, disable_image_compression=True) as file:
                return "CHECKSUM" in file[1].header and file[1].data is not None
    except (OSError, SyntaxError, ValueError, TypeError, IndexError, Warning):
        return False


def refuse_to_replace(outputs, stamp):
    """
    Refuse to replace a file that does not carry the stamp of the new result.

    Such a file may be of another program, or a result of another input, model or other settings.
    A damaged file is not replaced either, unless its stamp is still readable and the same.

    Parameters
    ----------
    outputs : dict
        From `name_outputs`.
    stamp : Stamp

    Raises
    ------
    FileExistsError
        If there is such a file at one of the paths.
    """
    for path in outputs.values():
        found = read_stamp(path)
        if found == stamp or not os.path.lexists(path):
            continue
        reason = (
            "is not a result of this package, or is too damaged to tell"
            if found is None
            else "was made from another input, model or settings"
        )
        raise FileExistsError(
            f"{path} exists and {reason}; give --overwrite (overwrite=True in Python) to replace "
            "it, or another folder."
        )


def _compressed_image(kind, lossless, seed):
    """Return the constructor of a tiled, compressed FITS image."""
    how = {"compression_type": "GZIP_2", "quantize_level": 0.0}
    if not lossless:
        how = {
            "compression_type": "RICE_1",
            "quantize_level": -_STEPS[kind],
            "quantize_method": 1,  # subtractive dither: no steps in a smooth field
            "dither_seed": 1 + seed % 10000,
        }
    return functools.partial(fits.CompImageHDU, **how)


def save_result(outputs, result, stamp, *, lossless=False, overwrite=False):
    """
    Write both Maps of a result; no reader ever finds half of a file.

    The uncertainty appears last.

    Parameters
    ----------
    outputs : dict
        From `name_outputs`.
    result : `~sunpy_superres.SuperResolution`
    stamp : Stamp
    lossless : bool
        Keep each bit; by default the field is quantised in steps of 0.5 G and the uncertainty in
        steps of 0.1 G.
    overwrite : bool
        Replace any file at these paths.

    Raises
    ------
    FileExistsError
        If `refuse_to_replace` raises it; another process may have written a file meanwhile.
    """
    writers = {}
    for kind in _STEPS:
        smap = getattr(result, kind)
        smap = sunpy.map.Map(smap.data, dict(smap.meta, **{_CARD: str(stamp)}))
        hdu_type = _compressed_image(kind, lossless, int(smap.meta["srseed"]))
        writers[kind] = functools.partial(_save_with_checksums, smap, hdu_type)
    _write_together({kind: outputs[kind] for kind in writers}, writers, stamp, overwrite)


def _save_with_checksums(smap, hdu_type, name):
    """Save a Map with the checksums of the FITS standard; the same Map gives the same bytes."""
    smap.save(name, hdu_type=hdu_type, overwrite=True)
    _remove_clock(name)
    with fits.open(name, mode="update", disable_image_compression=True) as file:
        for hdu in file:
            # This replaces astropy's comment, which holds the time of writing.
            hdu.add_checksum(when="checksum")


def _remove_clock(name):
    """Set the time of writing in the gzip headers of compressed tiles to zero, "not known"."""
    places = []
    with fits.open(name, disable_image_compression=True, memmap=False) as file:
        for hdu in file[1:]:
            raw, header = hdu.data.view(np.ndarray), hdu.header
            heap = header.get("THEAP", header["NAXIS1"] * header["NAXIS2"])
            for column in hdu.columns:
                if column.format.lstrip("01")[:2] in ("PB", "QB"):
                    start = hdu.fileinfo()["datLoc"] + heap
                    places += [start + int(at) for size, at in raw[column.name] if size]
    with Path(name).open("r+b") as file:
        for place in places:
            file.seek(place)
            if file.read(3) == b"\x1f\x8b\x08":
                file.seek(place + 4)
                file.write(bytes(4))


def save_picture(outputs, mdi_map, stamp, *, overwrite=False):
    """
    Draw a result, from its files, as a PNG file that carries the stamp in a text chunk.

    Parameters
    ----------
    outputs : dict
        From `name_outputs`, with "plot".
    mdi_map : `~sunpy.map.GenericMap`
        Input of the result.
    stamp : Stamp
    overwrite : bool
        Replace any file at this path.

    Raises
    ------
    FileExistsError
        If `refuse_to_replace` raises it.
    """
    result = SuperResolution(*(sunpy.map.Map(outputs[kind]) for kind in _STEPS))
    save = functools.partial(
        plot_result(mdi_map, result).savefig, dpi=110, format="png", metadata={_CARD: str(stamp)}
    )
    _write_together({"plot": outputs["plot"]}, {"plot": save}, stamp, overwrite)


def _write_together(outputs, writers, stamp, overwrite):
    """Write files beside their final places, then move all of them there."""
    folder = next(iter(outputs.values())).parent
    with open_partial_folder(folder) as partial:
        written = {kind: partial / path.name for kind, path in outputs.items()}
        for kind, path in written.items():
            write_atomically(path, writers[kind])
        move_together(
            list(written.values()),
            list(outputs.values()),
            check=None if overwrite else functools.partial(refuse_to_replace, outputs, stamp),
        )
        _sync(folder)


def _sync(folder):
    """Make sure that the names of a folder's files are on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def open_partial_folder(folder):
    """Make a folder for unfinished files, with a name for `remove_leftovers`; remove it after."""
    prefix = f".part-{socket.gethostname()}-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=folder) as partial:
        yield Path(partial)


@contextlib.contextmanager
def clean_up_leftovers(folders):
    """
    Leave no temporary folder behind, even if a signal comes while one is made or removed.

    Parameters
    ----------
    folders : iterable of path-like
        Folders of the results.
    """
    folders = list(folders)
    for folder in folders:
        remove_leftovers(folder)
    try:
        yield
    except KeyboardInterrupt:
        for folder in folders:
            remove_leftovers(folder, own=True)
        raise


def remove_leftovers(folder, own=False):
    """
    Remove temporary folders whose processes, on this machine, have ended.

    Parameters
    ----------
    folder : path-like
        Folder of the results.
    own : bool
        Remove those of this process as well, because it is about to end.
    """
    start = f".part-{socket.gethostname()}-"
    for path in Path(folder).glob(f"{start}*"):
        number = path.name.removeprefix(start).split("-")[0]
        if not number.isdigit():
            continue
        ended = own if int(number) == os.getpid() else not psutil.pid_exists(int(number))
        if ended:
            shutil.rmtree(path, ignore_errors=True)
