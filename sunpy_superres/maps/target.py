"""The grid that a result is put on: read, placed in time, and written to the header."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS, FITSFixedWarning

from sunpy_superres.maps.cards import NUMBERS
from sunpy_superres.maps.dates import parse_moment, repair_dates
from sunpy_superres.maps.geometry import on_disk_mask
from sunpy_superres.maps.metadata import observation_time
from sunpy_superres.maps.pixel_cards import counts_pixels
from sunpy_superres.maps.provenance import add_provenance
from sunpy_superres.maps.resampling import Resampler, check_resampling
from sunpy_superres.maps.roll import ROLL_CARDS
from sunpy_superres.maps.times import (
    SIMULTANEOUS,
    at_time_of,
    describe_rotation,
    grid_time,
    is_carrington,
    is_rotation_carried,
)
from sunpy_superres.warning import warn_user

__all__ = ["TargetGrid"]

#: Cards of the old grid and its observer, which a target WCS replaces.
_GRID_CARDS = (
    *NUMBERS,
    *ROLL_CARDS,
    *"xcen ycen fov fovx fovy obs_r0 solar_r solar_b0 car_rot".split(),
)
#: Cards of a WCS, also of an alternate one (such as CTYPE1A), of distortions, and of its time.
_WCS_CARD = re.compile(
    r"(wcsaxes|wcsname|lonpole|latpole|radesys|equinox"
    r"|(ctype|cunit|crpix|crval|cdelt|crota|cname|crder|csyer)\d"
    r"|(pc|cd|pv|ps)\d+_\d+)[a-z]?"
    r"|[ab]p?_(order|dmax|\d+_\d+)|(cp|cq)(dis|err)\d|d[pq]\d.*"
    r"|(date|mjd)-(obs|avg|beg|end)|mjdref[if]?|date_obs|time[-_]obs"
)
#: Cards of the time of observation, which do not fit a field that was turned with the Sun.
_OBSERVED = ("t_obs", "t_rec")
_OBSERVER = ("rsun_ref", "dsun_obs", "crln_obs", "hgln_obs", "hglt_obs")


@dataclass(frozen=True)
class TargetGrid:
    """
    A grid that a result is put on.

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`
        With an ``array_shape``, an observer and a time.
    resampling : str
        One of `~sunpy_superres.maps.resampling.RESAMPLINGS`.
    observed : str
        Time of the field, the middle of its observation, in UTC.
    turned : bool
        Whether the field is turned with the Sun's surface to the time of the grid.
    """

    wcs: WCS
    resampling: str
    observed: str
    turned: bool

    @classmethod
    def read(cls, target, source, resampling="auto") -> TargetGrid:
        """
        Check a target, give it what it lacks of observer and time, and place it in time.

        The grid is taken at the time of the source: its pixels and its observer's place against
        the Earth are the target's, or its Carrington coordinates are, but the Sun is not turned.
        Within `sunpy.coordinates.propagate_with_solar_surface` the grid keeps its own time, and
        the field will be turned to it.

        Parameters
        ----------
        target : `~astropy.wcs.WCS`, `~astropy.io.fits.Header` or dict-like
            A header needs NAXIS1 and NAXIS2, a WCS its ``array_shape``.  It is not changed.
        source : `~sunpy.map.GenericMap`
        resampling : str

        Raises
        ------
        TypeError
            If it is neither a WCS nor a header.
        ValueError
            If it has no shape of two axes, no solar longitude and latitude, or no finite plate
            scale, or the resampling is unknown.

        Warns
        -----
        SuperResWarning
            If the Sun turns by more than half an arcsec between the two times, and the grid is
            neither fixed to the Sun nor is the field turned.
        """
        check_resampling(resampling)
        moment = None
        if isinstance(target, fits.Header | Mapping):
            moment = parse_moment(dict(target).get("T_OBS") or dict(target).get("t_obs"))
            target = _wcs_of_header(target)
        _check(target)
        completed = target.deepcopy()
        completed.array_shape = target.array_shape
        completed.wcs.alt = " "  # an alternate WCS of a file is the main one of the result
        known = source.wcs
        if completed.wcs.aux.dsun_obs is None:
            for name in _OBSERVER:
                setattr(completed.wcs.aux, name, getattr(known.wcs.aux, name))
        observed = observation_time(source)
        apart = _time_apart(moment, completed, observed, known)
        turned = grid_time(completed) is not None and is_rotation_carried(source.date)
        if not turned:
            completed = at_time_of(completed, known)
            if not is_carrington(completed):
                _warn_of_rotation(apart, source)
        return cls(completed, resampling, observed.utc.isot, turned)

    def replace_cards(self, meta):
        """
        Give the metadata of a result the cards of this grid, and find the disk on it.

        Parameters
        ----------
        meta : dict
            Metadata of the result on its own grid.

        Returns
        -------
        meta : dict
            A copy with the new cards.  DATE-OBS is the time of the field; where it was turned with
            the Sun's surface, the time to which it was turned.  SRTOBS is always the time of the
            observation.
        on_disk : numpy.ndarray of bool
            Pixels of this grid that see the Sun.
        """
        shape = self.wcs.array_shape
        dropped = _GRID_CARDS + (_OBSERVED if self.turned else ())
        kept = {
            k: v
            for k, v in meta.items()
            if not (k in dropped or _WCS_CARD.fullmatch(k) or counts_pixels(k))
        }
        meta = kept | write_cards(self.wcs)
        meta["naxis1"], meta["naxis2"] = shape[1], shape[0]
        step = f"resampled to another grid ({self.resampling}); observed {self.observed}"
        if self.turned:
            step += f", turned with the Sun's surface to {meta['date-obs']}"
        cards = {"srtobs": self.observed, "srresamp": self.resampling}
        comments = {"srtobs": "time of the observation (UTC)", "srresamp": "how it was resampled"}
        meta = add_provenance(meta, cards, [step], comments)
        return meta, on_disk_mask(sunpy.map.Map(np.broadcast_to(np.float32(0), shape), meta))

    def prepare(self, known, wcs, on_disk) -> Resampler:
        """
        Find where the pixels of this grid lie in a field of another grid.

        Parameters
        ----------
        known : numpy.ndarray of bool
            Known pixels of the field.
        wcs : `~astropy.wcs.WCS`
            WCS of the field.
        on_disk : numpy.ndarray of bool
            Pixels of this grid that see the Sun.

        Raises
        ------
        ValueError
            If the two have no pixel of the disk in common.
        """
        resampler = Resampler(
            self.wcs, self.wcs.array_shape, wcs, known,
            wanted=lambda rows, columns: on_disk[rows, columns], resampling=self.resampling,
        )  # fmt: skip
        if resampler.box is None:
            raise ValueError(
                "target_wcs and the magnetogram have no pixel of the disk in common; "
                "check CRVAL, CRPIX, CDELT and the observer of target_wcs."
            )
        return resampler


def write_cards(wcs) -> dict:
    """
    Write the cards of a grid, with lower-case names; a helioprojective one in arcsec.

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`
    """
    cards = {k.lower(): v for k, v in wcs.to_header().items() if k != "MJDREF"}
    matrix = wcs.pixel_scale_matrix  # degrees per pixel
    sides = wcs.wcs.cdelt
    if wcs.wcs.has_cd():
        sides = np.hypot(*matrix.T) * np.where(np.diag(matrix) < 0, -1, 1)
    unit = u.arcsec if wcs.wcs.ctype[0].upper().startswith("HP") else u.deg
    for axis, side in enumerate(sides):
        cards[f"cdelt{axis + 1}"] = _round(side * u.deg.to(unit))
        cards[f"crval{axis + 1}"] = _round(wcs.wcs.crval[axis] * u.deg.to(unit))
        cards[f"cunit{axis + 1}"] = str(unit)
        for other in range(2):
            cards[f"pc{axis + 1}_{other + 1}"] = float(matrix[axis, other] / side)
    return cards


def _round(value):
    """Round to the 13 digits that survive the conversion of a unit."""
    return float(f"{value:.13g}")


def _time_apart(moment, target, observed, source) -> float:
    """Return the seconds from the observation to the time of a target; 0 if it has no time."""
    cards, time = target.wcs, grid_time(target)
    if moment is not None:
        return float((Time(moment) - observed).to_value(u.s))
    if time is None:
        return 0.0
    # sunpy gives HMI's T_OBS, the middle, as DATE-AVG.  A DATE-OBS is compared with another one.
    middle = cards.dateavg and cards.dateavg != cards.dateobs
    return float((time - (observed if middle else grid_time(source))).to_value(u.s))


def _warn_of_rotation(apart, source):
    """Warn if the Sun turns between the time of a grid and that of the field."""
    if abs(apart) <= SIMULTANEOUS:
        return
    warn_user(
        f"target_wcs is {abs(apart) / 60:.0f} minutes {'later' if apart > 0 else 'earlier'} than "
        f"the magnetogram, and the Sun's rotation between "
        f"({describe_rotation(abs(apart), source)}) is not undone; the result keeps the time of "
        "the magnetogram.  Call super_resolve within "
        "sunpy.coordinates.propagate_with_solar_surface() to turn the result to the time of "
        "target_wcs."
    )


def _check(target):
    """Refuse a target that is no grid on the Sun with a shape."""
    if not isinstance(target, WCS):
        raise TypeError(
            f"target_wcs must be an astropy WCS or a header, not {type(target).__name__}; "
            "take the .wcs of a Map."
        )
    if target.array_shape is None or target.naxis != 2:
        raise ValueError(
            "target_wcs has no array_shape of two axes; set target_wcs.array_shape = (ny, nx)."
        )
    if not target.has_celestial:
        raise ValueError(
            "target_wcs has no celestial axes; its CTYPEs must be a longitude and a latitude."
        )
    if min(target.array_shape) < 1 or not np.isfinite(target.pixel_scale_matrix).all():
        raise ValueError(
            "target_wcs has no pixels, or no finite plate scale; set its array_shape, CDELT and PC."
        )
    if any((target.sip, target.cpdis1, target.cpdis2, target.det2im1, target.det2im2)):
        raise ValueError(
            "target_wcs has a distortion (SIP or tables), which the header of a result does not "
            "hold; give a copy of it without: WCS(target_wcs.to_header()), with its array_shape."
        )
    if {name[:2] for name in target.wcs.ctype} not in ({"HP"}, {"HG"}, {"CR"}):
        raise ValueError(
            f"The axes of target_wcs are {' and '.join(target.wcs.ctype)}; they must be "
            "helioprojective (HPLN, HPLT) or heliographic (HGLN, HGLT or CRLN, CRLT)."
        )


def _wcs_of_header(header):
    """Make the WCS of a header, with the shape that its NAXIS cards give."""
    meta = {str(k).lower(): v for k, v in dict(header).items() if _is_card(k, v)}
    repair_dates(meta)  # forms of dates that the WCS does not know, and a clock beside a day
    header = fits.Header({k.upper(): v for k, v in meta.items()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)  # cards that wcslib works out
        wcs = WCS(header)
    if wcs.array_shape is None and {"NAXIS1", "NAXIS2"} <= set(header):
        wcs.array_shape = (header["NAXIS2"], header["NAXIS1"])
    return wcs


def _is_card(name, value):
    """Return whether an entry is a card of one value: not HISTORY, COMMENT or keycomments."""
    named = str(name).upper() not in ("HISTORY", "COMMENT", "")
    return named and isinstance(value, str | int | float | np.number)
