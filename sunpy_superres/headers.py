"""Repairs of MDI headers that sunpy, or the sky, would misread."""

from __future__ import annotations

import astropy.units as u
import numpy as np
from astropy.constants import R_sun
from sunpy.coordinates import get_earth

__all__ = ["repaired"]

_AXES = {"solar_x": "HPLN-TAN", "solar-x": "HPLN-TAN", "solar_y": "HPLT-TAN", "solar-y": "HPLT-TAN"}
_UNITS = {"arcsecs": "arcsec", "arcseconds": "arcsec", "degrees": "deg"}


def repaired(meta) -> tuple[dict, list[str]]:
    """
    A copy of MDI header cards with known defects mended.

    Old level 1.8 files give the roll only as SOLAR_P0 or P_ANGLE; cut-outs name
    their axes ``solar_x`` and their unit ``arcsecs``, and leave out the observer.

    Parameters
    ----------
    meta : dict-like
        FITS cards.

    Returns
    -------
    meta : dict
        With lower-case names.
    changes : list of str
        A sentence for each repair; empty for a sound header.
    """
    meta = {k.lower(): v for k, v in dict(meta).items()}
    changes = []
    for axis in ("1", "2"):
        for name, known in (("ctype", _AXES), ("cunit", _UNITS)):
            value = str(meta.get(name + axis, "")).strip().lower()
            if value in known:
                meta[name + axis] = known[value]
                changes.append(f"{(name + axis).upper()}: {value} read as {known[value]}")
    if not any(k in meta for k in ("crota2", "pc1_1", "cd1_1", "crota1")):
        roll = next((meta[k] for k in ("solar_p0", "p_angle") if _is_finite(meta.get(k))), 0.0)
        if roll:
            meta["crota2"] = -float(roll)
            changes.append(f"CROTA2: {-float(roll):.3f} deg from the solar position angle")
    if not meta.get("date-obs") and meta.get("date_obs"):
        meta["date-obs"] = meta["date_obs"]
        changes.append("DATE-OBS: from DATE_OBS")
    radius = meta.get("solar_r")
    known = {"dsun_obs", "rsun_obs"} & set(meta)
    if _is_finite(radius) and radius > 900 and not known and meta.get("date-obs"):
        meta["rsun_obs"] = float(radius)
        distance = R_sun.to_value("m") / np.sin(float(radius) * u.arcsec.to(u.rad))
        earth = get_earth(meta["date-obs"])
        meta["dsun_obs"] = float(distance)
        meta["hgln_obs"], meta["hglt_obs"] = 0.0, float(earth.lat.to_value("deg"))
        changes.append("observer: at SOLAR_R's distance on the line to Earth")
    if "wavelnth" in meta and not str(meta["wavelnth"]).strip():
        del meta["wavelnth"]
    return meta, changes


def _is_finite(value) -> bool:
    return isinstance(value, int | float | np.number) and bool(np.isfinite(value))
