"""Repairs of MDI headers that sunpy cannot read, or reads wrongly."""

from __future__ import annotations

import sunpy.map
from astropy.io.fits.card import Undefined

from sunpy_superres.maps.cards import (
    MATRIX,
    NUMBERS,
    Assumption,
    is_fill_number,
    is_missing,
    read_number,
)
from sunpy_superres.maps.dates import repair_dates
from sunpy_superres.maps.observer import repair_observer
from sunpy_superres.maps.roll import repair_roll

__all__ = ["list_assumptions", "repair_header", "repair_map"]

_AXES = {"solar_x": "HPLN-TAN", "solar-x": "HPLN-TAN", "solar_y": "HPLT-TAN", "solar-y": "HPLT-TAN"}
_UNITS = {"arcsecs": "arcsec", "arcseconds": "arcsec", "degrees": "deg"}
#: Cards that a frame can do without; of the pixels' own cards only the roll.
_DISPENSABLE = (*(n for n in NUMBERS if "_" in n and n[:2] not in ("pc", "cd")), "crota1", "crota2")


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
    roll = meta.get("crota2")
    changes = _rename_matrix(meta) + _repair_numbers(meta)
    for axis in ("1", "2"):
        for name, known in (("ctype", _AXES), ("cunit", _UNITS)):
            value = str(meta.get(name + axis, "")).strip().lower()
            if value in known:
                meta[name + axis] = known[value]
                changes.append(f"{(name + axis).upper()}: {value} read as {known[value]}")
    unknown = str(roll or "").strip() != "" and _is_no_value("crota2", roll)
    changes += repair_roll(meta, unknown=unknown)
    changes += repair_dates(meta)
    changes += repair_observer(meta)
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
    if not changes and len(meta) == len(smap.meta):
        return smap, changes
    return sunpy.map.Map(smap.data, meta, mask=smap.mask), changes


def list_assumptions(changes) -> list[str]:
    """
    List the changes of a header that the user is warned of.

    Parameters
    ----------
    changes : list of str
        From `repair_header`.

    Returns
    -------
    list of str
        A sentence for each change that no card of the header supports.
    """
    assumed = [change for change in changes if isinstance(change, Assumption)]
    return [f"{change}; set the card if that is wrong." for change in assumed]


def _rename_matrix(meta) -> list[str]:
    """Give a matrix in its oldest form, PC001001, the names of today, in place."""
    old = {f"{name[:2]}00{name[2]}00{name[4]}": name for name in MATRIX}
    found = [name for name in old if name in meta]
    if set(MATRIX) & set(meta):  # those of today count
        return []
    for name in found:
        meta[old[name]] = meta.pop(name)
    return [f"{name.upper()}: read as {old[name].upper()}" for name in found]


def _is_no_value(name, value):
    """Return whether a card says that nothing is known, in words or by a number such as -9999."""
    return is_missing(value) or (name in _DISPENSABLE and is_fill_number(name, value))


def _repair_numbers(meta) -> list[str]:
    """Take numbers out of their quotes, and delete cards without a value, in place."""
    changes = []
    for name in NUMBERS:
        value = meta.get(name, 0.0)
        if value is None or isinstance(value, Undefined) or str(value).strip() == "":
            del meta[name]
            changes.append(f"{name.upper()}: empty, left out")
        elif _is_no_value(name, value):
            if name in _DISPENSABLE:
                del meta[name]
                changes.append(f"{name.upper()}: {value!r} is no value, left out")
        elif isinstance(value, str):
            number = read_number(value)
            if number is not None:
                meta[name] = number
                changes.append(f"{name.upper()}: {value!r} read as a number")
    return changes
