"""What models are measured on: HMI regions seen through MDI, and real pairs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.io import fits

from sunpy_superres.instruments import FACTOR, MDI, simulate_mdi
from sunpy_superres.training.pairs import native_frame, registered_origin
from sunpy_superres.units import field_unit

__all__ = ["SPLITS", "Case", "cases", "pair_cases", "region_cases"]

#: Regions held out; the same everywhere in the project.
SPLITS = {"test": (1449, 13171, 13561, 1455, 71), "validation": (1425, 13866)}


@dataclass(frozen=True)
class Case:
    """
    One MDI frame and what HMI saw.

    Parameters
    ----------
    name : str
        Of the frame.
    region : str
        Frames of one region are near copies: their scores are gathered.
    mdi_map, hmi_map : `~sunpy.map.GenericMap`
    """

    name: str
    region: str
    mdi_map: sunpy.map.GenericMap
    hmi_map: sunpy.map.GenericMap


def cases(data, split="test", *, noise=12.0, seed=0):
    """
    The cases of a split.

    Parameters
    ----------
    data : path-like
        Folder with MANIFEST.json.
    split : {"test", "validation", "calibration", "pairs"}
        "calibration" is, of each training region, the frame nearest to the central meridian.
    noise : float
        Of simulated frames, in MDI Gauss.
    seed : int
        Of their noise.

    Yields
    ------
    Case
    """
    if split == "pairs":
        yield from pair_cases(data)
    else:
        yield from region_cases(data, split, noise=noise, seed=seed)


def _records(data, split):
    """Manifest entries of a split."""
    manifest = json.loads((Path(data) / "MANIFEST.json").read_text())
    records = [r for r in manifest if r.get("harpnum") and "los" in str(r.get("kind"))]
    if split != "calibration":
        yield from (r for r in records if r["harpnum"] in SPLITS[split])
        return
    held_out = {number for numbers in SPLITS.values() for number in numbers}
    nearest = {}
    for record in records:
        number, longitude = record["harpnum"], abs(record.get("lon_fwt") or 90.0)
        if number not in held_out and longitude < nearest.get(number, (60.0, None))[0]:
            nearest[number] = (longitude, record)
    yield from (record for _, record in nearest.values())


def region_cases(data, split="test", *, noise=12.0, seed=0):
    """HMI regions through `~sunpy_superres.simulate_mdi`; see `cases`."""
    for number, record in enumerate(_records(data, split)):
        hmi_map = sunpy.map.Map(Path(data) / record["file"])
        if field_unit(hmi_map) is None:  # SHARP series leave BUNIT out of some files
            hmi_map = sunpy.map.Map(hmi_map.data, dict(hmi_map.meta, bunit="Gauss"))
        # Whole MDI pixels only, so that the result has the same grid.
        ny, nx = (n // FACTOR * FACTOR for n in hmi_map.data.shape)
        hmi_map = hmi_map.submap([0, 0] * u.pix, width=(nx - 1) * u.pix, height=(ny - 1) * u.pix)
        interval = 300.0 if noise <= 18 else 30.0
        mdi_map = simulate_mdi(hmi_map, seed=seed + number, noise=noise, interval=interval)
        yield Case(Path(record["file"]).stem, f"HARP {record['harpnum']}", mdi_map, hmi_map)


def _pair_header(shape, scale, reference, stamp):
    """A plane-of-sky header: the source kept none; ``reference`` is the pixel of 0, 0."""
    return {
        "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec",
        "cdelt1": scale[1], "cdelt2": scale[0], "crval1": 0.0, "crval2": 0.0,
        "crpix1": reference[1] + 1, "crpix2": reference[0] + 1, "naxis1": shape[1],
        "naxis2": shape[0], "date-obs": stamp, "dsun_obs": 1.496e11, "hgln_obs": 0.0,
        "hglt_obs": 0.0, "rsun_ref": 6.96e8, "bunit": "Gauss",
    }  # fmt: skip


def pair_cases(data):
    """
    The real MDI/HMI pairs of the data folder.

    Their source had interpolated MDI bilinearly onto HMI's grid and kept no coordinates:
    the MDI pixels are recovered (`native_frame`), the frames registered, and both get a header
    at disk centre (areas, and so fluxes, are those of disk centre).
    """
    folder = Path(data) / "pairs"
    for mdi_path in sorted(folder.glob("mdi_*.fits")):
        stamp = mdi_path.name.split("_")[1]
        hmi = fits.getdata(next(folder.glob(f"hmi*{stamp}*.fits"))).astype(float)
        frame, period, origin, _ = native_frame(fits.getdata(mdi_path).astype(float))
        registered = registered_origin(hmi, frame, period, origin)
        middle = (np.array(frame.shape) - 1) / 2
        day = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T00:00:00"
        mdi = _pair_header(frame.shape, np.full(2, MDI.plate_scale), middle, day)
        mdi |= {"camera": "MDI", "telescop": "SOHO", "interval": 300.0}
        header = _pair_header(
            hmi.shape, MDI.plate_scale / period, registered + middle * period, day
        )
        shift = registered - origin
        yield Case(
            f"{mdi_path.stem} (shift {shift[0]:+.2f}, {shift[1]:+.2f} px)",
            mdi_path.stem,
            sunpy.map.Map(frame, mdi),
            sunpy.map.Map(hmi, header),
        )
