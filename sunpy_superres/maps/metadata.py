"""Header cards: rebinned, and with the statistics of new data; and their time."""

from __future__ import annotations

import re

import numpy as np

from sunpy_superres.maps.dates import find_contradictions, read_moment
from sunpy_superres.maps.missing import FILL_CARDS
from sunpy_superres.maps.pixel_cards import rescale_cards

__all__ = ["observation_time", "rebin_meta", "refresh_statistics"]

#: Cards that describe the stored file or statistics of another array.
_DROPPED = (
    "checksum datasum bitpix simple extend xtension pcount gcount tfields "
    "zimage zcmptype zbitpix znaxis znaxis1 znaxis2 ztile1 ztile2 zquantiz zdither0 "
    "dataskew datakurt tot_flux avg_flux mean_fld usfluxl meangbl r_value cmaskl data_rms "
    "d_min0 d_max0 d_mean0 d_medn0 d_rms0 d_skew0 d_kurt0 dvals0 d_rmso npixflux "
    "mtot mnet mpos_tot mneg_tot mmean mstdev mskew mkurt "
    "usflux meangam meangbt meangbz meangbh meanjzd totusjz meanalp meanjzh totusjh absnjzh "
    "savncpp meanpot totpot meanshr shrgt45"
).split()
#: Statistics of further planes or arrays of a record.
_OTHER_STATISTICS = re.compile(
    r"(?:datamin|datamax|datamea|datamed|datarms|dataske|datakur|datavals|missvals)[1-9]"
)

#: Statistics of the data, and how they are computed from the finite pixels.
_STATISTICS = {
    "datamin": np.min,
    "datamax": np.max,
    "datamean": np.mean,
    "datamedn": np.median,
    "datarms": lambda x: np.std(x, dtype=np.float64),  # JSOC's is about the mean
}


def rebin_meta(meta, shape, factor: float) -> dict:
    """
    Change the cards of a Map to those of the same sky on pixels ``factor`` times smaller.

    Pixel edges coincide: CRPIX' = (CRPIX - 0.5) factor + 0.5.  Roll, observer and
    projection stay.  Cards in pixels or arcsec per pixel are converted, those of other WCS of the
    header (CRPIX1A) too; cards that describe the stored file, or statistics that are not computed
    anew, are dropped.

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
        A copy.
    """
    dropped = {*_DROPPED, *FILL_CARDS}
    meta = {
        name: value
        for card, value in dict(meta).items()
        if (name := card.lower()) not in dropped and not _OTHER_STATISTICS.fullmatch(name)
    }
    meta["naxis"], meta["naxis1"], meta["naxis2"] = 2, shape[1], shape[0]
    rescale_cards(meta, factor)
    return meta


def refresh_statistics(meta: dict, data, expected) -> dict:
    """
    Recompute the statistics cards that ``meta`` carries, in place.

    Parameters
    ----------
    meta : dict
    data : numpy.ndarray
    expected : numpy.ndarray of bool
        Where data are expected; pixels that are not finite there count as missing.
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


def observation_time(smap):
    """
    Find the middle of an observation: T_OBS if the header has it, else the Map's date.

    A T_OBS that lies too far from DATE-OBS to be of the same observation does not count.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`

    Returns
    -------
    `~astropy.time.Time`
        UTC.
    """
    stated = read_moment(smap.meta.get("t_obs"), str(smap.meta.get("timesys") or "UTC").upper())
    if stated is None or "t_obs" in find_contradictions(smap.meta):
        return smap.date.utc
    return stated
