"""Registration of an MDI frame on a finer image: shift, rotation, scale and shear."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, optimize

from sunpy_superres.instruments import MDI

__all__ = ["register_grid"]

#: Gauss above which fields count by their logarithm; otherwise spots alone would decide.
_COMPRESSED_FROM = 50.0
#: Standard deviation of the rotation, scale and shear between two pointings that is expected
#: (0.01 is 0.6 degrees), and of the shift in MDI pixels.
_DEFORMATION, _SHIFT = 0.01, 1.0
#: Largest and smallest number of pixels that are compared.
_ENOUGH, _TOO_FEW = 200_000, 64


def register_grid(frame, good, image, matrix, origin):
    """
    Find where the pixels of an MDI frame lie on a finer image, to a few hundredths of a pixel.

    Two pointings may differ in roll and scale: in two real pairs a shift alone leaves the corners
    of an active region off by 0.4 MDI pixels.  (Published values of MDI's roll error are about 0.2
    degrees.  The scale that these pairs show comes from how their source had resized them.)
    The affine grid is found by least squares on compressed fields.  Gain and zero level are free;
    a normal prior on shift and deformation leaves frames without structure nearly as they are.

    Parameters
    ----------
    frame : numpy.ndarray
        MDI Gauss, ``(ny, nx)``.
    good : numpy.ndarray of bool
        Pixels that count, ``(ny, nx)``.
    image : numpy.ndarray
        HMI Gauss, finite, as MDI would average it around each of the image's pixels.
    matrix : array-like
        ``(2, 2)``; steps along the image's rows and columns for one step along the frame's.
    origin : array-like
        Row and column of the image under the frame's pixel 0, 0, right to a pixel or two of MDI.

    Returns
    -------
    matrix, origin : numpy.ndarray
        The same, registered.

    Raises
    ------
    ValueError
        If fewer than 64 pixels are good, or a value that counts is not finite.
    """
    matrix, origin = np.asarray(matrix, float), np.asarray(origin, float)
    chosen = np.flatnonzero(good)
    if len(chosen) < _TOO_FEW:
        raise ValueError(
            f"{len(chosen)} good pixels do not suffice to place a frame; give at least {_TOO_FEW}."
        )
    if not (np.isfinite(image).all() and np.isfinite(frame.flat[chosen]).all()):
        raise ValueError(
            "The image, or the frame where it is good, is not finite; fill what is missing with "
            "0 and mark it as not good."
        )
    chosen = chosen[:: len(chosen) // _ENOUGH + 1]
    index = np.array(np.unravel_index(chosen, frame.shape), float)
    middle = (np.array(frame.shape)[:, None] - 1) / 2
    seen = _compress(frame.flat[chosen] / MDI.gain)
    seen = seen - seen.mean()
    spline = ndimage.spline_filter(np.asarray(image, float))

    def grid(parameters):
        deformed = matrix @ (np.eye(2) + parameters[2:].reshape(2, 2))
        centre = origin[:, None] + matrix @ middle + parameters[:2, None]
        return deformed, centre

    def misfit(parameters):
        deformed, centre = grid(parameters)
        where = centre + deformed @ (index - middle)
        hmi = ndimage.map_coordinates(spline, where, order=3, mode="nearest", prefilter=False)
        hmi = _compress(hmi)
        hmi = hmi - hmi.mean()
        return seen - hmi * (seen @ hmi) / max(hmi @ hmi, 1e-9)

    noise = max(misfit(np.zeros(6)).std(), 1e-6)

    def residuals(parameters):
        return np.append(misfit(parameters) / noise, parameters / expected)

    side = np.linalg.norm(matrix, axis=0).mean()
    expected = np.array([_SHIFT * side, _SHIFT * side, *[_DEFORMATION] * 4])
    scale = np.array([1.0, 1.0, *[1 / max(frame.shape)] * 4])
    found = optimize.least_squares(residuals, np.zeros(6), x_scale=scale)
    deformed, centre = grid(found.x)
    return deformed, (centre - deformed @ middle)[:, 0]


def _compress(field):
    return np.arcsinh(field / _COMPRESSED_FROM)
