"""Options of the sampling, checked once and passed on together."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

import astropy.units as u
import numpy as np

from sunpy_superres.maps.units import quantity_in
from sunpy_superres.sampling.sun_noise import LIFETIME

__all__ = ["NOISES", "SamplingOptions"]

#: What noise can be tied to.
NOISES = ("sun", "array")
#: Days; the noise of a shorter lifetime would be another one in each frame.
_SHORTEST = 1e-3

#: Options that are counts, and the smallest value of each.
_SMALLEST = {"n_samples": 1, "num_steps": 1, "tile_size": 16, "batch_size": 1}


@dataclass(frozen=True)
class SamplingOptions:
    """
    Options of `~sunpy_superres.super_resolve` that decide how an ensemble is drawn.

    Parameters
    ----------
    n_samples : int
        Members of the ensemble.
    num_steps : int, optional
        Steps of the solver; the model's own number by default.
    seed : int, optional
        From 0 to 2**63 - 1; by default `for_model` draws one.
    noise : {"sun", "array"}
        What the noise that members are drawn from is tied to.
    lifetime : `~astropy.units.Quantity` or None
        Time over which the noise on the Sun is renewed; None for never.
    device, dtype : str, optional
        Device and number format of torch.
    tile_size : int, optional
        MDI pixels along a side of a tile, at least 16.
    batch_size : int, optional
        Members computed at once.
    progress : bool
        Show progress bars.

    Raises
    ------
    ValueError
        If an option is out of range.
    """

    n_samples: int = 8
    num_steps: int | None = None
    seed: int | None = None
    noise: str = "sun"
    lifetime: u.Quantity | None = LIFETIME
    device: str | None = None
    dtype: str | None = None
    tile_size: int | None = None
    batch_size: int | None = None
    progress: bool = True

    def __post_init__(self):
        for name, smallest in _SMALLEST.items():
            value = getattr(self, name)
            if value is None and name != "n_samples":
                continue
            if not isinstance(value, int | np.integer) or value < smallest:
                raise ValueError(
                    f"{name} must be an integer of at least {smallest}, not {value!r}."
                )
        if self.noise not in NOISES:
            raise ValueError(f"noise must be one of {', '.join(NOISES)}; not {self.noise!r}.")
        if self.lifetime is not None:
            days = quantity_in("lifetime", self.lifetime, u.day, smallest=_SHORTEST)
            object.__setattr__(self, "lifetime", days * u.day)
        seed = self.seed
        if seed is not None and not (isinstance(seed, int | np.integer) and 0 <= seed < 2**63):
            raise ValueError(f"seed must be an integer from 0 to 2**63 - 1, not {seed!r}.")

    def for_model(self, model) -> SamplingOptions:
        """
        Fill in the options that are still open, and limit them to what the model makes use of.

        Parameters
        ----------
        model : `~sunpy_superres.models.loading.Model`
            Gives the default number of steps and the largest useful numbers of steps and members.
        """
        num_steps = self.num_steps or model.config["sampler"]["num_steps"]
        n_samples, num_steps = model.network.limit_sampling(self.n_samples, num_steps)
        seed = secrets.randbits(31) if self.seed is None else int(self.seed)
        return replace(self, n_samples=int(n_samples), num_steps=int(num_steps), seed=seed)
