"""The residual latent diffusion model: its parts, and how a frame becomes a condition."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.forward import inverse_gain_response
from sunpy_superres.models.autoencoder import Autoencoder, AutoencoderConfig
from sunpy_superres.models.denoiser import Denoiser, DenoiserConfig, EDMPreconditioner
from sunpy_superres.models.regression import Regression, RegressionConfig

__all__ = ["Condition", "ResidualLDM", "ResidualLDMConfig"]


@dataclass(frozen=True)
class ResidualLDMConfig:
    """
    Everything that fixes the architecture and the units of a `ResidualLDM`.

    Parameters
    ----------
    field_scale : float
        Gauss in one unit of the networks' field.
    noise_scale : float
        MDI noise in Gauss at which the noise channel is zero.
    gain, weak_excess, weak_scale : float
        The MDI/HMI calibration removed from the frame; see
        `sunpy_superres.forward.gain_response`.
    autoencoder, regression, denoiser
        Sizes of the parts.
    """

    field_scale: float = 200.0
    noise_scale: float = 16.0
    gain: float = 1.40
    weak_excess: float = 0.08
    weak_scale: float = 400.0
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    regression: RegressionConfig = field(default_factory=RegressionConfig)
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)

    @classmethod
    def from_dict(cls, values: dict) -> ResidualLDMConfig:
        """A configuration from the plain dictionary of `to_dict`."""
        parts = {
            "autoencoder": AutoencoderConfig,
            "regression": RegressionConfig,
            "denoiser": DenoiserConfig,
        }
        values = dict(values)
        for name, part in parts.items():
            entries = values.get(name, {})
            values[name] = part(
                **{k: tuple(v) if isinstance(v, list) else v for k, v in entries.items()}
            )
        return cls(**values)

    def to_dict(self) -> dict:
        """The configuration as a plain dictionary, ready for JSON."""
        return asdict(self)


class Condition(NamedTuple):
    """
    What the diffusion of one frame starts from; each ``(n, c, ny, nx)``.

    Parameters
    ----------
    mean, scale : torch.Tensor
        Regression mean of the latent, and the unit of its residual.
    features : torch.Tensor
        Condition of the denoiser.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    features: torch.Tensor


class ResidualLDM(nn.Module):
    """
    Residual latent diffusion conditioned on an MDI frame.

    A regression network turns the latent of the calibrated, interpolated frame,
    the MDI pixels, the mask of good pixels and the noise level into the mean and
    the standard deviation of the HMI latent.  The denoiser, conditioned on all of
    these, draws the residual ``(z_HR - mean) / scale``.
    """

    #: Input channels beside the latent: field, compressed field, mask, noise.
    _pixel_channels = 4

    def __init__(self, config: ResidualLDMConfig = ResidualLDMConfig()):
        super().__init__()
        self.config = config
        self.autoencoder = Autoencoder(config.autoencoder)
        channels = config.autoencoder.latent_channels
        self.regression = Regression(channels, channels + self._pixel_channels, config.regression)
        condition = self.regression.feature_channels + 2 * channels + self._pixel_channels
        self.denoiser = EDMPreconditioner(Denoiser(channels, condition, config.denoiser))
        self.register_buffer("latent_std", torch.ones(channels))

    @property
    def latent_channels(self) -> int:
        """Channels of the latent."""
        return self.config.autoencoder.latent_channels

    @property
    def condition_halo(self) -> int:
        """Receptive radius of `condition`, in MDI pixels (even)."""
        halo = 2 + self.autoencoder.encoder_halo + self.regression.halo
        return halo + halo % 2

    @property
    def denoiser_halo(self) -> int:
        """Receptive radius of one denoiser evaluation, in MDI pixels (even)."""
        return self.denoiser.network.halo

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
        factor = self.config.autoencoder.factor
        return F.interpolate(
            self.calibrated(frame), scale_factor=factor, mode="bicubic", align_corners=False
        )

    def pixel_channels(self, frame, mask, noise):
        """MDI pixels as the networks see them; see `condition` for the arguments."""
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

    def condition(self, frame, mask, noise) -> Condition:
        """
        Regression of a frame, and the denoiser's condition.

        Parameters
        ----------
        frame : torch.Tensor
            MDI line-of-sight field in Gauss, 0 where ``mask`` is, ``(n, 1, ny, nx)``.
        mask : torch.Tensor
            1 where the pixel is good, else 0; ``(n, 1, ny, nx)``.
        noise : torch.Tensor
            Standard deviation of the noise in MDI Gauss, ``(n, 1, 1, 1)`` or per pixel.
        """
        pixels = self.pixel_channels(frame, mask, noise)
        latent_lr = self.autoencoder.encode(self.interpolated(frame) / self.config.field_scale)
        inputs = torch.cat([latent_lr / self.latent_std[:, None, None], pixels], dim=1)
        mean, scale, features = self.regression(inputs, latent_lr)
        features = torch.cat(
            [features, mean / self.latent_std[:, None, None], scale.log(), pixels], dim=1
        )
        return Condition(mean, scale, features)

    def decode(self, latent):
        """Latent to HMI-like field in Gauss, ``(n, 1, 4 ny, 4 nx)``."""
        return self.autoencoder.decode(latent) * self.config.field_scale
