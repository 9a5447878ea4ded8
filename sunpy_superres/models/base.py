"""What all networks make of an MDI frame before they look at it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.instruments.forward import inverse_gain_response

__all__ = ["BaseNetwork"]


class BaseNetwork(nn.Module):
    """
    Base of the models: calibration, interpolation and input channels.

    A subclass has a ``config`` with ``field_scale``, ``noise_scale``, ``gain``,
    ``weak_excess`` and ``weak_scale``, and ``foreshortening``: whether the networks see how the
    frame's pixels are foreshortened; and says its ``factor``.
    """

    #: Channels that a model with ``foreshortening`` has more, the last of `pixel_channels`.
    foreshortening_channel_count = 2
    #: HMI-like pixels along one side of an MDI pixel.
    factor = 4

    @property
    def pixel_channel_count(self) -> int:
        """Channels of `pixel_channels`."""
        return 4 + (self.foreshortening_channel_count if self.config.foreshortening else 0)

    def calibrate(self, frame):
        """MDI Gauss to HMI Gauss."""
        c = self.config
        return inverse_gain_response(frame, c.gain, c.weak_excess, c.weak_scale)

    def interpolate(self, frame):
        """
        Calibrated bicubic interpolation, the baseline; Gauss in, Gauss out.

        Parameters
        ----------
        frame : torch.Tensor
            MDI Gauss, ``(n, 1, ny, nx)``.
        """
        return F.interpolate(
            self.calibrate(frame), scale_factor=self.factor, mode="bicubic", align_corners=False
        )

    def pixel_channels(self, frame, mask, noise, foreshortening=None):
        """
        MDI pixels as the networks see them: field, compressed field, mask, noise, sampling.

        Parameters
        ----------
        frame : torch.Tensor
            MDI line-of-sight field in Gauss, 0 where ``mask`` is, ``(n, 1, ny, nx)``.
        mask : torch.Tensor
            1 where the pixel is good, else 0; ``(n, 1, ny, nx)``.
        noise : torch.Tensor
            Standard deviation of the noise in MDI Gauss, ``(n, 1, 1, 1)`` or per pixel.
        foreshortening : torch.Tensor, optional
            Lengths of the pixels' sides, `~sunpy_superres.maps.geometry.measure_foreshortening`,
            ``(n, 2, 1, 1)`` or per pixel; 1 by default.  Only for models with ``foreshortening``.
        """
        level = self.calibrate(frame) / self.config.field_scale
        channels = [
            level,
            torch.asinh(4 * level),
            mask.to(level),
            torch.log(noise.clamp(min=1.0) / self.config.noise_scale).to(level).expand_as(level),
        ]
        if self.config.foreshortening:
            if foreshortening is None:
                foreshortening = level.new_ones(1, 2, 1, 1)
            logarithm = torch.log(foreshortening.clamp(min=0.1)).to(level)
            channels.append(logarithm.expand(len(level), 2, *level.shape[-2:]))
        return torch.cat(channels, dim=1)
