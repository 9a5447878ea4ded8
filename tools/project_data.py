"""
Convert the project's own data folder to what the package's commands read.

``python tools/project_data.py prepare SHARED_DATA OUT`` makes a folder for ``sunpy-superres
evaluate`` and ``export``; ``python tools/project_data.py pack SHARED_DATA OUT.safetensors`` makes a
file for ``sunpy-superres train``.  SHARED_DATA holds MANIFEST.json, which says what each file is.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import warnings
from collections import Counter
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.io import fits
from sunpy.coordinates import sun

from interpolated_frames import recover_native_frame, register_pixels
from sunpy_superres.datasets.packed import Frame, save_pack
from sunpy_superres.datasets.packing import PackConfig, thin_frames, view_region
from sunpy_superres.datasets.splits import (
    HELD_OUT,
    PAIRS,
    SPLITS_FILE,
    has_eclipse_bits,
    read_splits,
)
from sunpy_superres.instruments import MDI
from sunpy_superres.maps.reading import read_map

__all__ = ["frames_of_manifest", "main", "pair_header", "prepare"]

#: Kinds of files in the manifest that are line-of-sight fields at HMI's full resolution.
_CEA, _CCD, _CUTOUT, _DIVIDED, _PROJECTED = _KINDS = (
    "hmi_sharp_cea_los",
    "hmi_sharp_ccd_los",
    "hmi_ccd_cutout_los",
    "hmi_ccd_cutout_mucorr",
    "hmi_sharp_cea_projected",
)
#: Series of near copies: AR 11158 for nine days, and HARP 750 hour by hour.
_CONFIG = PackConfig(thinning=((377, 2), (750, 2)))
#: Measured field in Gauss, and at each the ratio to it of field projected from vector magnetograms.
_MEASURED = np.array([0.0, 200.0, 450.0, 800.0, 1200.0])
_RATIO = np.array([1.0, 1.02, 1.15, 1.26, 1.36])
#: Middle of the two pairs, in arcsec from disk centre along x and y, by NOAA number.
_PLACES = {"11101": (12.0, 86.4), "11117": (379.2, 254.4)}


def _records(data):
    return json.loads((Path(data) / "MANIFEST.json").read_text(encoding="utf-8"))


def prepare(data, out):
    """
    Make a folder that ``evaluate`` and ``export`` read: magnetograms, splits.json and pairs.

    The HMI line-of-sight files that have a HARP number and a WCS are linked, and no others, so that
    scores can be compared with those of earlier versions.  The source of the pairs kept no headers
    and had interpolated MDI bilinearly onto HMI's grid; MDI's pixels are recovered and registered.
    Their places on the Sun are those of the source's coordinate files, whose convention for the
    edges of a box is not certain to half a pixel (0.4 arcsec).

    Parameters
    ----------
    data : path-like
        Folder with MANIFEST.json.
    out : path-like
        Folder that is made, or filled.
    """
    data, out = Path(data).resolve(), Path(out)
    for record in _records(data):
        placed = record.get("harpnum") and record.get("lon_fwt") is not None
        if placed and record["kind"] in (_CEA, _CCD):
            link = out / record["file"]
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(data / record["file"])
    splits = read_splits()
    content = {split: [r for r in splits if splits[r] == split] for split in HELD_OUT}
    (out / SPLITS_FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (out / PAIRS).mkdir(parents=True, exist_ok=True)
    for mdi_path in sorted((data / "pairs").glob("mdi_*.fits")):
        _, day, time, region = mdi_path.stem.split("_")
        hmi_path = next((data / "pairs").glob(f"hmi*{day}_{time}*.fits"))
        stamp = f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}"
        images = [fits.getdata(path).astype(float) for path in (mdi_path, hmi_path)]
        frames = _register_pair(*images, stamp, _PLACES[region.removeprefix("AR")])
        for (values, header), name in zip(frames, (mdi_path.name, hmi_path.name), strict=True):
            fits.writeto(out / PAIRS / name, values, fits.Header(header), overwrite=True)


def _register_pair(mdi, hmi, stamp, place):
    """MDI's own pixels and HMI, each with a header; the headers agree."""
    frame, period, origin, _ = recover_native_frame(mdi)
    matrix, origin = register_pixels(hmi, frame, period, origin)
    # HMI's middle lies at the place.  MDI's header has no roll; HMI's has the one between the two.
    centre = (np.array(hmi.shape) - 1) / 2
    steps = np.linalg.inv(matrix)
    mdi_header = pair_header(steps @ (centre - origin), stamp, place)
    mdi_header |= {"camera": "MDI", "telescop": "SOHO", "interval": 300.0}
    hmi_header = pair_header(centre, stamp, place, steps)
    hmi_header |= {"telescop": "SDO/HMI", "instrume": "HMI_COMBINED", "registrd": True}
    return (frame, mdi_header), (hmi, hmi_header)


