"""MDI-like frames from HMI ones."""

from __future__ import annotations

import copy

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.nddata import block_reduce

from sunpy_superres.instruments import FACTOR, HMI, MDI
from sunpy_superres.maps.geometry import is_helioprojective, on_disk_mask, plate_scale
from sunpy_superres.maps.metadata import rebin_meta, refresh_statistics
from sunpy_superres.maps.units import field_unit, quantity_in

__all__ = ["simulate_mdi"]


def simulate_mdi(hmi_map, *, seed=None, noise=12 * u.G, interval=300 * u.s):
    """
    Simulate what MDI would have observed where HMI observed a magnetogram.

    The field is blurred, averaged over 4 x 4 pixels, multiplied by the ratio of the two
    instruments, which depends on the field, and saturated; then white noise is added.  The grid
    is HMI's with pixels four times as large and with HMI's roll.  Rows and columns that do not
    fill an MDI pixel are dropped at the upper and right edge.

    Parameters
    ----------
    hmi_map : `~sunpy.map.GenericMap`
        Line-of-sight magnetogram in Gauss or Mx/cm^2, on CCD pixels or a CEA grid.  It is not
        changed.
    seed : int, optional
        Seed of the noise; the same seed gives the same noise.
    noise : `~astropy.units.Quantity`
        Standard deviation of the noise; 12 G is usual for an interval of 300 s, 24 G for 30 s.
    interval : `~astropy.units.Quantity`
        Integration time, written to the INTERVAL card in seconds.

    Returns
    -------
    `~sunpy.map.GenericMap`
        In Gauss on MDI's scale, with the card SIMINST = 'MDI', by which
        `~sunpy_superres.super_resolve` recognises a simulated frame.  NaN off the disk and where
        half of the pixel or more is missing.

    Raises
    ------
    TypeError
        If ``hmi_map`` is not a Map, or not of a magnetic field.
    ValueError
        If BUNIT is not a unit, the plate scale is far from HMI's, the map is smaller than one MDI
        pixel, or ``noise`` or ``interval`` is not a non-negative quantity of its unit.

    References
    ----------
    Liu et al. (2012), Solar Physics 279, 295.
    """
    import torch

    from sunpy_superres.instruments import forward

    if not isinstance(hmi_map, sunpy.map.GenericMap):
        raise TypeError(
            f"simulate_mdi needs a sunpy Map, not {type(hmi_map).__name__}; "
            "make one with sunpy.map.Map(file)."
        )
    scale = float(np.mean(plate_scale(hmi_map).to_value(u.arcsec / u.pix)))
    if not HMI.is_full_resolution(scale):
        raise ValueError(
            f"The plate scale is {scale:.2f} arcsec/pixel; simulate_mdi needs a map at "
            f"HMI's full resolution, {HMI.plate_scale:.1f} arcsec/pixel."
        )
    noise, interval = quantity_in("noise", noise, u.G), quantity_in("interval", interval, u.s)
    ny, nx = (n // FACTOR * FACTOR for n in hmi_map.data.shape)
    if not ny or not nx:
        raise ValueError(f"The map of {hmi_map.data.shape} pixels is smaller than one MDI pixel.")
    unit = field_unit(hmi_map) or u.G  # SHARP series leave BUNIT out of some files
    field = np.asarray(hmi_map.data, dtype=np.float64)[:ny, :nx] * unit.to(u.G)
    known = np.isfinite(field)
    if hmi_map.mask is not None:
        known &= ~np.asarray(hmi_map.mask, bool)[:ny, :nx]
    tensor = torch.from_numpy(np.where(known, field, 0.0))[None, None]
    visible_fraction = torch.from_numpy(known.astype(np.float64))[None, None]
    visible_fraction = forward.blurred_mean(visible_fraction, MDI, scale)
    reading = forward.observe(tensor, MDI, scale, visible_fraction)[0, 0].numpy()
    rng = np.random.default_rng(seed)
    reading = reading + noise * rng.standard_normal(reading.shape)
    reading[block_reduce(known, FACTOR, np.mean) <= 0.5] = np.nan

    meta = rebin_meta(copy.deepcopy(hmi_map.meta), reading.shape, 1 / FACTOR)
    meta.update(
        bunit="Gauss",
        content="MDI-like magnetogram simulated from HMI",
        siminst="MDI",
        simfwhm=MDI.blur_fwhm,
        simgain=MDI.gain,
        simnoise=noise,
        simseed=-1 if seed is None else int(seed),
        interval=interval,
    )
    simulated = sunpy.map.Map(reading, meta)
    if is_helioprojective(simulated):
        reading[~on_disk_mask(simulated)] = np.nan
    refresh_statistics(meta, reading, np.ones(reading.shape, bool))
    return sunpy.map.Map(reading, meta)
