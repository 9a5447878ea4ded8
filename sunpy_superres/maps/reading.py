"""Maps from FITS files."""

from __future__ import annotations

import gzip
import itertools
import re
import warnings
from pathlib import Path

import numpy as np
import sunpy.map
from astropy.io import fits
from astropy.io.fits.card import Undefined

from sunpy_superres.files import check_regular
from sunpy_superres.maps.headers import list_assumptions, repair_header
from sunpy_superres.maps.magnetogram import check_observable
from sunpy_superres.maps.pixel_cards import drop_other_axes
from sunpy_superres.maps.refusals import check_has_keywords, check_is_frame
from sunpy_superres.warning import warn_user

__all__ = ["read_map"]

#: Cards of the time of a frame.
_TIMES = (
    "DATE-OBS", "DATE_OBS", "T_OBS", "T_REC", "DATE-AVG", "DATE-BEG", "DATE-END", "MJD-OBS",
    "MJD-AVG", "MJD-BEG",
)  # fmt: skip
#: Largest number of pixels of an image (HMI's has 2^24), since a damaged header may give any.
_MOST_PIXELS = 2**28


def read_map(path, instrument=None, *, frame=None):
    """
    Read a magnetogram of MDI or HMI, and repair header defects that sunpy cannot read.

    The Map's HISTORY lists the repairs.

    Parameters
    ----------
    path : path-like
        FITS file, compressed or not; its first image is read.
    frame : int, optional
        Which frame to read, from 0, of a file that holds several: images with a time of their own,
        or the planes of a cube.  By default the first, with a warning.
    instrument : {"MDI", "HMI"}, optional
        Refuse a magnetogram of the other instrument.  By default both are accepted.

    Returns
    -------
    `~sunpy.map.GenericMap`

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    TypeError
        If it holds anything but a line-of-sight magnetogram of MDI or HMI, or of ``instrument``.
    ValueError
        If it is not a readable FITS image, its header does not describe a usable Map, it has no
        such frame, or ``instrument`` is unknown.

    Warns
    -----
    SuperResWarning
        If the file is cut short, its data contradict its DATASUM card, it holds several frames
        and ``frame`` does not say which, the frame is a later plane of a cube, or ``instrument``
        is "MDI" and the header names no instrument.
    """
    path = Path(path)
    check_regular(path)
    data, header = _first_image(path, frame)
    meta, repeated = _as_meta(header)
    drop_other_axes(meta)
    check_has_keywords(meta, str(path))
    warn_user(*repeated, *check_observable(meta, instrument, path.name))
    meta, changes = repair_header(meta)
    warn_user(*list_assumptions(changes))
    # super_resolve finds nothing to repair in this Map, but keeps the history of its input.
    if changes:
        before = [meta["history"]] if meta.get("history") else []
        meta["history"] = "\n".join([*before, *(f"input header repaired: {c}" for c in changes)])
    try:
        smap = sunpy.map.Map(data, meta)
    except Exception as error:  # sunpy raises many kinds, all about the header
        check_is_frame(meta, data.shape[-1])
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"The header of {path} describes no usable Map ({first}); correct its cards."
        ) from error
    if not isinstance(smap, sunpy.map.GenericMap):
        raise ValueError(f"{path} does not hold one image; give a file with one magnetogram.")
    return smap


def _as_meta(header):
    """
    Make the metadata of a Map from a header, as sunpy does, and notes on cards that occur twice.

    Of such cards the first counts, which FITS leaves open: astropy and sunpy take it too.
    """
    meta, comments, notes = {}, {}, []
    for card in header.cards:
        name, value = card.keyword, None if isinstance(card.value, Undefined) else card.value
        if name in ("HISTORY", "COMMENT", ""):
            continue
        if card.comment:
            comments[name] = card.comment
        first = meta.setdefault(name.lower(), value)
        if str(first) != str(value):
            notes.append(
                f"{name} occurs twice, as {first!r} and as {value!r}; the first is used, as in "
                "astropy and sunpy. Delete the wrong one."
            )
    for name in ("COMMENT", "HISTORY"):
        meta[name.lower()] = "\n".join(str(line) for line in header.get(name, ())).strip()
    meta["keycomments"] = comments
    unit = re.match(r"\[(\w+)\]", comments.get("WAVELNTH", ""))
    if unit:
        meta.setdefault("waveunit", unit[1])
    return meta, notes


