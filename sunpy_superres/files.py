"""Maps to and from FITS files; files appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import sunpy.map
from astropy.io import fits

from sunpy_superres.headers import repaired
from sunpy_superres.magnetogram import check_observable

__all__ = ["read_map", "write_whole"]


def read_map(path, instrument="MDI"):
    """
    Read a magnetogram, mending the header defects that sunpy stumbles over.

    Parameters
    ----------
    path : path-like
        FITS file; compressed or not; the first image in it is taken.
    instrument : {"MDI", "HMI"}
        Whose magnetogram it has to be.

    Returns
    -------
    `~sunpy.map.GenericMap`

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If it holds something else than a line-of-sight magnetogram of the instrument.
    ValueError
        If it is no readable FITS image, or its header describes no usable Map.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}; check the path.")
    try:
        with fits.open(path) as file:
            file.verify("silentfix+ignore")
            images = [hdu for hdu in file if hdu.is_image and hdu.data is not None]
            if not images:
                raise ValueError("no image in it")
            data, header = np.array(images[0].data), images[0].header
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path} is not a readable FITS image ({error}); download it again."
        ) from error
    meta = {k.lower(): v for k, v in header.items() if k not in ("HISTORY", "COMMENT", "")}
    for name in ("HISTORY", "COMMENT"):
        if name in header:
            meta[name.lower()] = "\n".join(str(line) for line in header[name])
    check_observable(meta, instrument)
    meta, _ = repaired(meta)
    try:
        smap = sunpy.map.Map(data, meta)
    except Exception as error:  # sunpy raises many kinds, all about the header
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"The header of {path} describes no usable Map ({first}); mend its cards."
        ) from error
    if not isinstance(smap, sunpy.map.GenericMap):
        raise ValueError(f"{path} does not hold one image; give a file with one magnetogram.")
    return smap


def write_whole(path, write):
    """
    Let ``write`` make a file beside ``path``, then move it there in one step.

    Parameters
    ----------
    path : path-like
    write : callable
        ``write(temporary_path)``.
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=".part-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    try:
        write(name)
        with Path(name).open("rb") as file:
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
