"""MDI-like frames from HMI ones."""

from __future__ import annotations

import copy

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.nddata import block_reduce

from sunpy_superres.instruments import FACTOR, HMI, MDI
from sunpy_superres.maps.fields import known_pixels, warn_of_values
from sunpy_superres.maps.geometry import is_helioprojective, on_disk_mask, plate_scale
from sunpy_superres.maps.metadata import rebin_meta, refresh_statistics
from sunpy_superres.maps.provenance import retire_record
from sunpy_superres.maps.refusals import check_is_map, explain_scale, format_scale
from sunpy_superres.maps.units import field_unit, quantity_in
from sunpy_superres.torch_state import own_torch_state

__all__ = ["simulate_mdi"]

#: Kinds of resampling.
_RESAMPLINGS = ("bilinear", "nearest")


@own_torch_state()
def simulate_mdi(
    hmi_map,
    *,
    seed=None,
    noise=12 * u.G,
    interval=300 * u.s,
    resampling=None,
    angle=0 * u.deg,
):
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
    resampling : {None, "bilinear", "nearest"}
        Observe on pixels that are rotated and shifted against the grid of the result, and resample
        them to it as software does that rotates, derotates or reprojects frames: "bilinear"
        interpolates between four pixels, which correlates and lowers their noise; "nearest"
        copies the nearest, so that the field is displaced by up to half a pixel, and some
        pixels are repeated.
    angle : `~astropy.units.Quantity`
        Angle of this rotation, about the middle of the map.  The shift is up to half a pixel along
        each axis, and drawn with the seed.

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
        pixel, ``noise`` or ``interval`` is not a non-negative quantity of its unit, ``angle`` is
        no angle, or ``resampling`` is unknown.

    Warns
    -----
    SuperResWarning
        If the map holds what look like numbers for missing data, or values of one sign only.

    References
    ----------
    Liu et al. (2012), Solar Physics 279, 295.
    """
    import torch

    check_is_map(hmi_map, "simulate_mdi")
    scales = plate_scale(hmi_map).to_value(u.arcsec / u.pix)
    scale = float(np.mean(scales))
    if not HMI.is_full_resolution(scale):
        why = explain_scale(hmi_map, scales, HMI)
        raise ValueError(
            f"The plate scale is {format_scale(scale)} arcsec/pixel; simulate_mdi needs a map at "
            f"HMI's full resolution, {HMI.plate_scale:.1f} arcsec/pixel"
            f"{f'. {why}.' if why else ', such as a full disk of hmi.M_720s or a SHARP.'}"
        )
    noise, interval = quantity_in("noise", noise, u.G), quantity_in("interval", interval, u.s)
    if resampling not in (None, *_RESAMPLINGS):
        raise ValueError(
            f"resampling must be {', '.join(map(repr, _RESAMPLINGS))} or None, not {resampling!r}."
        )
    angle = quantity_in("angle", angle, u.deg, smallest=-360.0)
    ny, nx = (n // FACTOR * FACTOR for n in hmi_map.data.shape)
    if not ny or not nx:
        raise ValueError(f"The map of {hmi_map.data.shape} pixels is smaller than one MDI pixel.")
    warn_of_values(hmi_map)
    unit = field_unit(hmi_map) or u.G  # SHARP series leave BUNIT out of some files
    field = np.asarray(hmi_map.data, dtype=np.float64)[:ny, :nx] * unit.to(u.G)
    known = known_pixels(hmi_map, np.asarray(hmi_map.data, np.float64) * unit.to(u.G))[:ny, :nx]
    tensor = torch.from_numpy(np.where(known, field, 0.0))[None, None]
    known_part = torch.from_numpy(known.astype(np.float64))[None, None]
    rng = np.random.default_rng(seed)
    if resampling is None:
        reading = _observe(tensor, known_part, scale)
        reading = reading + noise * rng.standard_normal(reading.shape)
        lost = block_reduce(known, FACTOR, np.mean) <= 0.5
    else:
        reading, lost = _observe_resampled(
            tensor, known_part, scale, noise, rng, angle, resampling == "nearest"
        )
    reading[lost] = np.nan

    meta = rebin_meta(retire_record(copy.deepcopy(hmi_map.meta)), reading.shape, 1 / FACTOR)
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
    if resampling is not None:
        meta.update(simresam=resampling, simangle=angle)
    simulated = sunpy.map.Map(reading, meta)
    if is_helioprojective(simulated):
        reading[~on_disk_mask(simulated)] = np.nan
    refresh_statistics(meta, reading, np.ones(reading.shape, bool))
    return sunpy.map.Map(reading, meta)


def _observe(field, known, scale):
    """Return MDI's readings of a field without noise; ``known`` is 1 where the field is."""
    from sunpy_superres.instruments import forward

    visible_fraction = forward.blurred_mean(known, MDI, scale)
    return forward.observe(field, MDI, scale, visible_fraction)[0, 0].numpy()


def _observe_resampled(field, known, scale, noise, rng, angle, nearest):
    """Return readings with noise that were resampled, and which of them are lost."""
    import torch
    from torch.nn import functional as F

    from sunpy_superres.instruments import forward
    from sunpy_superres.instruments.resampling import native_pixels

    shape = tuple(n // FACTOR for n in field.shape[-2:])
    shift = torch.from_numpy(rng.uniform(-0.5, 0.5, (1, 2)))
    native = native_pixels(
        shape, torch.deg2rad(torch.tensor([angle], dtype=torch.float32)), shift, nearest=nearest
    )
    mean, visible_fraction = (
        native.sample(forward.blurred_mean(part, MDI, scale, step=1), FACTOR)
        for part in (field, known)
    )
    reading = forward.respond(mean / visible_fraction.clamp(min=0.05), MDI)
    rows, columns = native.index
    size = [int(index.max() - index.min()) + 1 for index in (rows, columns)]
    white = torch.from_numpy(rng.standard_normal((1, *size)))
    frame = native.combine(reading + noise * native.take(white))
    lost = native.sample(F.avg_pool2d(known, FACTOR, stride=1), FACTOR) <= 0.5
    return frame[0, 0].numpy(), native.combine(lost.double())[0, 0].numpy() > 0
