"""
The deterministic networks of the comparison in Ramunno et al. (2025): Enhance and Progressive.

They are trained for the least squared error and give one field for a frame.  The published code
normalises by statistics of the whole image and interpolates with aligned corners, so that tiles
would differ from the undivided field.  The networks here normalise each pixel over its channels
and interpolate with respect to pixel centres.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.nn import functional as F
from torch.profiler import record_function

from sunpy_superres.instruments import FACTOR, MDI
from sunpy_superres.models.base import BaseNetwork, evaluate_whole

__all__ = ["Deterministic", "DeterministicConfig", "Enhance", "Progressive"]

KINDS = ("enhance", "progressive")


@dataclass(frozen=True)
class DeterministicConfig:
    """
    Architecture and units of a `Deterministic` network.

    Parameters
    ----------
    kind : {"enhance", "progressive"}
    width : int
        Channels of the first convolution.
    multipliers : tuple of int
        Channels of the following blocks or convolutions, in units of ``width``.
    field_scale, noise_scale, gain, weak_excess, weak_scale, foreshortening
        See `~sunpy_superres.models.residual_ldm.ResidualLDMConfig`.
    """

    kind: str = "enhance"
    width: int = 48
    multipliers: tuple[int, ...] = (1, 2, 2, 2, 1, 1)
    field_scale: float = 200.0
    noise_scale: float = 16.0
    gain: float = MDI.gain
    weak_excess: float = MDI.weak_excess
    weak_scale: float = MDI.weak_scale
    foreshortening: bool = False

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}; not {self.kind!r}.")
        count = {"enhance": 6, "progressive": 7}[self.kind]
        if len(self.multipliers) != count:
            raise ValueError(f"{self.kind} needs {count} multipliers, not {len(self.multipliers)}.")
        if self.kind == "enhance" and self.multipliers[-1] != 1:
            raise ValueError("The last multiplier of enhance must be 1, for its long skip.")

    @classmethod
    def published(cls, kind) -> DeterministicConfig:
        """Return the widths of the paper's code, of 109 M (Enhance) and 51 M parameters."""
        sizes = {
            "enhance": (64, (8, 16, 32, 16, 8, 1)),
            "progressive": (64, (8, 16, 32, 16, 8, 8, 4)),
        }
        return cls(kind, *sizes[kind])

    @classmethod
    def from_dict(cls, values: dict) -> DeterministicConfig:
        """Read the plain dictionary of `to_dict`."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})

    def to_dict(self) -> dict:
        """Return the configuration as a plain dictionary, ready for JSON."""
        return asdict(self)


class _ChannelNorm(nn.Module):
    """Normalisation of each pixel over its channels, with a learnt scale and offset."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        x = x - x.mean(dim=1, keepdim=True)
        x = x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-4)
        return x * self.weight[:, None, None] + self.bias[:, None, None]


def _double_convolution(channels_in, channels_out):
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        _ChannelNorm(channels_out),
        nn.ReLU(),
        nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
        _ChannelNorm(channels_out),
    )


def _enlarge(x, factor, mode="bilinear"):
    return F.interpolate(x, scale_factor=factor, mode=mode, align_corners=False)


class Enhance(nn.Module):
    """
    Convolutions on the MDI grid, and one enlargement at the end.

    After Diaz Baso & Asensio Ramos (2018, A&A 614, A5), in the form of Ramunno et al. (2025):
    six double convolutions, with a long skip connection from their start to their end.

    Parameters
    ----------
    channels_in : int
    width : int
    multipliers : tuple of int
    """

    #: Receptive radius in MDI pixels.
    halo = 16

    def __init__(self, channels_in, width, multipliers):
        super().__init__()
        self.first = nn.Conv2d(channels_in, width, 3, padding=1, bias=False)
        widths = [width, *(width * m for m in multipliers)]
        self.blocks = nn.ModuleList(
            _double_convolution(*pair) for pair in zip(widths[:-1], widths[1:], strict=True)
        )
        self.last = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = _ChannelNorm(width)
        self.fine = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, x):
        start = h = F.relu(self.first(x))
        for block in self.blocks:
            h = block(h)
        h = self.norm(self.last(h)) + start
        return self.head(F.relu(self.fine(_enlarge(h, FACTOR))))


