"""Recovery of MDI's own pixels from a frame interpolated to a finer grid; their registration."""

from __future__ import annotations

import numpy as np
from scipy import linalg, ndimage, optimize, signal, sparse

from sunpy_superres.datasets.registration import register_grid
from sunpy_superres.instruments import MDI

__all__ = ["PERIODS", "recover_native_frame", "register_pixels"]

#: Limits of the period, in fine pixels for each MDI pixel.
PERIODS = (1.05, 8.0)
#: Numbers of peaks of the spectrum that are tried, of phases of each, and of starts to refine.
_PEAKS, _PHASES, _STARTS = 5, 10, 5
#: A node is recovered only if it contributes more than this part of some fine pixel's value.
_SMALLEST_WEIGHT = 0.02
#: Misfit over second differences above which a frame was not interpolated linearly.
_LARGEST_MISFIT = 0.1
#: Misfit, likewise, that counts as zero, since numbers are rounded and the search stops early.
_TOLERANCE = 1e-4
_NOT_INTERPOLATED = (
    "The frame was not interpolated linearly from pixels of "
    f"{PERIODS[0]:g} to {PERIODS[1]:g} of its own."
)


def _linear_interpolation(size, period, phase, smallest=0.0):
    """
    Make the matrix that interpolates nodes ``period`` pixels apart to ``size`` pixels.

    Also return the position of the first node.  Nodes whose weight exceeds ``smallest`` in no pixel
    are left out.
    """
    position = (np.arange(size) - phase) / period
    first = np.floor(position[0])
    node = np.floor(position - first).astype(int)
    fraction = position - first - node
    matrix = np.zeros((size, node[-1] + 2))
    matrix[np.arange(size), node] = 1 - fraction
    matrix[np.arange(size), node + 1] += fraction
    seen = np.flatnonzero(matrix.max(axis=0) > smallest)
    return matrix[:, seen], phase + (first + seen[0]) * period


def _residual(image, period, phase):
    """Compute what nodes ``period`` pixels apart leave unexplained of an image (least squares)."""
    position = (np.arange(len(image)) - phase) / period
    node = np.floor(position).astype(int)
    fraction, node = position - node, node - node[0]
    # The normal equations couple each node with the next one only; empty nodes stay 0.
    normal = np.zeros((2, node[-1] + 2))
    normal[1, :-1] = np.bincount(node, (1 - fraction) ** 2)
    normal[1, 1:] += np.bincount(node, fraction**2)
    normal[1] += 1e-10
    normal[0, 1:] = np.bincount(node, fraction * (1 - fraction))
    rows = np.arange(len(image))
    matrix = sparse.csr_array(
        (np.append(1 - fraction, fraction), (np.append(rows, rows), np.append(node, node + 1)))
    )
    return image - matrix @ linalg.solveh_banded(normal, matrix.T @ image)


def _possible_frequencies(image):
    """
    Find the frequencies, per row, that the nodes may have.

    Linear interpolation has kinks at its nodes: its second differences come and go with them.  A
    peak of their spectrum at f is the nodes' frequency, or a harmonic of it, or the alias of one.
    """
    kinks = np.median(np.abs(np.diff(image, 2, axis=0)), axis=1)
    kinks /= ndimage.maximum_filter1d(kinks, 2 * int(PERIODS[1]) + 1) + 1e-30
    size = 16 * len(kinks)
    power = np.abs(np.fft.rfft((kinks - kinks.mean()) * np.hanning(len(kinks)), size))
    lowest = int(size / PERIODS[1] / 1.1)
    peaks = signal.find_peaks(np.append(power, 0.0))[0]
    peaks = sorted(peaks[peaks >= lowest], key=lambda peak: -power[peak])[:_PEAKS]
    found = [
        (turns + sign * peak / size) / harmonic
        for peak in peaks
        for harmonic in (1, 2)
        for turns in (0, 1, 2)
        for sign in (1, -1)
    ]
    return sorted(f for f in set(found) if 1 / PERIODS[1] <= f <= 1 / PERIODS[0])


