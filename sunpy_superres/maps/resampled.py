"""Signs that a frame was rotated, derotated, reprojected or resampled before it came here."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from sunpy_superres.maps.noise import MAD_TO_SIGMA, quiet_pixels

__all__ = ["check_resampling", "jump_significance", "noise_correlation", "repeated_pixels"]

#: Sixth differences of white noise have its standard deviation; the Sun's structure, which MDI's
#: optics have blurred, hardly passes them.
_SIXTH = np.array([1.0, -6.0, 15.0, -20.0, 15.0, -6.0, 1.0]) / np.sqrt(924)
#: Quiet pixels that are needed to measure the noise.
_ENOUGH = 400
#: Gauss; the correlation of still less noise is that of the Sun's structure.
_LEAST_NOISE = 1.0
#: Correlation of the noise of neighbours above which a frame is flagged, and what is added to it in
#: units of the root of the number of pixels.  Blocks of 64 x 64 pixels of three real full disks
#: have up to 0.16, the whole disks 0.02 to 0.04; frames that were rotated with bilinear
#: interpolation have 0.25 and more.
_CORRELATED, _CORRELATED_ERROR = 0.18, 2.5
#: Share of repeated pixels above which a frame is flagged.
_REPEATED, _REPEATED_ERROR = 0.01, 1.0
#: Significance of regular jumps above which a frame is flagged.
_JUMPS = 8.5
#: Strong gradients, in units of the noise, show where pixels are displaced.
_STRONG = 3.0
#: Pixels in which such gradients are needed, in the frame and in a phase of the jumps.
_ENOUGH_STRONG, _ENOUGH_IN_PHASE = 400, 15
#: Significance that a single line can have: one straight edge on the Sun is no resampling.
_ONE_LINE = 5.0
#: Limits of the number of jumps for each pixel along an axis.
_RATES = (0.0025, 0.15)
_FIX = (
    "; use the frame as the archive gives it, and put the result on the grid that you want with "
    "target_wcs."
)


def _pair(array, axis, step=1):
    """Return the array without its last, and without its first pixels along an axis."""
    cut = [slice(None)] * 2
    cut[axis] = slice(None, -step)
    first = array[tuple(cut)]
    cut[axis] = slice(step, None)
    return first, array[tuple(cut)]


def _correlation_along(frame, quiet, axis):
    """Correlate neighbours along an axis; differences along the other remove the Sun."""
    across = 1 - axis
    half = len(_SIXTH) // 2
    usable = ndimage.minimum_filter1d(quiet.view(np.uint8), len(_SIXTH), axis=across) > 0
    cut = [slice(None)] * 2
    cut[across] = slice(half, -half)
    cut = tuple(cut)
    differences = ndimage.convolve1d(frame, _SIXTH, axis=across)[cut]
    usable = usable[cut]
    if usable.sum() < _ENOUGH:
        return np.nan, 0
    size = np.abs(differences)
    level = MAD_TO_SIGMA * float(np.median(size[usable]))
    if level < _LEAST_NOISE:
        return np.nan, 0
    # The noise changes over the disk; no part of it, and no spike, shall dominate.
    share = ndimage.uniform_filter(usable.astype(np.float32), 15)
    local = ndimage.uniform_filter(np.where(usable, np.minimum(size, 4 * level), 0), 15)
    local = np.sqrt(np.pi / 2) * local / np.maximum(share, 1e-3)
    scaled = np.where(usable, np.clip(differences / np.maximum(local, 1e-6), -2.5, 2.5), 0)
    (one, other), both = _pair(scaled, axis), np.logical_and(*_pair(usable, axis))
    variance = (np.square(one[both]).sum() + np.square(other[both]).sum()) / 2
    return float((one * other)[both].sum() / variance), int(both.sum())


def noise_correlation(frame, good) -> tuple[float, int]:
    """
    Measure how the noise of neighbouring pixels is correlated.

    Along each axis, neighbours are correlated whose Sun was removed by sixth differences along the
    other axis.  The mean of both axes is 0 in white noise, 0.02 to 0.04 in MDI's full disks, 0.25
    after rotation by bilinear interpolation, and 0.5 after a shift by half a pixel along both axes.
    (On MDI's disk the noise along one axis can have 0.3, where the other has -0.2.)

    Parameters
    ----------
    frame : numpy.ndarray
        Gauss, ``(ny, nx)``, 0 where ``good`` is False.
    good : numpy.ndarray of bool
        Pixels that are on the disk and observed.

    Returns
    -------
    correlation : float
        NaN without enough quiet Sun, or without noise.
    count : int
        Pixels in which it was measured.
    """
    quiet = quiet_pixels(frame, good)
    found = [_correlation_along(frame, quiet, axis) for axis in (0, 1)]
    return float(np.mean([value for value, _ in found])), min(count for _, count in found)


def repeated_pixels(frame, good) -> tuple[float, int]:
    """
    Measure how many pixels repeat the one beside them.

    Since numbers are rounded, pixels can be equal by chance.  Diagonal neighbours are so as often,
    but no rotation by nearest neighbours repeats them: their share is subtracted.

    Parameters
    ----------
    frame, good
        See `noise_correlation`.

    Returns
    -------
    share : float
        NaN without enough quiet Sun.
    count : int
        Pixels in which it was measured.
    """
    quiet = quiet_pixels(frame, good)
    if quiet.sum() < _ENOUGH:
        return np.nan, 0
    shares = []
    for axis in (0, 1):
        (one, other), both = _pair(frame, axis), np.logical_and(*_pair(quiet, axis))
        shares.append(np.mean((one == other)[both]))
    below, above = _pair(frame, 0)
    quiet_below, quiet_above = _pair(quiet, 0)
    diagonals = []
    for one, other in ((slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))):
        both = quiet_below[:, one] & quiet_above[:, other]
        diagonals.append(np.mean((below[:, one] == above[:, other])[both]))
    return float(np.mean(shares) - np.mean(diagonals)), int(quiet.sum())


def _jumps(frame, good, noise, axis, along):
    """
    Measure how far the field jumps between neighbours along x or y, where its gradient is strong.

    Returns the places of the pairs along the axis and across it, and the jumps in units of the
    gradient: 0 in a smooth field; 1 where the second pixel is one row (``along``: column) further
    than it should be.
    """
    if axis == 0:
        frame, good, noise = frame.T, good.T, noise.T
    first, second, third, fourth = (frame[:, i : frame.shape[1] - 3 + i] for i in range(4))
    if along:
        gradient = (third + fourth - first - second) / 4
    else:
        vertical = ndimage.correlate1d(frame, [-0.5, 0.0, 0.5], axis=0)
        gradient = (vertical[:, 1:-2] + vertical[:, 2:-1]) / 2
    strong = np.abs(gradient) > _STRONG * noise[:, 1:-2]
    usable = ndimage.minimum_filter(good.view(np.uint8), 3) > 0
    strong &= usable[:, 3:] & usable[:, :-3]
    across, position = np.nonzero(strong)
    # A third difference: the smooth part of the field drops out.
    jump = (first - 3 * second + 3 * third - fourth)[strong] / 2
    return position, across, np.clip(jump / gradient[strong], -1.5, 1.5)


def _regularity(position, across, jump, tilted) -> float:
    """Return the largest significance of jumps at regular distances, in standard deviations."""
    if len(jump) < _ENOUGH_STRONG:
        return 0.0
    jump = (jump - jump.mean()) / jump.std()
    across = across - int(across.mean())
    position = position - int(position.mean())
    extent = max(np.ptp(position), np.ptp(across)) + 1
    # From one rate to the next, the lines at the edges move by a pixel.
    steps = np.log(_RATES[1] / max(_RATES[0], 2 / extent)) * extent / 2
    rates = _RATES[1] * np.exp(-np.arange(max(int(steps), 1)) * 2 / extent)
    best = 0.0
    # Rotation by an angle: sin(angle) jumps for each pixel, on lines tilted by half of it.
    for sign in (-1, 1) if tilted else (0,):
        tilts = np.rint(sign * rates / 2 * extent).astype(int)
        for tilt in np.unique(tilts):
            shifted = position + np.rint(across * (tilt / extent)).astype(int)
            best = max(best, _best_phase(shifted, jump, rates[tilts == tilt]))
    return best


def _best_phase(position, jump, rates) -> float:
    """Sum jumps by their phase at each rate; return the largest sum in standard deviations."""
    first = int(position.min())
    count = np.bincount(position - first)
    filled = np.flatnonzero(count)
    total, count = np.bincount(position - first, jump)[filled], count[filled]
    limit = _ONE_LINE * np.sqrt(count)
    total = np.clip(total, -limit, limit)
    phases = np.rint(1 / rates).astype(int)
    phase = (filled + first) * rates[:, None] % 1.0 * phases[:, None]
    phase = np.minimum(phase.astype(int), phases[:, None] - 1)
    phase = (phase + (np.cumsum(phases) - phases)[:, None]).ravel()
    total = np.bincount(phase, np.tile(total, len(rates)))
    count = np.bincount(phase, np.tile(count, len(rates)))
    enough = count >= _ENOUGH_IN_PHASE
    return float((np.abs(total[enough]) / np.sqrt(count[enough])).max()) if enough.any() else 0.0


def jump_significance(frame, good, noise) -> float:
    """
    Measure whether pixels are displaced in a sawtooth, as nearest neighbours are.

    Where a frame is made of the nearest of other pixels, the displacement jumps by one
    pixel at regular distances: 1 / sin(angle) after a rotation.  The jumps show as breaks of
    the field where its gradient is strong.  They are summed for all distances and phases.

    Parameters
    ----------
    frame, good
        See `noise_correlation`.
    noise : numpy.ndarray
        Standard deviation of the noise in Gauss, ``(ny, nx)``.

    Returns
    -------
    float
        The largest sum in units of its standard deviation, which is about 6 without jumps; 0
        without enough strong field.
    """
    return max(
        _regularity(*_jumps(frame, good, noise, axis, along), tilted=not along)
        for axis in (0, 1)
        for along in (False, True)
    )


def check_resampling(frame, good, noise) -> list[str]:
    """
    Flag a frame that looks as if it had been rotated, reprojected or resampled.

    Parameters
    ----------
    frame, good, noise
        See `jump_significance`.

    Returns
    -------
    list of str
        A note, or none.
    """
    correlation, count = noise_correlation(frame, good)
    if correlation > _CORRELATED + _CORRELATED_ERROR / np.sqrt(max(count, 1)):
        return [
            f"The frame looks resampled: the noise of its neighbouring pixels is correlated by "
            f"{correlation:.2f}, as interpolation does, and its detail is lost{_FIX}"
        ]
    repeated, count = repeated_pixels(frame, good)
    if repeated > _REPEATED + _REPEATED_ERROR / np.sqrt(max(count, 1)):
        return [
            f"The frame looks resampled: {repeated:.1%} of its pixels repeat the one beside them, "
            f"as nearest neighbours do, and others are displaced by up to half a pixel{_FIX}"
        ]
    if jump_significance(frame, good, noise) > _JUMPS:
        return [
            "The frame looks resampled: its field breaks at regular distances, as nearest "
            f"neighbours make it, so that its pixels are displaced by up to half a pixel{_FIX}"
        ]
    return []
