"""What all networks make of an MDI frame before they look at it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.forward import inverse_gain_response

__all__ = ["FrameReader"]


class FrameReader(nn.Module):
    """
    Base of the models: calibration, interpolation and input channels.

    A subclass has a ``config`` with ``field_scale``, ``noise_scale``, ``gain``,
    ``weak_excess`` and ``weak_scale``, and says its ``factor``.
    """

    #: Channels of `pixel_channels`.
    pixel_channel_count = 4
    #: HMI-like pixels along one side of an MDI pixel.
    factor = 4

    def calibrated(self, frame):
        """MDI Gauss to HMI Gauss."""
        c = self.config
        return inverse_gain_response(frame, c.gain, c.weak_excess, c.weak_scale)

    def interpolated(self, frame):
        """
        Calibrated bicubic interpolation, the baseline; Gauss in, Gauss out.

        Parameters
        ----------
        frame : torch.Tensor
            MDI Gauss, ``(n, 1, ny, nx)``.
        """
        return F.interpolate(
            self.calibrated(frame), scale_factor=self.factor, mode="bicubic", align_corners=False
        )

    def pixel_channels(self, frame, mask, noise):
        """
        MDI pixels as the networks see them: field, compressed field, mask, noise.

        Parameters
        ----------
        frame : torch.Tensor
            MDI line-of-sight field in Gauss, 0 where ``mask`` is, ``(n, 1, ny, nx)``.
        mask : torch.Tensor
            1 where the pixel is good, else 0; ``(n, 1, ny, nx)``.
        noise : torch.Tensor
            Standard deviation of the noise in MDI Gauss, ``(n, 1, 1, 1)`` or per pixel.
        """
        level = self.calibrated(frame) / self.config.field_scale
        return torch.cat(
            [
                level,
                torch.asinh(4 * level),
                mask.to(level),
                torch.log(noise.clamp(min=1.0) / self.config.noise_scale)
                .to(level)
                .expand_as(level),
            ],
            dim=1,
        )
