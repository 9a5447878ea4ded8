"""Data, statistics and losses of the stages: autoencoder, regression, diffusion, network."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from sunpy_superres.instruments import FACTOR
from sunpy_superres.sampling.schedule import solve
from sunpy_superres.training.degradation import DegradationConfig, DegradedBatch, degrade
from sunpy_superres.training.losses import (
    EDMLoss,
    ScoreConfig,
    ScoreLoss,
    beta_nll,
    reconstruction_loss,
)

__all__ = [
    "ObservedCrops",
    "autoencoder_loss",
    "diffusion_loss",
    "latent_statistics",
    "network_loss",
    "regression_loss",
    "residual_statistics",
    "score_loss",
]

#: Keeps the choice between the losses of `score_loss` apart from all other random numbers.
_SHARE_SEED = 0x5C0
#: HMI pixels around a crop that only the blur needs: 5 sigma of its core, 2 of its wings.
MARGIN = 16
#: Batches from this number on are never used in a training.
_UNSEEN = 2**31


class ObservedCrops:
    """
    Draws batches of HMI crops, each observed through an MDI instrument of its own.

    Parameters
    ----------
    sampler : CropSampler
        Draws crops that are larger by `MARGIN` on each side.
    config : DegradationConfig
    device : torch.device or str
    """

    def __init__(self, sampler, config=DegradationConfig(), device="cpu"):
        self.sampler, self.config, self.device = sampler, config, device

    def __call__(self, number):
        """
        Draw a batch by its number.

        Returns
        -------
        DegradedBatch
        rng : torch.Generator
            Source of all further random numbers.
        """
        crops, rng, foreshortening = self.sampler(number)
        fields, foreshortening = crops.to(self.device), foreshortening.to(self.device)
        return degrade(fields, self.config, rng, MARGIN, foreshortening), rng


def latent_statistics(model, sampler, batches=20):
    """
    Set the latent's standard deviation; before, start `Autoencoder` from its linear basis.

    For Stable Diffusion's autoencoder, its ``slope`` is set too.

    Parameters
    ----------
    model : ResidualLDM
    sampler : CropSampler
    batches : int
        How many batches to use; they have numbers from 2**31 on, which no training reaches.
    """
    device = model.latent_std.device
    fields = torch.cat([sampler(_UNSEEN + i)[0] for i in range(batches)]).to(device)
    fields = fields / model.config.field_scale
    if model.config.space == "latent":
        model.autoencoder.set_linear_basis(fields)
    with torch.no_grad():
        latent = torch.cat([model.autoencoder.encode(f) for f in fields.split(sampler.batch)])
        model.latent_std.copy_(latent.std(dim=(0, 2, 3)))
        if model.config.space == "stable_diffusion":
            model.autoencoder.slope.copy_(fields.std() / latent.std())


@torch.no_grad()
def residual_statistics(model, batches, count=20):
    """
    Set the standard deviation of the residual that a model without regression diffuses.

    Parameters
    ----------
    model : ResidualLDM
        A model whose autoencoder is trained.
    batches : callable
        `ObservedCrops`.
    count : int
        How many batches to use; they have numbers from 2**31 on, which no training reaches.
    """
    device = model.latent_std.device
    residuals = []
    for number in range(_UNSEEN, _UNSEEN + count):
        batch, latent, _ = _batch(model, batches, number, device)
        mean = model.condition(*batch.inputs).mean
        residuals.append((latent - mean) * batch.mask)
    model.residual_std.copy_(torch.cat(residuals).std(dim=(0, 2, 3)))


def autoencoder_loss(model, sampler, device, noise=0.02):
    """Make the loss of the reconstruction of HMI crops from latents with a little noise."""

    def loss(step):
        crops, rng, _ = sampler(step)
        fields = crops.to(device) / model.config.field_scale
        latent = model.autoencoder.encode(fields)
        jitter = torch.randn(latent.shape, generator=rng).to(device)
        return reconstruction_loss(model.autoencoder.decode(latent + noise * jitter), fields)

    return loss


def _batch(model, batches, number, device):
    """Draw a batch by its number; return it with its HMI latent and random generator."""
    batch, rng = batches(number)
    batch = DegradedBatch(*(part.to(device) for part in batch))
    with torch.no_grad():
        latent = model.autoencoder.encode(batch.target / model.config.field_scale)
    return batch, latent, rng


def regression_loss(model, batches, device, beta=0.5):
    """Make the loss of the regression, `beta_nll`; ``batches`` is like `ObservedCrops`."""

    def loss(number):
        batch, latent, _ = _batch(model, batches, number, device)
        mean, scale, _ = model.condition(*batch.inputs)
        return beta_nll(mean, scale, latent, batch.mask, beta)

    return loss


def diffusion_loss(model, batches, device, edm=EDMLoss()):
    """Make the loss of the denoiser on standardised residuals; the regression is frozen."""

    def loss(number):
        batch, latent, rng = _batch(model, batches, number, device)
        with torch.no_grad():
            mean, scale, features = model.condition(*batch.inputs)
        # Outside the mask the residual means nothing.  Clamped, since outliers would dominate.
        residual = ((latent - mean) / scale).clamp(-8, 8) * batch.mask
        prepared = model.denoiser.network.prepare(features)
        return edm(
            lambda noisy, sigma: model.denoiser(noisy, sigma, prepared),
            residual,
            batch.mask,
            rng,
        )

    return loss


def score_loss(model, batches, device, sampler, config=ScoreConfig()):
    """
    Make the score of members drawn in one step; all but the denoiser is frozen.

    A member starts from white noise n and is, in units of the residual, n + (pi / 2) F(n), where F
    is the denoiser's network at the noise level ``single_sigma``: the one step of
    `~sunpy_superres.sampling.schedule.solve` from there.  Members are decoded, and scored in
    units of ``field_scale``, by `ScoreLoss`.  A share of the batches is given to `diffusion_loss`
    instead, so that several steps go on to work.

    Parameters
    ----------
    model : ResidualLDM
    batches : callable
        `ObservedCrops`.
    device : torch.device or str
    sampler : `~sunpy_superres.sampling.schedule.SolverSettings`
        Gives ``single_sigma``.
    config : ScoreConfig

    Raises
    ------
    ValueError
        By the loss, if the crops are too small for the bands.
    """
    score = ScoreLoss(config)
    diffusion = diffusion_loss(model, batches, device)
    levels = sampler.levels(1)
    unit = config.weight_unit / model.config.field_scale

    def loss(number):
        if np.random.default_rng([number, _SHARE_SEED]).random() < config.diffusion_share:
            return diffusion(number)
        batch, rng = batches(number)
        batch = DegradedBatch(*(part.to(device) for part in batch))
        with torch.no_grad():
            mean, scale, features = model.condition(*batch.inputs)
            spread = model.autoencoder.decoded_std(scale)
        n, m = len(mean), config.members
        prepared = model.denoiser.network.prepare(features).repeat(m, 1, 1, 1)

        def denoise(x, sigma):
            return model.denoiser(x, x.new_full((len(x),), sigma), prepared)

        noise = torch.randn((m * n, *mean.shape[1:]), generator=rng).to(mean)
        noise = noise.to(memory_format=torch.channels_last)
        residual = solve(denoise, noise, levels)
        latent = mean.repeat(m, 1, 1, 1) + scale.repeat(m, 1, 1, 1) * residual
        mask = F.interpolate(batch.mask, scale_factor=FACTOR, mode="nearest")
        fields = model.autoencoder.decode(latent) * mask.repeat(m, 1, 1, 1)
        truth = batch.target / model.config.field_scale * mask
        weight = mask * (unit / (spread + unit)) ** config.weight_power
        # The blocks of the bands begin at another place in each batch.
        side = score.coarsest
        if min(mask.shape[-2:]) < 2 * side:
            raise ValueError(
                f"Crops of {mask.shape[-1]} pixels are too small for bands of up to {side} pixels; "
                f"give a size of at least {2 * side}, or fewer bands (patches and weights)."
            )
        low = torch.randint(0, side, (2,), generator=rng).tolist()
        rows, columns = (slice(i, i + mask.shape[-1] // side * side - side) for i in low)
        fields, truth, weight = (x[..., rows, columns] for x in (fields, truth, weight))
        return score(fields.unflatten(0, (m, n)), truth, weight)

    return loss


def network_loss(model, batches, device):
    """Make the loss of a deterministic network: mean square error in units of ``field_scale``."""

    def loss(number):
        batch, _ = batches(number)
        batch = DegradedBatch(*(part.to(device) for part in batch))
        field = model.predict(*batch.inputs)
        mask = torch.nn.functional.interpolate(batch.mask, scale_factor=FACTOR, mode="nearest")
        error = ((field - batch.target) / model.config.field_scale).square()
        return (error * mask).sum() / mask.sum().clamp(min=1)

    return loss
