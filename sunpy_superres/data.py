"""Magnetograms to try the package on: one simulated in code, and real ones by Fido."""

from __future__ import annotations

import numpy as np
import sunpy.map
from scipy import ndimage

from sunpy_superres.geometry import rebinned_meta
from sunpy_superres.instruments import FACTOR, simulate_mdi

__all__ = ["example_hmi_map", "example_mdi_map", "fetch_mdi"]

#: Cards of a real frame, mdi.fd_M_96m_lev182 of 2010-10-15 00:00 TAI, on which the
#: simulated active region is placed.
_MDI_HEADER = {
    "t_rec": "2010.10.15_00:00:00.000_TAI",
    "t_obs": "2010.10.15_00:03:30.000_TAI",
    "date-obs": "2010-10-15T00:00:26.000",
    "cdelt1": 1.9860081672668457,
    "cdelt2": 1.9860081672668457,
    "crpix1": 512.5771484375,
    "crpix2": 512.1712646484375,
    "crota2": 0.0,
    "car_rot": 2102,
    "crln_obs": 203.46173095703125,
    "crlt_obs": 5.9158711433410645,
    "dsun_obs": 147937426993.65381,
    "rsun_obs": 970.41592291840004,
    "r_sun": 488.62637329101562,
    "rsun_ref": 696000000.0,
    "crval1": 0.0,
    "crval2": 0.0,
    "ctype1": "HPLN-TAN",
    "ctype2": "HPLT-TAN",
    "cunit1": "arcsec",
    "cunit2": "arcsec",
    "bunit": "Gauss",
    "interval": 300.0,
    "camera": "MDI",
    "telescop": "SOHO",
    "wavelnth": 6768,
    "wcsname": "Helioprojective-cartesian",
}
#: First MDI column and row of the example, and its side in MDI pixels.
_CORNER, _SIDE = (560, 600), 128
_SEED = 20101015


def _flux_tubes(rng, shape, number, spread, centre, peak, width):
    """Sum of Gaussian flux tubes scattered about a centre."""
    field = np.zeros(shape)
    positions = rng.normal(centre, spread, (number, 2))
    strengths = peak * rng.gamma(2.0, 0.5, number)
    rows, columns = np.round(positions).astype(int).T
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    np.add.at(field, (rows[inside], columns[inside]), strengths[inside])
    return ndimage.gaussian_filter(field, width) * (2 * np.pi * width**2)


def _network(rng, shape, cell=48.0):
    """Mixed-polarity elements along the borders of supergranules."""
    points = rng.uniform(-cell, np.array(shape) + cell, (int(np.prod(shape) / cell**2 * 1.3), 2))
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    # Nearest and second-nearest cell centre: borders are where they are equally far.
    from scipy.spatial import cKDTree

    distance, _ = cKDTree(points).query(np.column_stack([rows.ravel(), columns.ravel()]), k=2)
    border = np.exp(-(((distance[:, 1] - distance[:, 0]) / 4.0) ** 2)).reshape(shape)
    elements = rng.random(shape) < 0.012 * border
    field = np.where(elements, rng.choice([-1.0, 1.0], shape) * rng.gamma(1.5, 60.0, shape), 0.0)
    return ndimage.gaussian_filter(field, 1.6) * (2 * np.pi * 1.6**2)


