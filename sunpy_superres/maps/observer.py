"""Where a frame was seen from: cards that older headers have in its place, and what is assumed."""

from __future__ import annotations

import astropy.units as u
import numpy as np
from astropy.constants import R_sun
from sunpy.coordinates import get_earth

from sunpy_superres.maps.cards import is_finite_number
from sunpy_superres.maps.dates import parse_moment

__all__ = ["complete_observer", "repair_observer"]

#: Distance of SOHO from the Sun, near the Lagrange point L1, in units of the Earth's distance.
_L1 = 0.99
#: Arcsec between which a card can be the radius of the Sun as MDI and HMI see it.
_RADII = (900.0, 1050.0)
#: Metres; some files of level 1.8 have it as DSUN_OBS, though SOHO is never so far.
_ASTRONOMICAL_UNIT = 149597870691.0
#: The same distance in OBS_DIST, and limits of that card.
_DISTANCES = (0.9, 1.1)


def repair_observer(meta) -> list[str]:
    """
    Set the observer from the cards that level 1.8 has for it, if it is not stated, in place.

    Parameters
    ----------
    meta : dict
        Cards whose numbers and dates were repaired.

    Returns
    -------
    list of str
        A sentence for each change.
    """
    return [*_repair_from_ephemeris(meta), *_repair_distance(meta), *_repair_from_radius(meta)]


def _repair_from_ephemeris(meta):
    """Use OBS_DIST, OBS_L0 and OBS_B0, in astronomical units and degrees."""
    distance = meta.get("obs_dist")
    if not (is_finite_number(distance) and _DISTANCES[0] < distance < _DISTANCES[1]):
        return []
    metres, changes = float(distance) * _ASTRONOMICAL_UNIT, []
    stated = meta.get("dsun_obs")
    if stated is None or (stated == _ASTRONOMICAL_UNIT and abs(distance - 1) > 1e-3):
        meta["dsun_obs"] = metres
        changes.append("DSUN_OBS: from OBS_DIST")
    if not _has_direction(meta) and all(
        is_finite_number(meta.get(n)) for n in ("obs_l0", "obs_b0")
    ):
        meta["crln_obs"], meta["crlt_obs"] = float(meta["obs_l0"]), float(meta["obs_b0"])
        changes.append("CRLN_OBS and CRLT_OBS: from OBS_L0 and OBS_B0")
    return changes


def _repair_distance(meta):
    """Compute the distance from RSUN_OBS where only the direction is stated."""
    if "dsun_obs" in meta or not _has_direction(meta) or not _is_radius(meta.get("rsun_obs")):
        return []
    reference = meta.get("rsun_ref")
    reference = float(reference) if is_finite_number(reference) else R_sun.to_value("m")
    meta["dsun_obs"] = float(reference / np.sin(meta["rsun_obs"] * u.arcsec.to(u.rad)))
    return ["DSUN_OBS: from RSUN_OBS"]


def _repair_from_radius(meta):
    """Use SOLAR_R, the radius in the cut-outs of SolarSoft, on the line to Earth."""
    radius = meta.get("solar_r")
    if not (is_finite_number(radius) and radius > _RADII[0] and parse_moment(meta.get("date-obs"))):
        return []
    if {"dsun_obs", "rsun_obs"} & set(meta):
        return []
    meta["rsun_obs"] = float(radius)
    meta["dsun_obs"] = float(R_sun.to_value("m") / np.sin(float(radius) * u.arcsec.to(u.rad)))
    meta["hgln_obs"], meta["hglt_obs"] = 0.0, _earth_latitude(meta)
    return ["observer: at SOLAR_R's distance on the line to Earth"]


def _is_radius(value):
    return is_finite_number(value) and _RADII[0] < value < _RADII[1]


def _has_direction(meta):
    pairs = (("crln_obs", "crlt_obs"), ("hgln_obs", "hglt_obs"))
    return any(all(is_finite_number(meta.get(name)) for name in pair) for pair in pairs)


def _earth_latitude(meta):
    return float(get_earth(meta["date-obs"]).lat.to_value(u.deg))


def complete_observer(meta, radius) -> str:
    """
    Write an observer into a header that lacks one, in place.

    What the header states is kept; the rest is that of an observer between Earth and Sun.

    Parameters
    ----------
    meta : dict
        Cards with a DATE-OBS that can be read.
    radius : `~astropy.units.Quantity`
        Radius of the Sun.

    Returns
    -------
    str
        What is assumed.
    """
    if not is_finite_number(meta.get("dsun_obs")):
        stated = meta.get("rsun_obs")
        if is_finite_number(stated) and stated > 0:
            distance = radius / np.sin(stated * u.arcsec)
        else:
            distance = _L1 * get_earth(meta["date-obs"]).radius
        meta["dsun_obs"] = float(distance.to_value(u.m))
    if not _has_direction(meta):
        latitude = meta.get("crlt_obs", meta.get("hglt_obs"))
        latitude = float(latitude) if is_finite_number(latitude) else _earth_latitude(meta)
        if is_finite_number(meta.get("crln_obs")):
            meta["crlt_obs"] = latitude
        else:
            meta.pop("crlt_obs", None)
            meta["hgln_obs"], meta["hglt_obs"] = 0.0, latitude
    return "DSUN_OBS, CRLN_OBS or CRLT_OBS is missing: an observer on the line to Earth is assumed"
