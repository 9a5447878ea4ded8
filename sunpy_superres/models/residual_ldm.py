"""
The residual latent diffusion model: its parts, and how it draws fields for a frame.

Two settings turn it into the other diffusion models of Ramunno et al. (2025): ``base`` says what
the diffused residual is added to, ``space`` where the diffusion takes place.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import torch
from torch.nn import functional as F
from torch.profiler import record_function

from sunpy_superres.instruments import MDI
from sunpy_superres.models.autoencoder import Autoencoder, AutoencoderConfig, PixelSpace
from sunpy_superres.models.base import BaseNetwork, evaluate_whole
from sunpy_superres.models.denoiser import DenoiserConfig, EDMPreconditioner, build_denoiser
from sunpy_superres.models.regression import Regression, RegressionConfig
from sunpy_superres.models.stable_diffusion import (
    StableDiffusionAutoencoder,
    StableDiffusionConfig,
)
from sunpy_superres.models.trimming import WHOLE, trim

__all__ = ["Condition", "ResidualLDM", "ResidualLDMConfig"]

BASES = ("regression", "interpolation", "none")
SPACES = ("latent", "pixels", "stable_diffusion")


@dataclass(frozen=True)
class ResidualLDMConfig:
    """
    Architecture and units of a `ResidualLDM`.

    Parameters
    ----------
    field_scale : float
        Gauss in one unit of the networks' field.
    noise_scale : float
        MDI noise in Gauss at which the noise channel is zero.
    gain, weak_excess, weak_scale : float
        The ratio of MDI to HMI, which is removed from the frame; see
        `sunpy_superres.instruments.forward.gain_response`.
    foreshortening : bool
        Whether the networks see how the frame's pixels are foreshortened
        (`~sunpy_superres.maps.geometry.measure_foreshortening`).
    base : {"regression", "interpolation", "none"}
        What the diffused residual is added to: the regression's mean; the interpolated
        frame, as published; or nothing, so that the whole field is diffused.
    space : {"latent", "pixels", "stable_diffusion"}
        Where the diffusion takes place: in the latent space of `Autoencoder`, on the pixels of
        the magnetogram, or in the latent space of Stable Diffusion's autoencoder, as published.
    autoencoder, regression, denoiser, stable_diffusion
        Sizes of the parts; those of a part that ``base`` and ``space`` leave out have no effect.
    """

    field_scale: float = 200.0
    noise_scale: float = 16.0
    gain: float = MDI.gain
    weak_excess: float = MDI.weak_excess
    weak_scale: float = MDI.weak_scale
    foreshortening: bool = False
    base: str = "regression"
    space: str = "latent"
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    regression: RegressionConfig = field(default_factory=RegressionConfig)
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)
    stable_diffusion: StableDiffusionConfig = field(default_factory=StableDiffusionConfig)

    def __post_init__(self):
        if self.base not in BASES:
            raise ValueError(f"base must be one of {', '.join(BASES)}; not {self.base!r}.")
        if self.space not in SPACES:
            raise ValueError(f"space must be one of {', '.join(SPACES)}; not {self.space!r}.")

    @classmethod
    def from_dict(cls, values: dict) -> ResidualLDMConfig:
        """Read the plain dictionary of `to_dict`."""
        parts = {
            "autoencoder": AutoencoderConfig,
            "regression": RegressionConfig,
            "denoiser": DenoiserConfig,
            "stable_diffusion": StableDiffusionConfig,
        }
        values = dict(values)
        for name, part in parts.items():
            entries = values.get(name, {})
            values[name] = part(
                **{k: tuple(v) if isinstance(v, list) else v for k, v in entries.items()}
            )
        return cls(**values)

    def to_dict(self) -> dict:
        """Return the configuration as a plain dictionary, ready for JSON."""
        return asdict(self)


class Condition(NamedTuple):
    """
    What the diffusion needs to know of a frame; each ``(n, c, ny, nx)``.

    Parameters
    ----------
    mean, scale : torch.Tensor
        Mean of the latent to which the residual is added, and the unit of the residual.
    features : torch.Tensor
        Condition of the denoiser.  In the result of `ResidualLDM.prepare`, these are the features
        that the denoiser computes from it first.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    features: torch.Tensor


