"""
Frames that were resampled after the observation: rotated, shifted or stretched.

The instrument reads on pixels of its own, the native ones.  Each pixel of the frame that is handed
over is made from the four native pixels around it (bilinear), or is a copy of the nearest.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional as F

__all__ = ["NativePixels", "native_pixels", "noise_variance"]


class NativePixels(NamedTuple):
    """
    The native pixels from which each pixel of a frame is made.

    Parameters
    ----------
    corner : torch.Tensor
        Row and column of the first of the four native pixels, integers, ``(n, 2, ny, nx)``.
        They can be negative, or beyond the frame's size.
    fraction : torch.Tensor
        Weight of the second row and of the second column, ``(n, 2, ny, nx)``; for the nearest
        pixel 0 or 1.
    place : torch.Tensor
        Where the centres of the four native pixels lie on the frame, in its pixels, along y and
        x, ``(n, 4, 2, ny, nx)``.
    """

    corner: torch.Tensor
    fraction: torch.Tensor
    place: torch.Tensor

    @property
    def index(self):
        """Rows and columns of the four native pixels, two tensors ``(n, 4, ny, nx)``."""
        row, column = self.corner.unbind(1)
        rows, columns = torch.stack([row, row + 1], 1), torch.stack([column, column + 1], 1)
        return rows.repeat_interleave(2, 1), columns.repeat(1, 2, 1, 1)

    @property
    def weight(self):
        """Weights of the four native pixels, ``(n, 4, ny, nx)``; their sum is 1."""
        row, column = self.fraction.unbind(1)
        rows, columns = torch.stack([1 - row, row], 1), torch.stack([1 - column, column], 1)
        return rows.repeat_interleave(2, 1) * columns.repeat(1, 2, 1, 1)

    def sample(self, field, steps: int = 1):
        """
        Take a smooth field at the centres of the native pixels.

        Parameters
        ----------
        field : torch.Tensor
            ``(n, 1, steps (ny - 1) + 1, steps (nx - 1) + 1)``: its outermost values lie at the
            centres of the frame's outermost pixels.
        steps : int
            Values of the field for each pixel of the frame.

        Returns
        -------
        torch.Tensor
            ``(n, 4, ny, nx)``, by bilinear interpolation of ``field``.
        """
        n, _, _, ny, nx = self.place.shape
        y, x = self.place.to(field).unbind(2)
        grid = torch.stack([2 * x / max(nx - 1, 1) - 1, 2 * y / max(ny - 1, 1) - 1], -1)
        if field.shape[-2:] != (steps * (ny - 1) + 1, steps * (nx - 1) + 1):
            raise ValueError(
                f"A field of {tuple(field.shape[-2:])} values does not have {steps} of them for "
                f"each of {ny} x {nx} pixels; give one of steps (n - 1) + 1."
            )
        taken = F.grid_sample(
            field, grid.reshape(n, 4 * ny, nx, 2), padding_mode="border", align_corners=True
        )
        return taken.reshape(n, 4, ny, nx)

    def take(self, values):
        """
        Take values that each native pixel has for itself, such as its noise.

        Parameters
        ----------
        values : torch.Tensor
            ``(n, ny, nx)``; beyond its edges it is repeated periodically.

        Returns
        -------
        torch.Tensor
            ``(n, 4, ny, nx)``.
        """
        rows, columns = self.index
        rows, columns = rows % values.shape[-2], columns % values.shape[-1]
        which = torch.arange(len(values), device=rows.device)[:, None, None, None]
        return values[which, rows, columns]

    def combine(self, readings):
        """Make the frame, ``(n, 1, ny, nx)``, from readings of the native pixels."""
        return (self.weight.to(readings) * readings).sum(1, keepdim=True)


def native_pixels(shape, angle, shift=0.0, stretch=1.0, nearest=False) -> NativePixels:
    """
    Find the native pixels from which frames are made.

    Parameters
    ----------
    shape : tuple of int
        ``(ny, nx)`` of the frames.
    angle : torch.Tensor
        By which the native grid is rotated about the middle of the frame, in radians, ``(n,)``;
        positive from x to y.
    shift : torch.Tensor or float
        By which it is shifted after that along y and x, in pixels, ``(n, 2)``.
    stretch : torch.Tensor or float
        Size of a native pixel in pixels of the frame, ``(n,)``.
    nearest : torch.Tensor of bool or bool
        Copy the nearest native pixel, ``(n,)``; otherwise interpolate bilinearly.

    Returns
    -------
    NativePixels
    """
    angle = torch.as_tensor(angle, dtype=torch.float64).reshape(-1)
    n = len(angle)
    nearest = torch.as_tensor(nearest).expand(n)[:, None, None, None]
    middle = (torch.tensor(shape, dtype=torch.float64) - 1) / 2
    origin = middle + torch.as_tensor(shift, dtype=torch.float64).expand(n, 2)
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1)
    matrix = turn * torch.as_tensor(stretch, dtype=torch.float64).expand(n)[:, None, None]
    axes = [torch.arange(size, dtype=torch.float64) for size in shape]
    pixel = torch.stack(torch.meshgrid(*axes, indexing="ij")).reshape(2, -1)
    native = torch.linalg.inv(matrix) @ (pixel - origin[:, :, None]) + middle[:, None]
    # Multiples of 90 degrees are exact, and rounding must not make them blends.
    native = torch.where((native - native.round()).abs() < 1e-6, native.round(), native)
    corner = native.floor()
    steps = torch.tensor([[0.0, 0, 1, 1], [0, 1, 0, 1]], dtype=torch.float64)
    four = corner[:, :, None] + steps[:, :, None] - middle[:, None, None]
    place = (matrix @ four.reshape(n, 2, -1)).reshape(n, 2, 4, -1) + origin[:, :, None, None]
    fraction = (native - corner).reshape(n, 2, *shape)
    return NativePixels(
        corner.long().reshape(n, 2, *shape),
        torch.where(nearest, (fraction >= 0.5).double(), fraction),
        place.transpose(1, 2).reshape(n, 4, 2, *shape),
    )


def _common(corner, fraction, other_corner, other_fraction):
    """Sum, along each axis, the products of the weights that two pixels give to the same node."""
    ahead = other_corner - corner
    low, high, other_low, other_high = 1 - fraction, fraction, 1 - other_fraction, other_fraction
    shared = torch.where(ahead == 0, low * other_low + high * other_high, 0.0)
    shared = torch.where(ahead == 1, high * other_low, shared)
    return torch.where(ahead == -1, low * other_high, shared).prod(1, keepdim=True)


def noise_variance(native: NativePixels):
    """
    Compute the variance of the diagonal second differences of a frame of native white noise.

    The noise of a frame is measured on these differences, half of
    ``f[0, 0] - f[1, 0] - f[0, 1] + f[1, 1]``.  In white noise they have its own variance.

    Parameters
    ----------
    native : NativePixels

    Returns
    -------
    torch.Tensor
        For a variance of 1 in the native pixels, ``(n, 1, ny - 1, nx - 1)``.
    """
    cuts = [
        (y, x) for y in (slice(None, -1), slice(1, None)) for x in (slice(None, -1), slice(1, None))
    ]
    signs = (1, -1, -1, 1)
    parts = [(native.corner[:, :, y, x], native.fraction[:, :, y, x]) for y, x in cuts]
    variance = 0.0
    for i in range(4):
        for j in range(i, 4):
            weight = signs[i] * signs[j] * (1 if i == j else 2)
            variance = variance + weight * _common(*parts[i], *parts[j])
    return (variance / 4).clamp(min=0)
