"""Maps from FITS files."""

from __future__ import annotations

import contextlib
import gzip
import operator
import os
import re
import warnings
from pathlib import Path

import numpy as np
import sunpy.map
from astropy.io import fits
from astropy.io.fits.card import Undefined

from sunpy_superres.files import check_regular
from sunpy_superres.maps.file_frames import (
    MOST_PIXELS,
    find_frames,
    has_time,
    header_of_frame,
)
from sunpy_superres.maps.file_kinds import describe_content, describe_start
from sunpy_superres.maps.headers import list_assumptions, repair_header
from sunpy_superres.maps.magnetogram import check_observable
from sunpy_superres.maps.missing import STORED_CARDS, holds_fill_value
from sunpy_superres.maps.pixel_cards import drop_other_axes
from sunpy_superres.maps.refusals import check_has_keywords, check_is_frame
from sunpy_superres.warning import warn_user

__all__ = ["read_map"]

#: What to do if a frame has times that may be another frame's.
_CORRECT = "Correct date-obs and t_obs in its meta if they are not this frame's."


def read_map(path, instrument=None, *, frame=None):
    """
    Read a magnetogram of MDI or HMI, and repair header defects that sunpy cannot read.

    The Map's HISTORY lists the repairs.

    Parameters
    ----------
    path : path-like
        FITS file, compressed or not; its first frame is read.
    frame : int, optional
        Which frame to read, from 0, of a file that holds several: images, or the planes of a cube.
        Masks, errors and other products beside a frame do not count.  By default the first, with
        a warning.
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
        If it holds anything but a line-of-sight magnetogram of MDI or HMI, or of ``instrument``;
        if ``path`` is no path, or ``frame`` no integer.
    ValueError
        If it is not a readable FITS image, its header does not describe a usable Map, it has no
        such frame, or ``instrument`` is unknown.

    Warns
    -----
    SuperResWarning
        If the file is cut short, its data contradict its DATASUM card, it holds several frames
        and ``frame`` does not say which, the frame is a later plane of a cube or an image without
        a time of its own, or ``instrument`` is "MDI" and the header names no instrument.
    """
    path, frame = _as_path(path), _as_number(frame)
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


def _as_path(path):
    """Return a path, or refuse anything else."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            f"read_map needs the path of one FITS file, not {type(path).__name__}; give its name, "
            "and several files one after the other."
        )
    return Path(path)


def _as_number(frame):
    """Return the number of a frame as an int, or refuse anything but an integer and None."""
    if frame is None:
        return None
    if not isinstance(frame, bool | np.bool_):
        with contextlib.suppress(TypeError):
            return operator.index(frame)
    raise TypeError(f"frame must be an integer, such as 0 for the first frame, not {frame!r}.")


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
        if value is not None and str(first) != str(value) and first != value:
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
    kind = describe_start(path)
    if kind:
        raise ValueError(f"{path} is not a readable FITS image: {kind}.")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            data, header, intact, number, notes = _read_image(path, frame)
        except _NoSuchFrame as error:
            count = error.args[0]
            raise ValueError(
                f"{path} holds {count} frame{'s' * (count > 1)}, numbered from 0, and frame is "
                f"{frame}; give one of 0 to {count - 1}."
            ) from None
        except Exception as error:  # astropy and its decompressors raise a dozen kinds
            held = describe_content(path)
            if held:
                raise ValueError(f"{path} is not a readable FITS image: {held}.") from error
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
    warn_user(*notes)
    return data, header


class _NoSuchFrame(Exception):
    """The number of frames of a file that has none of the number that was asked for."""


def _read_image(path, frame):
    """
    Read a frame.

    Also return whether the data agree with the checksum in the file, the number of frames, and
    sentences if the time in the header may not be that of this frame.
    """
    _check_gzip(path)
    with fits.open(path) as file:
        frames = find_frames(file)
        if not 0 <= (frame or 0) < len(frames):
            raise _NoSuchFrame(len(frames))
        number, plane = frames[frame or 0]
        image = file[number]
        image.verify("silentfix+ignore")
        if np.prod(image.shape, dtype=np.float64) > MOST_PIXELS:
            raise ValueError(f"an image of {' x '.join(map(str, image.shape[::-1]))} pixels")
        data, notes = _read_pixels(image), []
        header = header_of_frame(file, number, frames[0][0])
        if plane is not None:
            data = data.reshape(-1, *data.shape[-2:])[plane]
        if plane:
            notes.append(
                f"Frame {frame} of {path} is plane {plane + 1} of a cube, whose header is that of "
                f"all planes: the Map has the times of the header. {_CORRECT}"
            )
        elif number != frames[0][0] and not has_time(image.header):
            notes.append(
                f"Frame {frame} of {path} (HDU {number}) has no time of its own: the Map has the "
                f"times of the first frame, and what else its header lacks. {_CORRECT}"
            )
        # Older versions of astropy verify another header of a compressed image, not this one.
        for card in header.cards:
            card.verify("silentfix+ignore")
    with fits.open(path, disable_image_compression=True) as file:
        # verify_datasum returns 2 without a checksum, and 0 if it disagrees.
        intact = "DATASUM" not in file[number].header or file[number].verify_datasum() != 0
    return data, header, intact, len(frames), notes


def _read_pixels(image):
    """Read the data of an image, NaN where integers hold BLANK; astropy passes over one of 0."""
    cards = {name: image.header.get(name) for name in STORED_CARDS}  # lost once the data are read
    is_integer = image.header["BITPIX"] > 0
    data = np.array(image.data)
    if is_integer and data.dtype.kind == "f":
        data[holds_fill_value(cards, data)] = np.nan
    return data


def _check_gzip(path):
    """Read a gzip file to its end, where its checksum is: astropy stops at the last pixel."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return
    with gzip.open(path) as file:
        while file.read(2**20):
            pass
