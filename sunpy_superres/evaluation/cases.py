"""What models are measured on: HMI regions seen through MDI, and real pairs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.io import fits

from sunpy_superres.datasets.native_pixels import recover_native_frame, register_pixels
from sunpy_superres.datasets.splits import ANY_QUALITY, SPLITS, assign_split, find_hmi_maps
from sunpy_superres.instruments import FACTOR, MDI
from sunpy_superres.maps.examples import example_hmi_map, example_mdi_map
from sunpy_superres.maps.simulation import simulate_mdi

__all__ = ["Case", "cases", "pair_cases", "region_cases"]


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
        Folder of HMI magnetograms; split as its MANIFEST.json tells or, without one, by the
        headers, as `~sunpy_superres.datasets.splits.assign_split` does.
    split : {"test", "validation", "calibration", "pairs", "example"}
        "calibration" is, of each training region, the frame nearest to the central meridian;
        "example" the embedded one, which needs no data and is no test of a model, being simulated.
    noise : float
        Of simulated frames, in MDI Gauss.
    seed : int
        Of their noise.

    Yields
    ------
    Case
    """
    if split == "example":
        yield Case("example", "simulated", example_mdi_map(), example_hmi_map())
    elif split == "pairs":
        yield from pair_cases(data)
    else:
        yield from region_cases(data, split, noise=noise, seed=seed)


def _records(data, split):
    """Files of a split, with the names of their regions."""
    manifest = Path(data) / "MANIFEST.json"
    if not manifest.exists():
        yield from _records_of_headers(data, split)
        return
    records = json.loads(manifest.read_text())
    records = [r for r in records if r.get("harpnum") and "los" in str(r.get("kind"))]
    if split != "calibration":
        chosen = (r for r in records if r["harpnum"] in SPLITS[split])
    else:
        held_out = {number for numbers in SPLITS.values() for number in numbers}
        chosen = _nearest_to_centre(
            (r["harpnum"], abs(r.get("lon_fwt") or 90.0), r)
            for r in records
            if r["harpnum"] not in held_out
        )
    for record in chosen:
        yield Path(data) / record["file"], f"HARP {record['harpnum']}"


def _records_of_headers(data, split):
    """The same without a manifest, in two readings: one for the headers, one by the caller."""
    found = [
        (name, *assign_split(smap), abs(float(smap.meta.get("lon_fwt") or 0.0)))
        for name, smap in find_hmi_maps(data)
    ]
    if split != "calibration":
        chosen = ((name, region) for name, region, own, _ in found if own == split)
    else:
        chosen = _nearest_to_centre(
            (region, longitude, (name, region))
            for name, region, own, longitude in found
            if own == "train"
        )
    for name, region in chosen:
        yield Path(data) / name, region.replace("harp", "HARP ")


def _nearest_to_centre(frames):
    """Of (region, longitude, what) the one of each region with the smallest longitude."""
    nearest = {}
    for region, longitude, what in frames:
        if longitude < nearest.get(region, (60.0, None))[0]:
            nearest[region] = (longitude, what)
    return [what for _, what in nearest.values()]


def region_cases(data, split="test", *, noise=12.0, seed=0):
    """HMI regions through `~sunpy_superres.simulate_mdi`; see `cases`."""
    interval = 300.0 if noise <= 18 else 30.0
    for number, (path, region) in enumerate(_records(data, split)):
        for _, hmi_map in find_hmi_maps([path], largest_quality=ANY_QUALITY):
            # Whole MDI pixels only, so that the result has the same grid.
            ny, nx = (n // FACTOR * FACTOR for n in hmi_map.data.shape)
            size = {"width": (nx - 1) * u.pix, "height": (ny - 1) * u.pix}
            hmi_map = hmi_map.submap([0, 0] * u.pix, **size)
            mdi_map = simulate_mdi(
                hmi_map, seed=seed + number, noise=noise * u.G, interval=interval * u.s
            )
            yield Case(path.stem, region, mdi_map, hmi_map)


def _pair_header(shape, reference, stamp, steps=((1.0, 0.0), (0.0, 1.0))):
    """
    A plane-of-sky header: the source kept none.

    ``reference`` is the pixel of 0, 0; ``steps`` are MDI pixels along rows and columns for one
    pixel along them.
    """
    steps = np.asarray(steps)
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    (pc2_2, pc2_1), (pc1_2, pc1_1) = steps / lengths[:, None]
    scale = MDI.plate_scale
    return {
        "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec",
        "cdelt1": scale * lengths[1], "cdelt2": scale * lengths[0], "crval1": 0.0, "crval2": 0.0,
        "pc1_1": pc1_1, "pc1_2": pc1_2, "pc2_1": pc2_1, "pc2_2": pc2_2,
        "crpix1": reference[1] + 1, "crpix2": reference[0] + 1, "naxis1": shape[1],
        "naxis2": shape[0], "date-obs": stamp, "dsun_obs": 1.496e11, "hgln_obs": 0.0,
        "hglt_obs": 0.0, "rsun_ref": 6.96e8, "bunit": "Gauss",
    }  # fmt: skip


def pair_cases(data):
    """
    The real MDI/HMI pairs of the data folder.

    Their source had interpolated MDI bilinearly onto HMI's grid and kept no coordinates:
    the MDI pixels are recovered (`recover_native_frame`), the frames registered
    (`register_pixels`), and
    both get a header at disk centre (areas, and so fluxes, are those of disk centre).
    """
    folder = Path(data) / "pairs"
    for mdi_path in sorted(folder.glob("mdi_*.fits")):
        stamp = mdi_path.name.split("_")[1]
        hmi = fits.getdata(next(folder.glob(f"hmi*{stamp}*.fits"))).astype(float)
        frame, period, origin, _ = recover_native_frame(fits.getdata(mdi_path).astype(float))
        matrix, registered = register_pixels(hmi, frame, period, origin)
        middle = (np.array(frame.shape) - 1) / 2
        day = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T00:00:00"
        mdi = _pair_header(frame.shape, middle, day)
        mdi |= {"camera": "MDI", "telescop": "SOHO", "interval": 300.0}
        header = _pair_header(hmi.shape, registered + matrix @ middle, day, np.linalg.inv(matrix))
        shift = registered + matrix @ middle - origin - period * middle
        yield Case(
            f"{mdi_path.stem} (shift {shift[0]:+.2f}, {shift[1]:+.2f} px)",
            mdi_path.stem,
            sunpy.map.Map(frame, mdi),
            sunpy.map.Map(hmi, header),
        )
