"""How noisy an MDI frame is, and where."""

from __future__ import annotations

import itertools

import numpy as np
from astropy.nddata import reshape_as_blocks
from scipy import ndimage

from sunpy_superres.instruments import MDI
from sunpy_superres.maps.geometry import heliocentric_mu, is_helioprojective
from sunpy_superres.maps.interval import observed_interval

__all__ = [
    "MAD_TO_SIGMA",
    "diagonal_differences",
    "estimate_noise",
    "in_all_four",
    "is_usual_noise",
    "noise_map",
    "quiet_pixels",
]

#: Standard deviation of a normal distribution over the median of its absolute values.
MAD_TO_SIGMA = 1.4826

#: Gauss between which a measured noise is kept.  A frame with less noise than the best of MDI's
#: was smoothed or remapped; with so little noise the model would sharpen it too much.
_NOISE_LIMITS = (MDI.least_noise, 60.0)
#: Gauss; with less noise, the values are likely in another unit, such as mT of which 1 is 10 G.
_WRONG_UNIT = MDI.least_noise / 3
#: Gauss; where the mean field of 5 x 5 pixels is weaker, the noise is measured.
_QUIET = 30.0
#: Pixels along the side of a block in which the noise is measured.
_BLOCK = 16
#: The noise of the instrument is this quantile of the blocks' noise.
_QUIETER = 0.4
#: Edges, in the squared sine of the heliocentric angle, of the rings whose noise is measured;
#: they are narrow at the limb, where the noise grows steeply.
_RINGS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.96, 0.985, 1.0)


def is_usual_noise(measured, interval) -> bool:
    """Return whether MDI usually has a noise, in Gauss, for an INTERVAL in seconds."""
    low, high = MDI.noise_range(interval)
    return low / 1.5 < measured < high * 1.5


def diagonal_differences(frame) -> np.ndarray:
    """
    Compute the diagonal second difference of each 2 x 2 pixels, ``(ny - 1, nx - 1)``.

    That of white noise has the noise's own standard deviation, and little of the Sun's structure.
    """
    return 0.5 * (frame[:-1, :-1] - frame[1:, :-1] - frame[:-1, 1:] + frame[1:, 1:])


def in_all_four(mask) -> np.ndarray:
    """Find where a mask is True in all 2 x 2 pixels of a `diagonal_differences`."""
    return mask[:-1, :-1] & mask[1:, :-1] & mask[:-1, 1:] & mask[1:, 1:]


def quiet_pixels(frame, good) -> np.ndarray:
    """Find good pixels around which the mean field of 5 x 5 pixels is weak."""
    weight = ndimage.uniform_filter(good.astype(np.float32), 5)
    smooth = ndimage.uniform_filter(np.where(good, frame, 0.0), 5) / np.maximum(weight, 0.04)
    return good & (np.abs(smooth) < _QUIET)


def _quiet_differences(frame, good):
    """Return absolute diagonal differences in quiet Sun, NaN elsewhere."""
    quiet = quiet_pixels(frame, good)
    return np.where(in_all_four(quiet), np.abs(diagonal_differences(frame)), np.nan)


def _block_levels(differences, block: int) -> np.ndarray:
    """Measure the noise of `_quiet_differences` in blocks; NaN where too few pixels are quiet."""
    pad = [(0, -n % block) for n in differences.shape]
    differences = np.pad(differences, pad, constant_values=np.nan)
    blocks = reshape_as_blocks(differences, block)
    blocks = blocks.reshape(*blocks.shape[:2], block * block)
    levels = np.full(blocks.shape[:2], np.nan)
    enough = np.isfinite(blocks).sum(axis=2) >= _BLOCK**2 // 4
    if enough.any():
        levels[enough] = MAD_TO_SIGMA * np.nanmedian(blocks[enough], axis=1)
    return levels


def _quiet_level(levels) -> float:
    """Return the noise of the quieter blocks; in the others the Sun's network adds to it."""
    return float(np.nanquantile(levels, _QUIETER)) if np.isfinite(levels).any() else float("nan")


def estimate_noise(frame, good) -> float:
    """
    Measure the noise of a frame in its quietest parts.

    The robust spread of `diagonal_differences` is measured in blocks, without pixels in strong
    field; the result is the 0.4 quantile of the blocks.

    Parameters
    ----------
    frame : numpy.ndarray
        Gauss, ``(ny, nx)``.
    good : numpy.ndarray of bool
        Pixels that are on the disk and observed.

    Returns
    -------
    float
        Gauss; NaN if no quiet Sun is in the frame.
    """
    return _quiet_level(_block_levels(_quiet_differences(frame, good), _BLOCK))


