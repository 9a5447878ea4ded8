"""Header cards: rebinned, with the statistics of new data, with provenance; and their time."""

from __future__ import annotations

import textwrap

import numpy as np
from sunpy.time import parse_time

from sunpy_superres.maps.cards import is_finite_number

__all__ = ["add_provenance", "observation_time", "rebin_meta", "refresh_statistics"]

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


def rebin_meta(meta, shape, factor: float) -> dict:
    """
    Change the cards of a Map to those of the same sky on pixels ``factor`` times smaller.

    Pixel edges coincide: CRPIX' = (CRPIX - 0.5) factor + 0.5.  Roll, observer and
    projection stay.  Cards in pixels or arcsec per pixel are converted; cards that
    describe the stored file, or statistics that are not computed anew, are dropped.

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
    meta = {k.lower(): v for k, v in dict(meta).items() if k.lower() not in _DROPPED}
    meta["naxis"], meta["naxis1"], meta["naxis2"] = 2, shape[1], shape[0]
    for axis in ("1", "2"):
        meta["crpix" + axis] = (float(meta["crpix" + axis]) - 0.5) * factor + 0.5
        if "cdelt" + axis in meta:
            meta["cdelt" + axis] = float(meta["cdelt" + axis]) / factor
    for name in ("cd1_1", "cd1_2", "cd2_1", "cd2_2", *_PLATE_SCALES):
        if is_finite_number(meta.get(name)):
            meta[name] = float(meta[name]) / factor
    for name in _PIXEL_LENGTHS:
        if is_finite_number(meta.get(name)):
            meta[name] = float(meta[name]) * factor
    for name in ("x0", "y0"):  # counted from 0 at the centre of the first pixel
        if is_finite_number(meta.get(name)):
            meta[name] = (float(meta[name]) + 0.5) * factor - 0.5
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


def add_provenance(meta, cards, steps) -> dict:
    """
    Add cards and HISTORY lines that say how a result was made.

    Characters outside ASCII are written as escapes with a backslash.  Numbers that are not finite
    are left out, since FITS has no card for them.

    Parameters
    ----------
    meta : dict-like
        FITS cards, lower-case names.
    cards : dict
        Cards to add or to replace.
    steps : list of str
        Lines to add to HISTORY.

    Returns
    -------
    dict
        A copy.
    """
    meta = dict(meta) | {k: _to_ascii(v) if isinstance(v, str) else v for k, v in cards.items()}
    before = str(meta.get("history", "")).strip().splitlines()
    # A HISTORY card holds 72 characters; a longer line would be read back as two.
    lines = [
        piece for line in before + steps for piece in textwrap.wrap(_to_ascii(line), 72) or [""]
    ]
    meta["history"] = "\n".join(lines)
    return {k: v for k, v in meta.items() if not isinstance(v, float) or np.isfinite(v)}


def _to_ascii(text):
    return text.encode("ascii", "backslashreplace").decode()


def observation_time(smap):
    """
    Find the middle of an observation: T_OBS if the header has it, else the Map's date.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`

    Returns
    -------
    `~astropy.time.Time`
        UTC.
    """
    stamp = smap.meta.get("t_obs")
    try:
        return parse_time(stamp).utc if stamp else smap.date.utc
    except ValueError:
        return smap.date.utc
