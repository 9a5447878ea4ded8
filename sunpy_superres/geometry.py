"""Plate scale, WCS and disk geometry of magnetograms, and the metadata that follows them."""

from __future__ import annotations

import astropy.units as u
import numpy as np

__all__ = [
    "heliocentric_mu",
    "is_helioprojective",
    "on_disk_mask",
    "plate_scale",
    "rebinned_meta",
    "refresh_statistics",
]

#: Cards that describe the stored file or statistics of another array.
_DROPPED = (
    "checksum datasum bscale bzero blank bitpix simple extend xtension pcount gcount tfields "
    "zimage zcmptype zbitpix znaxis znaxis1 znaxis2 ztile1 ztile2 zquantiz zdither0 zblank "
    "dataskew datakurt tot_flux avg_flux mean_fld usfluxl meangbl r_value cmaskl "
    "d_min0 d_max0 d_mean0 d_medn0 d_rms0 d_skew0 d_kurt0 dvals0 d_rmso npixflux "
    "center_x center_y mdi_x0 mdi_y0 plate_x plate_y"
).split()

#: Lengths in pixels.
_PIXEL_LENGTHS = ("r_sun", "crop_rad")

#: Plate scales beside CDELT, in arcsec per pixel.
_PLATE_SCALES = ("im_scale", "fd_scale", "xscale", "yscale", "imscl_mp")

#: Statistics of the data, and how they are computed from the finite pixels.
_STATISTICS = {
    "datamin": np.min,
    "datamax": np.max,
    "datamean": np.mean,
    "datamedn": np.median,
    "datarms": lambda x: np.std(x, dtype=np.float64),  # JSOC's is about the mean
}


def is_helioprojective(smap) -> bool:
    """Whether the Map's axes are helioprojective longitude and latitude."""
    return smap.coordinate_system.axis1.upper().startswith("HPLN")


def plate_scale(smap) -> u.Quantity:
    """
    Size of a pixel along both axes.

    For a heliographic (CEA) grid this is the angle that the pixel subtends at disk centre.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`

    Returns
    -------
    `~astropy.units.Quantity`
        Arcsec per pixel, shape (2,).
    """
    scale = u.Quantity([abs(smap.scale.axis1), abs(smap.scale.axis2)])
    if is_helioprojective(smap):
        return scale.to(u.arcsec / u.pix)
    length = (scale * u.pix).to_value(u.rad) * smap.rsun_meters
    return (
        (length / (smap.dsun - smap.rsun_meters)).decompose().value
        * u.rad.to(u.arcsec)
        * u.arcsec
        / u.pix
    )


def heliocentric_mu(smap, rows=None) -> np.ndarray:
    """
    Cosine of the heliocentric angle; NaN off the disk.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        Helioprojective, or heliographic with CRLN/HGLN and CRLT/HGLT axes.
    rows : slice, optional
        Only these rows, to save memory.

    Returns
    -------
    numpy.ndarray
        Shape ``(ny, nx)`` of the rows asked for.
    """
    ny, nx = smap.data.shape
    y = np.arange(ny)[rows if rows is not None else slice(None)]
    longitude, latitude = smap.wcs.pixel_to_world_values(
        np.arange(nx)[None, :], y[:, None].astype(float)
    )
    unit1, unit2 = (u.Unit(unit) for unit in smap.wcs.wcs.cunit)
    longitude, latitude = longitude * unit1.to(u.rad), latitude * unit2.to(u.rad)
    # Distances in solar radii; the observer stands at ``distance``.
    distance = (smap.dsun / smap.rsun_meters).to_value(u.one)
    if is_helioprojective(smap):
        # Same radius as the limb in the header, whatever reference radius it used.
        limb = smap.rsun_obs.to_value(u.rad)
        sine = np.sqrt(np.clip(1 - (np.cos(longitude) * np.cos(latitude)) ** 2, 0, None))
        relative = sine / np.sin(limb)
        # rho is the angle at the observer, scaled so that the limb is where the header says.
        with np.errstate(invalid="ignore"):
            rho = np.arcsin(np.where(relative <= 1, relative / distance, np.nan))
            return np.cos(np.arcsin(relative) - rho)
    origin = 0.0
    if smap.coordinate_system.axis1.upper().startswith("CRLN"):
        origin = smap.carrington_longitude.to_value(u.rad)
    else:
        origin = smap.heliographic_longitude.to_value(u.rad)
    tilt = smap.heliographic_latitude.to_value(u.rad)
    mu = np.sin(latitude) * np.sin(tilt) + np.cos(latitude) * np.cos(tilt) * np.cos(
        longitude - origin
    )
    return np.where(mu * distance >= 1, mu, np.nan)


def on_disk_mask(smap) -> np.ndarray:
    """
    True where the centre of a pixel sees the photosphere.

    From the geometry alone, never from the data.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`

    Returns
    -------
    numpy.ndarray of bool
        Shape ``(ny, nx)``.
    """
    ny = smap.data.shape[0]
    chunk = max(1, 2**21 // smap.data.shape[1])
    return np.concatenate(
        [
            np.isfinite(heliocentric_mu(smap, slice(start, start + chunk)))
            for start in range(0, ny, chunk)
        ]
    )


def rebinned_meta(meta, shape, factor: float) -> dict:
    """
    Metadata of the same sky on pixels ``factor`` times smaller.

    Pixel edges coincide: CRPIX' = (CRPIX - 0.5) factor + 0.5.  Roll, observer and
    projection stay.  Cards in pixels or arcsec per pixel follow; cards that
    describe the stored file are dropped.

    Parameters
    ----------
    meta : dict-like
        FITS cards.
    shape : tuple of int
        New ``(ny, nx)``.
    factor : float
        4 from MDI to HMI pixels, 1/4 back.

    Returns
    -------
    dict
    """
    meta = {k.lower(): v for k, v in dict(meta).items() if k.lower() not in _DROPPED}
    meta["naxis"], meta["naxis1"], meta["naxis2"] = 2, shape[1], shape[0]
    for axis in ("1", "2"):
        meta["crpix" + axis] = (float(meta["crpix" + axis]) - 0.5) * factor + 0.5
        if "cdelt" + axis in meta:
            meta["cdelt" + axis] = float(meta["cdelt" + axis]) / factor
    for name in ("cd1_1", "cd1_2", "cd2_1", "cd2_2", *_PLATE_SCALES):
        if _is_number(meta.get(name)):
            meta[name] = float(meta[name]) / factor
    for name in _PIXEL_LENGTHS:
        if _is_number(meta.get(name)):
            meta[name] = float(meta[name]) * factor
    for name in ("x0", "y0"):  # counted from 0 at the centre of the first pixel
        if _is_number(meta.get(name)):
            meta[name] = (float(meta[name]) + 0.5) * factor - 0.5
    return meta


def _is_number(value) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def refresh_statistics(meta: dict, data, expected) -> dict:
    """
    Recompute the statistics cards that ``meta`` carries, in place.

    Parameters
    ----------
    meta : dict
    data : numpy.ndarray
    expected : numpy.ndarray of bool
        Where there should be data; what is not finite there counts as missing.
    """
    finite = data[np.isfinite(data)]
    for name, statistic in _STATISTICS.items():
        if name in meta:
            if finite.size:
                meta[name] = float(statistic(finite))
            else:
                del meta[name]
    if "datavals" in meta:
        meta["datavals"] = int(finite.size)
    if "missvals" in meta:
        meta["missvals"] = int(np.count_nonzero(expected & ~np.isfinite(data)))
    return meta
