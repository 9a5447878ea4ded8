"""
Measure models on HMI regions degraded to MDI, and on real pairs.

``sunpy-superres evaluate DATA`` prints the table of the model card of the embedded model, and
``sunpy-superres evaluate MODEL DATA`` that of another; ``sunpy-superres evaluate MODEL MODEL...
DATA`` prints one table of all of them, beside calibrated bicubic interpolation;
with ``--figures DIR`` it also writes the tables of `~sunpy_superres.metrics.compare` and the plots
of power and reliability, or the table and the pictures side by side.  DATA is a folder of HMI
magnetograms, split by the splits.json in it or by the names of the regions; the split "pairs" reads
MDI and HMI files in its subfolder "pairs".
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.nddata import block_replicate

from sunpy_superres.datasets.splits import HELD_OUT
from sunpy_superres.evaluation.scores import Scores, score
from sunpy_superres.evaluation.truth import frames_with_truth
from sunpy_superres.maps.geometry import plate_scale
from sunpy_superres.maps.regridding import resample_to
from sunpy_superres.models.loading import load_model
from sunpy_superres.super_resolution import super_resolve

__all__ = ["evaluate", "interpolated_map", "main"]


def interpolated_map(mdi_map, model="default"):
    """
    Interpolate an MDI Map: the baseline, calibrated and bicubic.

    Parameters
    ----------
    mdi_map : `~sunpy.map.GenericMap`
        In MDI Gauss.
    model : str, path-like or Model
        Model whose calibration is removed.

    Returns
    -------
    `~sunpy.map.GenericMap`
        In HMI Gauss, 4 times the pixels.
    """
    import torch

    from sunpy_superres.maps.metadata import rebin_meta

    network = load_model(model).network
    frame = np.asarray(mdi_map.data, np.float32)
    with torch.inference_mode():
        filled = torch.from_numpy(np.nan_to_num(frame))[None, None]
        data = network.interpolate(filled)[0, 0].numpy()
    factor = network.factor
    data[block_replicate(~np.isfinite(frame), factor, conserve_sum=False)] = np.nan
    return sunpy.map.Map(data, rebin_meta(mdi_map.meta, data.shape, factor))


def evaluate(
    data,
    split="test",
    model="default",
    *,
    n_samples=8,
    num_steps=None,
    noise=12 * u.G,
    seed=0,
    progress=True,
    look=None,
):
    """
    Score a model on a split.

    Parameters
    ----------
    data : path-like
        Folder of HMI magnetograms.
    split : {"test", "validation", "calibration", "pairs", "example"}
        See `~sunpy_superres.evaluation.truth.frames_with_truth`.
    model, n_samples, num_steps, seed, progress
        As in `~sunpy_superres.super_resolve`.
    noise : `~astropy.units.Quantity`
        Noise of the simulated frames, in MDI Gauss.
    look : callable, optional
        Called with each `~sunpy_superres.evaluation.truth.FrameWithTruth`, its baseline and its
        result.

    Returns
    -------
    dict of str to Scores
        One for each region, and "all".
    """
    loaded = load_model(model)
    regions, everything = {}, Scores()
    frames = frames_with_truth(data, split, noise=noise, seed=seed)
    for number, frame in enumerate(frames):
        result = super_resolve(
            frame.mdi_map,
            model=loaded,
            estimate="mean",
            n_samples=n_samples,
            num_steps=num_steps,
            seed=seed + number,
            progress=progress,
            return_samples=True,
        )
        baseline = interpolated_map(frame.mdi_map, loaded)
        truth, known = resample_to(result.hmi_like, frame.hmi_map)
        scores = score(
            np.where(known, truth, np.nan).astype(float),
            baseline.data,
            result.hmi_like.data,
            result.uncertainty.data,
            result.samples.data,
            result.hmi_like.meta["srchisq"],
            scale=float(plate_scale(result.hmi_like).value.mean()),
        )
        regions.setdefault(frame.region, Scores()).merge(scores)
        everything.merge(scores)
        if look is not None:
            look(frame, baseline, result)
    return {**regions, "all": everything}


def _side_by_side(options):
    """The command line for more than one model."""
    from sunpy_superres.evaluation.comparison import compare_models

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        comparison = compare_models(
            options.data,
            options.models,
            options.split,
            n_samples=options.samples,
            num_steps=options.steps,
            noise=options.noise * u.G,
        )
        if options.figures:
            comparison.write(options.figures)
    print("\n".join(comparison.table.pformat(max_lines=-1, max_width=-1)))
    return 0


def main(arguments=None):
    """Command line: a table of scores, as text."""
    parser = argparse.ArgumentParser(
        prog="sunpy-superres evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", default=["default"])
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--split", default="test", choices=[*HELD_OUT, "pairs", "example"])
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--noise", type=float, default=12.0)
    parser.add_argument("--figures", type=Path, metavar="DIR", help="tables and plots as well")
    options = parser.parse_args(arguments)
    if len(options.models) > 1:
        return _side_by_side(options)
    gathered = None
    if options.figures:
        from sunpy_superres.evaluation.figures import Gathered

        gathered = Gathered()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = evaluate(
            options.data,
            options.split,
            options.models[0],
            n_samples=options.samples,
            num_steps=options.steps,
            noise=options.noise * u.G,
            look=gathered,
        )
        if gathered is not None:
            gathered.write(options.figures, options.split)
    for name, entry in scores.items():
        print(f"== {name}")
        for label, value in entry.table().items():
            text = value if isinstance(value, int) else f"{value:.4f}"
            print(f"{label:44} {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