def example_hmi_map():
    """
    A simulated active region as HMI would see it, 512 x 512 pixels.

    A bipole of fragmented flux tubes with two spots, network of mixed polarity,
    and noise: **not an observation**.  It lies on the header of a real frame.

    Returns
    -------
    `~sunpy.map.GenericMap`
        Line-of-sight field in Gauss.

    Examples
    --------
    >>> from sunpy_superres.data import example_hmi_map
    >>> example_hmi_map().data.shape
    (512, 512)
    """
    rng = np.random.default_rng(_SEED)
    side = _SIDE * FACTOR
    shape = (side, side)
    field = 0.6 * _network(rng, shape)
    for sign, centre, number in ((-1, (270, 330), 260), (1, (235, 190), 330)):
        field += sign * _flux_tubes(rng, shape, number, (38, 48), centre, 320.0, 2.2)
        field += sign * _flux_tubes(rng, shape, 60, (14, 16), centre, 520.0, 3.5)
    rows, columns = np.mgrid[:side, :side]
    for sign, (row, column), radius, peak in (
        (-1, (272, 345), 17, 2300.0),
        (1, (228, 168), 12, 1900.0),
        (1, (252, 205), 7, 1500.0),
    ):
        distance = np.hypot(rows - row, (columns - column) * 0.9)
        angle = np.arctan2(rows - row, columns - column)
        filaments = 1 + 0.25 * np.sin(23 * angle + 3 * np.sin(5 * angle))
        umbra = np.exp(-((distance / radius) ** 4))
        penumbra = 0.45 * filaments * np.exp(-((distance / (1.9 * radius)) ** 6))
        inside = np.exp(-((distance / (2.0 * radius)) ** 8))
        field = field * (1 - inside) + sign * peak * np.maximum(umbra, penumbra)
    field = ndimage.gaussian_filter(3000 * np.tanh(field / 3000), 0.8)
    field += ndimage.gaussian_filter(rng.standard_normal(shape), 0.6) * 14.0
    meta = dict(_MDI_HEADER)
    for axis, corner in zip("12", _CORNER, strict=True):
        meta["crpix" + axis] -= corner
    meta = rebinned_meta(meta, shape, FACTOR)
    meta["content"] = "Simulated active region on HMI pixels, not an observation"
    return sunpy.map.Map(field, meta)


def example_mdi_map():
    """
    The simulated active region as MDI would see it, 128 x 128 pixels.

    `example_hmi_map` through `~sunpy_superres.simulate_mdi`, with 12 G of noise:
    **not an observation**, as its CONTENT says.

    Returns
    -------
    `~sunpy.map.GenericMap`
        Line-of-sight field in Gauss, on MDI's scale.

    Examples
    --------
    >>> from sunpy_superres.data import example_mdi_map
    >>> example_mdi_map().meta["content"]
    'Simulated active region on MDI pixels, not an observation'
    """
    simulated = simulate_mdi(example_hmi_map(), seed=_SEED)
    meta = dict(simulated.meta)
    meta["content"] = "Simulated active region on MDI pixels, not an observation"
    return sunpy.map.Map(simulated.data, meta)


def fetch_mdi(time, *, path=None, progress=True):
    """
    Fetch the real full-disk magnetogram nearest to a time, through Fido.

    Parameters
    ----------
    time : str or `~astropy.time.Time`
        Between 1996 and 2011.
    path : path-like, optional
        Where the file goes; sunpy's download folder by default.
    progress : bool
        Show sunpy's progress bar.

    Returns
    -------
    `~sunpy.map.GenericMap`

    Raises
    ------
    ValueError
        If no frame was found within 100 minutes.
    ConnectionError
        If the archive cannot be reached.
    """
    import astropy.units as u
    from sunpy.net import Fido
    from sunpy.net import attrs as a
    from sunpy.time import parse_time

    from sunpy_superres.files import read_map

    moment = parse_time(time)
    window = a.Time(moment - 100 * u.min, moment + 100 * u.min, near=moment)
    try:
        found = Fido.search(
            window, a.Instrument.mdi, a.Physobs.los_magnetic_field, a.Provider("SDAC")
        )
        if not len(found) or not len(found[0]):
            raise ValueError(
                f"No MDI magnetogram within 100 minutes of {moment.isot}; MDI observed from "
                "1996 to 2011, with gaps: try another time."
            )
        fetched = Fido.fetch(found[0][:1], path=path, progress=progress)
    except OSError as error:
        raise ConnectionError(
            f"The archive cannot be reached ({error}); check the network, or give a file of "
            "your own to sunpy_superres.read_map."
        ) from error
    if fetched.errors or not fetched:
        raise ConnectionError(
            f"The archive did not give the file ({fetched.errors}); try again later."
        )
    return read_map(fetched[0])