class Progressive(nn.Module):
    """
    Two enlargements by a factor of 2; after each, the interpolated frame is added.

    After Rahman et al. (2020, ApJ 897, L32), in the form of Ramunno et al. (2025).

    Parameters
    ----------
    channels_in : int
    width : int
    multipliers : tuple of int
    """

    #: Receptive radius in MDI pixels: 4 convolutions, bicubic, 4 at half a pixel, 1 at a quarter.
    halo = 10

    def __init__(self, channels_in, width, multipliers):
        super().__init__()
        widths = [channels_in, width, *(width * m for m in multipliers)]
        layers = [
            nn.Sequential(
                nn.Conv2d(*pair, 3, padding=1, bias=False), _ChannelNorm(pair[1]), nn.ReLU()
            )
            for pair in zip(widths[:-1], widths[1:], strict=True)
        ]
        self.coarse, self.middle = nn.ModuleList(layers[:4]), nn.ModuleList(layers[4:])
        self.head = nn.Conv2d(widths[-1], 1, 3, padding=1, bias=False)

    def forward(self, x):
        field = x[:, :1]
        h = x
        for layer in self.coarse:
            h = layer(h)
        h = _enlarge(h, 2) + _enlarge(field, 2, "bicubic")
        for layer in self.middle:
            h = layer(h)
        return self.head(_enlarge(h, 2) + _enlarge(field, FACTOR, "bicubic"))


class Deterministic(BaseNetwork):
    """
    A network that predicts what to add to the interpolated frame, and so one field for a frame.

    Parameters
    ----------
    config : DeterministicConfig
    """

    #: There is no noise: all members of an ensemble would be the same field.
    largest_ensemble = largest_num_steps = 1
    #: The networks are compared as they were published, without a correction of their field.
    is_corrected = False

    def __init__(self, config: DeterministicConfig = DeterministicConfig()):
        super().__init__()
        self.config = config
        network = {"enhance": Enhance, "progressive": Progressive}[config.kind]
        self.network = network(self.pixel_channel_count, config.width, config.multipliers)
        #: Receptive radius of `predict`, in MDI pixels (even).
        self.halo = self.network.halo

    def predict(self, frame, mask, noise, foreshortening=None):
        """
        Predict the field in HMI Gauss, ``(n, 1, 4 ny, 4 nx)``.

        The parameters are those of `pixel_channels`.
        """
        residual = self.network(self.pixel_channels(frame, mask, noise, foreshortening)).float()
        return self.interpolate(frame) + residual * self.config.field_scale

    @property
    def core(self):
        """The network, evaluated once per frame."""
        return self.network

    def count_evaluations(self, n_samples, num_steps):
        """Count one evaluation, on the fine grid; see `BaseNetwork.count_evaluations`."""
        return 0, 1

    def prepare(self, inputs, evaluate=evaluate_whole):
        """Predict the field; see `BaseNetwork.prepare`."""

        def predict_piece(*pieces):
            with record_function("network"):
                return self.predict(*pieces)

        return evaluate(predict_piece, inputs, self.halo, 1, self.factor)

    def draw(self, prepared, noise, solver, evaluate=evaluate_whole):
        """Yield the same field for every noise; see `BaseNetwork.draw`."""
        yield from prepared.expand(len(noise), -1, -1, -1).split(1)

    def expect(self, prepared, evaluate=evaluate_whole):
        """Return the field, and a deviation of 1 G, which the calibration scales."""
        return prepared, torch.ones_like(prepared)
