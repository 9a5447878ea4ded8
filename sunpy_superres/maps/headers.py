"""Repairs of MDI headers that sunpy cannot read, or reads wrongly."""

from __future__ import annotations

import re

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.constants import R_sun
from astropy.io.fits.card import Undefined
from sunpy.coordinates import get_earth
from sunpy.time import parse_time

__all__ = ["NUMBERS", "is_finite_number", "parse_moment", "repair_header", "repair_map"]

_AXES = {"solar_x": "HPLN-TAN", "solar-x": "HPLN-TAN", "solar_y": "HPLT-TAN", "solar-y": "HPLT-TAN"}
_UNITS = {"arcsecs": "arcsec", "arcseconds": "arcsec", "degrees": "deg"}
_MATRIX = tuple(f"{kind}{i}_{j}" for kind in ("pc", "cd") for i in "12" for j in "12")
#: Cards about the pixels and the observer.  A header need not have them all, but each that it
#: has must be a number.
NUMBERS = (
    *(card + axis for card in ("crpix", "cdelt", "crval", "crota") for axis in "12"),
    *_MATRIX,
    *"dsun_obs rsun_obs rsun_ref crln_obs crlt_obs hgln_obs hglt_obs".split(),
    *"obs_l0 obs_b0 obs_dist".split(),
)


def repair_header(meta) -> tuple[dict, list[str]]:
    """
    Copy the cards of an MDI header and repair known defects.

    Old level 1.8 files give the roll only as SOLAR_P0 or P_ANGLE; cut-outs name
    their axes ``solar_x`` and their unit ``arcsecs``, and leave out the observer; some
    programs write numbers in quotes, empty cards, or times that sunpy does not read.
    To repair a header a second time changes nothing.

    Parameters
    ----------
    meta : dict-like
        FITS cards.

    Returns
    -------
    meta : dict
        The repaired cards, with lower-case names.
    changes : list of str
        A sentence for each repair; empty for a sound header.
    """
    meta = {k.lower(): v for k, v in dict(meta).items()}
    changes = _repair_numbers(meta)
    for axis in ("1", "2"):
        for name, known in (("ctype", _AXES), ("cunit", _UNITS)):
            value = str(meta.get(name + axis, "")).strip().lower()
            if value in known:
                meta[name + axis] = known[value]
                changes.append(f"{(name + axis).upper()}: {value} read as {known[value]}")
    if not any(k in meta for k in ("crota2", *_MATRIX)):
        if is_finite_number(meta.get("crota1")):  # the same angle, on the other axis
            roll, source = meta["crota1"], "CROTA1"
        else:
            angles = [meta.get(k) for k in ("solar_p0", "p_angle")]
            angle = next(filter(is_finite_number, angles), 0.0)
            roll, source = -float(angle), "the solar position angle"
        if roll:
            meta["crota2"] = float(roll)
            changes.append(f"CROTA2: {float(roll):.3f} deg from {source}")
    changes += _repair_date(meta)
    radius = meta.get("solar_r")
    useful = is_finite_number(radius) and radius > 900 and parse_moment(meta.get("date-obs"))
    if useful and not {"dsun_obs", "rsun_obs"} & set(meta):
        meta["rsun_obs"] = float(radius)
        distance = R_sun.to_value("m") / np.sin(float(radius) * u.arcsec.to(u.rad))
        earth = get_earth(meta["date-obs"])
        meta["dsun_obs"] = float(distance)
        meta["hgln_obs"], meta["hglt_obs"] = 0.0, float(earth.lat.to_value("deg"))
        changes.append("observer: at SOLAR_R's distance on the line to Earth")
    if "wavelnth" in meta and not str(meta["wavelnth"]).strip():
        del meta["wavelnth"]
    return meta, changes


def repair_map(smap):
    """
    Repair the header of a Map.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        It is not changed.

    Returns
    -------
    smap : `~sunpy.map.GenericMap`
        The input if its header is sound, else a new Map of the same data.
    changes : list of str
        A sentence for each repair.
    """
    # `read_map` repairs a header before sunpy can make a Map of it, but users also make Maps
    # without `read_map`, so each Map that enters the package is repaired here.
    meta, changes = repair_header(smap.meta)
    return (sunpy.map.Map(smap.data, meta, mask=smap.mask) if changes else smap), changes


def _repair_numbers(meta) -> list[str]:
    """Take numbers out of their quotes and delete empty cards, in place."""
    changes = []
    for name in NUMBERS:
        value = meta.get(name, 0.0)
        if value is None or isinstance(value, Undefined) or str(value).strip() == "":
            del meta[name]
            changes.append(f"{name.upper()}: empty, left out")
        elif isinstance(value, str):
            try:
                meta[name] = float(value)
            except ValueError:
                continue
            changes.append(f"{name.upper()}: {value!r} read as a number")
    return changes


def _repair_date(meta) -> list[str]:
    """Set DATE-OBS to a time that sunpy can read, if any card gives one, in place."""
    changes = []
    if not meta.get("date-obs") and meta.get("date_obs"):
        meta["date-obs"] = meta["date_obs"]
        changes.append("DATE-OBS: from DATE_OBS")
    date = meta.get("date-obs")
    if isinstance(date, str) and "T" in date and parse_moment(date):
        return changes
    clock = meta.get("time-obs") or meta.get("time_obs")
    candidates = {
        "DATE-OBS and TIME-OBS": f"{date}T{clock}" if clock else None,
        "T_OBS": meta.get("t_obs"),
        "T_REC": meta.get("t_rec"),
        "DATE-OBS": date,
    }
    for source, text in candidates.items():
        found = parse_moment(text)
        if found:
            meta["date-obs"] = found
            return [*changes, f"DATE-OBS: {found} from {source}"]
    return changes


def parse_moment(text) -> str | None:
    """Read a text that begins with a year as a time; return it in UTC as FITS has it, or None."""
    if not isinstance(text, str) or not re.match(r"\s*[12]\d{3}[-./]", text):
        return None
    try:
        return parse_time(text.strip()).utc.isot
    except Exception:  # sunpy and astropy raise many kinds
        return None


def is_finite_number(value) -> bool:
    """Return whether a card's value is a finite number."""
    known = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return known and bool(np.isfinite(value))
