"""What a file is that is no FITS file with an image."""

from __future__ import annotations

import warnings
import zipfile

from astropy.io import fits

__all__ = ["describe_content", "describe_start"]

_ARRAY = "give sunpy.map.Map(array, header) the array and the frame's header"
_PICTURE = "a picture has no field in Gauss; give the FITS file of the frame"
_CONVERT = "give the FITS file of the frame, or write one of its array and header"
#: How files begin, what they are, and what to do with them.
_KINDS = (
    (b"\x93NUMPY", "an array of numpy", _ARRAY),
    (b"\x89HDF", "an HDF5 or netCDF file", _CONVERT),
    (b"CDF\x01", "a netCDF file", _CONVERT),
    (b"CDF\x02", "a netCDF file", _CONVERT),
    (b"#ASDF", "an ASDF file", "read the Map in it with asdf.open(file)"),
    (b"SR\x00", "a save file of IDL", _CONVERT),
    (b"\x89PNG", "a PNG picture", _PICTURE),
    (b"\xff\xd8\xff", "a JPEG picture", _PICTURE),
    (b"GIF8", "a GIF picture", _PICTURE),
    (b"\x00\x00\x00\x0cjP", "a JPEG 2000 picture", _PICTURE),
    (b"%PDF", "a PDF document", "give the FITS file of the frame"),
    (b"\x80\x04", "a pickle of Python", _CONVERT),
    (b"\x80\x05", "a pickle of Python", _CONVERT),
)


def describe_start(path) -> str | None:
    """
    Say what a file is that does not begin as a FITS file, or a compressed one, does.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    str or None
        What it is, and what to do; None for all other files.
    """
    with path.open("rb") as file:
        start = file.read(32)
    for begins, kind, advice in _KINDS:
        if start.startswith(begins):
            return f"it is {kind}; {advice}"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "it is a web page, perhaps with an error message; read it, and download it again"
    if start.startswith(b"PK") and _holds_arrays(path):
        return f"it is a file of several numpy arrays; {_ARRAY}"
    return None


def describe_content(path) -> str | None:
    """
    Say what a FITS file holds that has no image.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    str or None
        What it holds, and what to do; None for one that has an image, or may be damaged.
    """
    try:
        with warnings.catch_warnings(), fits.open(path) as file:
            warnings.filterwarnings("error", message=".*truncated")
            hdus = list(file)
            empty = [hdu for hdu in hdus if hdu.is_image and not hdu.shape]
            tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
            names = ", ".join(hdu.name or "without a name" for hdu in tables)
    except Exception:  # damaged, or another kind of file
        return None
    if len(hdus) > len(empty) + len(tables):
        return None
    held = f"a table ({names})" if tables else "a header"
    return f"there is no image in it, only {held}; give the file of the frame"


def _holds_arrays(path):
    """Return whether a zip file is one of numpy, and not of a FITS file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False
