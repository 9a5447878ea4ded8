"""
Evaluate large fields in tiles, with the same result as in one piece.

Every tile is read with a margin of the network's receptive field and written
without it.  The networks look at no statistics of the whole image, so the tiles
agree to rounding with the undivided field, at every step of the solver; there is
nothing to blend.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

__all__ = ["Tile", "TiledEvaluation", "apply_tiled", "make_tiles"]


@dataclass(frozen=True)
class Tile:
    """
    One piece of a field, and the larger piece that is read to compute it.

    Parameters
    ----------
    inner, outer : tuple of slice
        Rows and columns, in the field, of what is written and of what is read.
    """

    inner: tuple[slice, slice]
    outer: tuple[slice, slice]

    @property
    def margin(self):
        """Rows above and below, and columns left and right, that are read and not written."""
        return tuple(
            side
            for inner, outer in zip(self.inner, self.outer, strict=True)
            for side in (inner.start - outer.start, outer.stop - inner.stop)
        )

    def cropped(self, values, factor=1):
        """Cut the inner piece out of an output of the outer one."""
        parts = []
        for inner, outer in zip(self.inner, self.outer, strict=True):
            start = (inner.start - outer.start) * factor
            parts.append(slice(start, start + (inner.stop - inner.start) * factor))
        return values[..., parts[0], parts[1]]

    def written(self, factor=1):
        """Return the inner slices on a grid ``factor`` times finer."""
        return tuple(slice(s.start * factor, s.stop * factor) for s in self.inner)


def make_tiles(needed, tile_size, halo) -> list[Tile]:
    """
    Divide a field into tiles; those without a needed pixel are left out, others cut down to them.

    Parameters
    ----------
    needed : numpy.ndarray of bool
        ``(ny, nx)``, both even.
    tile_size : int
        Side of the written piece; even.
    halo : int
        Margin around the written piece; even.

    Returns
    -------
    list of Tile

    Raises
    ------
    ValueError
        If ``tile_size`` or ``halo`` is odd, or ``tile_size`` less than 2.
    """
    if tile_size < 2 or tile_size % 2 or halo % 2:
        raise ValueError(
            "tile_size must be even and at least 2, and halo even; "
            f"they are {tile_size} and {halo}."
        )
    tiles = []
    ny, nx = needed.shape
    for y in range(0, ny, tile_size):
        for x in range(0, nx, tile_size):
            inner = (slice(y, min(y + tile_size, ny)), slice(x, min(x + tile_size, nx)))
            where = np.argwhere(needed[inner])
            if not len(where):
                continue
            # Shrink to the needed pixels, on even positions.
            low = where.min(0) // 2 * 2
            high = (where.max(0) // 2 + 1) * 2
            inner = (
                slice(y + int(low[0]), y + int(high[0])),
                slice(x + int(low[1]), x + int(high[1])),
            )
            outer = tuple(
                slice(max(0, s.start - halo), min(n, s.stop + halo))
                for s, n in zip(inner, (ny, nx), strict=True)
            )
            tiles.append(Tile(inner, outer))
    return tiles


def apply_tiled(function, inputs, tiles, outputs, factor=1, trimmed=False):
    """
    Apply ``function`` tile by tile and write its results into ``outputs``.

    Parameters
    ----------
    function : callable
        Takes the pieces of ``inputs``, in their order, and returns one result, or a tuple of them.
    inputs : sequence of torch.Tensor
        Each ``(n, c, ny, nx)``, or ``(n, c, 1, 1)``, which every tile gets as it is.
    tiles : list of Tile
    outputs : sequence of torch.Tensor
        One for each result, ``(n, c, factor * ny, factor * nx)``; left unchanged where no tile is.
    factor : int
        Pixels of the outputs along one side of an input pixel.
    trimmed : bool
        Whether the function takes the ``margin`` of a tile and returns results without it.
    """
    for tile in tiles:
        pieces = [
            x if x.shape[-1] == x.shape[-2] == 1 else x[..., tile.outer[0], tile.outer[1]]
            for x in inputs
        ]
        results = function(*pieces, margin=tile.margin) if trimmed else function(*pieces)
        results = results if isinstance(results, tuple) else (results,)
        rows, columns = tile.written(factor)
        for output, result in zip(outputs, results, strict=True):
            inner = result if trimmed else tile.cropped(result, factor)
            output[..., rows, columns] = inner.to(output)


class TiledEvaluation:
    """
    Evaluates functions tile by tile, only where values are needed, on one device.

    Parameters
    ----------
    inside : torch.Tensor
        1 where values are needed, else 0; ``(1, 1, ny, nx)``, ``ny`` and ``nx`` even.  Every
        result on this grid is set to zero where they are not, so that the margin of a tile
        holds the same values however the field is divided.
    tile_size : int
        MDI pixels along a side of a tile; half as many are used if the output is on a finer grid.
    device : torch.device
    dtype : torch.dtype
        Number format that the networks compute in.
    advance : callable, optional
        Called at each tile with the number of fields in it.
    """

    def __init__(self, inside, tile_size, device, dtype=torch.float32, advance=None):
        self._inside, self._needed = inside, inside[0, 0].numpy() > 0
        self._size, self._device, self._dtype = tile_size // 2 * 2, device, dtype
        self._advance = advance or (lambda count: None)

    def tiles(self, halo=0, factor=1) -> list[Tile]:
        """Make the tiles of an evaluation; the parameters are those of a call."""
        size = self._size if factor == 1 else self._size // 2 // 2 * 2
        return make_tiles(self._needed, size, halo)

    def __call__(self, function, inputs, halo, channels, factor=1, dtypes=None, trimmed=False):
        """
        Apply a function to a frame.

        Parameters
        ----------
        function : callable
            Takes pieces of the inputs, on the device.
        inputs : sequence of torch.Tensor
            See `apply_tiled`.
        halo : int
            Receptive radius of the function, in pixels of the inputs; even.
        channels : int or tuple of int
            Channels of the result, or of each of several.
        factor : int
            Pixels of the result along one side of an input pixel.
        dtypes : sequence of torch.dtype, optional
            Number formats in which several results are held; float32 by default.
        trimmed : bool
            See `apply_tiled`.

        Returns
        -------
        torch.Tensor or tuple of torch.Tensor
            ``(n, channels, factor * ny, factor * nx)``, on the CPU.
        """
        ny, nx = self._needed.shape
        autocast = torch.autocast(
            self._device.type, dtype=self._dtype, enabled=self._dtype != torch.float32
        )

        def on_device(*pieces, **options):
            self._advance(len(pieces[0]))
            with autocast:
                return function(*(piece.to(self._device) for piece in pieces), **options)

        several = isinstance(channels, tuple)
        counts = channels if several else (channels,)
        outputs = tuple(
            torch.zeros((len(inputs[0]), count, factor * ny, factor * nx), dtype=kind).to(
                memory_format=torch.channels_last
            )
            for count, kind in zip(counts, dtypes or [torch.float32] * len(counts), strict=True)
        )
        apply_tiled(on_device, inputs, self.tiles(halo, factor), outputs, factor, trimmed)
        if factor == 1:
            for output in outputs:
                output.mul_(self._inside.to(output.dtype))
        return outputs if several else outputs[0]
