"""
Draw the two real pairs: MDI, calibrated bicubic interpolation, one draw, HMI and the uncertainty.

``python tools/pairs_figure.py DATA OUT`` writes OUT/pair_NUMBER.png for each pair in DATA/pairs;
DATA is the folder that ``tools/project_data.py prepare`` makes.  It prints the scores of each.
"""

from __future__ import annotations

import argparse
import re
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
from matplotlib.figure import Figure
from scipy import ndimage

from sunpy_superres.evaluation.evaluate import evaluate
from sunpy_superres.evaluation.figures import first_member
from sunpy_superres.instruments import FACTOR
from sunpy_superres.maps.fields import mark_missing
from sunpy_superres.maps.geometry import plate_scale
from sunpy_superres.maps.plotting import find_clipped
from sunpy_superres.maps.regridding import resample_to

#: Gauss that is white: of the whole pair, of the spot, and of the network.
WHITE = {"whole": 800.0, "spot": 1500.0, "network": 300.0}
#: MDI Gauss in an HMI Gauss, by which MDI is divided to be drawn.
GAIN = 1.4
#: HMI-like pixels along the side of the windows, shown one to one (doubled).
SIDE = 96
#: Field in Gauss above which a pixel belongs to a spot.
SPOT = 800.0


def choose_windows(truth):
    """Find the corners of the window with most spot, and of the one with most field without any."""
    strength = np.nan_to_num(np.abs(truth))
    spot = ndimage.gaussian_filter((strength > SPOT).astype(float), SIDE / 4)
    weak = ndimage.gaussian_filter(np.minimum(strength, 200.0), SIDE / 4)
    weak[ndimage.maximum_filter(strength, SIDE) > SPOT] = 0
    # Without a window free of spots, the one with least.
    weak = weak if weak.any() else -ndimage.uniform_filter(strength, SIDE)
    half = SIDE // 2 + 8
    inner = tuple(slice(half, n - half) for n in truth.shape)
    corners = []
    for score in (spot, weak):
        row, column = np.unravel_index(score[inner].argmax(), score[inner].shape)
        corners.append(((row + 8) // FACTOR * FACTOR, (column + 8) // FACTOR * FACTOR))
    return dict(zip(("spot", "network"), corners, strict=True))


def draw(frame, baseline, result, title):
    """Draw one pair: the whole, a spot, and network."""
    sample = first_member(result).hmi_like
    truth, known = resample_to(sample, frame.hmi_map)
    truth = np.where(known, truth, np.nan)
    panels = {
        f"MDI / {GAIN}": np.kron(mark_missing(frame.mdi_map), np.ones((FACTOR, FACTOR))) / GAIN,
        "bicubic, calibrated": baseline.data,
        "one draw": sample.data,
        "HMI": truth,
        "uncertainty": result.uncertainty.data,
    }
    scale = float(plate_scale(sample).to_value(u.arcsec / u.pix).mean())
    windows = {"whole": None, **choose_windows(truth)}
    figure = Figure(figsize=(15, 8.7), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(3, 5)
    for row, (name, corner) in zip(axes, windows.items(), strict=True):
        part = (slice(None),) * 2
        if corner is not None:
            part = tuple(slice(c, c + SIDE) for c in corner)
        white = WHITE[name]
        for axis, (label, values) in zip(row, panels.items(), strict=True):
            shown = values[part]
            extent = (0, shown.shape[1] * scale, 0, shown.shape[0] * scale)
            look = {"cmap": "gray", "vmin": -white, "vmax": white}
            if label == "uncertainty":
                look = {"cmap": "magma", "vmin": 0, "vmax": white / 4}
            image = axis.imshow(
                shown, origin="lower", extent=extent, interpolation="nearest", **look
            )
            axis.tick_params(labelsize=8)
            if name == "whole":
                axis.set_title(label)
            if label in ("HMI", "uncertainty"):
                ends = find_clipped(shown, look["vmin"], look["vmax"])
                bar = figure.colorbar(image, ax=axis, shrink=0.8, extend=ends)
                bar.set_label("G", fontsize=8)
        row[0].set_ylabel(f"{name} (arcsec)")
    return figure


def main(arguments=None):
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with pairs/")
    parser.add_argument("out", type=Path, help="folder of the pictures")
    parser.add_argument("--model", default="default")
    options = parser.parse_args(arguments)
    kept = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = evaluate(
            options.data, "pairs", options.model, progress=False, look=lambda *all: kept.append(all)
        )
    for frame, baseline, result in kept:
        day, region = re.search(r"(\d{8})_\d+_AR(\d+)", frame.name).groups()
        date = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        figure = draw(frame, baseline, result, f"AR {region}, {date}")
        figure.savefig(options.out / f"pair_{region}.png", dpi=72)
        for name, value in scores[frame.region].table().items():
            print(f"{region} {name}: {value:.4g}")


if __name__ == "__main__":
    main()
