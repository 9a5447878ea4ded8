"""
Train the default model from one packed file: ``python -m sunpy_superres.training.recipe``.

Imports torch, numpy and safetensors only, so that it runs on a bare GPU machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from sunpy_superres.models.residual_ldm import ResidualLDM, ResidualLDMConfig
from sunpy_superres.training.data import CropSampler, load_pack
from sunpy_superres.training.loop import LoopConfig, fit
from sunpy_superres.training.stages import (
    MARGIN,
    autoencoder_loss,
    diffusion_loss,
    latent_statistics,
    regression_loss,
)

__all__ = ["STAGES", "train"]

#: Stages in order: settings, crop side in HMI pixels without margin, crops in a batch.
STAGES = {
    "autoencoder": (LoopConfig(steps=500, learning_rate=1.5e-3), 192, 8),
    "regression": (LoopConfig(steps=2000, learning_rate=1.2e-3), 192, 12),
    "diffusion": (LoopConfig(steps=6000, learning_rate=1.2e-3, ema=0.999), 192, 12),
}


def _write(path, state, metadata):
    partial = path.with_name(path.name + ".part")
    save_file({k: v.contiguous() for k, v in state.items()}, partial, metadata=metadata)
    partial.replace(path)


def train(pack, out, stages=tuple(STAGES), *, settings=None, config=None, device=None,
          seconds=None, seed=0, log=sys.stderr):
    """
    Train the stages one after the other; each goes on from what it finds in ``out``.

    Parameters
    ----------
    pack : path-like
        File of `~sunpy_superres.training.data.save_pack`; only its split "train" is used.
    out : path-like
        Folder of the checkpoints and of ``model.safetensors``.
    stages : sequence of str
        Of "autoencoder", "regression", "diffusion".
    settings : dict, optional
        Replaces entries of `STAGES`.
    config : ResidualLDMConfig, optional
    device : str, optional
    seconds : float, optional
        Time for each stage; what is left is done at the next call.
    seed : int
    log : file
        Where a line goes now and then.

    Returns
    -------
    ResidualLDM
        With averaged weights.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    settings = {**STAGES, **(settings or {})}
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    torch.manual_seed(seed)
    model = ResidualLDM(config or ResidualLDMConfig())
    weights = out / "model.safetensors"
    if weights.exists():
        model.load_state_dict(load_file(weights))
    model = model.to(device).to(memory_format=torch.channels_last)
    frames = load_pack(pack, "train")
    parts = {
        "autoencoder": (model.autoencoder, autoencoder_loss, 0),
        "regression": (model.regression, regression_loss, MARGIN),
        "diffusion": (model.denoiser, diffusion_loss, MARGIN),
    }
    for number, name in enumerate(stages):
        loop, size, batch = settings[name]
        part, make_loss, margin = parts[name]
        sampler = CropSampler(frames, size + 2 * margin, batch, seed=seed + 1000 * number)
        checkpoint = out / f"{name}.checkpoint"
        if name == "autoencoder" and not checkpoint.exists():
            latent_statistics(model, sampler)
        started = time.monotonic()

        def report(step, loss, name=name, started=started, total=loop.steps):
            if step % 50 == 0 or step == total:
                minutes = (time.monotonic() - started) / 60
                print(f"{name} step {step}/{total} loss {loss:.5f} {minutes:.1f} min",
                      file=log, flush=True)

        averaged, done = fit(
            part, make_loss(model, sampler, device), loop, checkpoint, report, seconds
        )
        part.load_state_dict(averaged.state_dict())
        _write(weights, model.state_dict(), {"stage": name, "steps": str(done),
                                             "config": json.dumps(model.config.to_dict())})
    return model


def main(arguments=None):
    """Command line of `train`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack")
    parser.add_argument("out")
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=list(STAGES))
    parser.add_argument("--steps", type=int, help="optimiser steps of each stage")
    parser.add_argument("--seconds", type=float, help="time for each stage")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    settings = {}
    if options.steps:
        for name in options.stages:
            loop, size, batch = STAGES[name]
            settings[name] = (LoopConfig(**{**loop.__dict__, "steps": options.steps}), size, batch)
    train(options.pack, options.out, options.stages, settings=settings,
          seconds=options.seconds, seed=options.seed)


if __name__ == "__main__":
    main()
