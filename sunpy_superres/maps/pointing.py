"""Checks of what a header says about the places of its pixels and of its observer."""

from __future__ import annotations

import warnings

import astropy.units as u
import numpy as np
import sunpy.map
from sunpy.util.exceptions import SunpyMetadataWarning

from sunpy_superres.instruments import MDI
from sunpy_superres.maps.cards import NUMBERS, is_finite_number, is_missing
from sunpy_superres.maps.dates import compare_dates, parse_moment
from sunpy_superres.maps.geometry import has_solar_axes, is_helioprojective, plate_scale
from sunpy_superres.maps.observer import complete_observer
from sunpy_superres.maps.refusals import describe_scale, explain_scale
from sunpy_superres.maps.roll import compare_rolls

__all__ = ["check_pointing", "check_size", "complete_header"]

#: Smallest number of pixels along a side.
_SMALLEST = 16
#: Relative difference that is accepted between the two sides of a pixel, between CDELT and the
#: scale of the matrix, and between two cards about the solar radius.
_TOLERANCE = 0.02
#: Limits of the observer's distance from the Sun in solar radii, and of that radius in metres.
_DISTANCES, _RADII = (100.0, 2500.0), (6.9e8, 7.05e8)
#: Relative difference from MDI's plate scale above which the user is warned.
_UNUSUAL_SCALE = 0.2


def complete_header(smap):
    """
    Write into a header what sunpy would otherwise assume.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        A Map after `~sunpy_superres.maps.headers.repair_map`.

    Returns
    -------
    smap : `~sunpy.map.GenericMap`
        The input if nothing is missing, else a new Map of the same data.
    assumed : list of str
        What is written into the header, a clause for each assumption.

    Raises
    ------
    ValueError
        If a card of geometry is not a finite number, the time of observation is missing, or
        sunpy makes no observer of the cards.
    """
    for name in NUMBERS:
        value = smap.meta.get(name, 0.0)
        if not is_finite_number(value) or is_missing(value):
            raise ValueError(
                f"The header holds no usable WCS ({name.upper()} = {value!r} is not a "
                f"finite number); set meta[{name!r}] to one, or delete it."
            )
    if not parse_moment(smap.meta.get("date-obs")):
        raise ValueError(
            "The header holds no time of observation that can be read "
            f"(DATE-OBS = {smap.meta.get('date-obs')!r}); "
            "set meta['date-obs'] = 'YYYY-MM-DDThh:mm:ss'."
        )
    meta, assumed = dict(smap.meta), []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        axes = smap.coordinate_system
        try:
            # A new Map, since a Map gives its warning only once.
            sunpy.map.Map(smap.data, dict(smap.meta)).observer_coordinate  # noqa: B018 - warns
        except ValueError as error:
            raise ValueError(
                f"The header holds no usable observer ({str(error).splitlines()[0]}); "
                "set meta['dsun_obs'], meta['crln_obs'] and meta['crlt_obs']."
            ) from error
    missing = [str(w.message) for w in caught if issubclass(w.category, SunpyMetadataWarning)]
    if any("CTYPE" in text for text in missing):
        meta["ctype1"], meta["ctype2"] = axes
        assumed.append(f"CTYPE is missing: {axes[0]} and {axes[1]} are assumed")
    if any("observer" in text for text in missing):
        assumed.append(complete_observer(meta, smap.rsun_meters))
    return (sunpy.map.Map(smap.data, meta, mask=smap.mask), assumed) if assumed else (smap, [])


