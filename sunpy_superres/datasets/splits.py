"""HMI magnetograms of a folder, and which split their region belongs to."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_superres.datasets.pairs import observation_time
from sunpy_superres.exceptions import SuperResWarning
from sunpy_superres.instruments import HMI
from sunpy_superres.maps.geometry import plate_scale
from sunpy_superres.maps.magnetogram import quality_bits
from sunpy_superres.maps.reading import read_map
from sunpy_superres.maps.units import field_unit

__all__ = [
    "ANY_QUALITY",
    "BUFFER",
    "LARGEST_QUALITY",
    "SHARES",
    "SPLITS",
    "find_hmi_maps",
    "assign_split",
    "split_region",
]

#: Regions held out; the same everywhere in the project.
SPLITS = {"test": (1449, 13171, 13561, 1455, 71), "validation": (1425, 13866)}
#: Shares of the other regions; the rest is "train".
SHARES = (("test", 0.2), ("validation", 0.1))
#: Days in which frames without a region's number are one region: a solar rotation.
_BLOCK = 27.2753
#: Days; frames as near as this to a rotation of another split belong to none.
BUFFER = 3.0
#: Largest QUALITY of an HMI magnetogram that is fit; lower bits are notes.
LARGEST_QUALITY = 0xFFFF
#: For frames that have been chosen already.
ANY_QUALITY = 0xFFFFFFFF


def split_region(region, shares=SHARES):
    """
    Split of a region, by its name alone: the same whatever else is in the folder.

    Parameters
    ----------
    region : str
        "harp" and its number, say.
    shares : sequence of tuple
        Split and its share of the regions.
    """
    for split, numbers in SPLITS.items():
        if region in {f"harp{number}" for number in numbers}:
            return split
    digest = hashlib.sha256(region.encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    for split, share in shares:
        if place < share:
            return split
        place -= share
    return "train"


def assign_split(smap, shares=SHARES, buffer=BUFFER):
    """
    Region of a Map and its split; None for the latter in the buffer between two.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        Frames without HARPNUM belong to the region of their solar rotation.
    shares : sequence of tuple
    buffer : float
        Days.
    """
    number = smap.meta.get("harpnum")
    if number:
        region = f"harp{int(number)}"
        return region, split_region(region, shares)
    day = observation_time(smap).jd
    names = [f"rotation{int(d // _BLOCK)}" for d in (day, day - buffer, day + buffer)]
    splits = [split_region(name, shares) for name in names]
    return names[0], splits[0] if len(set(splits)) == 1 else None


def find_hmi_maps(source, largest_quality=LARGEST_QUALITY):
    """
    HMI magnetograms of a folder, or of an iterable of files and Maps.

    What is no magnetogram in Gauss at HMI's plate scale, or has a QUALITY bit that makes it
    unfit, is left out with a warning.

    Parameters
    ----------
    source : path-like or iterable of path-like and `~sunpy.map.GenericMap`
    largest_quality : int

    Yields
    ------
    name : str
        Path within the folder, or "map" and a number.
    smap : `~sunpy.map.GenericMap`

    Raises
    ------
    FileNotFoundError
        If a folder holds no FITS file.
    """
    folder = None
    if isinstance(source, str | os.PathLike):
        folder = Path(source)
        source = sorted(p for p in folder.rglob("*.f*ts*") if p.is_file())
        if not source:
            raise FileNotFoundError(f"{folder} has no FITS file; check the path.")
    for number, item in enumerate(source):
        given = isinstance(item, sunpy.map.GenericMap)
        name = f"map{number:04d}" if given else _within(item, folder)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                smap = _fit(item if given else read_map(item, "HMI"), largest_quality)
        except (OSError, TypeError, ValueError, LookupError) as error:
            warnings.warn(f"{name} is left out: {error}", SuperResWarning, stacklevel=2)
            continue
        yield name, smap


def _within(path, folder):
    return str(path if folder is None else Path(path).relative_to(folder))


def _fit(smap, largest_quality):
    """The Map, with its unit told; or a sentence about what makes it unfit."""
    if field_unit(smap) is None:  # SHARP series leave BUNIT out of some files
        smap = sunpy.map.Map(smap.data, dict(smap.meta, bunit="Gauss"))
    scale = float(np.mean(plate_scale(smap).to_value(u.arcsec / u.pix)))
    if not HMI.is_full_resolution(scale):
        raise ValueError(f"{scale:.2f} arcsec/pixel is not HMI's.")
    bits = quality_bits(smap.meta)
    if bits > largest_quality:
        raise ValueError(f"QUALITY = {bits:#010x} marks it as unfit.")
    return smap
