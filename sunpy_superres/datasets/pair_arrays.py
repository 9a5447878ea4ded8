"""The arrays of a pair of magnetograms: checked, and as a file of pairs holds them."""

from __future__ import annotations

import numpy as np

from sunpy_superres.datasets.arrays import read_gauss, warn_of_fills
from sunpy_superres.instruments import FACTOR
from sunpy_superres.maps.units import LARGEST_FIELD

__all__ = ["read_pair"]


def read_pair(pair, number) -> dict:
    """
    Return the arrays of a pair as a file of pairs holds them.

    Parameters
    ----------
    pair : `~sunpy_superres.datasets.pairs.AlignedPair`
    number : int
        Its number, for the messages.

    Returns
    -------
    dict of str to numpy.ndarray
        ``frame``, ``noise`` and ``target``, float32, and ``good``, uint8.

    Raises
    ------
    TypeError, ValueError
        As `~sunpy_superres.datasets.pairs.save_pairs` does.

    Warns
    -----
    SuperResWarning
        For what looks like numbers for missing data.
    """
    for name in ("frame", "noise", "target", "good"):
        if getattr(getattr(pair, name), "mask", None) is not None:
            raise TypeError(
                f"The array {name}{number:04d} is masked; fill it, with NaN or, if it is good, "
                "with False."
            )
    fields = {
        name: read_gauss(f"{name} of pair {number}", getattr(pair, name), LARGEST_FIELD)
        for name in ("frame", "noise", "target")
    }
    good = _read_good(pair.good, number)
    ny, nx = fields["frame"].shape
    fine = (FACTOR * ny, FACTOR * nx)
    for name, values, shape in (
        ("noise", fields["noise"], (ny, nx)),
        ("good", good, (ny, nx)),
        ("target", fields["target"], fine),
    ):
        if values.shape != shape:
            raise ValueError(
                f"{name} of pair {number} has the shape {values.shape}, and its frame ({ny}, "
                f"{nx}), to which {shape} belongs; give the arrays of one AlignedPair."
            )
    good &= np.isfinite(fields["frame"])
    noise = fields["noise"]
    if not (noise[good] > 0).all():
        raise ValueError(
            f"noise of pair {number} is not positive in all good pixels; give the standard "
            "deviation of the noise in MDI Gauss."
        )
    target = fields["target"]
    warn_of_fills(f"frame of pair {number}", fields["frame"], good)
    warn_of_fills(f"target of pair {number}", target, np.isfinite(target))
    # What is not good is not looked at, but one NaN would spread over a whole network.
    fields["frame"] = np.where(np.isfinite(fields["frame"]), fields["frame"], 0.0)
    usual = float(np.median(noise[good])) if good.any() else 0.0
    fields["noise"] = np.where(np.isfinite(noise), noise, usual)
    arrays = {name: values.astype(np.float32) for name, values in fields.items()}
    return arrays | {"good": good.astype(np.uint8)}


def _read_good(values, number):
    """Return ``good`` of a pair as an array of bool."""
    if getattr(values, "unit", None) not in (None, ""):
        raise TypeError(f"good of pair {number} has a unit; give True where the frame is good.")
    array = np.asarray(values)
    if array.dtype.kind not in "iufb" or not np.isin(array, (0, 1)).all():
        raise ValueError(
            f"good of pair {number} holds more than True and False; give True where the frame is "
            "good."
        )
    return array.astype(bool)
