"""What all networks share: how they see an MDI frame, and how fields are drawn from them."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from sunpy_superres.instruments import FACTOR
from sunpy_superres.instruments.forward import inverse_gain_response

__all__ = ["BaseNetwork", "evaluate_whole"]


def evaluate_whole(function, inputs, halo=0, channels=None, factor=1):
    """
    Apply a function to whole frames, as a training does.

    `~sunpy_superres.sampling.tiling.TiledEvaluation` has the same signature, and needs the
    arguments that are not used here.

    Parameters
    ----------
    function : callable
        A function of the inputs.
    inputs : sequence of torch.Tensor
    halo, channels, factor : int
        Receptive radius of the function, channels of its result, and pixels of the result along
        one side of an input pixel.
    """
    return function(*inputs)


class BaseNetwork(nn.Module):
    """
    Base of the networks: calibration, interpolation, input channels, and drawing.

    A subclass has a ``config`` with ``field_scale``, ``noise_scale``, ``gain``, ``weak_excess`` and
    ``weak_scale``, and ``foreshortening``: whether the network sees how the frame's pixels are
    foreshortened.  It defines `core`, `prepare`, `draw` and `expect`.  Everything that draws
    fields, whether in tiles or whole, goes through these, so that no caller needs to know which
    kind of network it has.
    """

    #: Channels that ``foreshortening`` adds, the last ones of `pixel_channels`.
    foreshortening_channel_count = 2
    #: HMI-like pixels along one side of an MDI pixel.
    factor = FACTOR
    #: Members of an ensemble that can differ from each other.
    largest_ensemble = math.inf
    #: Largest number of steps that a solver can take.
    largest_num_steps = math.inf
    #: Channels of the noise that a member is drawn from.
    noise_channels = 0
    #: Whether a drawn field is corrected until it gives the frame back.
    is_corrected = True

    @property
    def core(self) -> nn.Module:
        """The part that takes most of the time: evaluated once a step, or once a frame."""
        raise NotImplementedError  # a subclass says it

    def limit_sampling(self, n_samples, num_steps) -> tuple[int, int]:
        """Numbers of members and of steps, as far as they make a difference."""
        return min(n_samples, self.largest_ensemble), min(num_steps, self.largest_num_steps)

    def count_evaluations(self, n_samples, num_steps) -> tuple[int, int]:
        """How often a frame is evaluated on its own pixels, and on the finer ones."""
        raise NotImplementedError  # a subclass says it

    def prepare(self, inputs, evaluate=evaluate_whole):
        """
        What is computed once for a frame, before the first member.

        Parameters
        ----------
        inputs : sequence of torch.Tensor
            Arguments of `pixel_channels`.
        evaluate : callable
            `evaluate_whole`, or a `~sunpy_superres.sampling.tiling.TiledEvaluation`.

        Returns
        -------
        object
            What `draw` and `expect` of the same network take.
        """
        raise NotImplementedError  # a subclass says it

    def project_noise(self, noise):
        """
        White noise of a member, from white noise of the fine pixels.

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
            HMI Gauss, ``(1, 1, 4 ny, 4 nx)``.
        """
        raise NotImplementedError  # a subclass says it

    def expect(self, prepared, evaluate=evaluate_whole):
        """
        Mean field that the network predicts without drawing, and its standard deviation.

        Parameters
        ----------
        prepared, evaluate
            As in `draw`.

        Returns
        -------
        mean, std : torch.Tensor
            HMI Gauss, ``(1, 1, 4 ny, 4 nx)``.
        """
        raise NotImplementedError  # a subclass says it

    @property
    def pixel_channel_count(self) -> int:
        """Channels of `pixel_channels`."""
        return 4 + (self.foreshortening_channel_count if self.config.foreshortening else 0)

    def calibrate(self, frame):
        """MDI Gauss to HMI Gauss."""
        c = self.config
        return inverse_gain_response(frame, c.gain, c.weak_excess, c.weak_scale)

    def interpolate(self, frame):
        """
        Calibrated bicubic interpolation, the baseline; Gauss in, Gauss out.

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
        MDI pixels as the networks see them: field, compressed field, mask, noise, sampling.

        Parameters
        ----------
        frame : torch.Tensor
            MDI line-of-sight field in Gauss, 0 where ``mask`` is, ``(n, 1, ny, nx)``.
        mask : torch.Tensor
            1 where the pixel is good, else 0; ``(n, 1, ny, nx)``.
        noise : torch.Tensor
            Standard deviation of the noise in MDI Gauss, ``(n, 1, 1, 1)`` or per pixel.
        foreshortening : torch.Tensor, optional
            Lengths of the pixels' sides, `~sunpy_superres.maps.geometry.measure_foreshortening`,
            ``(n, 2, 1, 1)`` or per pixel; 1 by default.  Only for models with ``foreshortening``.
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
