"""Magnetograms to try the package on: a real one, a simulated one, and those of an archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import sunpy.map
from scipy import ndimage
from scipy.spatial import cKDTree

from sunpy_superres.instruments import FACTOR
from sunpy_superres.maps.metadata import rebin_meta
from sunpy_superres.maps.reading import read_map
from sunpy_superres.maps.simulation import simulate_mdi

__all__ = ["example_hmi_map", "example_mdi_map", "fetch_mdi", "sample_mdi_map"]

#: Cut-out of mdi.fd_M_96m_lev182 of 1999-12-11; tools/sample_cutout.py made it.
_SAMPLE = Path(__file__).with_name("sample_mdi.fits")

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


def _smooth_noise(rng, shape, width):
    """Make Gaussian noise of unit variance, smooth over ``width`` pixels."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), width, mode="wrap")
    return noise / noise.std()


def _clumps(rng, shape, contrast):
    """Make clumps of flux as granulation leaves them: log-normal, of mean 1, on two scales."""
    noise = 0.8 * _smooth_noise(rng, shape, 1.6) + 0.6 * _smooth_noise(rng, shape, 5.0)
    return np.exp(contrast * noise - contrast**2 / 2)


def _lanes(rng, shape, cell=56.0):
    """Make borders of supergranules: 1 where two cell centres are equally near, 0 inside."""
    count = int(np.prod([n + 2 * cell for n in shape]) / cell**2)
    points = np.column_stack([rng.uniform(-cell, n + cell, count) for n in shape])
    warp = [6.0 * _smooth_noise(rng, shape, 9.0) for _ in shape]
    where = np.stack([i + w for i, w in zip(np.indices(shape), warp, strict=True)], axis=-1)
    distance, _ = cKDTree(points).query(where, k=2)
    return np.exp(-(((distance[..., 1] - distance[..., 0]) / 5.0) ** 2))


def _bump(shape, centre, radii, power=2):
    """Compute exp(-r^power) about a centre, with r in units of the two radii."""
    rows, columns = np.indices(shape)
    distance = np.hypot((rows - centre[0]) / radii[0], (columns - centre[1]) / radii[1])
    return np.exp(-(distance**power))


def example_hmi_map():
    """
    Make a simulated active region as HMI would see it, 512 x 512 pixels.

    A bipole of clumped plage with three spots, network of mixed polarity,
    and noise: **not an observation**.  Its coordinates are from the header of a real frame.

    Returns
    -------
    `~sunpy.map.GenericMap`
        Line-of-sight field in Gauss.

    Examples
    --------
    >>> from sunpy_superres.maps.examples import example_hmi_map
    >>> example_hmi_map().data.shape
    (512, 512)
    """
    rng = np.random.default_rng(_SEED)
    shape = (_SIDE * FACTOR, _SIDE * FACTOR)
    lanes = _lanes(rng, shape)
    polarity = np.tanh(2 * _smooth_noise(rng, shape, 12.0))
    field = 45.0 * polarity * lanes * _clumps(rng, shape, 1.6)
    for sign, centre, radii in ((-1, (275, 325), (75, 95)), (1, (228, 190), (80, 110))):
        plage = _bump(shape, centre, radii) * (0.35 + 0.65 * lanes)
        field += sign * 330.0 * plage * _clumps(rng, shape, 1.2)
    for sign, centre, radius, peak in (
        (-1, (278, 345), 24, 2300.0),
        (1, (230, 165), 16, 1900.0),
        (1, (262, 215), 9, 1500.0),
    ):
        rows, columns = np.indices(shape)
        angle = np.arctan2(rows - centre[0], columns - centre[1])
        filaments = 1 + 0.3 * np.sin(26 * angle + 2 * _smooth_noise(rng, shape, 8.0))
        umbra = _bump(shape, centre, (radius, 0.9 * radius), 4)
        penumbra = 0.42 * filaments * _bump(shape, centre, (1.9 * radius, 1.75 * radius), 6)
        inside = _bump(shape, centre, (2.1 * radius, 1.9 * radius), 8)
        field = field * (1 - inside) + sign * peak * np.maximum(umbra, penumbra)
    field = ndimage.gaussian_filter(2600 * np.tanh(field / 2600), 0.7)
    field += ndimage.gaussian_filter(rng.standard_normal(shape), 0.6) * 14.0
    meta = dict(_MDI_HEADER)
    for axis, corner in zip("12", _CORNER, strict=True):
        meta["crpix" + axis] -= corner
    meta = rebin_meta(meta, shape, FACTOR)
    meta["content"] = "Simulated active region on HMI pixels, not an observation"
    meta |= {"telescop": "SDO/HMI", "instrume": "HMI_SIMULATED"}
    # Without T_OBS sunpy takes DATE-OBS for the observer, as it does for MDI.
    del meta["camera"], meta["interval"], meta["t_obs"]
    return sunpy.map.Map(field, meta)


