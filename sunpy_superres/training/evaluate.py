"""
Measure a model on HMI regions degraded to MDI, and on real pairs.

``python -m sunpy_superres.training.evaluate DATA`` prints the table of the model card.
DATA is a folder with a MANIFEST.json, as the project's data folder has.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import sunpy.map
from astropy.io import fits
from scipy import ndimage

from sunpy_superres.hub import load_model
from sunpy_superres.instruments import FACTOR, HMI, MDI, simulate_mdi
from sunpy_superres.super_resolution import super_resolve
from sunpy_superres.training.pairs import native_frame, registered_origin
from sunpy_superres.training.scores import Scores, score

__all__ = [
    "SPLITS",
    "evaluate_pairs",
    "evaluate_regions",
    "main",
]

#: Regions held out; the same everywhere in the project.
SPLITS = {"test": (1449, 13171, 13561, 1455, 71), "validation": (1425, 13866)}


def _bicubic(mdi_map, network):
    """The baseline: calibrated bicubic interpolation."""
    import torch

    frame = np.nan_to_num(np.asarray(mdi_map.data, np.float32))
    with torch.inference_mode():
        return network.interpolated(torch.from_numpy(frame)[None, None])[0, 0].numpy()


def _records(data, split):
    """
    Manifest entries of a split.

    "calibration" is, of each training region, the frame nearest to the central meridian.
    """
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


def evaluate_regions(
    data,
    split="test",
    model="default",
    *,
    n_samples=8,
    num_steps=None,
    noise=12.0,
    seed=0,
    progress=True,
):
    """
    Scores on HMI regions seen through `~sunpy_superres.simulate_mdi`.

    Parameters
    ----------
    data : path-like
        Folder with MANIFEST.json.
    split : {"test", "validation", "calibration"}
    model, n_samples, num_steps, seed, progress
        As in `~sunpy_superres.super_resolve`.
    noise : float
        Of the simulated frames, in MDI Gauss.

    Returns
    -------
    dict of str to Scores
        One for each region, and "all".
    """
    loaded = load_model(model)
    regions, everything = {}, Scores()
    for number, record in enumerate(_records(data, split)):
        hmi_map = sunpy.map.Map(Path(data) / record["file"])
        mdi_map = simulate_mdi(hmi_map, seed=seed + number, noise=noise)
        result = super_resolve(
            mdi_map,
            model=loaded,
            estimate="mean",
            n_samples=n_samples,
            num_steps=num_steps,
            seed=seed + number,
            progress=progress,
            return_samples=True,
        )
        ny, nx = result.hmi_like.data.shape
        truth = np.asarray(hmi_map.data, np.float64)[:ny, :nx]
        scores = score(
            truth,
            _bicubic(mdi_map, loaded.network),
            result.hmi_like.data,
            result.uncertainty.data,
            result.samples.data,
            result.hmi_like.meta["srchisq"],
            scale=HMI.plate_scale,
        )
        regions.setdefault(f"HARP {record['harpnum']}", Scores()).merge(scores)
        everything.merge(scores)
    return {**regions, "all": everything}


def _pair_header(shape):
    return {
        "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec",
        "cdelt1": MDI.plate_scale, "cdelt2": MDI.plate_scale, "crval1": 0.0, "crval2": 0.0,
        "crpix1": (shape[1] + 1) / 2, "crpix2": (shape[0] + 1) / 2,
        "date-obs": "2010-08-30T17:36:00", "dsun_obs": 1.496e11, "hgln_obs": 0.0,
        "hglt_obs": 0.0, "rsun_ref": 6.96e8, "bunit": "Gauss", "camera": "MDI",
        "telescop": "SOHO", "interval": 300.0,
    }  # fmt: skip


def evaluate_pairs(data, model="default", *, n_samples=8, num_steps=None, seed=0, progress=True):
    """
    Scores on the real MDI/HMI pairs of the data folder.

    The source had interpolated MDI bilinearly onto HMI's grid; the MDI pixels are
    recovered (`native_frame`), super-resolved, and compared with HMI on HMI's grid after
    a sub-pixel registration of the two observations.

    Parameters
    ----------
    data : path-like
    model, n_samples, num_steps, seed, progress
        As in `~sunpy_superres.super_resolve`.

    Returns
    -------
    dict of str to Scores
    """
    folder = Path(data) / "pairs"
    loaded = load_model(model)
    table, everything = {}, Scores()
    for mdi_path in sorted(folder.glob("mdi_*.fits")):
        stamp = mdi_path.name.split("_")[1]
        hmi = fits.getdata(next(folder.glob(f"hmi*{stamp}*.fits"))).astype(float)
        mdi = fits.getdata(mdi_path).astype(float)
        frame, period, origin, _ = native_frame(mdi)
        scale = MDI.plate_scale / period.mean()
        registered = registered_origin(hmi, frame, period, origin)
        mdi_map = sunpy.map.Map(frame, _pair_header(frame.shape))
        result = super_resolve(
            mdi_map,
            model=loaded,
            estimate="mean",
            n_samples=n_samples,
            num_steps=num_steps,
            seed=seed,
            progress=progress,
            return_samples=True,
        )
        # Where the pixels of HMI's grid lie on ours.
        where = [
            FACTOR * ((np.arange(n) - first) / step + 0.5) - 0.5
            for n, first, step in zip(hmi.shape, registered, period, strict=True)
        ]
        where = np.meshgrid(*where, indexing="ij")

        def on_hmi_grid(image, where=where):
            return ndimage.map_coordinates(image, where, order=1, mode="nearest")

        scores = score(
            hmi,
            on_hmi_grid(_bicubic(mdi_map, loaded.network)),
            on_hmi_grid(result.hmi_like.data),
            on_hmi_grid(result.uncertainty.data),
            np.stack([on_hmi_grid(member) for member in result.samples.data]),
            result.hmi_like.meta["srchisq"],
            scale,
        )
        shift = registered - origin
        table[f"{mdi_path.stem} (shift {shift[0]:+.2f}, {shift[1]:+.2f} px)"] = scores
        everything.merge(scores)
    return {**table, "all": everything}


def main(arguments=None):
    """Command line: a table of scores, as text or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--model", default="default")
    parser.add_argument("--split", default="test", choices=[*SPLITS, "pairs"])
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--noise", type=float, default=12.0)
    options = parser.parse_args(arguments)
    common = {"n_samples": options.samples, "num_steps": options.steps}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if options.split == "pairs":
            scores = evaluate_pairs(options.data, options.model, **common)
        else:
            scores = evaluate_regions(
                options.data, options.split, options.model, noise=options.noise, **common
            )
    for name, entry in scores.items():
        print(f"== {name}")
        for label, value in entry.table().items():
            text = value if isinstance(value, str | int) else f"{float(value):.4f}"
            print(f"{label:44} {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