def _first_image(path, frame):
    """Read data and header of a frame in a FITS file, by default of the first."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            data, header, intact, number, plane = _read_image(path, frame)
        except _NoSuchFrame as error:
            count = error.args[0]
            raise ValueError(
                f"{path} holds {count} frame{'s' * (count > 1)}, numbered from 0, and frame is "
                f"{frame}; give one of 0 to {count - 1}."
            ) from None
        except Exception as error:  # astropy and its decompressors raise a dozen kinds
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise ValueError(
                f"{path} is not a readable FITS image ({reason[0]}); download it again."
            ) from error
    if any("truncated" in str(w.message) for w in caught):
        intact = False
    if not intact:
        warn_user(
            f"{path} is cut short, or its data are not those of its DATASUM card: it is damaged, "
            "or was changed after it was written. Download it again."
        )
    if number > 1 and frame is None:
        warn_user(
            f"{path} holds {number} frames, and the first is taken; read another by "
            "read_map(path, frame=1), and so on, and give super_resolve each of them."
        )
    if plane:
        warn_user(
            f"Frame {frame} of {path} is plane {plane + 1} of a cube, whose header is that of all "
            "planes: the Map has the times of the header. Correct date-obs and t_obs in its meta "
            "if they are not this plane's."
        )
    return data, header


class _NoSuchFrame(Exception):
    """The number of frames of a file that has none of the number that was asked for."""


def _read_image(path, frame):
    """
    Read a frame.

    Also return whether the data agree with the checksum in the file, the number of frames, and the
    number of the plane (None if the image is flat).
    """
    _check_gzip(path)
    with fits.open(path) as file:
        frames = _find_frames(file)
        if not 0 <= (frame or 0) < len(frames):
            raise _NoSuchFrame(len(frames))
        number, plane = frames[frame or 0]
        image = file[number]
        image.verify("silentfix+ignore")
        if np.prod(image.shape, dtype=np.float64) > _MOST_PIXELS:
            raise ValueError(f"an image of {' x '.join(map(str, image.shape[::-1]))} pixels")
        data, header = np.array(image.data), image.header
        if plane is not None:
            data = data.reshape(-1, *data.shape[-2:])[plane]
        # Older versions of astropy verify another header of a compressed image, not this one.
        for card in header.cards:
            card.verify("silentfix+ignore")
    with fits.open(path, disable_image_compression=True) as file:
        # verify_datasum returns 2 without a checksum, and 0 if it disagrees.
        intact = "DATASUM" not in file[number].header or file[number].verify_datasum() != 0
    return data, header, intact, len(frames), plane


def _find_frames(file):
    """
    Find the frames of a file, as the number of an HDU and of a plane of it (None if it is flat).

    Images after the first, such as masks, count if they have a time of their own.
    """
    first, _ = _find_image(file)
    hdus, number = [first], first
    while True:
        try:
            number, other = _find_image(file, number + 1)
        except Exception:  # the end of the file, or what follows the first image is damaged
            break
        if len(other.shape) > 1 and set(_TIMES) & set(other.header):
            hdus.append(number)
    frames = []
    for number in hdus:
        shape = file[number].shape
        planes = [None] if len(shape) < 3 else range(int(np.prod(shape[:-2])))
        frames += [(number, plane) for plane in planes]
    return frames


def _check_gzip(path):
    """Read a gzip file to its end, where its checksum is: astropy stops at the last pixel."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return
    with gzip.open(path) as file:
        while file.read(2**20):
            pass


def _find_image(file, start=0):
    """Find an image and its number, and refuse an HDU that ends before it starts."""
    end = 0
    for number in itertools.count(start):
        try:
            hdu = file[number]
        except IndexError:
            raise ValueError("no image in it") from None
        info = hdu.fileinfo()
        if info["datLoc"] < end or info["datSpan"] < 0:
            # astropy would read the same HDU over and over.
            raise ValueError("an HDU of negative length")
        end = info["datLoc"] + info["datSpan"]
        if hdu.is_image and 0 not in (hdu.shape or [0]):
            return number, hdu
