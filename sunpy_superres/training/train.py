"""
Train a network by a recipe.

This module imports torch, numpy and safetensors only, so that it runs on a bare GPU machine.
"""

from __future__ import annotations

import contextlib
import json
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file

from sunpy_superres.datasets.packed import CropSampler, load_pack
from sunpy_superres.files import write_atomically, write_tensors
from sunpy_superres.models.registry import build
from sunpy_superres.sampling.schedule import SolverSettings
from sunpy_superres.torch_state import own_torch_state
from sunpy_superres.training.lineage import LINEAGE, trace_lineage
from sunpy_superres.training.loop import check_settings, optimise
from sunpy_superres.training.processes import Processes
from sunpy_superres.training.progress import progress_bar
from sunpy_superres.training.recipe import load_recipe
from sunpy_superres.training.stages import (
    MARGIN,
    ObservedCrops,
    autoencoder_loss,
    diffusion_loss,
    latent_statistics,
    network_loss,
    regression_loss,
    residual_statistics,
    score_loss,
)
from sunpy_superres.training.tensorboard_log import TensorBoardLog, draw_pictures

__all__ = ["train"]


def _write_weights(path, state, metadata):
    write_tensors(path, state, metadata, only_writer=True)


@own_torch_state()
def train(
    pack,
    out,
    recipe="residual_ldm",
    *,
    stages=None,
    start=None,
    device=None,
    seconds=None,
    progress=True,
):
    """
    Train a network by a recipe; each stage continues from what it finds in ``out``.

    Parameters
    ----------
    pack : path-like
        File of `~sunpy_superres.datasets.packed.save_pack`; only its split "train" is used.
    out : path-like
        Folder of the checkpoints and of ``model.safetensors``.
    recipe : str, path-like or Recipe
        See `load_recipe`.
    stages : sequence of str, optional
        Run only these stages of the recipe.
    start : path-like, optional
        ``model.safetensors`` of another run or model, to start from.  Tensors that it lacks or that
        have another shape start from random values.  So models can share an autoencoder.
    device : str, optional
        Device of torch, for a training in one process.  By default the device is chosen, and
        processes that ``accelerate launch`` or ``torchrun`` started train together.
    seconds : float, optional
        Time for the stage that is trained.  If steps are left after it, the run ends, because the
        later stages build on what this one learns; the next call continues it.
    progress : bool
        Show a progress bar.

    Returns
    -------
    `~sunpy_superres.models.base.BaseNetwork`
        The network with averaged weights.

    Raises
    ------
    ValueError
        If the recipe does not exist or is not valid, has no such stage, ``out`` holds a run by
        another recipe, ``start`` has no tensor in common with the network, or a stage was trained
        on a state of an earlier stage that has changed since.
    """
    recipe = load_recipe(recipe)
    frames = load_pack(pack, "train")
    out = Path(out)
    processes = Processes(device)
    if processes.is_main:
        out.mkdir(parents=True, exist_ok=True)
        check_settings(out / "recipe.json", recipe.to_dict())
    processes.wait()
    chosen = list(recipe.stages) if stages is None else list(stages)
    unknown = [name for name in chosen if name not in recipe.stages]
    if unknown:
        raise ValueError(f"{recipe.architecture} has no stage {unknown[0]!r}.")
    device = processes.device
    torch.manual_seed(recipe.seed)
    model = build(recipe.config)
    weights = out / "model.safetensors"
    started = weights.exists() or start is not None
    if weights.exists():
        model.load_state_dict(load_file(weights))
    elif start is not None:
        _start_from(model, start)
    model = model.to(device).to(memory_format=torch.channels_last)
    earlier = [weights] if weights.exists() else [start] if start is not None else []
    record = {LINEAGE: json.dumps(trace_lineage(pack, *earlier))}
    processes.wait()
    for number, name in enumerate(recipe.stages):
        if name not in chosen:
            continue
        stage = recipe.stages[name]
        margin = 0 if name == "autoencoder" else MARGIN
        seed = recipe.seed + 1000 * number
        sampler = CropSampler(frames, stage.size + 2 * margin, stage.batch, seed, stage.quiet_std)
        batches = ObservedCrops(sampler, recipe.degradation, device)
        checkpoint = out / f"{name}.checkpoint"
        _check_earlier(out, recipe, name, processes.is_main)
        processes.wait()
        if not checkpoint.exists():
            _measure_statistics(model, name, sampler, batches, started)
            # They are written before the first checkpoint, for a training that is resumed.
            if processes.is_main:
                _write_weights(weights, model.state_dict(), record | {"stage": "statistics"})
        processes.wait()
        part, loss_of_batch = _choose_part(model, name, sampler, batches, device, recipe)
        draw = None
        if name in ("diffusion", "score", "network"):
            draw = partial(draw_pictures, model, batches, recipe.sampler)
        show = processes.is_main
        folder, done = out / "log" if show else None, _count_steps(checkpoint)
        with (
            progress_bar(stage.loop.steps, name, progress and show) as bar,
            TensorBoardLog(folder, name, done, draw) as board,
        ):

            def report(step, loss, bar=bar):
                bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                bar.update(step - bar.n)

            with _only_trained(model, part):
                averaged, done = optimise(
                    part, loss_of_batch, stage.loop, checkpoint, report, seconds,
                    log=board.log, processes=processes,
                )  # fmt: skip
            part.load_state_dict(averaged.state_dict())
            board.picture(done)
        if processes.is_main:
            _write_weights(
                weights,
                model.state_dict(),
                record
                | {"stage": name, "steps": str(done), "recipe": json.dumps(recipe.to_dict())},
            )
        processes.wait()
        if done < stage.loop.steps:
            break
    return model