def check_pointing(smap) -> list[str]:
    """
    Refuse a geometry that no MDI frame has, and flag an unusual one.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        A Map after `complete_header`.

    Returns
    -------
    list of str
        Notes about an unusual plate scale and about cards that contradict each other.

    Raises
    ------
    ValueError
        If the axes are not those of the Sun, the WCS is incomplete, the pixels are mirrored or
        not square, the plate scale is far from MDI's, or the solar radius or the
        observer's distance is impossible.
    """
    if not has_solar_axes(smap):
        raise ValueError(
            f"The axes are {' and '.join(axis.upper() for axis in smap.coordinate_system)}, not "
            "helioprojective (HPLN, HPLT) or heliographic longitude and latitude. If the pixels "
            "are those of MDI's camera, set CTYPE1 and CTYPE2 to HPLN-TAN and HPLT-TAN; a frame "
            "that was mapped to polar or other coordinates is to be given as the archive has it."
        )
    if "crpix1" not in smap.meta or "crpix2" not in smap.meta:
        raise ValueError(
            "The header holds no usable WCS (CRPIX1 or CRPIX2 is missing); "
            "set CTYPE, CUNIT, CDELT, CRPIX and CRVAL."
        )
    try:
        with np.errstate(all="ignore"):  # CDELT may be 0
            radius, distance = smap.rsun_meters.to_value(u.m), smap.dsun.to_value(u.m)
            stated = smap.rsun_obs.to_value(u.arcsec)
            scale = plate_scale(smap).to_value(u.arcsec / u.pix)
            if np.all(scale > 0):
                smap.wcs.wcs.set()
    except (AttributeError, TypeError, u.UnitsError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise ValueError(
            f"The header holds no usable WCS ({first}); set CTYPE, CUNIT, CDELT, CRPIX and CRVAL."
        ) from error
    return [
        *_check_observer(radius, distance, stated),
        *_check_matrix(smap, scale),
        *_check_plate_scale(smap, scale),
        *compare_dates(smap.meta),
    ]


def check_size(smap):
    """
    Refuse a Map that is too small for the model.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`

    Raises
    ------
    ValueError
        If it is not an image of at least 16 x 16 pixels.
    """
    if len(smap.data.shape) != 2 or min(smap.data.shape) < _SMALLEST:
        raise ValueError(
            f"The data have shape {smap.data.shape}; super_resolve needs an image of at least "
            f"{_SMALLEST} x {_SMALLEST} pixels."
        )


def _check_matrix(smap, scale):
    """Refuse axes that are mirrored or sheared, or whose matrix changes the scale; allow a roll."""
    signs = [np.sign(axis.value) for axis in smap.scale]
    with np.errstate(all="ignore"):
        matrix = (signs * scale)[:, None] * smap.rotation_matrix
    regular = np.all(np.isfinite(matrix)) and np.all(scale > 0) and np.linalg.det(matrix) > 0
    if not regular:
        raise ValueError(
            "The header holds no usable WCS (plate scale "
            f"{scale[0]:.3g} x {scale[1]:.3g} arcsec, or a mirrored or singular matrix); "
            "set CDELT, CRPIX and the rotation to finite values."
        )
    longest, shortest = np.linalg.svd(matrix, compute_uv=False)
    if longest / shortest - 1 > _TOLERANCE:
        why = explain_scale(smap, scale)
        if why:
            raise ValueError(
                f"Pixels of {longest:.3g} x {shortest:.3g} arcsec are not square; {why}."
            )
        raise ValueError(
            f"Pixels of {longest:.3f} x {shortest:.3f} arcsec are not square; "
            f"reproject the map to square pixels of {MDI.plate_scale} arcsec first."
        )
    if abs(longest / np.mean(scale) - 1) > _TOLERANCE:
        raise ValueError(
            f"CDELT says {np.mean(scale):.3f} arcsec/pixel, and PCi_j magnifies it to "
            f"{longest:.3f}; set PCi_j to a rotation and CDELT to the plate scale."
        )
    return _check_roll(smap, matrix)


def _check_roll(smap, matrix):
    """Flag cards that contradict the matrix; on a heliographic grid they are those of the CCD."""
    if not is_helioprojective(smap):
        return []
    roll = np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))
    return compare_rolls(smap.meta, roll, flipped=smap.scale.axis1.value < 0)


def _check_plate_scale(smap, scales):
    """Refuse a plate scale far from MDI's, and flag one that is not near it."""
    expected, scale = MDI.plate_scale, float(np.mean(scales))
    if not MDI.is_full_resolution(scale):
        raise ValueError(describe_scale(smap, scales))
    if abs(scale / expected - 1) <= _UNUSUAL_SCALE:
        return []
    return [
        f"The plate scale is {scale:.2f} arcsec/pixel; the model was trained "
        f"at MDI's {expected:.2f}."
    ]


def _check_observer(radius, distance, stated):
    """Check the solar radius and the distance in metres, and RSUN_OBS (``stated``) in arcsec."""
    if not _RADII[0] < radius < _RADII[1]:
        raise ValueError(
            f"The solar radius is {radius:.4g} m in the header; set meta['rsun_ref'] = 6.96e8."
        )
    if not _DISTANCES[0] < distance / radius < _DISTANCES[1]:
        raise ValueError(
            f"The observer is {distance:.4g} m from the Sun in the header; "
            "set meta['dsun_obs'] to the distance in metres, about 1.48e11 for SOHO."
        )
    expected = np.degrees(np.arcsin(radius / distance)) * 3600
    message = (
        f"The solar radius is {stated:.1f} arcsec in RSUN_OBS, and {expected:.1f} arcsec by "
        "the distance; set meta['rsun_obs'] in arcsec and meta['dsun_obs'] in metres."
    )
    if not abs(stated / expected - 1) < 0.1:
        raise ValueError(message)
    return [message] if abs(stated / expected - 1) > _TOLERANCE else []
