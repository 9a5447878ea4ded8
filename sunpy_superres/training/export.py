"""Write a trained network as a model folder: calibration, configuration, weights, card."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import astropy.units as u
from safetensors import safe_open
from safetensors.torch import load_file

from sunpy_superres.evaluation.calibration import calibrate
from sunpy_superres.evaluation.evaluate import evaluate
from sunpy_superres.evaluation.keywords import KeywordScores
from sunpy_superres.evaluation.scores import Scores
from sunpy_superres.models.folder import CONFIG
from sunpy_superres.models.loading import load_model, save_model
from sunpy_superres.models.registry import build
from sunpy_superres.sampling.schedule import SolverSettings
from sunpy_superres.training.card import write_card
from sunpy_superres.training.lineage import describe_data, read_lineage
from sunpy_superres.training.recipe import Recipe

__all__ = ["export"]

#: Calibration that leaves the spread as it is, with the mean that the network predicts.
_NO_CALIBRATION = {"mean_weight": 1.0, "pooling": 0.0, "field": [0.0, 3000.0], "factor": [1.0, 1.0]}
#: MDI noise at which the calibration is measured: a usual value for each INTERVAL.
_NOISE = (12.0, 24.0) * u.G


def _measure_scores(data, split, model, n_samples, progress, keywords):
    """Add up the scores of a split over the noise levels, and gather keywords."""
    scores, options = Scores(), {"n_samples": n_samples, "progress": progress}
    look = keywords if n_samples > 1 else None
    for noise in _NOISE:
        regions = evaluate(data, split, model, noise=noise, look=look, **options)
        scores.merge(regions["all"])
    return scores


def extend_calibration(held_out, trained) -> dict:
    """
    Continue a calibration to fields that are stronger than those of its regions.

    Parameters
    ----------
    held_out, trained : dict
        Calibrations by `~sunpy_superres.evaluation.calibration.calibrate`, on validation and on
        training regions.  The second is used well beyond the strongest field of the first.
    """
    end = 1.5 * held_out["field"][-1]
    beyond = [i for i, field in enumerate(trained["field"]) if field > end]
    return held_out | {
        name: held_out[name] + [trained[name][i] for i in beyond] for name in ("field", "factor")
    }


def _read_trained(source):
    """Read network, architecture, sampler and record of the training, from a run or a model."""
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
    # During a stage, the file holds the weights with which the stage began, and no recipe.
    if "recipe" not in record:
        raise ValueError(
            f"The training in {source} stopped within a stage; continue it with "
            "'sunpy-superres train' first (--seconds 1 ends the stage where it is)."
        )
    recipe = Recipe.from_dict(json.loads(record["recipe"]))
    network = build(recipe.config)
    network.load_state_dict(load_file(weights))
    lineage = read_lineage(weights)
    regions = {}
    if lineage is not None:
        regions = {name: lineage[name] for name in ("trained on", "held out")}
    training = {
        "data": describe_data(lineage),
        **regions,
        "steps of the last stage": int(record["steps"]),
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


def export(
    source, folder, data, *, revision, card=None, n_samples=8, progress=True, overwrite=False
):
    """
    Calibrate a trained network and write it as a model folder.

    Parameters
    ----------
    source : path-like
        Folder of a run of `~sunpy_superres.training.train.train`; or a model folder, or "default",
        whose weights are calibrated again (for example after a change of the sampler).
    folder : path-like
        Folder of the new model.
    data : path-like
        Folder of HMI magnetograms; its test regions are not used.  The regions that a run was
        trained on are recorded with its weights, and are not used for validation.
    revision : str
        Name of this version of the weights.
    card : str, optional
        Text of the model card; by default one is written from the record of the training and
        the scores on the validation regions.
    n_samples : int
        Members of the ensembles from which the calibration is measured.
    progress : bool
        Show progress bars.
    overwrite : bool
        Replace a model that the folder holds.

    Returns
    -------
    dict
        The calibration.

    Raises
    ------
    FileExistsError
        If the folder holds a model, and ``overwrite`` is not set.
    ValueError
        If ``source`` is neither a run nor a model, or the run stopped within a stage.
    """
    if (Path(folder) / CONFIG).exists() and not overwrite:
        raise FileExistsError(
            f"{folder} holds a model already; choose another folder, or replace it by --overwrite."
        )
    network, architecture, sampler, training = _read_trained(source)
    common = {"architecture": architecture, "sampler": sampler, "training": training}
    common["revision"] = revision
    with tempfile.TemporaryDirectory() as raw:
        save_model(raw, network, calibration=_NO_CALIBRATION, **common)
        keywords = KeywordScores()
        scores = [
            _measure_scores(data, split, raw, n_samples, progress, keywords)
            for split in ("validation", "calibration")
        ]
    calibration = extend_calibration(*map(calibrate, scores))
    calibration["keywords"] = keywords.shared_errors()
    calibration["keyword_factors"] = keywords.spread_factors()
    if card is None:
        card = write_card(revision, architecture, training, scores[0], n_samples)
    save_model(folder, network, calibration=calibration, card=card, **common)
    return calibration
