"""MDI and HMI as data, and MDI-like frames from HMI ones."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_superres.geometry import (
    is_helioprojective,
    on_disk_mask,
    plate_scale,
    rebinned_meta,
    refresh_statistics,
)
from sunpy_superres.units import field_unit

__all__ = ["FACTOR", "HMI", "MDI", "Instrument", "simulate_mdi"]

#: HMI-like pixels along one side of an MDI pixel.
FACTOR = 4

_FWHM_PER_SIGMA = math.sqrt(8 * math.log(2))


@dataclass(frozen=True)
class Instrument:
    """
    A magnetograph, as far as the model needs to know it.

    Parameters
    ----------
    name : str
    plate_scale : float
        Arcsec per pixel.
    blur_fwhm : float
        Full width at half maximum, in arcsec, of the Gaussian that turns HMI's image into
        this instrument's, before the average over its pixel.
    gain : float
        Its reading over HMI's in strong field.
    weak_excess : float
        Fraction by which that ratio is larger in weak field.
    weak_scale : float
        HMI Gauss over which the excess falls off (Gaussian).
    gain_uncertainty : float
        Relative standard deviation of that ratio from one frame to another.
    saturation : float
        Reading in Gauss above which it stays behind the field.
    noise : dict
        INTERVAL in seconds to the range of the noise in Gauss; None for any.
    """

    name: str
    plate_scale: float
    blur_fwhm: float = 0.0
    gain: float = 1.0
    weak_excess: float = 0.0
    weak_scale: float = 400.0
    gain_uncertainty: float = 0.0
    saturation: float = math.inf
    noise: tuple[tuple[float | None, float, float], ...] = ()

    def noise_range(self, interval=None) -> tuple[float, float]:
        """Smallest and largest usual noise, in Gauss, for an integration time in seconds."""
        for seconds, low, high in self.noise:
            if seconds is not None and interval is not None and abs(seconds - interval) < 1:
                return low, high
        return next((low, high) for seconds, low, high in self.noise if seconds is None)

    def blur_sigma(self, plate_scale) -> float:
        """Standard deviation of the blur in pixels of ``plate_scale`` arcsec."""
        return self.blur_fwhm / _FWHM_PER_SIGMA / plate_scale


#: SOHO/MDI, full-disk mode.  Ratio to HMI: Liu et al. (2012), 1.40; higher in weak
#: field.  Saturation: Liu et al. (2007).  Blur: pairs of frames are matched by 3.3", which
#: holds MDI's own pixel (about 1.35" of it, in quadrature); the best fit beside the average
#: over the pixel is 2.8-3.0" on the real pairs.  Noise: measured on full disks.  Uncertainty of
#: the ratio: published means are 1.40 and 1.43 (Liu et al. 2012, 2025), the two real pairs have
#: 1.30 and 1.37 in strong field, 5.5 per cent rms about the first.
MDI = Instrument(
    name="MDI",
    plate_scale=1.98,
    blur_fwhm=3.0,
    gain=1.40,
    weak_excess=0.08,
    weak_scale=400.0,
    gain_uncertainty=0.05,
    saturation=3500.0,
    noise=((30.0, 20.0, 28.0), (300.0, 9.0, 16.0), (None, 9.0, 28.0)),
)

#: SDO/HMI, 720 s line of sight.
HMI = Instrument(name="HMI", plate_scale=0.5043, noise=((None, 6.0, 10.0),))


def simulate_mdi(hmi_map, *, seed=None, noise=12.0, interval=300.0):
    """
    What MDI would have shown of an HMI magnetogram.

    Blur, average over 4 x 4 pixels, the field-dependent ratio of the two
    instruments, saturation and white noise, in this order.  The pixel grid is
    HMI's, four times coarser, roll and all; rows and columns that do not fill an
    MDI pixel are dropped at the upper and right edge.

    Parameters
    ----------
    hmi_map : `~sunpy.map.GenericMap`
        Line-of-sight magnetogram in Gauss or Mx/cm^2, on CCD pixels or a CEA grid.
    seed : int, optional
        Of the noise.
    noise : float
        Standard deviation of the noise, in Gauss; 12 is usual for INTERVAL = 300 s,
        24 for 30 s.
    interval : float
        Integration time in seconds, written to the INTERVAL card.

    Returns
    -------
    `~sunpy.map.GenericMap`
        In Gauss on MDI's scale, with the card SIMINST = 'MDI', by which
        `~sunpy_superres.super_resolve` knows it.  NaN off the disk and where more
        than half of the pixel is missing.

    Raises
    ------
    TypeError
        If ``hmi_map`` is not a Map, or not of a magnetic field.
    ValueError
        If the unit cannot be read, the plate scale is far from HMI's, or the map is smaller
        than one MDI pixel.

    References
    ----------
    Liu et al. (2012), Solar Physics 279, 295.
    """
    import torch

    from sunpy_superres import forward

    if not isinstance(hmi_map, sunpy.map.GenericMap):
        raise TypeError(
            f"simulate_mdi needs a sunpy Map, not {type(hmi_map).__name__}; "
            "make one with sunpy.map.Map(file)."
        )
    scale = float(np.mean(plate_scale(hmi_map).to_value(u.arcsec / u.pix)))
    if not 0.3 < scale < 0.8:
        raise ValueError(
            f"The plate scale is {scale:.2f} arcsec/pixel; simulate_mdi needs a map at "
            "HMI's full resolution, 0.5 arcsec/pixel."
        )
    ny, nx = (n // FACTOR * FACTOR for n in hmi_map.data.shape)
    if not ny or not nx:
        raise ValueError(f"The map of {hmi_map.data.shape} pixels is smaller than one MDI pixel.")
    unit = field_unit(hmi_map) or u.G  # SHARP series leave BUNIT out of some files
    field = np.asarray(hmi_map.data, dtype=np.float64)[:ny, :nx] * unit.to(u.G)
    there = np.isfinite(field)
    if hmi_map.mask is not None:
        there &= ~np.asarray(hmi_map.mask, bool)[:ny, :nx]
    tensor = torch.from_numpy(np.where(there, field, 0.0))[None, None]
    coverage = torch.from_numpy(there.astype(np.float64))[None, None]
    coverage = forward.blurred_mean(coverage, MDI, scale)
    reading = forward.observe(tensor, MDI, scale, coverage)[0, 0].numpy()
    rng = np.random.default_rng(seed)
    reading = reading + noise * rng.standard_normal(reading.shape)
    filled = there.reshape(ny // FACTOR, FACTOR, nx // FACTOR, FACTOR).mean(axis=(1, 3))
    reading[filled <= 0.5] = np.nan

    meta = rebinned_meta(copy.deepcopy(hmi_map.meta), reading.shape, 1 / FACTOR)
    meta.update(
        bunit="Gauss",
        content="MDI-like magnetogram simulated from HMI",
        siminst="MDI",
        simfwhm=MDI.blur_fwhm,
        simgain=MDI.gain,
        simnoise=float(noise),
        simseed=-1 if seed is None else int(seed),
        interval=float(interval),
    )
    simulated = sunpy.map.Map(reading, meta)
    if is_helioprojective(simulated):
        reading[~on_disk_mask(simulated)] = np.nan
    refresh_statistics(meta, reading, np.ones(reading.shape, bool))
    return sunpy.map.Map(reading, meta)
