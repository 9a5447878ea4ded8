"""Real MDI/HMI pairs: MDI's own pixels behind an interpolated frame, and registration."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, optimize

from sunpy_superres.datasets.registration import register_grid
from sunpy_superres.instruments import MDI

__all__ = ["recover_native_frame", "register_pixels"]


def _linear_interpolation(size, period, phase):
    """Matrix that interpolates nodes ``period`` pixels apart to ``size`` pixels; first node."""
    position = (np.arange(size) - phase) / period
    first = np.floor(position[0])
    node = np.floor(position - first).astype(int)
    fraction = position - first - node
    matrix = np.zeros((size, node[-1] + 2))
    matrix[np.arange(size), node] = 1 - fraction
    matrix[np.arange(size), node + 1] += fraction
    return matrix, phase + first * period


def _native_axis(image):
    """Period and phase, in rows, of the grid that ``image`` was linearly interpolated from."""

    def misfit(parameters, image=image):
        matrix, _ = _linear_interpolation(len(image), *parameters)
        basis, _ = np.linalg.qr(matrix)
        return np.sqrt(np.mean((image - basis @ (basis.T @ image)) ** 2))

    coarse = image[:, ::4]
    start = min(
        (
            (period, phase)
            for period in np.arange(2.69, 2.76, 0.004)
            for phase in np.arange(0, period, period / 10)
        ),
        key=lambda parameters: misfit(parameters, coarse),
    )
    found = optimize.minimize(
        misfit, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-6}
    )
    return found.x, found.fun


def recover_native_frame(image):
    """
    The MDI pixels behind a frame that was bilinearly interpolated to HMI's grid.

    Bilinear interpolation is piecewise linear: its kinks show where the pixels were,
    and least squares give back what they held.

    Parameters
    ----------
    image : numpy.ndarray
        ``(ny, nx)`` on the finer grid.

    Returns
    -------
    frame : numpy.ndarray
        On MDI's own pixels.
    period, origin : numpy.ndarray
        Along rows and columns: fine pixels for each MDI pixel, and the fine position of
        MDI pixel 0.
    misfit : float
        Root mean square, in the image's unit, of what the frame does not explain.
    """
    matrices, period, origin, misfits = [], [], [], []
    for axis in (image, image.T):
        (step, phase), misfit = _native_axis(axis)
        matrix, first = _linear_interpolation(len(axis), step, phase)
        matrices.append(np.linalg.pinv(matrix, rcond=1e-2))
        period.append(step)
        origin.append(first)
        misfits.append(misfit)
    frame = matrices[0] @ image @ matrices[1].T
    return frame, np.array(period), np.array(origin), max(misfits)


def register_pixels(hmi, frame, period, origin):
    """
    Where the pixels of an MDI frame lie on HMI's grid.

    The shift of highest correlation between the frame and HMI blurred and averaged over
    MDI's pixel, then `~sunpy_superres.datasets.registration.register_grid`.

    Parameters
    ----------
    hmi, frame : numpy.ndarray
    period, origin : numpy.ndarray
        From `recover_native_frame`.

    Returns
    -------
    matrix, origin : numpy.ndarray
        ``(2, 2)`` and ``(2,)``: the frame's pixel ``i`` lies at ``origin + matrix @ i``.
    """
    edge = 6
    good = np.zeros(frame.shape, bool)
    good[edge:-edge, edge:-edge] = True
    index = np.argwhere(good).T
    image = ndimage.gaussian_filter(hmi, MDI.blur_sigma(MDI.plate_scale / period.mean()))
    image = ndimage.uniform_filter(image, int(round(period.mean())))
    seen = frame[good]

    def mismatch(shift):
        where = index * period[:, None] + (origin + shift)[:, None]
        there = ndimage.map_coordinates(image, where, order=1)
        return -np.corrcoef(there, seen)[0, 1]

    steps = np.arange(-8.0, 8.5, 1.0)
    start = min(((y, x) for y in steps for x in steps), key=mismatch)
    return register_grid(frame, good, image, np.diag(period), origin + start)
