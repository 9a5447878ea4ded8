"""Arrays of a field or of a noise, as users give them: read in Gauss, NaN where missing."""

from __future__ import annotations

import numpy as np

__all__ = ["read_gauss", "warn_of_fills"]


def read_gauss(name, values, largest) -> np.ndarray:
    """
    Read an array in Gauss.

    Parameters
    ----------
    name : str
        Name of the array, for the messages.
    values : array-like
        ``(ny, nx)``.  With a unit (a Quantity), it is converted; without one it is in Gauss.  What
        is masked is missing.
    largest : float
        Gauss.  Values from here on, such as the fill value -32768 of integers, are missing.

    Returns
    -------
    numpy.ndarray
        Gauss, float64, ``(ny, nx)``; NaN where missing.

    Raises
    ------
    TypeError
        If it is no array of real numbers, or its unit is not one of a magnetic field.
    ValueError
        If it has not two axes, or its unit is not known.
    """
    factor = _gauss_of_unit(name, values)
    if hasattr(values, "__dask_graph__"):
        values = values.compute()
    mask = getattr(values, "mask", None)
    if hasattr(values, "unmasked"):  # of astropy, whose conversion to an array drops the mask
        values = values.unmasked
    array = np.ma.getdata(np.asanyarray(values))
    if array.dtype.kind not in "iufb":
        raise TypeError(
            f"{name} holds no real numbers, but {type(values).__name__} of {array.dtype}; give an "
            "array of Gauss, such as the data of a Map."
        )
    if array.ndim != 2:
        raise ValueError(f"{name} has the shape {array.shape}; it must have two axes, (ny, nx).")
    array = np.array(array, np.float64) * factor
    missing = ~(np.abs(array) < largest)
    if mask is not None:
        missing |= np.asarray(mask, bool)
    array[missing] = np.nan
    return array


def _gauss_of_unit(name, values):
    """Return how many Gauss the unit of an array is; 1 if it has none."""
    unit = getattr(values, "unit", None)
    unit = getattr(values, "units", None) if unit is None else unit
    if unit is None or not str(unit):
        return 1.0
    # Only arrays with units need it; a bare GPU machine has none.
    from sunpy_superres.maps.units import as_field_unit

    return as_field_unit(unit, f"The array {name} is").to("G")


def warn_of_fills(name, values, known):
    """
    Warn of pixels that look like numbers written for missing data.

    Parameters
    ----------
    name : str
        Name of the array, for the messages.
    values : numpy.ndarray
        Gauss, ``(ny, nx)``.
    known : numpy.ndarray of bool
        The pixels that count.

    Warns
    -----
    SuperResWarning
        For pixels side by side, or many anywhere, that have exactly one value, and for fields that
        the Sun does not have.
    """
    # A bare GPU machine, which only reads such arrays, lacks what these need.
    from sunpy_superres.maps.missing import describe_fills
    from sunpy_superres.warning import warn_user

    warn_user(*(f"{name}: {note}" for note in describe_fills(values, known)))
