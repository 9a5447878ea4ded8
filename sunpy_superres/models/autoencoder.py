"""The one-channel autoencoder whose latent grid is the MDI grid."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.instruments import FACTOR
from sunpy_superres.models.unet import ResidualBlock

__all__ = ["Autoencoder", "AutoencoderConfig", "PixelSpace"]


@dataclass(frozen=True)
class AutoencoderConfig:
    """
    Sizes of `Autoencoder`.

    Parameters
    ----------
    factor : int
        Pixels of the magnetogram along one side of a latent pixel.
    latent_channels : int
        Numbers that describe each ``factor x factor`` block.
    width, encoder_blocks, decoder_blocks : int
        Channels and residual blocks of the two refining branches.
    """

    factor: int = FACTOR
    latent_channels: int = 8
    width: int = 48
    encoder_blocks: int = 1
    decoder_blocks: int = 3


class _Refinement(nn.Module):
    """A convolutional branch that starts as zero, added to a linear map."""

    def __init__(self, channels_in, channels_out, width, blocks):
        super().__init__()
        self.stem = nn.Conv2d(channels_in, width, 3, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(blocks))
        self.head = nn.Conv2d(width, channels_out, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(F.silu(x))


def _in_full_precision(linear, x):
    """Apply a linear map outside of autocast; bfloat16 would round strong fields to 8 or 16 G."""
    with torch.autocast(x.device.type, enabled=False):
        return linear(x.to(linear.weight.dtype))


class Autoencoder(nn.Module):
    """
    Encode a magnetogram as a latent on the MDI grid, and decode it; no convolution is finer.

    Each 4 x 4 block is projected on the leading principal components of
    magnetogram blocks and rebuilt from them; convolutional branches, which see
    the neighbouring blocks, refine both maps.  The training starts from the
    components (`set_linear_basis`), so the round trip is good from the first step on.

    Fields are in units of the model's ``field_scale``, shape
    ``(n, 1, factor * ny, factor * nx)``; latents have shape
    ``(n, latent_channels, ny, nx)``.
    """

    def __init__(self, config: AutoencoderConfig = AutoencoderConfig()):
        super().__init__()
        self.config = config
        #: Pixels of the magnetogram along one side of a latent pixel, and channels of the latent.
        self.factor, self.latent_channels = config.factor, config.latent_channels
        #: Receptive radii of `encode` and of `decode`, in latent pixels.
        self.encoder_halo = 2 + 2 * config.encoder_blocks
        self.decoder_halo = 2 + 2 * config.decoder_blocks
        pixels, latent = self.factor**2, self.latent_channels
        self.to_latent = nn.Conv2d(pixels, latent, 1, bias=False)
        self.from_latent = nn.Conv2d(latent, pixels, 1, bias=False)
        self.encoder = _Refinement(pixels, latent, config.width, config.encoder_blocks)
        self.decoder = _Refinement(latent, pixels, config.width, config.decoder_blocks)
        nn.init.orthogonal_(self.to_latent.weight)
        with torch.no_grad():
            self.from_latent.weight.copy_(self.to_latent.weight.transpose(0, 1))

    @torch.no_grad()
    def set_linear_basis(self, fields):
        """
        Set the linear maps to the principal components of ``fields``.

        Parameters
        ----------
        fields : torch.Tensor
            Shape ``(n, 1, factor * ny, factor * nx)``.
        """
        blocks = F.pixel_unshuffle(fields.double(), self.factor)
        blocks = blocks.movedim(1, -1).reshape(-1, self.factor**2)
        _, vectors = torch.linalg.eigh(blocks.T @ blocks / len(blocks))
        basis = vectors.flip(1)[:, : self.latent_channels].T
        basis = basis * torch.where(basis.sum(1, keepdim=True) < 0, -1.0, 1.0)
        self.to_latent.weight.copy_(basis[:, :, None, None])
        self.from_latent.weight.copy_(basis.T[:, :, None, None])

    def encode(self, field):
        """Turn a field into a latent, ``(n, 1, 4 ny, 4 nx)`` to ``(n, c, ny, nx)``."""
        blocks = F.pixel_unshuffle(field, self.factor)
        return _in_full_precision(self.to_latent, blocks) + self.encoder(blocks)

    def decode(self, latent):
        """Turn a latent into a field, ``(n, c, ny, nx)`` to ``(n, 1, 4 ny, 4 nx)``."""
        blocks = _in_full_precision(self.from_latent, latent) + self.decoder(latent)
        return F.pixel_shuffle(blocks, self.factor)

    def noise_basis(self):
        """
        Orthonormal basis of the latent in the pixels of a block, ``(latent_channels, pixels)``.

        The one nearest to the linear map (Loewdin 1950): white pixels give white latents.
        """
        left, _, right = torch.linalg.svd(self.to_latent.weight[:, :, 0, 0].double(), False)
        return left @ right

    def decoded_std(self, std):
        """Compute the field's standard deviation from the latent's, by the linear map alone."""
        with torch.autocast(std.device.type, enabled=False):
            variance = F.conv2d(std.square(), self.from_latent.weight.square())
        return F.pixel_shuffle(variance.sqrt(), self.factor)

    def forward(self, field):
        return self.decode(self.encode(field))


class PixelSpace(nn.Module):
    """
    Takes the place of an autoencoder: the pixels of each block are its channels.

    The diffusion then draws the magnetogram itself, as in Palette (Saharia et al. 2022).

    Parameters
    ----------
    factor : int
        Pixels of the magnetogram along one side of a block.
    """

    #: Receptive radii, as in `Autoencoder`.
    encoder_halo = decoder_halo = 0

    def __init__(self, factor: int = FACTOR):
        super().__init__()
        self.factor, self.latent_channels = factor, factor**2

    def encode(self, field):
        """Turn a field into blocks, ``(n, 1, 4 ny, 4 nx)`` to ``(n, 16, ny, nx)``."""
        return F.pixel_unshuffle(field, self.factor)

    def decode(self, latent):
        """Turn blocks into a field, ``(n, 16, ny, nx)`` to ``(n, 1, 4 ny, 4 nx)``."""
        return F.pixel_shuffle(latent, self.factor)

    def noise_basis(self):
        """Each pixel is a channel."""
        return torch.eye(self.latent_channels)

    def decoded_std(self, std):
        """Compute the field's standard deviation from that of the blocks."""
        return F.pixel_shuffle(std, self.factor)

    def forward(self, field):
        return self.decode(self.encode(field))
