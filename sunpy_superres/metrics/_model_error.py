"""The error that all members of an ensemble share, as far as it was measured."""

from __future__ import annotations

import numpy as np

from sunpy_superres.models.embedded import read_embedded_config

#: Keywords that have a shared error, and the measured one that it is.
_MEASURED = {
    "R_VALUE": "R_VALUE",
    "USFLUXL": "USFLUXL",
    "MEANGBL": "MEANGBL",
    "AREA_ACR": "AREA_ACR",
    "SIZE_ACR": "AREA_ACR",
    "NACR": "AREA_ACR",
}
#: Keywords whose scatter is too small by a factor, and the measured one that it is of.  A region
#: that is given fixes them; they have no scatter, and no error, then.
_OF_OUTLINE = dict.fromkeys(("AREA", "SIZE", "NPIX", "CMASKL"), "AREA")


def read_model_error(meta) -> tuple[dict, dict]:
    """
    Read what the errors of keywords have beyond the scatter of the members.

    It was measured when the model was calibrated, on regions that are not its test regions, and is
    in its config.json.

    Parameters
    ----------
    meta : dict-like
        Cards of a result.

    Returns
    -------
    shared : dict of str to float
        Relative errors by the name of the keyword, that of R_VALUE in dex, which all members share;
        empty for results of other models than the embedded one.
    factors : dict of str to float
        By how much the errors of others are larger than the scatter: of those that the outline of a
        region decides, whose errors differ from region to region as much as their scatter does.
    """
    config = read_embedded_config()
    if (meta.get("srmodel"), meta.get("srrev")) != ("default", config["revision"]):
        return {}, {}
    calibration = config["calibration"]
    return calibration.get("keywords", {}), calibration.get("keyword_factors", {})


def widen(name, spread, number, errors, factors):
    """
    Add to the scatter of the members what it lacks: the shared error, in quadrature, or a factor.

    Parameters
    ----------
    name : str
        Of the keyword.
    spread : `~sunpy_superres.metrics.Measurement`
        Of all patches and keywords, ``(patches, keywords)``.
    number : int
        Of the keyword in the second axis.
    errors, factors : dict
        From `read_model_error`.

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
    shared = errors.get(_MEASURED.get(name), 0.0)
    factor = factors.get(_OF_OUTLINE.get(name), 1.0)
    if not shared and factor == 1:
        return error, *ends
    total = np.hypot(factor * error, shared if name == "R_VALUE" else shared * np.abs(value))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error > 0, total / error, np.nan)
    ends = [
        np.where(error > 0, value + (end - value) * ratio, value + side * total)
        for end, side in zip(ends, (-1, 1), strict=True)
    ]
    return total, *ends
