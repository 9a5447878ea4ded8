"""The input of the sampler: a frame, and how it was observed."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import sunpy.map
import torch
from torch.nn import functional as F

from sunpy_superres.instruments import FACTOR, MDI, Instrument
from sunpy_superres.instruments.forward import blurred_mean, observe, visible_mean
from sunpy_superres.maps.grid import Grid
from sunpy_superres.maps.metadata import rebin_meta

__all__ = ["Observation"]

#: MDI pixels beyond the limb in which the latent is still drawn, as in the training.
_MARGIN = 8


@dataclass(frozen=True)
class Observation:
    """
    An MDI frame as tensors, and everything that is known about how it was observed.

    Parameters
    ----------
    frame, good, noise : torch.Tensor
        MDI Gauss (0 where the pixel is not good), weights 0 or 1, and the standard deviation of
        the noise in MDI Gauss; each ``(1, 1, ny, nx)``.
    instrument : `~sunpy_superres.instruments.Instrument`
        The instrument that observed the frame.
    plate_scale : float
        Arcsec per pixel of the fine grid, on which the fields are drawn.  It is
        `~sunpy_superres.instruments.FACTOR` times finer than the frame.
    foreshortening : torch.Tensor, optional
        Lengths of the pixels' sides on the sky,
        `~sunpy_superres.maps.geometry.measure_foreshortening`, ``(1, 2, ny, nx)``; None in
        helioprojective coordinates, where they are 1.
    disk : torch.Tensor, optional
        True where a fine pixel is on the disk; bool, ``(1, 1, 4 ny, 4 nx)``.  None if all are on
        the disk.
    visible_fraction : torch.Tensor, optional
        Share of the light of an MDI pixel that comes from the disk, ``(1, 1, ny, nx)``; see
        `~sunpy_superres.instruments.forward.observe`.
    grid : `~sunpy_superres.maps.grid.Grid`, optional
        Where the fine pixels lie on the Sun.
    """

    frame: torch.Tensor
    good: torch.Tensor
    noise: torch.Tensor
    instrument: Instrument = MDI
    plate_scale: float = MDI.plate_scale / FACTOR
    foreshortening: torch.Tensor | None = None
    disk: torch.Tensor | None = None
    visible_fraction: torch.Tensor | None = None
    grid: Grid | None = None

    @classmethod
    def from_magnetogram(cls, magnetogram, instrument=MDI) -> Observation:
        """
        Make the observation of a checked magnetogram.

        The networks halve the frame, so a side with an odd number of pixels gains one, marked as
        not good, at the upper or right edge.  Readings beyond those of the training are set to the
        ``largest_reading`` of the instrument.

        Parameters
        ----------
        magnetogram : `~sunpy_superres.maps.magnetogram.Magnetogram`
        instrument : `~sunpy_superres.instruments.Instrument`
        """
        shape = tuple(FACTOR * n for n in magnetogram.frame.shape)
        meta = rebin_meta(magnetogram.map.meta, shape, FACTOR)
        # This Map lets sunpy read the new header; its data are one number and take no memory.
        grid = Grid(sunpy.map.Map(np.broadcast_to(np.float32(0), shape), meta))
        frame = _pad_to_even(magnetogram.frame)
        disk = _pad_to_even(grid.on_disk, side=FACTOR, dtype=bool)
        foreshortening = magnetogram.foreshortening
        if foreshortening is not None:
            foreshortening = torch.cat([_pad_to_even(s, fill=1) for s in foreshortening], dim=1)
        plate_scale = float(grid.scales.mean())
        return cls(
            frame.clamp(-instrument.largest_reading, instrument.largest_reading),
            _pad_to_even(magnetogram.good),
            _pad_to_even(magnetogram.noise, fill=1),
            instrument,
            plate_scale,
            foreshortening,
            disk,
            blurred_mean(disk.float(), instrument, plate_scale),
            grid,
        )

    @property
    def inputs(self) -> list[torch.Tensor]:
        """Tensors that the networks see, in the order of their arguments."""
        tensors = [self.frame, self.good, self.noise]
        return tensors if self.foreshortening is None else [*tensors, self.foreshortening]

    @property
    def inside(self) -> torch.Tensor:
        """1 on the disk and within a margin around it, where fields are drawn; as ``frame``."""
        if self.disk is None:
            return torch.ones_like(self.frame)
        coarse = F.max_pool2d(self.disk.float(), FACTOR)
        return F.max_pool2d(coarse, 2 * _MARGIN + 1, 1, _MARGIN)

    def observe(self, field) -> torch.Tensor:
        """
        Compute the noise-free frame that the instrument would make of a field.

        Parameters
        ----------
        field : torch.Tensor
            HMI Gauss, ``(n, 1, 4 ny, 4 nx)``, 0 off the disk.
        """
        return observe(field, self.instrument, self.plate_scale, self.visible_fraction)

    def observed_mean(self, field) -> torch.Tensor:
        """
        Compute the mean field of which the instrument takes its readings.

        Parameters
        ----------
        field : torch.Tensor
            As in `observe`.

        Returns
        -------
        torch.Tensor
            HMI Gauss, ``(n, 1, ny, nx)``.
        """
        return visible_mean(field, self.instrument, self.plate_scale, self.visible_fraction)

    def to(self, device) -> Observation:
        """Copy the observation to a device of torch."""
        return self._map(lambda name, tensor: tensor.to(device))

    def crop(self, rows, columns) -> Observation:
        """
        Cut out a part of the observation.

        Parameters
        ----------
        rows, columns : slice
            Ranges of MDI pixels, with a start and a stop and without a step.
        """
        fine = tuple(slice(FACTOR * s.start, FACTOR * s.stop) for s in (rows, columns))

        def cut(name, tensor):
            return tensor[(..., *fine)] if name == "disk" else tensor[..., rows, columns]

        grid = None if self.grid is None else self.grid.crop(*fine)
        return replace(self._map(cut), grid=grid)

    def _map(self, function) -> Observation:
        """Apply ``function(name, tensor)`` to each tensor."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        tensors = {k: function(k, v) for k, v in values.items() if isinstance(v, torch.Tensor)}
        return replace(self, **tensors)


def _pad_to_even(values, fill=0, side=1, dtype=np.float32):
    """Make a ``(1, 1, ny, nx)`` tensor of an array; its sides become multiples of ``2 side``."""
    pad = [(0, -n % (2 * side)) for n in values.shape]
    padded = np.pad(values, pad, constant_values=fill).astype(dtype)
    return torch.from_numpy(padded)[None, None]
