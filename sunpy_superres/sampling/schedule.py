"""Noise schedule and solver of the probability-flow equation, as pure functions."""

from __future__ import annotations

import torch

__all__ = ["karras_sigmas", "solve"]


def karras_sigmas(num_steps, sigma_min=0.02, sigma_max=20.0, rho=7.0):
    """
    Noise levels from ``sigma_max`` to ``sigma_min``, then 0.

    Equation 5 of Karras et al. (2022).

    Returns
    -------
    torch.Tensor
        Float64, shape ``(num_steps + 1,)``.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1, not {num_steps}.")
    ramp = torch.linspace(0, 1, num_steps, dtype=torch.float64)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    sigmas = (high + ramp * (low - high)) ** rho
    return torch.cat([sigmas, sigmas.new_zeros(1)])


def solve(denoise, noise, sigmas, callback=None):
    """
    Second-order multistep solution of the probability-flow equation.

    DPM-Solver++(2M) of Lu et al. (2022) in the variables of Karras et al.: one
    evaluation of the denoiser for each step.

    Parameters
    ----------
    denoise : callable
        ``denoise(x, sigma)`` with ``sigma`` a float gives the clean estimate.
    noise : torch.Tensor
        Standard normal, any shape.
    sigmas : torch.Tensor
        From `karras_sigmas`.
    callback : callable, optional
        Called after each step.

    Returns
    -------
    torch.Tensor
        As ``noise``.
    """
    sigmas = [float(s) for s in sigmas]
    x = noise * sigmas[0]
    previous, last_step = None, None
    for sigma, following in zip(sigmas[:-1], sigmas[1:], strict=True):
        clean = denoise(x, sigma)
        if following == 0:
            x = clean
        else:
            step = torch.tensor(sigma / following, dtype=torch.float64).log().item()
            estimate = clean
            if previous is not None:
                ratio = step / (2 * last_step)
                estimate = clean + ratio * (clean - previous)
            x = x * (following / sigma) + estimate * (1 - following / sigma)
            previous, last_step = clean, step
        if callback is not None:
            callback()
    return x
