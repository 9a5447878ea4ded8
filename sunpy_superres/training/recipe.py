"""
Train the default model from one packed file: ``python -m sunpy_superres.training.recipe``.

Imports torch, numpy and safetensors only, so that it runs on a bare GPU machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

try:
    from tqdm.auto import tqdm
except ImportError:  # a bare GPU machine
    tqdm = None

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


class _Lines:
    """Stands in for a progress bar where tqdm is missing: a line now and then."""

    def __init__(self, total, name, progress):
        self.total, self.name, self.progress, self.n, self.text = total, name, progress, 0, ""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def set_postfix(self, refresh=False, **values):
        self.text = " ".join(f"{key} {value}" for key, value in values.items())

    def update(self, steps):
        self.n += steps
        if self.progress and (self.n % 50 == 0 or self.n == self.total):
            print(f"{self.name} {self.n}/{self.total} {self.text}", file=sys.stderr, flush=True)


def _progress_bar(total, name, progress):
    if tqdm is None:
        return _Lines(total, name, progress)
    return tqdm(total=total, desc=name, unit="step", disable=not progress, mininterval=5)


def train(
    pack,
    out,
    stages=tuple(STAGES),
    *,
    settings=None,
    config=None,
    device=None,
    seconds=None,
    seed=0,
    progress=True,
):
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
    progress : bool
        Show a progress bar.

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
            # Before the first checkpoint: a resumed training finds them here.
            _write(weights, model.state_dict(), {"stage": "statistics"})
        with _progress_bar(loop.steps, name, progress) as bar:

            def report(step, loss, bar=bar):
                bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                bar.update(step - bar.n)

            loss_of_step = make_loss(model, sampler, device)
            averaged, done = fit(part, loss_of_step, loop, checkpoint, report, seconds)
        part.load_state_dict(averaged.state_dict())
        _write(
            weights,
            model.state_dict(),
            {"stage": name, "steps": str(done), "config": json.dumps(model.config.to_dict())},
        )
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
    train(
        options.pack,
        options.out,
        options.stages,
        settings=settings,
        seconds=options.seconds,
        seed=options.seed,
    )


if __name__ == "__main__":
    main()
