"""What a file is that is no FITS file with an image."""

from __future__ import annotations

from astropy.io import fits

__all__ = ["describe_kind"]

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


def describe_kind(path) -> str | None:
    """
    Say what a file is that is no FITS file with an image.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    str or None
        What it is, and what to do; None for one that may be a damaged FITS file.
    """
    with path.open("rb") as file:
        start = file.read(32)
    for begins, kind, advice in _KINDS:
        if start.startswith(begins):
            return f"it is {kind}; {advice}"
    try:
        with fits.open(path) as file:
            tables = [hdu.name or "without a name" for hdu in file if _is_table(hdu)]
    except Exception:  # damaged, or another kind of file
        return None
    if not tables:
        return None
    return f"it holds only a table ({', '.join(tables)}) and no image; give the file of the frame"


def _is_table(hdu):
    """Return whether an HDU is a table, and not a compressed image."""
    return isinstance(hdu, fits.BinTableHDU | fits.TableHDU)