def pair_header(reference, stamp, place=(0.0, 0.0), steps=((1.0, 0.0), (0.0, 1.0))):
    """
    Header of a frame of a pair, as seen from the Earth.

    Parameters
    ----------
    reference : array-like
        Row and column, from 0, of the pixel that lies at ``place``.
    stamp : str
        Time of the observation.
    place : tuple of float
        x and y in arcsec from disk centre.
    steps : array-like
        ``(2, 2)``; steps along MDI's rows and columns for one step along the frame's.

    Returns
    -------
    dict
    """
    steps = np.asarray(steps)
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    (pc2_2, pc2_1), (pc1_2, pc1_1) = steps / lengths[:, None]
    scale = MDI.plate_scale
    return {
        "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec",
        "cdelt1": scale * lengths[1], "cdelt2": scale * lengths[0], "crval1": place[0],
        "crval2": place[1], "pc1_1": pc1_1, "pc1_2": pc1_2, "pc2_1": pc2_1, "pc2_2": pc2_2,
        "crpix1": float(reference[1]) + 1, "crpix2": float(reference[0]) + 1,
        "date-obs": stamp, "hgln_obs": 0.0, "dsun_obs": sun.earth_distance(stamp).to_value(u.m),
        "hglt_obs": sun.B0(stamp).to_value(u.deg), "rsun_ref": 6.96e8, "bunit": "Gauss",
    }  # fmt: skip


def frames_of_manifest(data, config=_CONFIG):
    """
    Make frames for training, validation and test, in the order of the manifest.

    Field that was projected from vector magnetograms is divided by its ratio to measured field.
    Neither such field nor AR 12470, whose spot fills the frame, is left out for its noise.

    Parameters
    ----------
    data : path-like
        Folder with MANIFEST.json.
    config : PackConfig

    Yields
    ------
    Frame
    """
    data, thinning, seen, splits = Path(data), dict(config.thinning), Counter(), read_splits()
    for record in _records(data):
        kind, harp = record.get("kind"), record.get("harpnum")
        if kind not in _KINDS:
            continue
        seen[harp] += 1
        if harp in thinning and seen[harp] % thinning[harp]:
            continue
        region = _region(record)
        split = splits.get(region, "train")
        chosen = kind == _PROJECTED or region == "ar12470"
        noise = 0.0 if chosen else record.get("mad_sigma") or np.inf
        longitude = abs(record.get("lon_fwt") or 0.0)
        if split == "train" and (
            noise > config.largest_noise or longitude > config.largest_longitude
        ):
            continue
        with fits.open(data / record["file"]) as file:
            image = next(hdu for hdu in file if hdu.data is not None)
            field = np.asarray(image.data, np.float32)
        if kind == _PROJECTED:
            field = _as_measured(field)
        if "cea" in kind:
            smap = read_map(data / record["file"], "HMI")
            if split == "train" and has_eclipse_bits(smap):
                continue
            yield from view_region(record["file"], region, split, field, smap, config)
        else:
            yield Frame(record["file"], region, split, field)


def _region(record):
    """Return the name of a record's region: its HARP, or else its NOAA number."""
    if record.get("harpnum"):
        return f"harp{record['harpnum']}"
    if record["kind"] == _DIVIDED:
        return Path(record["file"]).name.split(".")[2]
    named = re.match(r"ar\d+", Path(record["file"]).name)
    return named[0] if named else "harp377"  # the other cut-out is of AR 11158


def _as_measured(projected):
    """Convert projected field to field as measured; above the curve its last ratio holds."""
    strength = np.abs(projected)
    measured = np.interp(strength, _MEASURED * _RATIO, _MEASURED)
    measured = np.where(strength > _MEASURED[-1] * _RATIO[-1], strength / _RATIO[-1], measured)
    return np.copysign(measured, projected).astype(np.float32)


def main(arguments=None):
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["prepare", "pack"])
    parser.add_argument("data", metavar="SHARED_DATA")
    parser.add_argument("out", metavar="OUT")
    parser.add_argument("--limit", type=float, default=64.0, metavar="MIB")
    options = parser.parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if options.command == "prepare":
            prepare(options.data, options.out)
            return 0
        frames = thin_frames(list(frames_of_manifest(options.data)), options.limit)
    Path(options.out).parent.mkdir(parents=True, exist_ok=True)
    save_pack(frames, options.out)
    for split, number in Counter(frame.split for frame in frames).items():
        regions = len({frame.region for frame in frames if frame.split == split})
        print(f"{split}: {number} frames, {regions} regions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
