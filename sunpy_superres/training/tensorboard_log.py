"""Write scalars and pictures of a training for TensorBoard while it runs."""

from __future__ import annotations

import time
from functools import partial

import torch

from sunpy_superres.sampling.schedule import SolverSettings, solve

try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError:  # the extra "training" is not installed
    SummaryWriter = None

__all__ = ["TensorBoardLog", "draw_pictures"]

#: Field in Gauss that pictures show as white.
_WHITE = 500.0


@torch.no_grad()
def draw_pictures(model, batches, solver=None, seed=0):
    """
    Draw fields for a batch that the training does not see, beside interpolated frames and HMI's.

    Parameters
    ----------
    model : `~sunpy_superres.models.base.BaseNetwork`
    batches : callable
        `~sunpy_superres.training.stages.ObservedCrops`.
    solver : dict, optional
        Settings of `~sunpy_superres.sampling.schedule.SolverSettings`.
    seed : int
        Seed of the noise.

    Returns
    -------
    torch.Tensor
        Interpolated frame, drawn field and HMI's side by side, in Gauss, ``(n, 1, ny, 3 nx)``, on
        the CPU.
    """
    device = next(model.parameters()).device
    batch, _ = batches(2**31 - 1)
    settings = SolverSettings.from_dict(solver or {})
    prepared = model.prepare(batch.inputs)
    size = (len(batch.frame), model.noise_channels, *batch.frame.shape[-2:])
    noise = torch.randn(size, generator=torch.Generator().manual_seed(seed)).to(device)
    levels = settings.levels()
    field = torch.cat(list(model.draw(prepared, noise, partial(solve, sigmas=levels))))
    known = torch.nn.functional.interpolate(batch.mask, scale_factor=model.factor)
    panels = (model.interpolate(batch.frame), field, batch.target)
    return torch.cat([panel.float() * known for panel in panels], dim=-1).cpu()


class TensorBoardLog:
    """
    Writes scalars and pictures of one stage for TensorBoard.

    It does nothing if tensorboard is not installed.

    Parameters
    ----------
    folder : path-like or None
        With None, as in all processes but the main one, nothing is written.
    stage : str
        First part of the names of scalars and pictures.
    step : int
        Step from which the training continues; later entries of the log are discarded.
    draw : callable, optional
        ``draw()`` returns pictures in Gauss, ``(n, 1, ny, nx)``.
    minutes : float
        Time between pictures.
    every : int
        Steps between scalars.
    """

    def __init__(self, folder, stage, step=0, draw=None, minutes=5.0, every=10):
        self._writer = None
        if SummaryWriter is not None and folder is not None:
            self._writer = SummaryWriter(str(folder), purge_step=step + 1)
        self._stage, self._draw, self._minutes, self._every = stage, draw, minutes, every
        self._drawn = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._writer:
            self._writer.close()

    def log(self, step, scalars):
        """Write the scalars of a step, and pictures if ``minutes`` have passed."""
        if not self._writer:
            return
        if step % self._every == 0:
            for name, value in scalars.items():
                self._writer.add_scalar(f"{self._stage}/{name}", value, step)
        if self._draw and time.monotonic() - self._drawn > 60 * self._minutes:
            self.picture(step)

    def picture(self, step):
        """Draw and write pictures, black at -500 G and white at 500 G."""
        if self._writer and self._draw:
            grey = (self._draw() / (2 * _WHITE) + 0.5).clamp(0, 1)
            self._writer.add_images(f"{self._stage}/interpolated, model, HMI", grey, step)
            self._drawn = time.monotonic()
