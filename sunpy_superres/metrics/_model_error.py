"""The error that all members of an ensemble share, as far as it was measured."""

from __future__ import annotations

import numpy as np

from sunpy_superres.models.embedded import read_embedded_config

#: Keywords that have a shared error, and the measured one that it is.  The others are fixed by the
#: region that is given, or were not measured.
_MEASURED = {
    "R_VALUE": "R_VALUE",
    "USFLUXL": "USFLUXL",
    "MEANGBL": "MEANGBL",
    "AREA_ACR": "AREA_ACR",
    "SIZE_ACR": "AREA_ACR",
    "NACR": "AREA_ACR",
}


def shared_errors(meta) -> dict:
    """
    Read the errors of keywords that the scatter of the members does not hold.

    They were measured when the model was calibrated, on regions that are not its test regions, and
    are in its config.json.

    Parameters
    ----------
    meta : dict-like
        Cards of a result.

    Returns
    -------
    dict of str to float
        Relative errors by the name of the keyword, that of R_VALUE in dex; empty for results of
        other models than the embedded one.
    """
    config = read_embedded_config()
    own = (meta.get("srmodel"), meta.get("srrev")) == ("default", config["revision"])
    return config["calibration"].get("keywords", {}) if own else {}


def widen(name, spread, number, errors):
    """
    Add the shared error of a keyword to the scatter of the members, in quadrature.

    Parameters
    ----------
    name : str
        Of the keyword.
    spread : `~sunpy_superres.metrics.Measurement`
        Of all patches and keywords, ``(patches, keywords)``.
    number : int
        Of the keyword in the second axis.
    errors : dict
        From `shared_errors`.

    Returns
    -------
    error, p16, p84 : numpy.ndarray
        For each patch.  The percentiles are as much farther from the mean of the members as the
        error is larger than their standard deviation.
    """
    value, error, *ends = (
        np.reshape(array, (-1, spread.members.shape[-1]))[:, number]
        for array in (spread.value, spread.error, spread.p16, spread.p84)
    )
    shared = errors.get(_MEASURED.get(name))
    if shared is None:
        return error, *ends
    total = np.hypot(error, shared if name == "R_VALUE" else shared * np.abs(value))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error > 0, total / error, np.nan)
    ends = [
        np.where(error > 0, value + (end - value) * ratio, value + side * total)
        for end, side in zip(ends, (-1, 1), strict=True)
    ]
    return total, *ends
