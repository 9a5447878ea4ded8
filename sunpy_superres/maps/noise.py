"""How noisy an MDI frame is, and where."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
from scipy import ndimage

from sunpy_superres.exceptions import SuperResWarning
from sunpy_superres.instruments import MDI
from sunpy_superres.maps.geometry import heliocentric_mu, is_helioprojective

__all__ = ["estimate_noise", "noise_map", "observed_interval"]

#: Gauss.  A frame with less noise than the best of MDI's was smoothed or remapped on its
#: way; taken at its word, the model would sharpen it beyond what it holds.
_NOISE_LIMITS = (9.0, 60.0)
#: Gauss, of the field over 5 x 5 pixels, below which the noise is looked for.
_QUIET = 30.0
#: Pixels along the side of a block in which the noise is looked for.
_BLOCK = 16
#: Quantile of the blocks' noise that is taken for that of the instrument.
_QUIETER = 0.4
#: Edges, in the squared sine of the heliocentric angle, of the rings of the noise.
_RINGS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.96, 0.985, 1.0)


def observed_interval(meta):
    """INTERVAL in seconds, or None."""
    try:
        return float(meta.get("interval"))
    except (ValueError, TypeError):
        return None


def _quiet_differences(frame, good):
    """Diagonal second differences in quiet Sun, NaN elsewhere; noise keeps its own spread."""
    weight = ndimage.uniform_filter(good.astype(np.float32), 5)
    smooth = ndimage.uniform_filter(np.where(good, frame, 0.0), 5) / np.maximum(weight, 0.04)
    quiet = good & (np.abs(smooth) < _QUIET)
    difference = 0.5 * (frame[:-1, :-1] - frame[1:, :-1] - frame[:-1, 1:] + frame[1:, 1:])
    usable = quiet[:-1, :-1] & quiet[1:, :-1] & quiet[:-1, 1:] & quiet[1:, 1:]
    return np.where(usable, np.abs(difference), np.nan)


def _block_levels(differences, block: int) -> np.ndarray:
    """Robust spread of `_quiet_differences` in blocks; NaN where too few are quiet."""
    pad = [(0, -n % block) for n in differences.shape]
    differences = np.pad(differences, pad, constant_values=np.nan)
    rows, columns = (n // block for n in differences.shape)
    blocks = differences.reshape(rows, block, columns, block).swapaxes(1, 2)
    blocks = blocks.reshape(rows, columns, block * block)
    levels = np.full((rows, columns), np.nan)
    enough = np.isfinite(blocks).sum(axis=2) >= _BLOCK**2 // 4
    if enough.any():
        levels[enough] = 1.4826 * np.nanmedian(blocks[enough], axis=1)
    return levels


def _quiet_level(levels) -> float:
    """The level of the quieter blocks: what is above may be the Sun's network."""
    return float(np.nanquantile(levels, _QUIETER)) if np.isfinite(levels).any() else float("nan")


def estimate_noise(frame, good) -> float:
    """
    Noise of a frame from its quietest parts.

    The diagonal second difference of white noise has the noise's own standard
    deviation and little of the Sun's structure.  Its robust spread is taken in
    blocks, leaving out pixels in strong field, and of the blocks the 0.4 quantile.

    Parameters
    ----------
    frame : numpy.ndarray
        Gauss, ``(ny, nx)``.
    good : numpy.ndarray of bool

    Returns
    -------
    float
        Gauss; NaN if there is no quiet Sun to see it in.
    """
    return _quiet_level(_block_levels(_quiet_differences(frame, good), _BLOCK))


def _limb_profile(smap, differences):
    """Noise by distance from disk centre, as a map; None where there is too little to see it."""
    if not is_helioprojective(smap):
        return None
    # It grows steeply in the last few percent of the radius.
    sine = 1 - np.nan_to_num(heliocentric_mu(smap), nan=0.0) ** 2
    centres, levels = [], []
    for inner, outer in itertools.pairwise(_RINGS):
        ring = ((sine >= inner) & (sine < outer))[:-1, :-1]
        values = np.where(ring, differences, np.nan)
        if np.isfinite(values).sum() < 2000:
            continue
        level = _quiet_level(_block_levels(values, _BLOCK))
        if np.isnan(level):  # too narrow a ring to fill small blocks
            level = _quiet_level(_block_levels(values, 2 * _BLOCK))
        if np.isfinite(level):
            centres.append(float(np.median(sine[:-1, :-1][np.isfinite(values)])))
            levels.append(level)
    return np.interp(sine, centres, levels) if len(levels) >= 3 else None


def _local_level(levels, shape):
    """
    The level around each pixel: over 5 x 5 blocks, and smoothed.

    MDI's noise is not the same all over the disk: it doubles where the Sun's rotation and the
    spacecraft's motion take the line to the edge of the filters.
    """
    padded = np.pad(levels, 2, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5)).reshape(*levels.shape, 25)
    local = np.full(levels.shape, np.nan)
    enough = np.isfinite(windows).sum(axis=2) >= 3
    if not enough.any():
        return np.full(shape, _quiet_level(levels))
    local[enough] = np.nanquantile(windows[enough], _QUIETER, axis=1)
    # In an active region, as it is next to it.
    nearest = ndimage.distance_transform_edt(~enough, return_distances=False, return_indices=True)
    smooth = ndimage.gaussian_filter(local[tuple(nearest)], 1.0, mode="nearest")
    where = [(np.arange(n) + 0.5) / _BLOCK - 0.5 for n in shape]
    return ndimage.map_coordinates(
        smooth, np.meshgrid(*where, indexing="ij"), order=1, mode="nearest"
    )


def noise_map(smap, frame, good) -> np.ndarray:
    """
    Noise of each pixel of a frame, as the frame shows it.

    It grows toward the limb, and differs from place to place; both are measured.  Where
    nothing can be measured, it is what INTERVAL promises.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
    frame : numpy.ndarray
        Gauss, ``(ny, nx)``.
    good : numpy.ndarray of bool

    Returns
    -------
    numpy.ndarray
        Standard deviation in MDI Gauss, float32, ``(ny, nx)``, between 9 and 60 G.

    Warns
    -----
    SuperResWarning
        If it is not what INTERVAL promises.
    """
    interval = observed_interval(smap.meta)
    low, high = MDI.noise_range(interval)
    differences = _quiet_differences(frame, good)
    measured = _quiet_level(_block_levels(differences, _BLOCK))
    if not np.isfinite(measured) or measured <= 0:
        return np.full(frame.shape, np.sqrt(low * high), np.float32)
    if interval is not None and not low / 1.5 < measured < high * 1.5:
        warnings.warn(
            f"INTERVAL = {interval} s means noise of {low:.0f}-{high:.0f} G, but the data show "
            f"{measured:.1f} G; what the data show is used, but never less than "
            f"{_NOISE_LIMITS[0]:.0f} G.",
            SuperResWarning,
            stacklevel=4,
        )
    profile = _limb_profile(smap, differences)
    if profile is None:
        profile = np.full(frame.shape, measured)
    relative = _block_levels(differences / profile[:-1, :-1], _BLOCK)
    noise = profile * _local_level(relative, frame.shape)
    return np.clip(noise, *_NOISE_LIMITS).astype(np.float32)
