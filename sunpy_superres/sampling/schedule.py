"""Noise schedule and solver of the probability-flow equation, as pure functions."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields

__all__ = ["SolverSettings", "angle_schedule", "solve"]


@dataclass(frozen=True)
class SolverSettings:
    """
    Settings of the solver; a model is saved with them.

    Parameters
    ----------
    num_steps : int
        Evaluations of the denoiser.
    sigma_max : float
        First noise level, in units of the signal's standard deviation.
    power : float
        1 for equal steps in the angle; larger values put more steps at low noise.
    single_sigma : float, optional
        Noise level of a single step, for networks that
        `~sunpy_superres.training.losses.ScoreLoss` trained to draw in one step.  It is far above
        ``sigma_max``, so that the network tells the one step from the first of several.  By
        default a single step begins at ``sigma_max`` too.
    """

    num_steps: int = 4
    sigma_max: float = 40.0
    power: float = 1.0
    single_sigma: float | None = None

    @classmethod
    def from_dict(cls, values: dict) -> SolverSettings:
        """Read a dictionary such as "sampler" of config.json, ignoring other entries."""
        names = [entry.name for entry in fields(cls)]
        return cls(**{name: values[name] for name in names if name in values})

    def to_dict(self) -> dict:
        """Return the settings as a plain dictionary, ready for JSON."""
        return asdict(self)

    def levels(self, num_steps=None) -> list[float]:
        """
        Compute the noise levels of `angle_schedule`.

        Parameters
        ----------
        num_steps : int, optional
            Another number of steps than that of the settings.
        """
        num_steps = self.num_steps if num_steps is None else num_steps
        first = self.single_sigma if num_steps == 1 and self.single_sigma else self.sigma_max
        return angle_schedule(num_steps, first, self.power)


_DEFAULT = SolverSettings()


def angle_schedule(num_steps, sigma_max=_DEFAULT.sigma_max, power=_DEFAULT.power):
    """
    Compute noise levels sigma = tan(angle); the angle falls from arctan(sigma_max) to 0.

    Parameters
    ----------
    num_steps, sigma_max, power
        As in `SolverSettings`.

    Returns
    -------
    list of float
        ``num_steps + 1`` levels, the last of them 0.

    Raises
    ------
    ValueError
        If ``num_steps`` is less than 1.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1, not {num_steps}.")
    first = math.atan(sigma_max)
    return [math.tan(first * (1 - i / num_steps) ** power) for i in range(num_steps + 1)]


def solve(denoise, noise, sigmas, callback=None):
    """
    Solve the probability-flow equation to second order, with one evaluation for each step.

    For a signal of unit variance, with sigma = tan(angle) and y = x cos(angle), the
    equation dx/dsigma = (x - D(x; sigma)) / sigma becomes dy/dangle = -F, where
    D = cos(angle)^2 x + sin(angle) F is the preconditioned denoiser of Karras et al.
    (2022): the angle is that of Lu & Song (2024, arXiv 2410.11081).  For a standard normal
    signal F is zero and every step is exact.  The standardised residual is close to normal, so
    a few Adams-Bashforth steps suffice where a solver in sigma takes dozens.

    Parameters
    ----------
    denoise : callable
        ``denoise(x, sigma)``, with ``sigma`` a float, returns the clean estimate.
    noise : torch.Tensor
        Standard normal, any shape.
    sigmas : sequence of float
        From `angle_schedule`.
    callback : callable, optional
        Called after each step.

    Returns
    -------
    torch.Tensor
        The drawn signal, in the shape of ``noise``.
    """
    angles = [math.atan(sigma) for sigma in sigmas]
    # x = y / cos(angle) has the variance 1 + sigma^2 of signal and noise.
    y = noise
    last_slope = last_step = None
    for angle, following in zip(angles[:-1], angles[1:], strict=True):
        cosine, sine = math.cos(angle), math.sin(angle)
        slope = (denoise(y / cosine, math.tan(angle)) - cosine * y) / sine
        step = angle - following
        if last_slope is None:
            mean_slope = slope
        else:
            mean_slope = slope + (slope - last_slope) * (step / (2 * last_step))
        y = y + step * mean_slope
        last_slope, last_step = slope, step
        if callback is not None:
            callback()
    return y