def _check_earlier(out, recipe, name, is_main):
    """Refuse to go on with a stage if the stages before it have changed since it began."""
    names = list(recipe.stages)
    earlier = {n: _count_steps(out / f"{n}.checkpoint") for n in names[: names.index(name)]}
    path = out / "stages.json"
    built_on = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    checkpoint = out / f"{name}.checkpoint"
    if checkpoint.exists():
        changed = [n for n, steps in built_on.get(name, earlier).items() if earlier[n] != steps]
        if changed:
            raise ValueError(
                f"The stage {name} was trained on the stage {changed[0]} before that was trained "
                f"further; delete {checkpoint} to train it anew."
            )
    elif is_main:
        text = json.dumps(built_on | {name: earlier}, indent=1) + "\n"
        write_atomically(
            path, lambda new: Path(new).write_text(text, encoding="utf-8"), only_writer=True
        )


@contextlib.contextmanager
def _only_trained(model, part):
    """Compute no gradients of the parameters outside ``part`` for the time of a stage."""
    own = {id(parameter) for parameter in part.parameters()}
    frozen = [p for p in model.parameters() if p.requires_grad and id(p) not in own]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


def _count_steps(checkpoint):
    """Read the number of steps in a checkpoint; 0 without one."""
    if not checkpoint.exists():
        return 0
    return torch.load(checkpoint, map_location="cpu", weights_only=True)["step"]


def _start_from(model, path):
    """
    Copy the weights of another model whose names and shapes are the same.

    If the model sees the foreshortening and the other one does not, the weights of its channels,
    which come last, start at zero.
    """
    own, other = model.state_dict(), load_file(path)
    shared = {}
    for name, value in other.items():
        if name not in own:
            continue
        gained = model.foreshortening_channel_count if model.config.foreshortening else 0
        if value.ndim == own[name].ndim == 4 and own[name].shape[1] - value.shape[1] == gained > 0:
            value = torch.nn.functional.pad(value, (0, 0, 0, 0, 0, gained))
        if value.shape == own[name].shape:
            shared[name] = value.float()
    if not shared:
        raise ValueError(f"{path} has no tensor in common with the model of the recipe.")
    model.load_state_dict(shared, strict=False)


def _measure_statistics(model, name, sampler, batches, started):
    """Measure, before a stage, the statistics of the data that it needs."""
    if name == "autoencoder" and not started:
        latent_statistics(model, sampler)
    elif name == "diffusion" and model.regression is None:
        if model.config.space == "stable_diffusion" and not started:
            model.autoencoder.load_pretrained()
        if model.config.space != "latent":
            latent_statistics(model, sampler)
        residual_statistics(model, batches)


def _choose_part(model, name, sampler, batches, device, recipe):
    """Choose the module that a stage trains, and its loss."""
    if name == "autoencoder":
        return model.autoencoder, autoencoder_loss(model, sampler, device)
    if name == "score":
        solver = SolverSettings.from_dict(recipe.sampler)
        return model.denoiser, score_loss(model, batches, device, solver, recipe.score)
    part, loss = {
        "regression": ("regression", regression_loss),
        "diffusion": ("denoiser", diffusion_loss),
        "network": ("network", network_loss),
    }[name]
    return getattr(model, part), loss(model, batches, device)
