"""A trained run as a model folder: calibration, configuration, half-precision weights, card."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import astropy.units as u
from safetensors import safe_open
from safetensors.torch import load_file

from sunpy_superres.datasets.splits import HELD_OUT, read_splits
from sunpy_superres.evaluation.calibration import calibrate
from sunpy_superres.evaluation.evaluate import evaluate
from sunpy_superres.evaluation.scores import Scores
from sunpy_superres.models.loading import load_model, save_model
from sunpy_superres.models.registry import build
from sunpy_superres.sampling.schedule import SolverSettings
from sunpy_superres.training.recipe import Recipe

__all__ = ["export"]

#: Calibration that changes nothing, with the regression's mean as the mean.
_NONE = {"mean_weight": 1.0, "pooling": 0.0, "field": [0.0, 3000.0], "factor": [1.0, 1.0]}
#: MDI noise in Gauss at which the calibration is measured, a value for each INTERVAL.
_NOISE = (12.0, 24.0) * u.G


def _scores(data, split, model, n_samples, progress):
    """Scores of a split at all noise levels."""
    scores = Scores()
    for noise in _NOISE:
        regions = evaluate(data, split, model, n_samples=n_samples, noise=noise, progress=progress)
        scores.merge(regions["all"])
    return scores


def extend_calibration(held_out, trained) -> dict:
    """
    A calibration on held-out regions, continued where they have no field as strong.

    Parameters
    ----------
    held_out, trained : dict
        Calibrations of `~sunpy_superres.evaluation.calibration.calibrate`, on validation and on
        training regions.
    """
    end = 1.5 * held_out["field"][-1]
    beyond = [i for i, field in enumerate(trained["field"]) if field > end]
    return held_out | {
        name: held_out[name] + [trained[name][i] for i in beyond] for name in ("field", "factor")
    }


def _trained(source, held_out=None):
    """Network, architecture, sampler and training record of a run, or of a model."""
    source = Path(source)
    if (source / "config.json").exists() or str(source) == "default":
        model = load_model(str(source))
        config = model.config
        return model.network, config["architecture"], config["sampler"], config["training"]
    weights = source / "model.safetensors"
    if not weights.exists():
        raise ValueError(
            f"{source} is neither a model folder nor a training: it has no config.json and no "
            "model.safetensors; check the path."
        )
    with safe_open(str(weights), framework="pt") as file:
        record = file.metadata() or {}
    # Before the end of a stage the weights are those that it began with.
    if "recipe" not in record:
        raise ValueError(
            f"The training in {source} stopped within a stage; go on with it by "
            "'sunpy-superres train' first (with --seconds 1 to end it where it is)."
        )
    recipe = Recipe.from_dict(json.loads(record["recipe"]))
    steps = record["steps"]
    held_out = read_splits() if held_out is None else held_out
    network = build(recipe.config)
    network.load_state_dict(load_file(weights))
    training = {
        "data": "SDO/HMI line-of-sight magnetograms (SHARP CEA and CCD cut-outs)",
        "held out": {name: [r for r in held_out if held_out[r] == name] for name in HELD_OUT},
        "steps of the last stage": int(steps),
        "calibration": "validation regions; above their strongest bin, one frame of each "
        "training region within 60 deg",
        "recipe": recipe.to_dict(),
    }
    return (
        network,
        recipe.architecture,
        recipe.sampler or SolverSettings(num_steps=1).to_dict(),
        training,
    )


def export(source, folder, data, *, revision, card=None, n_samples=8, progress=True):
    """
    Calibrate a trained network and write it as a model folder.

    Parameters
    ----------
    source : path-like
        Folder of `~sunpy_superres.training.train.train`; or a model folder, or "default",
        whose weights are calibrated anew (after a change of the sampler, say).
    folder : path-like
        Where the model goes.
    data : path-like
        Folder of HMI magnetograms; its test regions are not used, and its ``splits.json`` is
        recorded as what was held out.
    revision : str
        Name of this version of the weights.
    card : str, optional
        Text of the model card.
    n_samples : int
        Members of the ensemble that the calibration is made with.
    progress : bool

    Returns
    -------
    dict
        The calibration.
    """
    network, architecture, sampler, training = _trained(source, read_splits(data))
    common = {"architecture": architecture, "sampler": sampler, "training": training}
    common["revision"] = revision
    with tempfile.TemporaryDirectory() as raw:
        save_model(raw, network, calibration=_NONE, **common)
        tables = [
            calibrate(_scores(data, split, raw, n_samples, progress))
            for split in ("validation", "calibration")
        ]
    calibration = extend_calibration(*tables)
    save_model(folder, network, calibration=calibration, card=card, **common)
    return calibration