def example_mdi_map():
    """
    Make the simulated active region as MDI would see it, 128 x 128 pixels.

    `example_hmi_map` through `~sunpy_superres.simulate_mdi`, with 12 G of noise:
    **not an observation**, as its CONTENT says.

    Returns
    -------
    `~sunpy.map.GenericMap`
        Line-of-sight field in Gauss, on MDI's scale.

    Examples
    --------
    >>> from sunpy_superres.maps.examples import example_mdi_map
    >>> example_mdi_map().meta["content"]
    'Simulated active region on MDI pixels, not an observation'
    """
    simulated = simulate_mdi(example_hmi_map(), seed=_SEED)
    meta = dict(simulated.meta)
    meta["content"] = "Simulated active region on MDI pixels, not an observation"
    meta |= {name: _MDI_HEADER[name] for name in ("camera", "telescop", "t_obs")}
    del meta["instrume"]
    return sunpy.map.Map(simulated.data, meta)


def sample_mdi_map():
    """
    Read the real magnetogram that the package holds, 128 x 128 pixels.

    Two young active regions and the network around them, near disk centre: a cut-out of the
    full-disk frame mdi.fd_M_96m_lev182 of 1999-12-11 00:00 TAI (30 s, level 1.8.2).  No HMI frame
    shows what it really looked like; where a truth is needed, there is `example_hmi_map`.

    Returns
    -------
    `~sunpy.map.GenericMap`
        Line-of-sight field in Gauss, on MDI's scale.

    Notes
    -----
    Credit: SOHO/MDI, ESA & NASA, SOI/MDI team.

    Examples
    --------
    >>> from sunpy_superres.data import sample_mdi_map
    >>> mdi_map = sample_mdi_map()
    >>> mdi_map.date.isot, mdi_map.data.shape
    ('1999-12-10T23:58:43.000', (128, 128))
    """
    return read_map(_SAMPLE, "MDI")


def fetch_mdi(time, *, path=None, progress=True):
    """
    Fetch the real full-disk magnetogram nearest to a time, through Fido.

    Parameters
    ----------
    time : str or `~astropy.time.Time`
        Between 1996 and 2011.
    path : path-like, optional
        Folder of the downloaded file; sunpy's download folder by default.
    progress : bool
        Show sunpy's progress bar.

    Returns
    -------
    `~sunpy.map.GenericMap`

    Raises
    ------
    ValueError
        If the archive has no frame within 100 minutes of the time.
    ConnectionError
        If the archive does not answer, or does not give the file.
    ImportError
        Without the extra ``fetch``.
    """
    import astropy.units as u
    from sunpy.time import parse_time

    try:
        from sunpy.net import Fido
        from sunpy.net import attrs as a
    except ImportError as error:
        raise ImportError(
            "fetch_mdi needs sunpy's clients of archives: pip install 'sunpy_superres[fetch]', or "
            "give a file of your own to sunpy_superres.read_map."
        ) from error

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
            f"The archive does not answer ({error}); check the network, or give a file of "
            "your own to sunpy_superres.read_map."
        ) from error
    if fetched.errors or not fetched:
        raise ConnectionError(
            f"The archive did not give the file ({fetched.errors}); try again later."
        )
    return read_map(fetched[0], "MDI")
