"""The losses of the training."""

from __future__ import annotations

import torch

__all__ = ["EDMLoss", "beta_nll", "reconstruction_loss"]


def _masked_mean(values, weight):
    return (values * weight).sum() / (weight.sum() * values.shape[1]).clamp(min=1)


def reconstruction_loss(rebuilt, field):
    """Add the mean absolute error and half the root-mean-square error, in the fields' unit."""
    difference = rebuilt - field
    return difference.abs().mean() + 0.5 * difference.square().mean().sqrt()


def beta_nll(mean, scale, target, weight, beta=0.5):
    """
    Compute the Gaussian negative log-likelihood, weighted by ``scale ** (2 beta)``.

    With a ``beta`` between 0 (plain likelihood) and 1 (least squares for the mean), neither weak
    nor strong fields are neglected (Seitzer et al. 2022).

    Parameters
    ----------
    mean, scale, target : torch.Tensor
        ``(n, c, ny, nx)``.
    weight : torch.Tensor
        ``(n, 1, ny, nx)``.
    """
    loss = 0.5 * ((target - mean) / scale).square() + scale.log()
    return _masked_mean(loss * scale.detach() ** (2 * beta), weight)


class EDMLoss:
    """
    Weighted denoising loss of Karras et al. (2022).

    Parameters
    ----------
    p_mean, p_std : float
        Mean and standard deviation of the logarithm of the noise level.
    sigma_data : float
        Standard deviation of the clean signal.
    """

    def __init__(self, p_mean=-0.4, p_std=1.3, sigma_data=1.0):
        self.p_mean, self.p_std, self.sigma_data = p_mean, p_std, sigma_data

    def __call__(self, denoise, clean, weight, rng):
        """
        Compute the loss of ``denoise(noisy, sigma)`` on a batch.

        Parameters
        ----------
        denoise : callable
        clean : torch.Tensor
            ``(n, c, ny, nx)``.
        weight : torch.Tensor
            ``(n, 1, ny, nx)``.
        rng : torch.Generator
            On the CPU.
        """
        n = len(clean)
        # Noise levels are drawn one from each of n equal shares of their distribution.
        u = (torch.arange(n) + torch.rand(n, generator=rng)) / n
        sigma = torch.exp(self.p_mean + self.p_std * torch.special.ndtri(u.clamp(1e-4, 1 - 1e-4)))
        sigma = sigma[torch.randperm(n, generator=rng)].to(clean)
        noise = torch.randn(clean.shape, generator=rng).to(clean)
        level = sigma[:, None, None, None]
        error = (denoise(clean + level * noise, sigma) - clean).square()
        factor = (level.square() + self.sigma_data**2) / (level * self.sigma_data).square()
        return _masked_mean(error * factor, weight)
