"""
The U-Net of Ramunno et al. (2025), at its published size, as a denoiser.

It has four levels of 128, 256, 512 and 512 channels, 92.8 M parameters, and self-attention after
each step: on the latent of a 1024 x 1024 crop (128 x 128), at 64, 32 and 16 on the way down and at
32, 64 and 128 on the way up.

It normalises by statistics of the whole image and attends over all of it, so that a tile of a
frame differs from the same part of the whole frame.  `PaperUNet.halo` is no receptive radius, only
a margin that lessens the difference.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.models.trimming import WHOLE, trim

__all__ = ["PaperUNet"]


class _Pair(nn.Module):
    """Two normalised convolutions; with ``residual``, their input is added to their output."""

    def __init__(self, channels_in, channels_out, between=None, residual=False):
        super().__init__()
        between = between or channels_out
        self.residual = residual
        self.second = nn.Sequential(
            nn.GroupNorm(1, between),
            nn.GELU(),
            nn.Conv2d(between, channels_out, 3, padding=1, bias=False),
            nn.GroupNorm(1, channels_out),
        )
        self.first = nn.Conv2d(channels_in, between, 3, padding=1, bias=False)

    def forward(self, x, added=0):
        h = self.second(self.first(x) + added)
        return F.gelu(x + h) if self.residual else h


class _Level(nn.Module):
    """Convolutions at a level, plus a shift that depends on the noise level."""

    def __init__(self, channels_in, channels_out, embedding, between=None):
        super().__init__()
        self.convolutions = nn.Sequential(
            _Pair(channels_in, channels_in, residual=True),
            _Pair(channels_in, channels_out, between),
        )
        self.shift = nn.Sequential(nn.SiLU(), nn.Linear(embedding, channels_out))

    def forward(self, x, embedding):
        return self.convolutions(x) + self.shift(embedding)[:, :, None, None]


class _Attention(nn.Module):
    """Self-attention over all pixels, four heads, and a two-layer perceptron."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.attention = nn.MultiheadAttention(channels, 4, batch_first=True)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, channels),
            nn.GELU(),
            nn.Linear(channels, channels),
        )

    def forward(self, x):
        pixels = x.flatten(2).transpose(1, 2)
        normalised = self.norm(pixels)
        # Without its weights, attention needs memory for the pixels, not for their square.
        attended, _ = self.attention(normalised, normalised, normalised, need_weights=False)
        attended = attended + pixels
        attended = attended + self.perceptron(attended)
        return attended.transpose(1, 2).unflatten(2, x.shape[-2:])


class PaperUNet(nn.Module):
    """
    The raw network F(c_in x, c_noise, condition), with the interface of `.denoiser.Denoiser`.

    Parameters
    ----------
    channels : int
        Latent channels.
    condition_channels : int
        Channels of the condition, which lies on the same grid as the latent.
    config : `~sunpy_superres.models.denoiser.DenoiserConfig`
        ``widths`` are those of the four levels; ``patch x patch`` blocks of latent pixels become
        channels.
    """

    #: Latent pixels of margin around a tile.
    halo = 32

    def __init__(self, channels, condition_channels, config):
        super().__init__()
        self.config = config
        channels, condition_channels = (n * config.patch**2 for n in (channels, condition_channels))
        one, two, three, four = config.widths
        n = config.embedding
        self.register_buffer(
            "frequencies", 10000.0 ** -torch.linspace(0, 1, n // 2 + 1)[:-1], persistent=False
        )
        self.condition = nn.Conv2d(condition_channels, one, 3, padding=1, bias=False)
        self.stem = _Pair(channels, one)
        pairs = ((one, two), (two, three), (three, four))
        self.down = nn.ModuleList(_Level(*pair, n) for pair in pairs)
        self.down_attention = nn.ModuleList(_Attention(width) for _, width in pairs)
        self.bottom = nn.Sequential(
            _Pair(four, 2 * four), _Pair(2 * four, 2 * four), _Pair(2 * four, four)
        )
        ends = ((four + three, two), (two + two, one), (one + one, one))
        self.up = nn.ModuleList(_Level(a, b, n, between=a // 2) for a, b in ends)
        self.up_attention = nn.ModuleList(_Attention(width) for _, width in ends)
        self.head = nn.Conv2d(one, channels, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def prepare(self, condition):
        """Compute the first features of a condition: its part of the first convolution."""
        patch = self.config.patch
        features = self.condition(F.pixel_unshuffle(condition, patch))
        return features.repeat_interleave(patch, -1).repeat_interleave(patch, -2)

    def forward(self, x, c_noise, prepared, margin=WHOLE):
        patch = self.config.patch
        x, prepared = F.pixel_unshuffle(x, patch), prepared[..., ::patch, ::patch]
        ny, nx = x.shape[-2:]
        # The grid is halved three times.
        pad = (0, -nx % 8, 0, -ny % 8)
        x, prepared = F.pad(x, pad), F.pad(prepared, pad)
        # The published network embeds a number of a step, from 0 to 1000.
        phase = (250 * (c_noise + 2))[:, None].to(self.frequencies) * self.frequencies
        embedding = torch.cat([phase.sin(), phase.cos()], dim=1).to(x.dtype)
        h = self.stem(x, prepared)
        skipped = []
        for level, attention in zip(self.down, self.down_attention, strict=True):
            skipped.append(h)
            h = attention(level(F.max_pool2d(h, 2), embedding))
        h = self.bottom(h)
        for level, attention in zip(self.up, self.up_attention, strict=True):
            h = F.interpolate(h, scale_factor=2, mode="bilinear", align_corners=False)
            h = attention(level(torch.cat([skipped.pop(), h], dim=1), embedding))
        return trim(F.pixel_shuffle(self.head(h)[..., :ny, :nx], patch), margin)