def _limb_profile(smap, differences):
    """Return a map of the noise by distance from disk centre; None if too few rings give one."""
    if not is_helioprojective(smap):
        return None
    squared_sine = 1 - np.nan_to_num(heliocentric_mu(smap), nan=0.0) ** 2
    centres, levels = [], []
    for inner, outer in itertools.pairwise(_RINGS):
        ring = ((squared_sine >= inner) & (squared_sine < outer))[:-1, :-1]
        values = np.where(ring, differences, np.nan)
        if np.isfinite(values).sum() < 2000:
            continue
        level = _quiet_level(_block_levels(values, _BLOCK))
        if np.isnan(level):  # too narrow a ring to fill small blocks
            level = _quiet_level(_block_levels(values, 2 * _BLOCK))
        if np.isfinite(level):
            centres.append(float(np.median(squared_sine[:-1, :-1][np.isfinite(values)])))
            levels.append(level)
    return np.interp(squared_sine, centres, levels) if len(levels) >= 3 else None


def _local_level(levels, shape):
    """
    Return the noise around each pixel: that of the quieter of 5 x 5 blocks, smoothed.

    MDI's noise is not the same all over the disk: it doubles where the Sun's rotation and the
    spacecraft's motion shift the spectral line to the edge of the filters.
    """
    padded = np.pad(levels, 2, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5)).reshape(*levels.shape, 25)
    local = np.full(levels.shape, np.nan)
    enough = np.isfinite(windows).sum(axis=2) >= 3
    if not enough.any():
        return np.full(shape, _quiet_level(levels))
    local[enough] = np.nanquantile(windows[enough], _QUIETER, axis=1)
    # An active region gets the level next to it.
    nearest = ndimage.distance_transform_edt(~enough, return_distances=False, return_indices=True)
    smooth = ndimage.gaussian_filter(local[tuple(nearest)], 1.0, mode="nearest")
    where = [(np.arange(n) + 0.5) / _BLOCK - 0.5 for n in shape]
    return ndimage.map_coordinates(
        smooth, np.meshgrid(*where, indexing="ij"), order=1, mode="nearest"
    )


def noise_map(smap, frame, good) -> tuple[np.ndarray, list[str]]:
    """
    Measure the noise of each pixel of a frame.

    The noise grows toward the limb and differs from place to place; both are measured.  A
    frame without quiet Sun gets the usual noise for its INTERVAL.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
    frame : numpy.ndarray
        Gauss, ``(ny, nx)``.
    good : numpy.ndarray of bool
        Pixels that are on the disk and observed.

    Returns
    -------
    noise : numpy.ndarray
        Standard deviation in MDI Gauss, float32, ``(ny, nx)``.
    notes : list of str
        A sentence if the noise is unusual for the INTERVAL of the frame.
    """
    interval = observed_interval(smap.meta)
    low, high = MDI.noise_range(interval)
    differences = _quiet_differences(frame, good)
    measured = _quiet_level(_block_levels(differences, _BLOCK))
    if not np.isfinite(measured) or measured <= 0:
        return np.full(frame.shape, np.sqrt(low * high), np.float32), []
    notes = []
    if measured < _WRONG_UNIT and not smap.meta.get("siminst"):
        notes.append(
            f"The data show a noise of {measured:.2g} G, and MDI's is {low:.0f}-{high:.0f} G: "
            "check the unit (BUNIT), unless the frame was smoothed; "
            f"{_NOISE_LIMITS[0]:.0f} G are used."
        )
    elif interval is not None and not is_usual_noise(measured, interval):
        notes.append(
            f"INTERVAL = {interval} s means noise of {low:.0f}-{high:.0f} G, but the data show "
            f"{measured:.1f} G; the noise in the data is used, but never less than "
            f"{_NOISE_LIMITS[0]:.0f} G."
        )
    profile = _limb_profile(smap, differences)
    if profile is None:
        profile = np.full(frame.shape, measured)
    relative = _block_levels(differences / profile[:-1, :-1], _BLOCK)
    noise = profile * _local_level(relative, frame.shape)
    return np.clip(noise, *_NOISE_LIMITS).astype(np.float32), notes
