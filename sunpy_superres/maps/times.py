"""Grids and Maps of two times, between which the Sun turns."""

from __future__ import annotations

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time
from sunpy.coordinates import HeliographicCarrington, HeliographicStonyhurst
from sunpy.sun.models import differential_rotation

__all__ = [
    "SIMULTANEOUS",
    "at_time_of",
    "describe_drift",
    "describe_rotation",
    "grid_time",
    "is_carrington",
    "is_rotation_carried",
]

#: Time in seconds in which the Sun turns by half an arcsec.
SIMULTANEOUS = 180.0
#: Rotation of the Carrington grid.
_CARRINGTON = 14.1844 * u.deg / u.day
_DATES = [kind + name for kind in ("date", "mjd") for name in ("obs", "avg", "beg", "end")]


def grid_time(wcs) -> Time | None:
    """
    Return the time of a grid's coordinates, as sunpy reads it; None if it has none.

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`
    """
    for name in ("dateavg", "dateobs", "datebeg", "dateend"):
        if getattr(wcs.wcs, name):
            return Time(getattr(wcs.wcs, name))
    for name in ("mjdavg", "mjdobs"):
        if np.isfinite(getattr(wcs.wcs, name)):
            return Time(getattr(wcs.wcs, name), format="mjd")
    return None


def is_carrington(wcs) -> bool:
    """Return whether the axes of a grid are Carrington longitude and latitude."""
    return wcs.wcs.ctype[0].upper().startswith("CR")


def is_rotation_carried(time) -> bool:
    """
    Return whether coordinates move with the Sun's surface from time to time.

    They do within `sunpy.coordinates.propagate_with_solar_surface`; else a transformation to
    another time leaves a place where it is in space.

    Parameters
    ----------
    time : `~astropy.time.Time`
        Any time.
    """
    place = SkyCoord(0 * u.deg, 0 * u.deg, frame=HeliographicStonyhurst(obstime=time))
    later = place.transform_to(HeliographicStonyhurst(obstime=time + 1 * u.hour))
    return bool(later.lon.wrap_at(180 * u.deg) > 0)


def at_time_of(wcs, other):
    """
    Return a copy of a grid with the time of another; its pixels stay where they are in the field.

    A helioprojective or Stonyhurst grid follows the Earth: its observer keeps his Stonyhurst
    longitude.  A Carrington grid is fixed to the Sun.  Without this, sunpy would shift one of two
    such grids by the motion of the Earth, or by the rotation of the Sun, between their times.

    Parameters
    ----------
    wcs, other : `~astropy.wcs.WCS`
        If one of them has no time, the copy gets the cards of time of the other one, and keeps its
        observer.

    Returns
    -------
    `~astropy.wcs.WCS`
    """
    moved = wcs.deepcopy()
    moved.array_shape = wcs.array_shape
    old, new = grid_time(wcs), grid_time(other)
    if new is None:
        return moved
    aux = moved.wcs.aux
    placed = aux.dsun_obs is not None and aux.hglt_obs is not None
    if old is not None and placed and (aux.hgln_obs is not None or aux.crln_obs is not None):
        observer = _observer(wcs, old)
        aux.hgln_obs = observer.lon.to_value(u.deg)
        if aux.crln_obs is not None:
            there = SkyCoord(
                observer.lon,
                observer.lat,
                observer.radius,
                frame=HeliographicStonyhurst(obstime=new),
            ).transform_to(HeliographicCarrington(observer="self", obstime=new))
            aux.crln_obs = there.lon.to_value(u.deg)
    for name in _DATES:
        setattr(moved.wcs, name, getattr(other.wcs, name))
    return moved


def _observer(wcs, time):
    """Return the place of a grid's observer in Stonyhurst coordinates."""
    aux = wcs.wcs.aux
    if aux.hgln_obs is not None:
        frame, longitude = HeliographicStonyhurst(obstime=time), aux.hgln_obs
    else:
        frame, longitude = HeliographicCarrington(observer="self", obstime=time), aux.crln_obs
    place = SkyCoord(longitude * u.deg, aux.hglt_obs * u.deg, aux.dsun_obs * u.m, frame=frame)
    return place.transform_to(HeliographicStonyhurst(obstime=time)).frame


def describe_rotation(apart, smap) -> str:
    """
    Say how far the Sun turns within a time, as seen by a Map's observer.

    Parameters
    ----------
    apart : float
        Seconds.
    smap : `~sunpy.map.GenericMap`

    Returns
    -------
    str
        Such as "0.8 deg, 14 arcsec at disk centre".
    """
    angle = differential_rotation(apart * u.s, 0 * u.deg, frame_time="synodic").to(u.deg)
    text = f"{angle.value:.1f} deg" if angle > 0.95 * u.deg else f"{angle.value:.2f} deg"
    if angle > 60 * u.deg:
        return text
    return f"{text}, {_on_the_sky(angle, smap):.0f} arcsec at disk centre"


def describe_drift(apart, smap) -> str | None:
    """
    Say how far the Sun's surface moves against the Carrington grid within a time.

    Parameters
    ----------
    apart : float
        Seconds.
    smap : `~sunpy.map.GenericMap`
        On the Carrington grid; its latitudes count.

    Returns
    -------
    str or None
        Such as "up to 0.3 deg, 5 arcsec"; None if it is less than half an arcsec.
    """
    ny, nx = smap.data.shape
    rows = np.linspace(-0.5, ny - 0.5, 9)
    _, latitude = smap.wcs.pixel_to_world_values(np.full(9, (nx - 1) / 2), rows)
    latitude = (latitude * u.Unit(smap.wcs.wcs.cunit[1])).to(u.deg)
    latitude = latitude[np.abs(latitude) < 75 * u.deg]
    if not latitude.size:
        return None
    drift = differential_rotation(apart * u.s, latitude) - _CARRINGTON * apart * u.s
    largest = np.abs(drift).max().to(u.deg)
    arcsec = _on_the_sky(min(largest, 90 * u.deg), smap)
    return f"up to {largest.value:.1f} deg, {arcsec:.0f} arcsec" if arcsec > 0.5 else None


def _on_the_sky(angle, smap) -> float:
    """Return the arcsec that an angle on the Sun has at disk centre."""
    nearest = (smap.rsun_meters / (smap.dsun - smap.rsun_meters)).to_value(u.one)
    return float(np.sin(angle.to_value(u.rad)) * nearest * u.rad.to(u.arcsec))
