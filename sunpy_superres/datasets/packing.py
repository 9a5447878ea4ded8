"""One packed training file from a folder of HMI magnetograms."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy import ndimage

from sunpy_superres.datasets.packed import NODE, Frame, save_pack
from sunpy_superres.datasets.splits import BUFFER, SHARES, SPLITS, assign_split, find_hmi_maps
from sunpy_superres.maps.fields import known_pixels, to_gauss
from sunpy_superres.maps.geometry import is_helioprojective, measure_foreshortening
from sunpy_superres.maps.reading import read_map

__all__ = [
    "PackConfig",
    "as_seen_on_ccd",
    "thin_frames",
    "frames_of_manifest",
    "frames_of_maps",
    "pack_folder",
]

#: What the manifest calls line-of-sight fields at HMI's full resolution.
_KINDS = (
    "hmi_sharp_cea_los",
    "hmi_sharp_ccd_los",
    "hmi_ccd_cutout_los",
    "hmi_ccd_cutout_mucorr",
)
#: NOAA regions that are HARP 377 under another name.
_HARP_377 = "hmi_ccd_cutout_los"


@dataclass(frozen=True)
class PackConfig:
    """
    Which frames are taken for training.

    Parameters
    ----------
    largest_noise : float
        Robust noise in Gauss above which a frame is left out.
    largest_longitude : float
        Distance from the central meridian, in degrees, likewise.
    foreshortened_from : float
        Distance from the central meridian from which a CEA frame is also taken as it
        looked on the CCD.
    oversampled_from : float
        Distance from which a CEA frame of a training region is taken only as it looked on the
        CCD: its own pixels are finer than what HMI resolved, and a model that learnt from them
        without being told (``foreshortening``) would draw too little of the finest structure
        everywhere.
    thinning : dict
        HARP number to the step in its series, for long series of near copies.
    shares : tuple
        Of a folder without a manifest: split and its share of the regions; the rest is
        "train".  The regions held out by the project stay held out.
    buffer : float
        Days.  Frames without a region's number (full disks, say) are split by solar rotation;
        those as near as this to a rotation of another split are left out.
    """

    largest_noise: float = 16.5
    largest_longitude: float = 68.0
    foreshortened_from: float = 25.0
    oversampled_from: float = 90.0
    thinning: tuple[tuple[int, int], ...] = ((377, 2),)
    shares: tuple[tuple[str, float], ...] = SHARES
    buffer: float = BUFFER


def as_seen_on_ccd(field, longitude, latitude):
    """
    Squeeze a CEA field as foreshortening squeezes it on the detector.

    Away from disk centre CEA pixels are finer than what HMI resolves; squeezed, their
    finest structure is HMI's again.

    Parameters
    ----------
    field : numpy.ndarray
        Gauss, NaN where missing.
    longitude, latitude : float
        Of its centre, from disk centre, in degrees.
    """
    factors = np.cos(np.radians([latitude, longitude]))
    missing = np.isnan(field)
    smooth = ndimage.gaussian_filter(np.where(missing, 0.0, field), 0.3 / factors)
    options = {"grid_mode": True, "mode": "nearest"}
    squeezed = ndimage.zoom(smooth, factors, order=3, **options)
    hole = ndimage.zoom(missing.astype(np.float32), factors, order=1, **options) > 0.01
    return np.where(hole, np.nan, squeezed).astype(np.float32)


def _nodes(smap):
    """`Frame.foreshortening` of a Map."""
    if is_helioprojective(smap):
        return None
    y, x = (NODE * np.arange(-(-n // NODE) + 1) for n in smap.data.shape)
    return measure_foreshortening(smap, x[None, :], y[:, None]).astype(np.float32)


def _region(record):
    if record.get("harpnum"):
        return f"harp{record['harpnum']}"
    if record["kind"] == _HARP_377:
        return "harp377"
    return Path(record["file"]).name.split(".")[2]


def frames_of_manifest(data, config=PackConfig()):
    """
    Frames for all splits, in the order of the manifest.

    Parameters
    ----------
    data : path-like
        Folder with MANIFEST.json.
    config : PackConfig

    Yields
    ------
    Frame
    """
    data, thinning, seen = Path(data), dict(config.thinning), {}
    held_out = {number: split for split, numbers in SPLITS.items() for number in numbers}
    for record in json.loads((data / "MANIFEST.json").read_text()):
        if record.get("kind") not in _KINDS:
            continue
        harp, longitude = record.get("harpnum"), record.get("lon_fwt")
        seen[harp] = seen.get(harp, 0) + 1
        if harp in thinning and seen[harp] % thinning[harp]:
            continue
        split = held_out.get(harp, "train")
        if split == "train" and (
            (record.get("mad_sigma") or np.inf) > config.largest_noise
            or abs(longitude or 0.0) > config.largest_longitude
        ):
            continue
        with fits.open(data / record["file"]) as file:
            image = next(hdu for hdu in file if hdu.data is not None)
            field = np.asarray(image.data, np.float32)
        region = _region(record)
        remapped = "cea" in record["kind"]
        distance = abs(longitude or 0.0) if remapped else 0.0
        if split != "train" or distance <= config.oversampled_from:
            nodes = _nodes(read_map(data / record["file"], "HMI")) if remapped else None
            yield Frame(record["file"], region, split, field, nodes)
        if distance > config.foreshortened_from:
            squeezed = as_seen_on_ccd(field, longitude, record.get("lat_fwt") or 0.0)
            yield Frame(record["file"] + "#ccd", region, split, squeezed)


def frames_of_maps(source, config=PackConfig()):
    """
    Frames of HMI magnetograms, by their headers.

    What `~sunpy_superres.datasets.splits.find_hmi_maps` finds unfit is left out with a warning;
    frames of the training split also if they are noisy or near the limb, as `PackConfig` says.

    Parameters
    ----------
    source : path-like or iterable of path-like and `~sunpy.map.GenericMap`
        A folder of FITS files, or files and Maps.
    config : PackConfig

    Yields
    ------
    Frame

    Raises
    ------
    FileNotFoundError
        If a folder holds no FITS file.
    """
    thinning, seen = dict(config.thinning), {}
    for name, smap in find_hmi_maps(source):
        region, split = assign_split(smap, config.shares, config.buffer)
        number = smap.meta.get("harpnum")
        seen[number] = seen.get(number, 0) + 1
        if split is None or (number in thinning and seen[number] % thinning[number]):
            continue
        values = to_gauss(smap)
        field = np.where(known_pixels(smap, values), values, np.nan).astype(np.float32)
        longitude = abs(float(smap.meta.get("lon_fwt") or 0.0))
        if split == "train" and (
            1.4826 * np.nanmedian(np.abs(field - np.nanmedian(field))) > config.largest_noise
            or longitude > config.largest_longitude
        ):
            continue
        remapped = "CRLN" in str(smap.meta.get("ctype1", "")).upper()
        if split != "train" or not remapped or longitude <= config.oversampled_from:
            yield Frame(name, region, split, field, _nodes(smap))
        if remapped and longitude > config.foreshortened_from:
            squeezed = as_seen_on_ccd(field, longitude, float(smap.meta.get("lat_fwt") or 0.0))
            yield Frame(name + "#ccd", region, split, squeezed)


def thin_frames(frames, limit=64.0):
    """
    Frames that fit into a packed file: of the region with most pixels, every second one goes.

    Parameters
    ----------
    frames : list of Frame
    limit : float
        MiB.

    Returns
    -------
    list of Frame
        In the same order; each region keeps at least one.

    Raises
    ------
    ValueError
        If one frame of each region is still too much.
    """
    kept = list(frames)
    # Two bytes for each pixel, and some for the names.
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
    Write the frames of a folder into one packed file, thinned until they fit.

    Parameters
    ----------
    data : path-like
        Folder of HMI magnetograms, described by its MANIFEST.json or, without one, by the headers
        of all FITS files in it.
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
        If one frame of each region is more than the limit.
    """
    described = (Path(data) / "MANIFEST.json").exists()
    find = frames_of_manifest if described else frames_of_maps
    frames = thin_frames(list(find(data, config)), limit)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    save_pack(frames, path)
    return frames
