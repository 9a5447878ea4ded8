"""Sentences for inputs that are something else than one frame, and the way that leads on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.io import fits
from sunpy.map import CompositeMap, MapSequence

from sunpy_superres.instruments import MDI
from sunpy_superres.maps.cards import is_missing

__all__ = [
    "check_has_keywords",
    "check_has_pixels",
    "check_is_frame",
    "check_is_map",
    "describe_scale",
    "explain_scale",
    "format_scale",
    "way_to_a_map",
]

#: Cards of which a header has at least one if it describes its data at all.
_TELLING = (
    "ctype1 ctype2 crpix1 cdelt1 cd1_1 pc1_1 crval1 telescop instrume camera content bunit "
    "date-obs date_obs t_obs t_rec xcen solar_r"
).split()
#: Words for charts of the whole Sun in CONTENT and in the cards of older headers.
_CHARTS = ("synoptic", "carrington chart", "synchronic", "carrington map")
#: Degrees of longitude that no single frame shows.
_WHOLE_SUN = 190.0
#: Arcsec per pixel of MDI's high-resolution mode.
_HIGH_RESOLUTION = 0.605
#: Arcsec per pixel between which frames are, binned and interpolated ones too.
_POSSIBLE = (0.1, 130.0)
#: Units in which programs write CDELT.
_UNITS = (u.arcsec, u.arcmin, u.deg, u.rad)


def check_is_map(thing, function="super_resolve"):
    """
    Refuse anything but a Map, in a sentence that says how to make one of it.

    Parameters
    ----------
    thing : object
    function : str
        Name of the function that wants a Map.

    Raises
    ------
    TypeError
        If it is not a `~sunpy.map.GenericMap`.
    ValueError
        If it has no pixels.
    """
    if isinstance(thing, sunpy.map.GenericMap):
        check_has_pixels(thing)
        return
    name = type(thing).__name__
    raise TypeError(f"{function} needs a sunpy Map, not {name}; {way_to_a_map(thing, function)}.")


def check_has_pixels(smap):
    """
    Refuse a Map without pixels.

    Raises
    ------
    ValueError
    """
    if 0 in smap.data.shape:
        raise ValueError(
            f"The Map has no pixels (shape {smap.data.shape}); check the corners of the submap, "
            "or the file."
        )


def way_to_a_map(thing, function="super_resolve") -> str:
    """
    Say how to make a Map of something else, or where it has one.

    Parameters
    ----------
    thing : object
    function : str
        Name of what wants a Map.

    Returns
    -------
    str
        A clause for an error.
    """
    if isinstance(thing, str | os.PathLike):
        return f"read the file with sunpy_superres.read_map({os.fspath(thing)!r})"
    if hasattr(thing, "hmi_like"):
        return "this is a result of super_resolve; its Maps are .hmi_like and .uncertainty"
    if _is_header(thing):
        return "a header has no pixels; make a Map of both with sunpy.map.Map(data, header)"
    if isinstance(thing, list | tuple) and any(_is_header(part) for part in thing):
        return "make a Map of data and header with sunpy.map.Map(data, header)"
    if isinstance(thing, fits.HDUList):
        return "read the file with sunpy_superres.read_map(file)"
    several = isinstance(thing, list | tuple | set | dict | MapSequence | CompositeMap)
    several = several or hasattr(thing, "__next__")
    if several and function != "super_resolve":
        return "give one Map after the other"
    if several:
        first = next(iter(thing), None) if isinstance(thing, list | tuple) else None
        if isinstance(first, str | os.PathLike):
            return "for several files use sunpy_superres.batch.super_resolve_files"
        return (
            "for several Maps use sunpy_superres.batch.super_resolve_sequence (super_resolve_maps)"
        )
    if isinstance(thing, np.ndarray):
        return (
            "an array does not say where on the Sun it lies; make a Map with "
            "sunpy.map.Map(array, header), or from a file with sunpy.map.Map(file)"
        )
    if hasattr(thing, "wcs") and hasattr(thing, "data"):
        return (
            "make a Map of its data and the frame's header with sunpy.map.Map(cube.data, header), "
            "or of the file with sunpy.map.Map(file)"
        )
    if hasattr(thing, "header") and hasattr(thing, "data"):
        return "make one with sunpy.map.Map(hdu.data, hdu.header), or with sunpy.map.Map(file)"
    return "make one with sunpy.map.Map(file)"


def _is_header(thing):
    """Return whether something is the header of a frame, and not a dictionary of Maps."""
    if isinstance(thing, fits.Header):
        return True
    names = {str(name).lower() for name in thing} if isinstance(thing, Mapping) else set()
    return bool(names & {*_TELLING, "naxis", "naxis1", "simple"})


def check_has_keywords(meta, name="The Map"):
    """
    Refuse a header without a single card about its data.

    Parameters
    ----------
    meta : dict-like
        FITS cards, lower-case names.
    name : str
        What has the header, for the message.

    Raises
    ------
    ValueError
        If it has none, as files that JSOC exports as they are stored.
    """
    if not any(str(meta.get(card, "")).strip() for card in _TELLING):
        raise ValueError(
            f"{name} has no keywords that say what, where and when it shows. JSOC's exports "
            "'as-is' have none, and so do image extensions beside the first; export the record "
            "again with its keywords (protocol='fits' in drms and sunpy.net.jsoc)."
        )


def check_is_frame(meta, columns):
    """
    Refuse a chart of the whole Sun, and a result of this package.

    Parameters
    ----------
    meta : dict-like
        FITS cards, lower-case names.
    columns : int
        Pixels along the first axis.

    Raises
    ------
    TypeError
        If it is a chart or a result.
    """
    said = " ".join(str(meta.get(k, "")) for k in ("content", "dpc_obsr", "obs_type", "obs_mode"))
    chart = next((word for word in _CHARTS if word in said.lower()), None)
    width = _degrees_of_longitude(meta, columns)
    if chart or width > _WHOLE_SUN:
        what = f"CONTENT = {meta.get('content')!r}" if chart else f"{width:.0f} deg of longitude"
        raise TypeError(
            f"This is a synoptic chart ({what}), made of many frames, not one frame of MDI; "
            f"super-resolve the frames (series {MDI.series}) and make the chart of the results."
        )
    if meta.get("srvers") and not meta.get("siminst"):
        raise TypeError(
            f"This Map is a result of super_resolve already (SRVERS = {meta['srvers']!r}); give "
            "the MDI frame that it was made of."
        )


def _degrees_of_longitude(meta, columns):
    """Width of a heliographic grid in degrees of longitude; 0 for other axes."""
    axis = str(meta.get("ctype1", "")).strip().upper()
    if axis[:2] not in ("CR", "HG"):
        return 0.0
    unit = u.deg
    with contextlib.suppress(ValueError):
        unit = u.Unit(str(meta.get("cunit1") or "deg").strip().lower())
    with contextlib.suppress(KeyError, TypeError, ValueError, u.UnitsError):
        return abs(float(meta["cdelt1"]) * unit.to(u.deg)) * columns
    return 0.0


def explain_scale(smap, scales, instrument=MDI) -> str:
    """
    Say by which cards a Map has a plate scale that no frame of an instrument has.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
    scales : array-like
        Arcsec per pixel along both axes.
    instrument : Instrument

    Returns
    -------
    str
        A clause for an error; empty if CDELT is there, and fits in no unit.
    """
    lacking = [f"CDELT{n}" for n in (1, 2) if is_missing(smap.meta.get(f"cdelt{n}"))]
    if lacking and not any(f"cd{n}_{n}" in smap.meta for n in (1, 2)):
        return (
            f"{' and '.join(lacking)} {'are' if len(lacking) > 1 else 'is'} missing, and taken "
            "for 1; set CDELT1 and CDELT2 to the size of a pixel, in the unit of CUNIT1"
        )
    for other in _UNITS:
        there = [
            scale * other.to(unit) for scale, unit in zip(scales, smap.spatial_units, strict=True)
        ]
        wrong = [
            n
            for n in (0, 1)
            if not instrument.is_full_resolution(scales[n])
            and instrument.is_full_resolution(there[n])
        ]
        if wrong:
            cards = " and ".join(f"CUNIT{n + 1}" for n in wrong)
            return (
                f"CDELT{wrong[0] + 1} is not in {smap.spatial_units[wrong[0]]}, as {cards} "
                f"{'say' if len(wrong) > 1 else 'says'}, but likely in {other}, where it is "
                f"{there[wrong[0]]:.2f} arcsec/pixel; set {cards} to {str(other)!r}"
            )
    return ""


def format_scale(scale) -> str:
    """Write a plate scale in arcsec per pixel, a tiny one with digits too."""
    return f"{scale:.2f}" if scale >= _POSSIBLE[0] else f"{scale:.3g}"


def describe_scale(smap, scales) -> str:
    """
    Say what to do with a plate scale that no full-disk frame of MDI has.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
    scales : array-like
        Arcsec per pixel along both axes.

    Returns
    -------
    str
        A sentence for an error.
    """
    scale = float(np.mean(scales))
    said = (
        f"The plate scale is {format_scale(scale)} arcsec/pixel, far from MDI's "
        f"{MDI.plate_scale:.2f}; "
    )
    why = explain_scale(smap, scales)
    if why:
        return f"{said}{why}."
    if not _POSSIBLE[0] <= scale <= _POSSIBLE[1]:
        return f"{said}no frame has such pixels; check CDELT and CUNIT."
    if abs(scale / _HIGH_RESOLUTION - 1) < 0.1:
        return (
            f"{said}it is that of MDI's high-resolution mode, which is finer than the model's "
            f"input; use the full-disk frame of the same time (series {MDI.series})."
        )
    if scale < MDI.plate_scale:
        return (
            f"{said}pixels so fine are HMI's, or interpolated; use the full-resolution frame as "
            f"the archive has it (series {MDI.series})."
        )
    return (
        f"{said}the frame was binned (1024 x 1024 pixels are a full disk); use the "
        f"full-resolution file instead (series {MDI.series})."
    )
