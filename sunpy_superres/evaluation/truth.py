"""Frames whose truth is known: HMI regions seen through a simulated MDI, and real pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
import sunpy.map

from sunpy_superres.datasets.pairs import align_pair, match_pairs
from sunpy_superres.datasets.splits import (
    ANY_QUALITY,
    HELD_OUT,
    LARGEST_QUALITY,
    PAIRS,
    assign_split,
    find_hmi_maps,
    has_eclipse_bits,
    read_splits,
)
from sunpy_superres.files import find_fits
from sunpy_superres.instruments import FACTOR
from sunpy_superres.maps.examples import example_hmi_map, example_mdi_map
from sunpy_superres.maps.metadata import observation_time, rebin_meta
from sunpy_superres.maps.reading import read_map
from sunpy_superres.maps.simulation import simulate_mdi
from sunpy_superres.maps.units import quantity_in
from sunpy_superres.warning import warn_user

__all__ = [
    "FrameWithTruth",
    "frames_with_truth",
    "read_pairs",
    "register_hmi",
    "simulate_frames",
    "title_of",
]

#: A simulated frame has an INTERVAL of 300 s up to this noise in MDI Gauss, and of 30 s above.
_LONG_INTERVAL = 18.0
#: Frames for the calibration lie within this distance from the central meridian, in degrees.
_LARGEST_LONGITUDE = 60.0
#: Card of an HMI header whose coordinates have been registered on its MDI frame.
_REGISTERED = "registrd"


@dataclass(frozen=True)
class FrameWithTruth:
    """
    One MDI frame, and HMI's of the same field.

    Parameters
    ----------
    name : str
        Name of the frame.
    region : str
        Name of the region; frames of one region are near copies, and share their scores.
    mdi_map, hmi_map : `~sunpy.map.GenericMap`
    eclipse : bool
        Whether HMI's header has the bits of an eclipse,
        `~sunpy_superres.datasets.splits.has_eclipse_bits`; then the scores measure HMI's blur, not
        the model.
    """

    name: str
    region: str
    mdi_map: sunpy.map.GenericMap
    hmi_map: sunpy.map.GenericMap
    eclipse: bool = False


def frames_with_truth(data, split="test", **options):
    """
    Read or simulate the MDI frames of a split, each with HMI's.

    Parameters
    ----------
    data : path-like
        Folder of HMI magnetograms, which `~sunpy_superres.datasets.splits.assign_split` assigns
        to splits; and, for "pairs", its subfolder ``pairs``, see `read_pairs`.
    split : {"test", "validation", "calibration", "pairs", "example"}
        "calibration" is the frame of each training region that is nearest to the central
        meridian.  "example" is the embedded one: it needs no data; it is simulated, so that it
        does not test a model.
    **options
        Of simulated frames: other arguments of `simulate_frames`.

    Yields
    ------
    FrameWithTruth
    """
    if split == "example":
        yield FrameWithTruth("example", "simulated", example_mdi_map(), example_hmi_map())
    elif split == "pairs":
        yield from read_pairs(data)
    else:
        yield from simulate_frames(data, split, **options)


def simulate_frames(
    data,
    split="test",
    *,
    noise=12 * u.G,
    seed=0,
    resampling=None,
    angle=0 * u.deg,
    exclude=(),
):
    """
    Degrade the HMI regions of a folder by `~sunpy_superres.simulate_mdi`, in the order of time.

    Parameters
    ----------
    data, split
        See `frames_with_truth`.  In a folder with ``splits.json`` all frames count, whatever
        their QUALITY: they have been chosen by hand.
    noise : `~astropy.units.Quantity`
        Noise of the frames, in MDI Gauss.
    seed : int
        Seed of this noise.
    resampling, angle
        Resample the frames, as `~sunpy_superres.simulate_mdi` does.
    exclude : collection of str
        Regions of "test" and "validation" that are left out, such as "harp377".

    Yields
    ------
    FrameWithTruth

    Warns
    -----
    SuperResWarning
        If regions are left out by ``exclude``.
    """
    noise = quantity_in("noise", noise, u.G)
    interval = (300 if noise <= _LONG_INTERVAL else 30) * u.s
    quality = LARGEST_QUALITY if read_splits(data) is None else ANY_QUALITY
    names = _names_of_split(data, split, quality)
    left_out = {region for _, region in names if split in HELD_OUT and region in exclude}
    if left_out:
        warn_user(
            f"{', '.join(map(title_of, sorted(left_out)))}: not scored, because the model was "
            f"trained on {'it' if len(left_out) == 1 else 'them'}."
        )
    for number, (name, region) in enumerate(names):
        if region in left_out:
            continue
        for _, hmi_map in find_hmi_maps([Path(data) / name], quality):
            # Only whole MDI pixels, so that the result has the same grid.
            ny, nx = (n // FACTOR * FACTOR for n in hmi_map.data.shape)
            size = {"width": (nx - 1) * u.pix, "height": (ny - 1) * u.pix}
            hmi_map = hmi_map.submap([0, 0] * u.pix, **size)
            mdi_map = simulate_mdi(
                hmi_map,
                seed=seed + number,
                noise=noise * u.G,
                interval=interval,
                resampling=resampling,
                angle=angle,
            )
            eclipse = has_eclipse_bits(hmi_map)
            yield FrameWithTruth(Path(name).stem, title_of(region), mdi_map, hmi_map, eclipse)


def title_of(region) -> str:
    """Return the name of a region as tables show it, such as "HARP 377"."""
    return region.replace("harp", "HARP ")


def _names_of_split(data, split, quality):
    """Find the files of a split and their regions, in the order of time."""
    splits, found = read_splits(data), []
    for name, smap in find_hmi_maps(data, quality):
        region, own = assign_split(smap, splits=splits)
        longitude = abs(float(smap.meta.get("lon_fwt") or 0.0))
        if split == "calibration" and has_eclipse_bits(smap):
            longitude = _LARGEST_LONGITUDE  # another frame of its region is chosen
        found.append((observation_time(smap).isot, name, region, own, longitude))
    found.sort()
    if split != "calibration":
        return [(name, region) for _, name, region, own, _ in found if own == split]
    nearest = {}
    for _, name, region, own, longitude in found:
        if own == "train" and longitude < nearest.get(region, (_LARGEST_LONGITUDE,))[0]:
            nearest[region] = (longitude, name)
    return [(name, region) for region, (_, name) in nearest.items()]


def read_pairs(data):
    """
    Read real MDI/HMI pairs: FITS files in the subfolder ``pairs``, matched by time.

    `~sunpy_superres.datasets.pairs.align_pair` removes the difference between the coordinates of
    the two, unless HMI's header says by REGISTRD = T that this has been done.

    Parameters
    ----------
    data : path-like
        Folder with the subfolder.

    Yields
    ------
    FrameWithTruth

    Raises
    ------
    FileNotFoundError
        If the subfolder holds no pair.
    TypeError, ValueError
        If the two of a pair do not match.

    Warns
    -----
    SuperResWarning
        For each file that cannot be read or is not a magnetogram of MDI or HMI; it is left out.
    """
    folder = Path(data) / PAIRS
    names, maps = {}, {"MDI": [], "HMI": []}
    for path in find_fits(folder):
        try:
            instrument, smap = _read_either(path)
            observation_time(smap)
        except (OSError, TypeError, ValueError, LookupError) as error:
            warn_user(f"{path} is left out: {error}")
            continue
        maps[instrument].append(smap)
        names[id(smap)] = path.stem
    matched = match_pairs(maps["MDI"], maps["HMI"])
    if not matched:
        raise FileNotFoundError(
            f"{folder} holds no MDI and HMI files of the same time; 'pairs' needs some."
        )
    for mdi_map, hmi_map in matched:
        name = names[id(mdi_map)]
        eclipse = has_eclipse_bits(hmi_map)  # a registered Map has the header of MDI
        yield FrameWithTruth(name, name, mdi_map, register_hmi(mdi_map, hmi_map), eclipse)


def _read_either(path):
    """A Map of a file, and the instrument that it is from."""
    try:
        return "MDI", read_map(path, "MDI")
    except TypeError:
        return "HMI", read_map(path, "HMI")


def register_hmi(mdi_map, hmi_map):
    """
    Put HMI on the grid of an MDI frame, four times finer, so that the two agree.

    Parameters
    ----------
    mdi_map, hmi_map : `~sunpy.map.GenericMap`

    Returns
    -------
    `~sunpy.map.GenericMap`
        HMI Gauss, with the frame's header and coordinates; or HMI's Map itself, if its header says
        by REGISTRD = T that this has been done.

    Raises
    ------
    TypeError, ValueError
        As `~sunpy_superres.datasets.pairs.align_pair` does.
    """
    if hmi_map.meta.get(_REGISTERED):
        return hmi_map
    target = align_pair(mdi_map, hmi_map).target
    return sunpy.map.Map(target, rebin_meta(mdi_map.meta, target.shape, FACTOR))
