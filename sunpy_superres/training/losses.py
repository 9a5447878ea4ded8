"""The losses of the training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

__all__ = ["EDMLoss", "ScoreLoss", "beta_nll", "reconstruction_loss"]


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


@dataclass(frozen=True)
class ScoreConfig:
    """
    Settings of `ScoreLoss`, and of the stage "score" of a training.

    Parameters
    ----------
    members : int
        Members drawn for each crop, at least 2.
    patches : tuple of int
        Side of the patches of each band, from the finest on; blocks of 1, 2, 4 ... pixels.
    weights : tuple of float
        Weight of each band.
    single_weight : float
        Weight of the continuous ranked probability score of single pixels.
    alpha : float
        Share of the fair score; the rest is the score without correction for the number of members.
    weight_unit, weight_power : float
        A pixel has the weight ``(u / (s + u)) ** power``, where s is the standard deviation that
        the regression predicts for it and u is ``weight_unit``, both in Gauss.  So neither weak
        nor strong field decides alone.
    diffusion_share : float
        Share of the batches that train the denoiser at all noise levels, as the stage "diffusion"
        does, so that several steps go on to work.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """

    members: int = 2
    patches: tuple[int, ...] = (4, 2, 1, 1, 1)
    weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0)
    single_weight: float = 1.0
    alpha: float = 0.95
    weight_unit: float = 10.0
    weight_power: float = 0.5
    diffusion_share: float = 0.2

    def __post_init__(self):
        if self.members < 2:
            raise ValueError(f"members must be at least 2, not {self.members}.")
        if len(self.patches) != len(self.weights):
            raise ValueError(
                f"There are {len(self.patches)} patches and {len(self.weights)} weights; "
                "give one of each for a band."
            )
        for name in ("alpha", "diffusion_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie from 0 to 1, not at {getattr(self, name)}.")


class ScoreLoss:
    """
    Proper score of a few members, in bands of scale: almost fair, as in AIFS-CRPS.

    Members and truth are divided into bands, each the difference between the means of blocks of
    ``k`` and of ``2 k`` pixels (the last one holds the means themselves).  The score of a band is
    the energy score of patches::

        S = mean_j |x_j - y| - (1 - e) mean_(j<k) |x_j - x_k| / 2,

    where ``|.|`` is the Euclidean norm over a patch of ``patch x patch`` blocks and
    e = (1 - alpha) / m for m members.  With ``patch = 1``, S is the continuous ranked probability
    score.  The members' own distances keep their spread as large as their error, and the bands keep
    the power of every scale.  alpha = 1 is the fair score, whose expectation does not depend on m,
    but which does not care about one of two members if the other equals the truth (Lang et al.
    2024).

    Parameters
    ----------
    config : ScoreConfig

    References
    ----------
    Gneiting & Raftery (2007), Journal of the American Statistical Association 102, 359;
    Lang et al. (2024), arXiv 2412.15832.
    """

    def __init__(self, config=ScoreConfig()):
        self.config = config

    @property
    def coarsest(self) -> int:
        """Pixels along a side of the largest blocks; sides of the fields are multiples of it."""
        return 2 ** (len(self.config.patches) - 1)

    def bands(self, field):
        """Divide fields into bands, the finest first; ``(n, 1, ny, nx)`` each, ever smaller."""
        for _ in self.config.patches[:-1]:
            coarse = F.avg_pool2d(field, 2)
            yield field - F.interpolate(coarse, scale_factor=2, mode="nearest")
            field = coarse
        yield field

    def __call__(self, members, truth, weight):
        """
        Compute the score.

        Parameters
        ----------
        members : torch.Tensor
            ``(m, n, 1, ny, nx)``, m of at least 2.
        truth, weight : torch.Tensor
            ``(n, 1, ny, nx)``; ``weight`` may depend on the frame, never on members or truth.
        """
        c, m = self.config, len(members)
        stacked = torch.cat([members.flatten(0, 1), truth])
        total = c.single_weight * self._energy(stacked, weight, 1, m)
        for number, band in enumerate(self.bands(stacked)):
            if number:
                weight = F.avg_pool2d(weight, 2)
            total = total + c.weights[number] * self._energy(band, weight, c.patches[number], m)
        return total

    def _energy(self, stacked, weight, patch, m):
        """Score of one band; members and truth lie one after another."""
        fields = stacked.unflatten(0, (m + 1, -1))

        def distance(a, b):
            if patch == 1:
                return (a - b).abs()
            # The mean square, not the sum: bands with patches of any size weigh the same.
            return (F.avg_pool2d((a - b).square(), patch, stride=max(1, patch // 2)) + 1e-8).sqrt()

        fit = sum(distance(fields[j], fields[m]) for j in range(m)) / m
        pairs = [(j, k) for j in range(m) for k in range(j)]
        spread = sum(distance(fields[j], fields[k]) for j, k in pairs) / len(pairs)
        score = fit - (1 - (1 - self.config.alpha) / m) / 2 * spread
        if patch > 1:
            weight = F.avg_pool2d(weight, patch, stride=max(1, patch // 2))
        return (score * weight).sum() / weight.sum().clamp(min=1e-6)
