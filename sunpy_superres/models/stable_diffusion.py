"""The Stable Diffusion autoencoder of Ramunno et al. (2025), by the package diffusers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.instruments import FACTOR

__all__ = ["StableDiffusionAutoencoder", "StableDiffusionConfig"]

#: Gauss at which the published method clips a field.
_CLIP = 3000.0


@dataclass(frozen=True)
class StableDiffusionConfig:
    """
    Sizes of a `StableDiffusionAutoencoder`, and where its weights come from.

    Parameters
    ----------
    widths : tuple of int
        Channels of the four levels; by default those of KL-f8 (Stable Diffusion's autoencoder).
    layers : int
        Residual blocks of a level.
    norm_groups : int
        Groups of channels that are normalised together.
    weights : str
        Folder, or name on the Hugging Face Hub; "" for random weights.
    """

    widths: tuple[int, int, int, int] = (128, 256, 512, 512)
    layers: int = 2
    norm_groups: int = 32
    weights: str = "stabilityai/sd-vae-ft-mse"


class StableDiffusionAutoencoder(nn.Module):
    """
    KL-f8 with frozen weights; the field is clipped at 3000 G and repeated in three channels.

    Its latent has four channels on a grid of 2 x 2 MDI pixels.  They are rearranged as one channel
    on the MDI grid, which the other parts of a model use.

    Parameters
    ----------
    config : StableDiffusionConfig
    field_scale : float
        Gauss in one unit of the fields.

    Raises
    ------
    ImportError
        If diffusers is not installed.
    """

    #: Pixels along a side of a latent pixel, and channels of the latent.
    factor, latent_channels = FACTOR, 1
    #: Margins of a tile in latent pixels.  The network attends over a whole tile, so the result
    #: depends on the tiles all the same.
    encoder_halo = decoder_halo = 32

    def __init__(self, config: StableDiffusionConfig, field_scale):
        super().__init__()
        self.config = config
        self.unit = field_scale / _CLIP
        self.network = _kl_f8(config).requires_grad_(False)
        # Standard deviation of fields over that of latents; measured before the training.
        self.register_buffer("slope", torch.ones(()))

    def load_pretrained(self):
        """
        Load the weights that the configuration names.

        Raises
        ------
        ValueError
            If loading the weights fails.
        """
        if not self.config.weights:
            return
        try:
            pretrained = _autoencoder_kl().from_pretrained(self.config.weights)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"The autoencoder {self.config.weights!r} cannot be loaded ({error}); give its "
                "folder as 'weights' of [model.stable_diffusion] in the recipe."
            ) from error
        self.network.load_state_dict(pretrained.state_dict())

    def encode(self, field):
        """Turn a field into a latent, ``(n, 1, 4 ny, 4 nx)`` to ``(n, 1, ny, nx)``, both even."""
        colours = (field * self.unit).clamp(-1, 1).expand(-1, 3, -1, -1)
        return F.pixel_shuffle(self.network.encode(colours).latent_dist.mode(), 2)

    def decode(self, latent):
        """Turn a latent into a field, ``(n, 1, ny, nx)`` to ``(n, 1, 4 ny, 4 nx)``."""
        colours = self.network.decode(F.pixel_unshuffle(latent, 2)).sample
        return colours.mean(dim=1, keepdim=True) / self.unit

    def noise_basis(self):
        """The mean of a block, of unit variance."""
        return torch.full((1, self.factor**2), 1 / self.factor)

    def decoded_std(self, std):
        """Compute the field's standard deviation from the latent's, by a constant ratio."""
        return F.interpolate(std * self.slope, scale_factor=self.factor, mode="nearest")

    def forward(self, field):
        return self.decode(self.encode(field))


def _autoencoder_kl():
    try:
        from diffusers import AutoencoderKL
    except ImportError as error:
        raise ImportError(
            "The Stable Diffusion autoencoder needs diffusers: "
            "pip install 'sunpy_superres[published]'."
        ) from error
    return AutoencoderKL


def _kl_f8(config):
    return _autoencoder_kl()(
        block_out_channels=config.widths,
        layers_per_block=config.layers,
        norm_num_groups=config.norm_groups,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
    )
