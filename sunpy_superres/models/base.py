"""What all networks share: how they see an MDI frame, and how fields are drawn from them."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.instruments import FACTOR
from sunpy_superres.instruments.forward import inverse_gain_response

__all__ = ["BaseNetwork", "evaluate_whole"]


def evaluate_whole(function, inputs, halo=0, channels=None, factor=1, dtypes=None, trimmed=False):
    """
    Apply a function to whole frames, as in the training.

    `~sunpy_superres.sampling.tiling.TiledEvaluation` takes the same arguments, and uses those that
    are ignored here.

    Parameters
    ----------
    function : callable
        Takes the inputs.
    inputs : sequence of torch.Tensor
    halo, channels, factor, dtypes, trimmed
        Receptive radius of the function, channels of its result, pixels of the result along one
        side of an input pixel, number formats of the results, and whether the function takes a
        ``margin`` that it cuts off.
    """
    return function(*inputs)


class BaseNetwork(nn.Module):
    """
    Base class of the networks: calibration, interpolation, input channels, and drawing.

    A subclass has a ``config`` with ``field_scale``, ``noise_scale``, ``gain``, ``weak_excess``,
    ``weak_scale`` and ``foreshortening``; `~sunpy_superres.models.residual_ldm.ResidualLDMConfig`
    explains them.  It defines `core`, `count_evaluations`, `prepare`, `draw` and `expect`.  Code
    that draws fields, whether in tiles or whole, uses only these, so that no caller needs to know
    which kind of network it has.
    """

    #: Channels that the setting ``foreshortening`` adds; they are the last of `pixel_channels`.
    foreshortening_channel_count = 2
    #: HMI-like pixels along one side of an MDI pixel.
    factor = FACTOR
    #: Members of an ensemble that can differ from each other.
    largest_ensemble = math.inf
    #: Largest number of solver steps that makes a difference.
    largest_num_steps = math.inf
    #: Channels of the noise from which a member is drawn.
    noise_channels = 0
    #: Whether a drawn field is made consistent with the frame.
    is_corrected = True

    @property
    def core(self) -> nn.Module:
        """The part that takes most of the time, evaluated once per step or once per frame."""
        raise NotImplementedError  # each family of networks has its own

    def limit_sampling(self, n_samples, num_steps) -> tuple[int, int]:
        """Lower the numbers of members and of steps to those that make a difference."""
        return min(n_samples, self.largest_ensemble), min(num_steps, self.largest_num_steps)

    def count_evaluations(self, n_samples, num_steps) -> tuple[int, int]:
        """Count the evaluations of a frame on the grid of MDI, and those on the fine grid."""
        raise NotImplementedError  # each family of networks has its own

    def prepare(self, inputs, evaluate=evaluate_whole):
        """
        Compute what all members of a frame share, before the first is drawn.

        Parameters
        ----------
        inputs : sequence of torch.Tensor
            Arguments of `pixel_channels`.
        evaluate : callable
            `evaluate_whole`, or a `~sunpy_superres.sampling.tiling.TiledEvaluation`.

        Returns
        -------
        object
            For `draw` and `expect` of the same network.
        """
        raise NotImplementedError  # each family of networks has its own

    def project_noise(self, noise):
        """
        Turn white noise of the fine pixels into the white noise from which a member is drawn.

        Parameters
        ----------
        noise : torch.Tensor
            Standard normal, ``(1, 1, 4 ny, 4 nx)``.

        Returns
        -------
        torch.Tensor
            Standard normal, ``(1, noise_channels, ny, nx)``.
        """
        return noise.new_zeros(1, 0, *(n // self.factor for n in noise.shape[-2:]))

    def draw(self, prepared, noise, solver, evaluate=evaluate_whole):
        """
        Draw HMI-like fields.

        Parameters
        ----------
        prepared : object
            From `prepare`.
        noise : torch.Tensor
            Standard normal, ``(n, noise_channels, ny, nx)``; one field is drawn from each.
        solver : callable
            ``solver(denoise, noise)``, such as `~sunpy_superres.sampling.schedule.solve` with its
            noise levels.
        evaluate : callable
            As in `prepare`.

        Yields
        ------
        torch.Tensor
            HMI Gauss, ``(1, 1, 4 ny, 4 nx)``.  The caller may set it to zero off the disk in place.
        """
        raise NotImplementedError  # each family of networks has its own

    def expect(self, prepared, evaluate=evaluate_whole):
        """
        Predict the mean field, and its standard deviation, without drawing.

        Parameters
        ----------
        prepared, evaluate
            As in `draw`.

        Returns
        -------
        mean, std : torch.Tensor
            HMI Gauss, ``(1, 1, 4 ny, 4 nx)``.
        """
        raise NotImplementedError  # each family of networks has its own

    @property
    def pixel_channel_count(self) -> int:
        """Channels of `pixel_channels`."""
        return 4 + (self.foreshortening_channel_count if self.config.foreshortening else 0)

    def calibrate(self, frame):
        """Convert MDI Gauss to HMI Gauss."""
        c = self.config
        return inverse_gain_response(frame, c.gain, c.weak_excess, c.weak_scale)

    def interpolate(self, frame):
        """
        Calibrate a frame to HMI Gauss and interpolate it (bicubic): the baseline of all networks.

        Parameters
        ----------
        frame : torch.Tensor
            MDI Gauss, ``(n, 1, ny, nx)``.
        """
        return F.interpolate(
            self.calibrate(frame), scale_factor=self.factor, mode="bicubic", align_corners=False
        )

    def pixel_channels(self, frame, mask, noise, foreshortening=None):
        """
        Make the networks' input: field, compressed field, mask, noise and foreshortening.

        Parameters
        ----------
        frame : torch.Tensor
            MDI line-of-sight field in Gauss, 0 where ``mask`` is 0; ``(n, 1, ny, nx)``.
        mask : torch.Tensor
            1 where the pixel is good, else 0; ``(n, 1, ny, nx)``.
        noise : torch.Tensor
            Standard deviation of the noise in MDI Gauss, ``(n, 1, 1, 1)`` or per pixel.
        foreshortening : torch.Tensor, optional
            Lengths of the pixels' sides, `~sunpy_superres.maps.geometry.measure_foreshortening`,
            ``(n, 2, 1, 1)`` or per pixel; 1 by default.  Ignored if the configuration's
            ``foreshortening`` is False.
        """
        level = self.calibrate(frame) / self.config.field_scale
        channels = [
            level,
            torch.asinh(4 * level),
            mask.to(level),
            torch.log(noise.clamp(min=1.0) / self.config.noise_scale).to(level).expand_as(level),
        ]
        if self.config.foreshortening:
            if foreshortening is None:
                foreshortening = level.new_ones(1, 2, 1, 1)
            logarithm = torch.log(foreshortening.clamp(min=0.1)).to(level)
            channels.append(logarithm.expand(len(level), 2, *level.shape[-2:]))
        return torch.cat(channels, dim=1)