def _native_axis(image):
    """Find period and phase, in rows, of the grid that ``image`` was linearly interpolated from."""
    size, few = len(image), image[:, :: max(1, image.shape[1] // 32)]

    def unexplained(parameters, image=few):
        """Compute the rms residual per degree of freedom that the nodes leave."""
        if not PERIODS[0] <= parameters[0] <= PERIODS[1]:
            return np.inf
        residual = _residual(image, *parameters)
        left = max(size - size / parameters[0], 1) * image.shape[1]
        return np.sqrt(np.square(residual).sum() / left)

    def refine(start, image=few):
        simplex = np.array([start] * 3)
        simplex[1, 0] += start[0] ** 2 / (8 * size)
        simplex[2, 1] += start[0] / _PHASES / 2
        options = {"xatol": 1e-7, "fatol": 1e-7, "initial_simplex": simplex}
        return optimize.minimize(unexplained, start, (image,), "Nelder-Mead", options=options)

    starts = []
    for frequency in _possible_frequencies(image):
        period = 1 / frequency
        phases = [(period, phase) for phase in np.arange(0, period, period / _PHASES)]
        starts.append(min((unexplained(start), start) for start in phases))
    refined = [refine(start) for _, start in sorted(starts)[:_STARTS]]
    if not refined:
        raise ValueError(_NOT_INTERPOLATED)
    # Nodes at half or a third of the distance explain as much, so the widest such grid is right.
    kinks = np.diff(few, 2, axis=0).std()
    limit = 2 * min(found.fun for found in refined) + _TOLERANCE * kinks
    period, phase = max((f.x for f in refined if f.fun <= limit), key=lambda x: x[0])
    wider = [
        (n * period, phase + shift * period)
        for n in range(1, int(PERIODS[1] / period) + 1)
        for shift in range(n)
    ]
    best = refine(max(start for start in wider if unexplained(start) <= limit), image)
    if not best.fun <= _LARGEST_MISFIT * kinks:
        raise ValueError(_NOT_INTERPOLATED)
    return best.x


def recover_native_frame(image):
    """
    Recover the MDI pixels behind a frame that was bilinearly interpolated to a finer grid.

    Bilinear interpolation is piecewise linear: its kinks show where the pixels were, and least
    squares give back what they held.

    Parameters
    ----------
    image : numpy.ndarray
        ``(ny, nx)`` on the finer grid.

    Returns
    -------
    frame : numpy.ndarray
        The values on MDI's own pixels.
    period, origin : numpy.ndarray
        Along rows and columns: fine pixels for each MDI pixel, and the fine position of
        MDI pixel 0.
    misfit : float
        Root mean square, in the image's unit, of what the frame does not explain.

    Raises
    ------
    ValueError
        If no period from 1.05 to 8 fine pixels explains the image.
    """
    image = np.asarray(image, float)
    matrices, period, origin, misfits = [], [], [], []
    for axis in (image, image.T):
        step, phase = _native_axis(axis)
        matrix, first = _linear_interpolation(len(axis), step, phase, _SMALLEST_WEIGHT)
        misfits.append(np.sqrt(np.mean(_residual(axis, step, phase) ** 2)))
        matrices.append(np.linalg.pinv(matrix, rcond=1e-2))
        period.append(step)
        origin.append(first)
    frame = matrices[0] @ image @ matrices[1].T
    return frame, np.array(period), np.array(origin), max(misfits)


def register_pixels(hmi, frame, period, origin):
    """
    Find where the pixels of an MDI frame lie on HMI's grid.

    First the shift with the highest correlation is found between the frame and HMI, blurred and
    averaged over MDI's pixel; `~sunpy_superres.datasets.registration.register_grid` then refines
    it.

    Parameters
    ----------
    hmi, frame : numpy.ndarray
        Gauss.
    period, origin : numpy.ndarray
        From `recover_native_frame`.

    Returns
    -------
    matrix, origin : numpy.ndarray
        ``(2, 2)`` and ``(2,)``: the frame's pixel ``i`` lies at ``origin + matrix @ i``.
    """
    edge = 6
    inner = np.zeros(frame.shape, bool)
    inner[edge:-edge, edge:-edge] = True
    index = np.argwhere(inner).T
    image = ndimage.gaussian_filter(hmi, MDI.blur_sigma(MDI.plate_scale / period.mean()))
    image = ndimage.uniform_filter(image, int(round(period.mean())))
    seen = frame[inner]

    def mismatch(shift):
        where = index * period[:, None] + (origin + shift)[:, None]
        expected = ndimage.map_coordinates(image, where, order=1)
        return -np.corrcoef(expected, seen)[0, 1]

    steps = np.arange(-8.0, 8.5, 1.0)
    start = min(((y, x) for y in steps for x in steps), key=mismatch)
    return register_grid(frame, inner, image, np.diag(period), origin + start)
