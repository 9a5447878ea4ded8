"""
Packing of HMI magnetograms into one training file.

The FITS files of the folder may be SHARP patches, cut-outs and full disks.  Their headers say what
they are, and the folder's splits.json, if it has one, which regions are held out.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.stats import mad_std
from scipy import ndimage

from sunpy_superres.datasets.packed import NODE, Frame, save_pack
from sunpy_superres.datasets.splits import (
    BUFFER,
    SHARES,
    assign_split,
    find_hmi_maps,
    has_eclipse_bits,
    read_splits,
)
from sunpy_superres.maps.fields import known_pixels, to_gauss
from sunpy_superres.maps.geometry import is_helioprojective, measure_foreshortening
from sunpy_superres.warning import warn_user

__all__ = [
    "PackConfig",
    "frames_of_maps",
    "pack_folder",
    "squeeze_to_ccd",
    "thin_frames",
    "view_region",
]


@dataclass(frozen=True)
class PackConfig:
    """
    Which frames are taken for training.

    Parameters
    ----------
    largest_noise : float
        Robust noise in Gauss above which a frame is left out.
    largest_longitude : float
        Distance from the central meridian, in degrees, above which a frame is left out.
    foreshortened_from : float
        Distance from the central meridian, in degrees, from which a CEA frame is also taken as
        it looked on the CCD.
    oversampled_from : float
        Distance, likewise, from which a CEA frame of a training region is taken only as it looked
        on the CCD: its own pixels are finer than what HMI resolved.  From such pixels a model that
        does not know their foreshortening learns to draw too little of the finest structure.
    thinning : tuple of tuple
        Pairs of a HARP number and a number n, for long series of near copies: only every n-th
        frame of the series is taken.
    shares : tuple of tuple
        Split and its share of the regions, for a folder without ``splits.json``; the rest is
        "train".  See `~sunpy_superres.datasets.splits.split_region`.
    buffer : float
        Days.  Frames without a region's number (full disks, say) are split by solar rotation;
        those within this time of a rotation of another split are left out.
    """

    largest_noise: float = 16.5
    largest_longitude: float = 68.0
    foreshortened_from: float = 25.0
    oversampled_from: float = 90.0
    thinning: tuple[tuple[int, int], ...] = ()
    shares: tuple[tuple[str, float], ...] = SHARES
    buffer: float = BUFFER


def squeeze_to_ccd(field, longitude, latitude):
    """
    Squeeze a CEA field as foreshortening squeezes it on the detector.

    Away from disk centre CEA pixels are finer than what HMI resolves; squeezed, their
    finest structure is HMI's again.

    Parameters
    ----------
    field : numpy.ndarray
        Gauss, NaN where missing.
    longitude, latitude : float
        Distance of its centre from disk centre, in degrees.
    """
    factors = np.cos(np.radians([latitude, longitude]))
    missing = np.isnan(field)
    smooth = ndimage.gaussian_filter(np.where(missing, 0.0, field), 0.3 / factors)
    options = {"grid_mode": True, "mode": "nearest"}
    squeezed = ndimage.zoom(smooth, factors, order=3, **options)
    hole = ndimage.zoom(missing.astype(np.float32), factors, order=1, **options) > 0.01
    return np.where(hole, np.nan, squeezed).astype(np.float32)


def view_region(name, region, split, field, smap, config=PackConfig()):
    """
    Make the frames of one magnetogram: as it is, and as it looked on the CCD if it was remapped.

    Parameters
    ----------
    name, region, split : str
        See `~sunpy_superres.datasets.packed.Frame`.
    field : numpy.ndarray
        Gauss, NaN where missing.
    smap : `~sunpy.map.GenericMap`
        Map of the field, for its coordinates; LON_FWT and LAT_FWT are the place of the region.
    config : PackConfig

    Yields
    ------
    Frame
    """
    remapped = "CRLN" in str(smap.meta.get("ctype1", "")).upper()
    longitude, latitude = (float(smap.meta.get(n) or 0.0) for n in ("lon_fwt", "lat_fwt"))
    distance = abs(longitude) if remapped else 0.0
    if split != "train" or distance <= config.oversampled_from:
        yield Frame(name, region, split, field, _foreshortening_at_nodes(smap))
    if distance > config.foreshortened_from:
        squeezed = squeeze_to_ccd(field, longitude, latitude)
        yield Frame(f"{name}#ccd", region, split, squeezed)


def _foreshortening_at_nodes(smap):
    """Measure the `Frame.foreshortening` of a Map."""
    if is_helioprojective(smap):
        return None
    y, x = (NODE * np.arange(-(-n // NODE) + 1) for n in smap.data.shape)
    return measure_foreshortening(smap, x[None, :], y[:, None]).astype(np.float32)


def frames_of_maps(source, config=PackConfig()):
    """
    Make the frames of HMI magnetograms, by their headers.

    A warning names each file that is left out: by
    `~sunpy_superres.datasets.splits.find_hmi_maps`; between two splits; and, in the training
    split, if it is noisy or near the limb, as `PackConfig` says, or was taken when HMI was out of
    focus after an eclipse (`~sunpy_superres.datasets.splits.has_eclipse_bits`).

    Parameters
    ----------
    source : path-like or iterable of path-like and `~sunpy.map.GenericMap`
        A folder of FITS files, with or without ``splits.json``; or files and Maps.
    config : PackConfig

    Yields
    ------
    Frame

    Raises
    ------
    FileNotFoundError
        If a folder holds no FITS file.
    ValueError
        If its ``splits.json`` is damaged.
    """
    thinning, seen = dict(config.thinning), {}
    splits = read_splits(source) if isinstance(source, str | os.PathLike) else None
    for name, smap in find_hmi_maps(source):
        region, split = assign_split(smap, config.shares, config.buffer, splits)
        number = smap.meta.get("harpnum")
        seen[number] = seen.get(number, 0) + 1
        if split is None:
            warn_user(f"{name} is left out: it lies between rotations of two splits.")
            continue
        if number in thinning and seen[number] % thinning[number]:
            continue
        values = to_gauss(smap)
        field = np.where(known_pixels(smap, values), values, np.nan).astype(np.float32)
        reason = _reason_to_leave_out(smap, field, config) if split == "train" else None
        if reason:
            warn_user(f"{name} is left out: {reason}.")
            continue
        yield from view_region(name, region, split, field, smap, config)


def _reason_to_leave_out(smap, field, config):
    """Say why a magnetogram is not trained on; None if it is."""
    noise = mad_std(field, ignore_nan=True)
    if noise > config.largest_noise:
        return f"its noise is {noise:.1f} G, above {config.largest_noise:g} G"
    longitude = abs(float(smap.meta.get("lon_fwt") or 0.0))
    if longitude > config.largest_longitude:
        return (
            f"it lies {longitude:.0f} degrees from the central meridian, beyond "
            f"{config.largest_longitude:g}"
        )
    if has_eclipse_bits(smap):
        return "its QUALITY has the bits of an eclipse"
    return None


def thin_frames(frames, limit=64.0):
    """
    Leave out every second frame of the largest region until the file is small enough.

    Parameters
    ----------
    frames : list of Frame
    limit : float
        Size of the packed file, MiB.

    Returns
    -------
    list of Frame
        In the same order; each region keeps at least one.

    Raises
    ------
    ValueError
        If one frame of each region is still more than the limit.
    """
    kept = list(frames)
    # A frame takes two bytes for each pixel, and some for its names.
    while sum(2 * f.field.size + 256 for f in kept) > limit * 2**20:
        pixels, numbers = {}, {}
        for frame in kept:
            pixels[frame.region] = pixels.get(frame.region, 0) + frame.field.size
            numbers[frame.region] = numbers.get(frame.region, 0) + 1
        thinnable = [region for region, number in numbers.items() if number > 1]
        if not thinnable:
            raise ValueError(
                f"One frame of each of {len(numbers)} regions is more than {limit:g} MiB; "
                "give fewer regions or a larger limit."
            )
        largest = max(thinnable, key=pixels.get)
        mine = [i for i, frame in enumerate(kept) if frame.region == largest]
        dropped = set(mine[1::2])
        kept = [frame for i, frame in enumerate(kept) if i not in dropped]
    return kept


def pack_folder(data, path, limit=64.0, config=PackConfig()):
    """
    Write the frames of a folder into one packed file, and leave out some if they do not fit.

    Parameters
    ----------
    data : path-like
        Folder of HMI magnetograms.
    path : path-like
        File to write.
    limit : float
        Largest size of the file in MiB.
    config : PackConfig

    Returns
    -------
    list of Frame
        The frames in the file.

    Raises
    ------
    FileNotFoundError
        If the folder holds no FITS file.
    ValueError
        If no file is usable, or one frame of each region is more than the limit.
    """
    frames = list(frames_of_maps(data, config))
    if not frames:
        raise ValueError(
            f"No file in {data} can be used, so nothing was written; give HMI line-of-sight "
            "magnetograms at full resolution, within 68 degrees of the central meridian."
        )
    kept = thin_frames(frames, limit)
    if len(kept) < len(frames):
        warn_user(
            f"{len(frames) - len(kept)} of {len(frames)} frames are left out, of the regions with "
            f"most, so that the file is no larger than {limit:g} MiB."
        )
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    save_pack(kept, path)
    return kept
