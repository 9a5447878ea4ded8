"""
The training loop of all models, on one device or several.

The data and random numbers of a step depend on its number alone.  So a training that was killed and
continues from its last checkpoint has the same result as one without an interruption.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sunpy_superres.files import write_atomically
from sunpy_superres.training.processes import Processes

__all__ = ["LoopConfig", "optimise", "check_settings", "save_checkpoint"]


@dataclass(frozen=True)
class LoopConfig:
    """
    Settings of `optimise`.

    Parameters
    ----------
    steps : int
        Number of optimiser steps.
    learning_rate, weight_decay : float
        Settings of AdamW; the rate rises over ``warmup`` steps and falls along a cosine to 2 %.
    warmup : int
        Steps over which the rate rises.
    clip : float
        Largest norm of the gradient; a larger one is scaled down.
    ema : float
        Decay of the averaged weights.
    checkpoint_minutes : float
        Time between checkpoints.
    autocast : {"none", "bfloat16"}
        Number format of the networks' evaluation.
    accumulation : int
        Batches in each process whose gradients are averaged for one step.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """

    steps: int = 1000
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: int = 100
    clip: float = 1.0
    ema: float = 0.998
    checkpoint_minutes: float = 3.0
    autocast: str = "none"
    accumulation: int = 1

    def __post_init__(self):
        if self.autocast not in ("none", "bfloat16"):
            raise ValueError(f"autocast must be 'none' or 'bfloat16', not {self.autocast!r}.")
        for name in ("steps", "accumulation"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an integer of at least 1, not {value!r}.")

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def save_checkpoint(path, state):
    """Write a checkpoint; a failure leaves the old one."""

    def write(name):
        with Path(name).open("wb") as file:
            torch.save(state, file)

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, write, only_writer=True)


def check_settings(path, settings):
    """
    Refuse to continue a run that has other settings; write those of a new run.

    Parameters
    ----------
    path : path-like
        JSON file in the folder of the run.
    settings : dict
        Ready for JSON.

    Raises
    ------
    ValueError
        If the file holds other settings.
    """
    path = Path(path)
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != settings:
            raise ValueError(
                f"{path.parent} holds a run with other settings ({path.name}); use another folder."
            )
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(settings, indent=1) + "\n"
    write_atomically(
        path, lambda name: Path(name).write_text(text, encoding="utf-8"), only_writer=True
    )


def optimise(
    module,
    loss_of_batch,
    config: LoopConfig,
    checkpoint=None,
    report=None,
    seconds=None,
    *,
    log=None,
    processes=None,
):
    """
    Train ``module`` in place and return a copy with averaged weights.

    A step whose gradient is not finite changes no weight.

    Parameters
    ----------
    module : torch.nn.Module
        The network to train.
    loss_of_batch : callable
        ``loss_of_batch(number)`` returns the loss of a batch; it must depend on the number and the
        weights alone.  With ``n`` processes, step ``s`` uses ``accumulation * n`` batches from
        number ``s * accumulation * n`` on.
    config : LoopConfig
    checkpoint : path-like, optional
        Written every few minutes and at the end; if it exists, the training continues from it.
    report : callable, optional
        Called as ``report(step, loss)`` after each step, with the running mean of the loss.
    seconds : float, optional
        Stop, with a checkpoint, after this time even if steps are left.
    log : callable, optional
        Called as ``log(step, scalars)`` after each step, in the main process only, with a
        dictionary of "loss", "gradient norm" and "learning rate".
    processes : Processes, optional
        By default one process, on the module's device.

    Returns
    -------
    averaged : torch.nn.Module
        The module with an exponential moving average of its weights.
    step : int
        Number of steps done so far.
    """
    device = next(module.parameters()).device
    processes = processes or Processes(device)
    averaged = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(config.ema))
    optimiser = torch.optim.AdamW(
        module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    step, running = 0, float("nan")
    if checkpoint is not None and Path(checkpoint).exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        module.load_state_dict(state["module"])
        averaged.load_state_dict(state["averaged"])
        optimiser.load_state_dict(state["optimiser"])
        step, running = state["step"], state["running"]
    # No process may write a checkpoint before all have read the old one.
    processes.wait()

    def save():
        if checkpoint is not None and processes.is_main:
            save_checkpoint(
                checkpoint,
                {
                    "module": module.state_dict(),
                    "averaged": averaged.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step,
                    "running": running,
                },
            )

    started = saved = time.monotonic()
    module.train()
    while step < config.steps:
        for group in optimiser.param_groups:
            group["lr"] = config.rate(step)
        value, norm = _gradients(module, optimiser, loss_of_batch, step, config, processes)
        if math.isfinite(norm):
            optimiser.step()
            # The average is short at first, so that the initial weights soon have no part in it.
            averaged.multi_avg_fn = get_ema_multi_avg_fn(min(config.ema, (step + 1) / (step + 10)))
            averaged.update_parameters(module)
        running = value if math.isnan(running) else 0.98 * running + 0.02 * value
        step += 1
        if report is not None:
            report(step, running)
        if log is not None and processes.is_main:
            rate = config.rate(step - 1)
            log(step, {"loss": value, "gradient norm": norm, "learning rate": rate})
        now = time.monotonic()
        if now - saved > 60 * config.checkpoint_minutes:
            save()
            saved = now
        if seconds is not None and processes.any(now - started > seconds):
            break
    save()
    processes.wait()
    return averaged.module, step


def _gradients(module, optimiser, loss_of_batch, step, config, processes):
    """Compute and clip the gradients of a step; return the loss and the norm before clipping."""
    device = next(module.parameters()).device
    optimiser.zero_grad(set_to_none=True)
    total = torch.zeros((), device=device)
    for part in range(config.accumulation):
        number = (step * config.accumulation + part) * processes.count + processes.index
        with torch.autocast(
            device.type, dtype=torch.bfloat16, enabled=config.autocast == "bfloat16"
        ):
            loss = loss_of_batch(number) / config.accumulation
        loss.backward()
        total += loss.detach()
    processes.mean([p.grad for p in module.parameters() if p.grad is not None] + [total])
    norm = torch.nn.utils.clip_grad_norm_(module.parameters(), config.clip)
    return float(total), float(norm)
