"""The denoising network and the EDM preconditioner around it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from sunpy_superres.models.trimming import WHOLE, trim
from sunpy_superres.models.unet import UNet

__all__ = ["Denoiser", "DenoiserConfig", "EDMPreconditioner", "build_denoiser"]

KINDS = ("compact", "published")


@dataclass(frozen=True)
class DenoiserConfig:
    """
    Sizes of `Denoiser`, or of `~sunpy_superres.models.paper_unet.PaperUNet`.

    Parameters
    ----------
    widths : tuple of int
        Channels at the MDI grid and at half of it; of the kind "published", at its four levels.
    blocks : tuple of int
        Residual blocks before, at and after the coarse level.  "published" ignores them.
    embedding : int
        Length of the vector that describes the noise level.
    kind : {"compact", "published"}
        `Denoiser`, or the U-Net of Ramunno et al. (2025).
    patch : int
        Latent pixels along a side of the blocks that "published" treats as one pixel.
    """

    widths: tuple[int, ...] = (64, 128)
    blocks: tuple[int, int, int] = (2, 4, 2)
    embedding: int = 128
    kind: str = "compact"
    patch: int = 1

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}; not {self.kind!r}.")
        levels = {"compact": 2, "published": 4}[self.kind]
        if len(self.widths) != levels:
            raise ValueError(f"A {self.kind} denoiser has {levels} widths, not {self.widths}.")

    @classmethod
    def published(cls) -> DenoiserConfig:
        """Return the sizes of Ramunno et al. (2025): 92.8 M parameters, for KL-f8 latents."""
        return cls((128, 256, 512, 512), embedding=256, kind="published", patch=2)


class Denoiser(nn.Module):
    """
    The raw network F(c_in x, c_noise, condition) of Karras et al. (2022).

    Parameters
    ----------
    channels : int
        Latent channels.
    condition_channels : int
        Channels of the condition, which lies on the same grid as the latent.
    config : DenoiserConfig
    """

    def __init__(self, channels, condition_channels, config: DenoiserConfig = DenoiserConfig()):
        super().__init__()
        self.config = config
        n = config.embedding
        self.register_buffer(
            "frequencies", torch.exp(torch.linspace(0, math.log(100.0), n // 2)), persistent=False
        )
        self.embed = nn.Sequential(nn.Linear(n, n), nn.SiLU(), nn.Linear(n, n), nn.SiLU())
        self.condition = nn.Conv2d(condition_channels, config.widths[0], 3, padding=1)
        self.unet = UNet(channels, channels, config.widths, config.blocks, n)
        #: Receptive radius in latent pixels.
        self.halo = self.unet.halo

    def prepare(self, condition):
        """Compute the first features of a condition, which are the same at every step."""
        return self.condition(condition)

    def forward(self, x, c_noise, prepared, margin=WHOLE):
        phase = c_noise[:, None].to(self.frequencies) * self.frequencies
        embedding = self.embed(torch.cat([phase.cos(), phase.sin()], dim=1).to(x.dtype))
        return self.unet(x, embedding, prepared, margin)


def build_denoiser(channels, condition_channels, config):
    """Build the network of a configuration; the parameters are those of `Denoiser`."""
    if config.kind == "published":
        from sunpy_superres.models.paper_unet import PaperUNet

        return PaperUNet(channels, condition_channels, config)
    return Denoiser(channels, condition_channels, config)


class EDMPreconditioner(nn.Module):
    """
    D(x; sigma) = c_skip x + c_out F(c_in x; c_noise): Karras et al. (2022), table 1.

    Parameters
    ----------
    network : Denoiser or PaperUNet
    sigma_data : float
        Standard deviation of the clean signal; 1, since the residual is standardised.
    """

    def __init__(self, network: nn.Module, sigma_data: float = 1.0):
        super().__init__()
        self.network = network
        self.sigma_data = sigma_data

    def forward(self, x, sigma, prepared, margin=WHOLE):
        """
        Estimate the clean signal in ``x``.

        Parameters
        ----------
        x : torch.Tensor
            Noisy latent residual, ``(n, c, ny, nx)``.
        sigma : torch.Tensor
            Noise level of each member, ``(n,)``.
        prepared : torch.Tensor
            From `Denoiser.prepare`, ``(n, width, ny, nx)``.
        margin : tuple of int
            As in `~sunpy_superres.models.unet.UNet.forward`.
        """
        sigma = sigma.to(torch.float32)
        total = sigma.square() + self.sigma_data**2
        c_skip, c_out, c_in = (
            c[:, None, None, None]
            for c in (
                self.sigma_data**2 / total,
                sigma * self.sigma_data * total.rsqrt(),
                total.rsqrt(),
            )
        )
        raw = self.network(c_in * x, sigma.log() / 4, prepared, margin)
        return torch.addcmul(c_skip * trim(x, margin), c_out, raw.to(x.dtype))
