"""Measure models on HMI regions degraded to MDI, and on real pairs."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.nddata import block_replicate

from sunpy_superres.evaluation.scores import Scores, score
from sunpy_superres.evaluation.truth import frames_with_truth
from sunpy_superres.maps.fields import mark_missing
from sunpy_superres.maps.geometry import plate_scale
from sunpy_superres.maps.metadata import rebin_meta
from sunpy_superres.maps.regridding import resample_to
from sunpy_superres.models.loading import load_model
from sunpy_superres.super_resolution import super_resolve
from sunpy_superres.torch_state import own_torch_state

__all__ = ["ECLIPSE", "evaluate", "interpolated_map", "regions_trained_on"]

#: Name of the scores of frames that HMI observed in an eclipse or shortly after.
ECLIPSE = "eclipse"


@own_torch_state()
def interpolated_map(mdi_map, model="default"):
    """
    Interpolate an MDI Map bicubically, and calibrate it: the baseline of an evaluation.

    Parameters
    ----------
    mdi_map : `~sunpy.map.GenericMap`
        In MDI Gauss.
    model : str, path-like or Model
        Model whose ratio of MDI to HMI is removed.

    Returns
    -------
    `~sunpy.map.GenericMap`
        In HMI Gauss, 4 times the pixels.
    """
    import torch

    network = load_model(model).network
    frame = mark_missing(mdi_map).astype(np.float32)
    with torch.inference_mode():
        filled = torch.from_numpy(np.nan_to_num(frame))[None, None]
        data = network.interpolate(filled)[0, 0].numpy()
    factor = network.factor
    data[block_replicate(~np.isfinite(frame), factor, conserve_sum=False)] = np.nan
    return sunpy.map.Map(data, rebin_meta(mdi_map.meta, data.shape, factor))


def regions_trained_on(model) -> set:
    """
    Return the regions that a model was trained on, such as "harp377"; none if not recorded.

    Parameters
    ----------
    model : Model
    """
    return set(model.config.get("training", {}).get("trained on", ()))


def evaluate(
    data,
    split="test",
    model="default",
    *,
    n_samples=8,
    num_steps=None,
    noise=12 * u.G,
    seed=0,
    resampling=None,
    angle=0 * u.deg,
    progress=True,
    look=None,
    exclude=None,
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
    resampling, angle
        Resample the simulated frames, as `~sunpy_superres.simulate_mdi` does: this shows what
        frames that were rotated or reprojected cost.
    look : callable, optional
        Called with each `~sunpy_superres.evaluation.truth.FrameWithTruth`, its baseline and its
        result.
    exclude : collection of str, optional
        Regions that are not scored, such as "harp377"; by default those that config.json of the
        model names as trained on.  For the splits "test" and "validation".

    Returns
    -------
    dict of str to Scores
        Scores by region, and those of all frames as "all".  Frames whose QUALITY has the bits of an
        eclipse, `~sunpy_superres.datasets.splits.has_eclipse_bits`, are in neither: if there are
        any, they have scores of their own as "eclipse".

    Raises
    ------
    ValueError
        If no frame, or none without the bits of an eclipse, belongs to the split.

    Warns
    -----
    SuperResWarning
        If regions are left out because the model was trained on them.
    """
    loaded = load_model(model)
    exclude = regions_trained_on(loaded) if exclude is None else set(exclude)
    regions, everything, eclipse = {}, Scores(), Scores()
    frames = frames_with_truth(
        data, split, noise=noise, seed=seed, resampling=resampling, angle=angle, exclude=exclude
    )
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
        scores.frames.append(frame.name)
        if frame.eclipse:
            eclipse.merge(scores)
        else:
            regions.setdefault(frame.region, Scores()).merge(scores)
            everything.merge(scores)
        if look is not None:
            look(frame, baseline, result)
    if not everything.frames:
        but = f" but those of an eclipse ({', '.join(eclipse.frames)})" if eclipse.frames else ""
        raise ValueError(
            f"{data} has no frame of the split {split!r}{but}; give a folder, or a splits.json, "
            f"with regions for it that {loaded.name} was not trained on."
        )
    return {**regions, "all": everything, **({ECLIPSE: eclipse} if eclipse.frames else {})}
