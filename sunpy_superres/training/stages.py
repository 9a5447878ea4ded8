"""The stages of training: autoencoder, regression, diffusion; or one deterministic network."""

from __future__ import annotations

import torch

from sunpy_superres.instruments import FACTOR
from sunpy_superres.training.degradation import DegradationConfig, DegradedBatch, degrade
from sunpy_superres.training.losses import EDMLoss, beta_nll, reconstruction_loss

__all__ = [
    "ObservedCrops",
    "autoencoder_loss",
    "diffusion_loss",
    "latent_statistics",
    "network_loss",
    "regression_loss",
    "residual_statistics",
]

#: HMI pixels around a crop that only feed the blur: 5 sigma of its core, 2 of its wings.
MARGIN = 16
#: Steps from here on give batches that no training sees.
_UNSEEN = 2**31


class ObservedCrops:
    """
    Batches of HMI crops seen through an MDI drawn for each of them.

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
        The batch of a number.

        Returns
        -------
        DegradedBatch
        rng : torch.Generator
            Source of all further draws.
        """
        crops, rng, foreshortening = self.sampler(number)
        fields, foreshortening = crops.to(self.device), foreshortening.to(self.device)
        return degrade(fields, self.config, rng, MARGIN, foreshortening), rng


def latent_statistics(model, sampler, batches=20):
    """
    Start the autoencoder at its linear basis, and set the latent's standard deviation.

    Parameters
    ----------
    model : ResidualLDM
    sampler : CropSampler
    batches : int
        Number of batches; they have numbers above 2**31, which the training never reaches.
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
    Set the standard deviation of what a model without regression diffuses.

    Parameters
    ----------
    model : ResidualLDM
        A model whose autoencoder is trained.
    batches : callable
        `ObservedCrops`.
    count : int
        Number of batches; they have numbers above 2**31, which the training never reaches.
    """
    device = model.latent_std.device
    residuals = []
    for number in range(_UNSEEN, _UNSEEN + count):
        batch, latent, _ = _batch(model, batches, number, device)
        mean = model.condition(*batch.inputs).mean
        residuals.append((latent - mean) * batch.mask)
    model.residual_std.copy_(torch.cat(residuals).std(dim=(0, 2, 3)))


def autoencoder_loss(model, sampler, device, noise=0.02):
    """Reconstruction of HMI crops from their latent, with a little noise on it."""

    def loss(step):
        crops, rng, _ = sampler(step)
        fields = crops.to(device) / model.config.field_scale
        latent = model.autoencoder.encode(fields)
        jitter = torch.randn(latent.shape, generator=rng).to(device)
        return reconstruction_loss(model.autoencoder.decode(latent + noise * jitter), fields)

    return loss


def _batch(model, batches, number, device):
    """Batch, HMI latent and random generator of a number."""
    batch, rng = batches(number)
    batch = DegradedBatch(*(part.to(device) for part in batch))
    with torch.no_grad():
        latent = model.autoencoder.encode(batch.target / model.config.field_scale)
    return batch, latent, rng


def regression_loss(model, batches, device, beta=0.5):
    """Likelihood of the HMI latent under the regression; ``batches`` as `ObservedCrops`."""

    def loss(number):
        batch, latent, _ = _batch(model, batches, number, device)
        mean, scale, _ = model.condition(*batch.inputs)
        return beta_nll(mean, scale, latent, batch.mask, beta)

    return loss


def diffusion_loss(model, batches, device, edm=EDMLoss()):
    """Denoising of the standardised residual; the regression is frozen."""

    def loss(number):
        batch, latent, rng = _batch(model, batches, number, device)
        with torch.no_grad():
            mean, scale, features = model.condition(*batch.inputs)
        # Outside the mask the residual means nothing; outliers would rule the loss.
        residual = ((latent - mean) / scale).clamp(-8, 8) * batch.mask
        prepared = model.denoiser.network.prepare(features)
        return edm(
            lambda noisy, sigma: model.denoiser(noisy, sigma, prepared),
            residual,
            batch.mask,
            rng,
        )

    return loss


def network_loss(model, batches, device):
    """Mean square error of a deterministic network, in units of the field scale."""

    def loss(number):
        batch, _ = batches(number)
        batch = DegradedBatch(*(part.to(device) for part in batch))
        field = model.predict(*batch.inputs)
        mask = torch.nn.functional.interpolate(batch.mask, scale_factor=FACTOR, mode="nearest")
        error = ((field - batch.target) / model.config.field_scale).square()
        return (error * mask).sum() / mask.sum().clamp(min=1)

    return loss