class ResidualLDM(BaseNetwork):
    """
    Residual latent diffusion conditioned on an MDI frame.

    A regression network turns the latent of the calibrated, interpolated frame,
    the MDI pixels, the mask of good pixels, the noise level and, if so configured, the
    foreshortening into the mean and the standard deviation of the HMI latent.  The denoiser,
    conditioned on all of these, draws the residual ``(z_HR - mean) / scale``.

    Without a regression, the mean is the latent of the interpolated frame or zero, the scale is
    one number for each channel, and the condition is that latent with the other inputs.
    """

    def __init__(self, config: ResidualLDMConfig = ResidualLDMConfig()):
        super().__init__()
        self.config = config
        if config.space == "pixels":
            self.autoencoder = PixelSpace(config.autoencoder.factor)
        elif config.space == "stable_diffusion":
            self.autoencoder = StableDiffusionAutoencoder(
                config.stable_diffusion, config.field_scale
            )
        else:
            self.autoencoder = Autoencoder(config.autoencoder)
        #: HMI-like pixels along one side of an MDI pixel.
        self.factor = self.autoencoder.factor
        #: Channels of the latent, and so of the noise from which a member is drawn.
        self.latent_channels = self.noise_channels = channels = self.autoencoder.latent_channels
        condition = channels + self.pixel_channel_count
        self.regression = None
        if config.base == "regression":
            self.regression = Regression(channels, condition, config.regression)
            condition += self.regression.feature_channels + channels
        else:
            self.register_buffer("residual_std", torch.ones(channels))
        self.denoiser = EDMPreconditioner(build_denoiser(channels, condition, config.denoiser))
        self.register_buffer("latent_std", torch.ones(channels))
        halo = 2 + self.autoencoder.encoder_halo
        if self.regression is not None:
            halo += self.regression.halo
        #: Receptive radii of `condition` and of one denoiser evaluation, in MDI pixels (even).
        self.condition_halo, self.denoiser_halo = halo + halo % 2, self.denoiser.network.halo

    def condition(self, frame, mask, noise, foreshortening=None, margin=WHOLE) -> Condition:
        """
        Compute the mean and the scale of the latent for a frame, and the denoiser's condition.

        The parameters are those of `~sunpy_superres.models.base.BaseNetwork.pixel_channels`, and
        ``margin`` as in `~sunpy_superres.models.regression.Regression.forward`.
        """
        pixels = self.pixel_channels(frame, mask, noise, foreshortening)
        latent_lr = self.autoencoder.encode(self.interpolate(frame) / self.config.field_scale)
        inputs = torch.cat([latent_lr / self.latent_std[:, None, None], pixels], dim=1)
        pixels = trim(pixels, margin)
        if self.regression is None:
            inputs, latent_lr = trim(inputs, margin), trim(latent_lr, margin)
            mean = torch.zeros_like(latent_lr) if self.config.base == "none" else latent_lr
            return Condition(mean, self.residual_std[:, None, None].expand_as(mean), inputs)
        mean, scale, features = self.regression(inputs, latent_lr, margin)
        features = torch.cat(
            [features, mean / self.latent_std[:, None, None], scale.log(), pixels], dim=1
        )
        return Condition(mean, scale, features)

    def decode(self, latent):
        """Turn a latent into an HMI-like field in Gauss, ``(n, 1, 4 ny, 4 nx)``."""
        return self.autoencoder.decode(latent) * self.config.field_scale

    @property
    def core(self):
        """The denoiser, evaluated once per step."""
        return self.denoiser

    def project_noise(self, noise):
        """The blocks' pixels on the latent's linear basis; see `BaseNetwork.project_noise`."""
        blocks = F.pixel_unshuffle(noise, self.factor)
        basis = self.autoencoder.noise_basis().to(blocks)
        return torch.einsum("cp,npyx->ncyx", basis, blocks)

    def count_evaluations(self, n_samples, num_steps):
        """Count condition and denoiser, and the decoder; see `BaseNetwork.count_evaluations`."""
        return 1 + n_samples * num_steps, n_samples + 1

    def prepare(self, inputs, evaluate=evaluate_whole) -> Condition:
        """Compute condition and first features of the denoiser; see `BaseNetwork.prepare`."""

        def prepare_piece(*pieces, margin=WHOLE):
            # One pixel for the last convolution of the regression, one for the denoiser's first.
            rest = tuple(min(side, 2) for side in margin)
            margin = tuple(side - kept for side, kept in zip(margin, rest, strict=True))
            with record_function("encode"):
                condition = self.condition(*pieces, margin=margin)
                features = self.denoiser.network.prepare(condition.features)
            return tuple(trim(part, rest) for part in (condition.mean, condition.scale, features))

        channels = (self.latent_channels, self.latent_channels, self.config.denoiser.widths[0])
        # The denoiser's first convolution needs one pixel more, and the halo must be even.
        halo = self.condition_halo + 2
        # The features are the largest array; in half precision, the result changes by less than
        # 0.01 G.
        kinds = (torch.float32, torch.float32, torch.float16)
        return Condition(
            *evaluate(prepare_piece, inputs, halo, channels, dtypes=kinds, trimmed=True)
        )

    def draw(self, prepared, noise, solver, evaluate=evaluate_whole):
        """Solve for the residual and decode it; see `BaseNetwork.draw`."""

        def denoise_piece(noisy, features, level, margin=WHOLE):
            # In half precision: adding them makes no copy in full.
            features = features.expand(len(noisy), -1, -1, -1)
            with record_function("network"):
                return self.denoiser(noisy, level.flatten(), features, margin)

        def denoise(x, sigma):
            level = torch.full((len(x), 1, 1, 1), sigma, device=x.device)
            inputs, halo = [x, prepared.features, level], self.denoiser_halo
            return evaluate(denoise_piece, inputs, halo, self.latent_channels, trimmed=True)

        latent = prepared.mean + prepared.scale * solver(denoise, noise)
        for row in latent.split(1):
            yield self._decode(row, evaluate)

    def expect(self, prepared, evaluate=evaluate_whole):
        """Decode the mean and, by the linear map alone, the scale; see `BaseNetwork.expect`."""
        scale = prepared.scale.to(self.latent_std.device)
        std = self.autoencoder.decoded_std(scale) * self.config.field_scale
        return self._decode(prepared.mean, evaluate), std

    def _decode(self, latent, evaluate):
        def decode_piece(piece):
            with record_function("decode"):
                return self.decode(piece)

        return evaluate(decode_piece, [latent], self.autoencoder.decoder_halo, 1, self.factor)
