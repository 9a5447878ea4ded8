"""Units of magnetic field in headers, and options that have a unit."""

from __future__ import annotations

import contextlib

import astropy.units as u
import numpy as np

from sunpy_superres.maps.products import check_product

__all__ = ["LARGEST_FIELD", "as_field_unit", "field_unit", "quantity_in"]

#: Gauss; a larger value is a fill value and counts as missing.
LARGEST_FIELD = 2e4


def field_unit(smap):
    """
    Read the unit of a Map's line-of-sight field.

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
        If the unit is not one of a magnetic field, or the header names another product than a
        line-of-sight magnetogram (`~sunpy_superres.maps.products.check_product`).
    ValueError
        If BUNIT is not a unit.
    """
    check_product(smap.meta)
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
    return as_field_unit(unit)


def as_field_unit(unit, what="The data are"):
    """
    Return a unit of a line-of-sight field as one that astropy converts to Gauss.

    Parameters
    ----------
    unit : `~astropy.units.Unit` or str
        Mx/cm^2 counts as Gauss.
    what : str
        Beginning of the messages.

    Raises
    ------
    TypeError
        If the unit is not one of a magnetic field.
    ValueError
        If it is not a unit.
    """
    try:
        unit = u.G if str(unit).strip().lower() == "gauss" else u.Unit(unit)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} in {unit!r}, which is no unit; convert to Gauss.") from error
    if unit.is_equivalent(u.Mx / u.cm**2) and not unit.is_equivalent(u.G):
        return unit / (u.Mx / u.cm**2) * u.G
    if not unit.is_equivalent(u.G):
        raise TypeError(
            f"{what} in {unit}, not a magnetic field; give a line-of-sight magnetogram in Gauss or "
            "Mx/cm^2."
        )
    return unit


def quantity_in(name, quantity, unit, smallest=0.0) -> float:
    """
    Convert an option to a unit, or refuse it.

    Parameters
    ----------
    name : str
        Name of the option, for the message.
    quantity : `~astropy.units.Quantity`
        A scalar.
    unit : `~astropy.units.Unit`
    smallest : float
        Smallest value, in ``unit``, that is accepted.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If it is a plain number, of another unit, not a scalar, below ``smallest`` or not finite.
    """
    try:
        value = u.Quantity(quantity).to_value(unit)
    except (u.UnitConversionError, TypeError):
        value = None
    if value is None or np.ndim(value) or not smallest <= value < np.inf:
        limit = f"in {unit} of at least {smallest:g}" if smallest else f"in {unit}"
        kind = "quantity" if smallest else "non-negative quantity"
        raise ValueError(
            f"{name} must be a {kind} {limit}, such as 100 * u.{unit}, not {quantity!r}."
        )
    return float(value)
