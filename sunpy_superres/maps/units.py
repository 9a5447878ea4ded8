"""Units of magnetic field, as headers write them."""

from __future__ import annotations

import contextlib

import astropy.units as u
import numpy as np

__all__ = ["LARGEST_FIELD", "field_unit", "quantity_in"]

#: Gauss; what is larger is a fill value and counts as missing.
LARGEST_FIELD = 2e4


def field_unit(smap):
    """
    Unit of a Map's line-of-sight field.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`

    Returns
    -------
    `~astropy.units.Unit` or None
        Convertible to Gauss; Mx/cm^2 counts as Gauss.  None if the header has no BUNIT.

    Raises
    ------
    TypeError
        If the unit is of something else than a magnetic field.
    ValueError
        If BUNIT cannot be read.
    """
    unit = smap.unit
    written = str(smap.meta.get("bunit") or "").strip()
    if not written:
        return None
    if unit is None:
        with contextlib.suppress(ValueError):
            unit = u.Unit(written)
    if unit is None and written.lower() == "gauss":
        unit = u.G
    if unit is None:
        raise ValueError(
            f"The unit of the data is not known (BUNIT is {written!r}); "
            "set meta['bunit'] = 'Gauss' if the values are Gauss."
        )
    if unit.is_equivalent(u.Mx / u.cm**2) and not unit.is_equivalent(u.G):
        return unit / (u.Mx / u.cm**2) * u.G
    if not unit.is_equivalent(u.G):
        raise TypeError(
            f"The data are in {unit}, not a magnetic field; "
            "give an MDI line-of-sight magnetogram in Gauss or Mx/cm^2."
        )
    return unit


def quantity_in(name, quantity, unit, smallest=0.0) -> float:
    """Value of an option in a unit, or a sentence about it."""
    try:
        value = u.Quantity(quantity).to_value(unit)
    except (u.UnitConversionError, TypeError):
        value = None
    if value is None or np.ndim(value) or not smallest <= value < np.inf:
        raise ValueError(
            f"{name} must be a non-negative quantity in {unit}, such as 100 * u.{unit}, "
            f"not {quantity!r}."
        )
    return float(value)
