"""HMI magnetograms of a folder, and the splits of their regions."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_superres.files import find_fits
from sunpy_superres.instruments import HMI
from sunpy_superres.maps.geometry import plate_scale
from sunpy_superres.maps.magnetogram import quality_bits
from sunpy_superres.maps.metadata import observation_time
from sunpy_superres.maps.reading import read_map
from sunpy_superres.maps.signs import check_signs
from sunpy_superres.maps.units import field_unit
from sunpy_superres.models.embedded import read_embedded_config
from sunpy_superres.warning import SuperResWarning, warn_user

__all__ = [
    "ANY_QUALITY",
    "BUFFER",
    "HELD_OUT",
    "LARGEST_QUALITY",
    "PAIRS",
    "SHARES",
    "SPLITS_FILE",
    "assign_split",
    "find_hmi_maps",
    "has_eclipse_bits",
    "read_splits",
    "split_region",
]

#: Splits that no model is trained on.
HELD_OUT = ("test", "validation")
#: File, in a folder of magnetograms, that names the regions of these splits.
SPLITS_FILE = "splits.json"
#: Subfolder of MDI/HMI pairs, which are not used for training.
PAIRS = "pairs"
#: Shares of the regions that a folder without such a file holds out; the rest is "train".
SHARES = (("test", 0.2), ("validation", 0.1))
#: Days of a solar rotation; the frames without a region's number in one rotation are one region.
_ROTATION = 27.2753
#: Days; frames within this time of a rotation of another split belong to none.
BUFFER = 3.0
#: Largest QUALITY of a usable HMI magnetogram; the bits within it mark minor problems.
LARGEST_QUALITY = 0xFFFF
#: The limit for frames that have been chosen by hand.
ANY_QUALITY = 0xFFFFFFFF
#: QUALITY bits of HMI's 720 s averages, as JSOC defines them: a filtergram was taken in an eclipse;
#: the quality is poor, because of an eclipse, a lunar transit, thermal recovery or the like.  In
#: the 45 s series, another bit means the first.
_ECLIPSE, _POOR_QUALITY, _ECLIPSE_45S = 0x200, 0x20, 0x100
#: QUALITY bit of an average of fewer filtergrams than it should have.
_FEW_FILTERGRAMS = 0x10000
#: QUALLEV1 bits of the filtergrams: eclipse, thermal recovery, lunar transit.
_LEVEL_1 = 0x2000 | 0x400000 | 0x800000
#: Hours, in TAI, of the daily calibrations, which leave few filtergrams and a sharp image, and how
#: near to them, in hours, a frame of 720 s loses some.
_CALIBRATIONS, _NEAR = np.array([6.0, 18.0]), 0.25


def has_eclipse_bits(hmi_map) -> bool:
    """
    Return whether an HMI header has QUALITY bits of an eclipse, a lunar transit or what follows.

    After an eclipse HMI is out of focus until it has its temperature back.  These bits count, in
    the meaning that JSOC gives them for 720 s averages: 0x200 (eclipse; 0x100 where CADENCE is
    45 s), 0x20 (poor quality, for an eclipse, a lunar transit or thermal recovery), and 0x10000
    (fewer filtergrams than the average needs), which is all that frames shortly after an eclipse
    may have.  The daily calibrations at 06:00 and 18:00 TAI set this last bit too, but leave the
    image sharp, so that it does not count within a quarter of an hour of them.  Of QUALLEV1, the
    bits of an eclipse, a lunar transit and thermal recovery count.

    Parameters
    ----------
    hmi_map : `~sunpy.map.GenericMap`
        With HMI's own header.

    References
    ----------
    http://jsoc.stanford.edu/doc/data/hmi/Quality_Bits/QUALITY.txt
    """
    meta = hmi_map.meta
    if quality_bits({"quality": meta.get("quallev1")}) & _LEVEL_1:
        return True
    bits = quality_bits(meta)
    short = str(meta.get("cadence", "")).strip() in ("45", "45.0")
    if bits & (_POOR_QUALITY | (_ECLIPSE_45S if short else _ECLIPSE)):
        return True
    if not bits & _FEW_FILTERGRAMS:
        return False
    hour = observation_time(hmi_map).tai.jd * 24 - 12  # days of jd begin at noon
    away = np.abs((hour - _CALIBRATIONS + 12) % 24 - 12).min()
    return bool(away > _NEAR)


def read_splits(folder=None):
    """
    Read which regions are held out, and the split of each.

    Parameters
    ----------
    folder : path-like, optional
        Folder with a ``splits.json`` such as ``{"test": ["harp1449"], "validation": []}``.  All
        other regions of the folder are "train".  Without a folder, the regions that the embedded
        default model was not trained on.

    Returns
    -------
    dict or None
        Name of the region to its split; None if the folder has no such file.

    Raises
    ------
    ValueError
        If the file is not a list of names for "test", "validation" or both, or a region is in
        two splits.
    """
    if folder is None:
        return dict(_regions_of_default_model())
    path = Path(folder) / SPLITS_FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if (
        not isinstance(content, dict)
        or not set(content) <= set(HELD_OUT)
        or not all(isinstance(names, list) for names in content.values())
        or not all(isinstance(name, str) for names in content.values() for name in names)
    ):
        raise ValueError(
            f"{path} must hold lists of regions for {' and '.join(HELD_OUT)}, such as "
            '{"test": ["harp1449"], "validation": ["harp1425"]}.'
        )
    splits = {}
    for split, names in content.items():
        for name in names:
            if splits.setdefault(name, split) != split:
                raise ValueError(f"{path} has {name} in two splits; leave it in one.")
    return splits


@functools.cache
def _regions_of_default_model():
    """Read the split of each region that the embedded model was not trained on."""
    held_out = read_embedded_config()["training"]["held out"]
    # The configuration has HARP numbers or names of regions.
    return {
        f"harp{region}" if isinstance(region, int) else region: split
        for split, regions in held_out.items()
        for region in regions
    }


def split_region(region, shares=SHARES):
    """
    Choose the split of a region by its name alone, so that it does not depend on other regions.

    Parameters
    ----------
    region : str
        "harp" and its number, say.
    shares : sequence of tuple
        Split and its share of the regions.  Regions of the embedded model's training, and those
        that were held out from it, keep the split that they have there.
    """
    known = _regions_of_default_model()
    if region in known:
        return known[region]
    if region in read_embedded_config()["training"]["trained on"]:
        return "train"
    digest = hashlib.sha256(region.encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    for split, share in shares:
        if place < share:
            return split
        place -= share
    return "train"


def assign_split(smap, shares=SHARES, buffer=BUFFER, splits=None):
    """
    Find the region of a Map, and its split.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        Frames without HARPNUM belong to the region of their solar rotation.
    shares : sequence of tuple
        See `split_region`.
    buffer : float
        Days.
    splits : dict, optional
        From `read_splits`, for a folder that names its regions; shares and buffer do not count
        then.

    Returns
    -------
    region : str
    split : str or None
        None within the buffer between rotations of two splits.
    """
    number = smap.meta.get("harpnum")
    day = None if number else observation_time(smap).jd
    region = f"harp{int(number)}" if number else _rotation(day)
    if splits is not None:
        return region, splits.get(region, "train")
    names = [region] if number else [_rotation(d) for d in (day, day - buffer, day + buffer)]
    found = {split_region(name, shares) for name in names}
    return region, found.pop() if len(found) == 1 else None


def _rotation(day):
    return f"rotation{int(day // _ROTATION)}"


def find_hmi_maps(source, largest_quality=LARGEST_QUALITY):
    """
    Read the HMI magnetograms of a folder, or of an iterable of files and Maps.

    Files and Maps that are not magnetograms in Gauss at HMI's plate scale, or whose QUALITY says
    not to use them, are left out; a warning names each.

    Parameters
    ----------
    source : path-like or iterable of path-like and `~sunpy.map.GenericMap`
        The subfolder ``pairs`` of a folder is not read.
    largest_quality : int
        Magnetograms with a larger QUALITY are left out.

    Yields
    ------
    name : str
        Path within the folder, path as given, or "map" and a number.
    smap : `~sunpy.map.GenericMap`

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or it holds no FITS file.
    """
    folder = None
    if isinstance(source, str | os.PathLike):
        folder = Path(source)
        if not folder.is_dir():
            raise FileNotFoundError(f"There is no folder {folder}; check the path.")
        source = [p for p in find_fits(folder) if p.relative_to(folder).parts[0] != PAIRS]
        if not source:
            raise FileNotFoundError(f"{folder} has no FITS file; check the path.")
    for number, item in enumerate(source):
        given = isinstance(item, sunpy.map.GenericMap)
        name = f"map{number:04d}" if given else _within(item, folder)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                smap = item if given else read_map(item, "HMI")
                smap = _check_usable(smap, largest_quality)
        except (OSError, TypeError, ValueError, LookupError) as error:
            warn_user(f"{name} is left out: {error}")
            continue
        warn_user(*(str(w.message) for w in caught if issubclass(w.category, SuperResWarning)))
        yield name, smap


def _within(path, folder):
    return str(path if folder is None else Path(path).relative_to(folder))


def _check_usable(smap, largest_quality):
    """Return the Map with a unit; if it is not usable, raise an error that says why."""
    if field_unit(smap) is None:  # SHARP series leave BUNIT out of some files
        smap = sunpy.map.Map(smap.data, dict(smap.meta, bunit="Gauss"))
    scale = float(np.mean(plate_scale(smap).to_value(u.arcsec / u.pix)))
    if not HMI.is_full_resolution(scale):
        raise ValueError(f"{scale:.2f} arcsec/pixel is not HMI's.")
    check_signs(smap.data)
    bits = quality_bits(smap.meta)
    if bits > largest_quality:
        raise ValueError(f"QUALITY = {bits:#010x} says not to use it.")
    return smap
