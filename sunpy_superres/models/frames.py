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
    ``weak_excess`` and ``weak_scale``, and ``sampling``: whether the networks are told how the
    frame's pixels are foreshortened; and says its ``factor``.
    """

    #: Channels that a model with ``sampling`` has more, the last of `pixel_channels`.
    sampling_channel_count = 2
    #: HMI-like pixels along one side of an MDI pixel.
    factor = 4

    @property
    def pixel_channel_count(self) -> int:
        """Channels of `pixel_channels`."""
        return 4 + (self.sampling_channel_count if self.config.sampling else 0)

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

    def pixel_channels(self, frame, mask, noise, sampling=None):
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
        sampling : torch.Tensor, optional
            Lengths of the pixels' sides, `~sunpy_superres.geometry.sky_lengths`,
            ``(n, 2, 1, 1)`` or per pixel; 1 by default.  Only models with ``sampling`` look at it.
        """
        level = self.calibrated(frame) / self.config.field_scale
        channels = [
            level,
            torch.asinh(4 * level),
            mask.to(level),
            torch.log(noise.clamp(min=1.0) / self.config.noise_scale).to(level).expand_as(level),
        ]
        if self.config.sampling:
            if sampling is None:
                sampling = level.new_ones(1, 2, 1, 1)
            logarithm = torch.log(sampling.clamp(min=0.1)).to(level)
            channels.append(logarithm.expand(len(level), 2, *level.shape[-2:]))
        return torch.cat(channels, dim=1)
