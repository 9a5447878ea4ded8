"""
The convolutional network behind the regression and the denoiser.

No layer uses statistics of the whole image, so that a tile with a margin of the
receptive radius gives the same numbers as the full disk.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.models.trimming import WHOLE, shrink

__all__ = ["ResidualBlock", "UNet"]


def _pixel_norm(x):
    """Divide each pixel by the root mean square of its channels."""
    if torch.is_grad_enabled():
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-4)
    # The same without an array of all squares.
    norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return x * torch.rsqrt(norm.square_().div_(x.shape[1]).add_(1e-4))


def _add_shuffled(x, y):
    """Add ``pixel_shuffle(y, 2)`` to ``x``."""
    if torch.is_grad_enabled():
        return x + F.pixel_shuffle(y, 2)
    # The same without an array of the shuffled pixels.
    n, channels, height, width = x.shape
    pixels = x.view(n, channels, height // 2, 2, width // 2, 2)
    pixels += y.view(n, channels, 2, 2, height // 2, width // 2).permute(0, 1, 4, 2, 5, 3)
    return x


class ResidualBlock(nn.Module):
    """
    Two 3 x 3 convolutions whose output is added to their input; before training, the identity.

    Parameters
    ----------
    width : int
        Channels in and out.
    embedding : int
        Length of the vector that sets scale and shift between the two; 0 for none.
    """

    def __init__(self, width: int, embedding: int = 0):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * width) if embedding else None
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)
        if embedding:
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x, embedding=None):
        # Without gradients, memory is written again: new memory takes a good part of the time.
        inplace = not torch.is_grad_enabled()
        h = self.conv1(F.silu(_pixel_norm(x), inplace=inplace))
        if self.modulation is not None:
            scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
            h = torch.addcmul(shift, h, 1 + scale, **({"out": h} if inplace else {}))
        h = self.conv2(F.silu(h, inplace=inplace))
        return h.add_(x) if inplace else x + h


class UNet(nn.Module):
    """
    A U-Net of two levels: fine blocks, coarse blocks on a grid of half the size, fine blocks.

    Parameters
    ----------
    channels_in, channels_out : int
        Channels of input and output; with ``channels_out=0`` the output is the last features.
    widths : tuple of int
        Channels of the fine and of the coarse level.
    blocks : tuple of int
        Residual blocks before, at, and after the coarse level.
    embedding : int
        Length of the vector that modulates the blocks; 0 for none.
    """

    def __init__(self, channels_in, channels_out, widths, blocks, embedding=0):
        super().__init__()
        fine, coarse = widths
        before, middle, after = blocks
        radius = 2 + 2 * before + 4 * middle + 2 * after + 1
        #: Receptive radius in pixels of the fine level, rounded up to even.
        self.halo = radius + radius % 2
        self.stem = nn.Conv2d(channels_in, fine, 3, padding=1)
        self.before = nn.ModuleList(ResidualBlock(fine, embedding) for _ in range(before))
        self.down = nn.Conv2d(fine, coarse, 2, stride=2)
        self.middle = nn.ModuleList(ResidualBlock(coarse, embedding) for _ in range(middle))
        self.up = nn.Conv2d(coarse, 4 * fine, 1)
        self.after = nn.ModuleList(ResidualBlock(fine, embedding) for _ in range(after))
        self.head = nn.Conv2d(fine, channels_out, 3, padding=1) if channels_out else None
        if channels_out:
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)

    def forward(self, x, embedding=None, added=None, margin=WHOLE):
        """
        Apply the network.

        Parameters
        ----------
        x : torch.Tensor
            Shape ``(n, channels_in, ny, nx)`` with even ``ny`` and ``nx``.
        embedding : torch.Tensor, optional
            Shape ``(n, embedding)``.
        added : torch.Tensor, optional
            Features added after the first convolution, ``(n, fine, ny, nx)``.
        margin : tuple of int
            What is not needed of the output, and not returned; even numbers, as in
            `~sunpy_superres.models.trimming.trim`.
        """
        x = self.stem(x)
        if added is not None:
            x = x + added if torch.is_grad_enabled() else x.add_(added)
        for block in self.before:
            x = block(x, embedding)
        h = self.down(x)
        # What the last blocks and the head read, in pixels of the coarse level.
        last = -(-(2 * len(self.after) + (self.head is not None)) // 2)
        x, rest = shrink(x, margin, 2 * last)
        margin = tuple(side // 2 for side in margin)
        for number, block in enumerate(self.middle):
            h, margin = shrink(h, margin, last + 2 * (len(self.middle) - number))
            h = block(h, embedding)
        h, _ = shrink(h, margin, last)
        x = _add_shuffled(x, self.up(F.silu(h)))
        for block in self.after:
            x = block(x, embedding)
        return shrink(x if self.head is None else self.head(F.silu(x)), rest, 0)[0]
