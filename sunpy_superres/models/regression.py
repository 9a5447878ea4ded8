"""The regression network: mean and deviation of the HMI latent, from the MDI frame alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.models.trimming import WHOLE, trim
from sunpy_superres.models.unet import UNet

__all__ = ["Regression", "RegressionConfig"]


@dataclass(frozen=True)
class RegressionConfig:
    """
    Sizes of `Regression`.

    Parameters
    ----------
    widths : tuple of int
        Channels at the MDI grid and at half of it.
    blocks : tuple of int
        Residual blocks before, at and after the coarse level.
    """

    widths: tuple[int, int] = (64, 128)
    blocks: tuple[int, int, int] = (3, 3, 3)


class Regression(nn.Module):
    """
    Mean and standard deviation of the HMI latent, given the MDI frame.

    The mean is the base that the diffusion adds its residual to; the standard
    deviation, for each pixel and channel, is the unit of that residual.  So the residual
    has about unit variance in the quiet Sun and in an umbra alike.

    Parameters
    ----------
    channels : int
        Latent channels.
    condition_channels : int
        Channels of the input.
    config : RegressionConfig
    """

    #: Smallest and largest natural logarithm of the standard deviation of the latent.
    log_scale_range = (-6.0, 3.0)

    def __init__(self, channels, condition_channels, config: RegressionConfig = RegressionConfig()):
        super().__init__()
        self.config = config
        self.unet = UNet(condition_channels, 0, config.widths, config.blocks)
        self.head = nn.Conv2d(config.widths[0], 2 * channels, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        with torch.no_grad():
            self.head.bias.zero_()
            self.head.bias[channels:] = -1.5
        #: Receptive radius in latent pixels, and channels of the returned features.
        self.halo, self.feature_channels = self.unet.halo + 2, config.widths[0]

    def forward(self, condition, latent_lr, margin=WHOLE):
        """
        Apply the network.

        Parameters
        ----------
        condition : torch.Tensor
            ``(n, condition_channels, ny, nx)``.
        latent_lr : torch.Tensor
            Latent of the interpolated frame, ``(n, channels, ny, nx)``; the mean is
            this plus what the network has learnt.
        margin : tuple of int
            As in `~sunpy_superres.models.unet.UNet.forward`; of what is returned, a pixel less is
            right, since the last convolution has no margin of its own.

        Returns
        -------
        mean, scale : torch.Tensor
            ``(n, channels, ny, nx)``.
        features : torch.Tensor
            ``(n, feature_channels, ny, nx)``, for the denoiser's condition.
        """
        features = F.silu(self.unet(condition, margin=margin))
        latent_lr = trim(latent_lr, margin)
        shift, log_scale = self.head(features).chunk(2, dim=1)
        low, high = self.log_scale_range
        return latent_lr + shift, log_scale.clamp(low, high).exp(), features
