"""Regridding: of a reference to the grid of a Map, and of a result to a target grid."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.coordinates import ConvertError
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import pixel_to_pixel
from scipy import ndimage

from sunpy_superres.maps.cards import NUMBERS
from sunpy_superres.maps.fields import known_pixels, to_gauss
from sunpy_superres.maps.geometry import on_disk_mask, plate_scale
from sunpy_superres.maps.metadata import rebin_meta
from sunpy_superres.maps.pixel_cards import counts_pixels
from sunpy_superres.maps.provenance import add_provenance
from sunpy_superres.maps.roll import ROLL_CARDS
from sunpy_superres.warning import warn_user

__all__ = ["TargetGrid", "resample_to", "same_grid"]

#: Grids that differ by less than this many pixels are the same.
_SAME_GRID = 1e-3
#: A reference is averaged, not interpolated, if its pixel over the Map's is smaller than this.
_FINER = 0.75
#: Time in seconds in which the Sun turns by half an arcsec.
_SIMULTANEOUS = 180.0


def _comparable_wcs(smap, reference):
    """
    Prepare the WCS of a reference for the comparison with a Map's.

    A place on a Carrington grid does not depend on the time of observation, but sunpy would turn
    one of two such grids by the rotation between their times: the reference gets the Map's time
    and observer.
    """
    names = [str(m.coordinate_system.axis1).upper()[:4] for m in (smap, reference)]
    if names != ["CRLN", "CRLN"]:
        return reference.wcs
    wcs, target = reference.wcs.deepcopy(), smap.wcs.wcs
    wcs.wcs.dateobs, wcs.wcs.dateavg = target.dateobs, target.dateavg
    wcs.wcs.mjdobs, wcs.wcs.mjdavg = target.mjdobs, target.mjdavg
    for name in ("rsun_ref", "dsun_obs", "crln_obs", "hgln_obs", "hglt_obs"):
        setattr(wcs.wcs.aux, name, getattr(target.aux, name))
    wcs.array_shape = reference.wcs.array_shape
    return wcs


def same_grid(smap, reference) -> bool:
    """Return whether the pixels of two Maps see the same places, to a thousandth of a pixel."""
    if smap.data.shape != reference.data.shape:
        return False
    first, second = smap.wcs, _comparable_wcs(smap, reference)
    observers = [
        [getattr(w.wcs.aux, name) for name in ("dsun_obs", "hgln_obs", "hglt_obs", "crln_obs")]
        for w in (first, second)
    ]
    if observers[0] == observers[1] and first.wcs.compare(second.wcs, tolerance=1e-9):
        return True
    ny, nx = smap.data.shape
    # Five points in the shape of a plus, since the corners of a full disk see no Sun.
    x = np.array([0.5, 0.2, 0.8, 0.5, 0.5]) * (nx - 1)
    y = np.array([0.5, 0.5, 0.5, 0.2, 0.8]) * (ny - 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for points off the disk
            x2, y2 = pixel_to_pixel(first, second, x, y)
    except (ValueError, u.UnitsError, ConvertError):  # no common frame: an observer is missing, say
        return False
    off = np.hypot(x2 - x, y2 - y)
    return bool(np.isfinite(off).any() and np.nanmax(off) < _SAME_GRID)


def resample_to(smap, reference):
    """
    Return a reference, in Gauss, on the grid of a Map, and the mask of its known pixels.

    Where the grids differ, the reference is interpolated with cubic splines.  If its pixels are
    clearly smaller than the Map's, it is interpolated on a finer grid, and then averaged over
    each of the Map's pixels.
    """
    values = to_gauss(reference)
    known = known_pixels(reference, values)
    if same_grid(smap, reference):
        return values, known
    wcs = _comparable_wcs(smap, reference)
    if wcs is reference.wcs:
        apart = abs((reference.date - smap.date).to_value(u.s))
        if apart > _SIMULTANEOUS:
            warn_user(
                f"The maps are {apart / 60:.0f} minutes apart, and the Sun's rotation between is "
                "not undone; reproject one of them to the other's time first "
                "(sunpy.coordinates.propagate_with_solar_surface)."
            )
    scales = [np.mean(plate_scale(m).to_value(u.arcsec / u.pix)) for m in (reference, smap)]
    factor = int(np.ceil(scales[1] / scales[0] - 0.01)) if scales[0] < _FINER * scales[1] else 1
    if factor == 1:
        return _interpolate(values, known, wcs, smap.wcs, smap.data.shape)
    shape = tuple(factor * n for n in smap.data.shape)
    fine = rebin_meta(smap.meta, shape, factor)
    fine = sunpy.map.Map(np.broadcast_to(np.float32(0), shape), fine).wcs
    blocks = (smap.data.shape[0], factor, smap.data.shape[1], factor)
    parts = _interpolate(values, known, wcs, fine, shape)
    moved, complete = (part.reshape(blocks) for part in parts)
    return moved.mean(axis=(1, 3)), complete.all(axis=(1, 3))


def _interpolate(values, known, wcs, target, shape):
    """Interpolate with cubic splines; also return where they use known pixels only."""
    from reproject import reproject_interp

    if not known.all():
        # Holes are filled with the nearest known pixel, so that the splines do not ring.
        nearest = ndimage.distance_transform_edt(
            ~known, return_distances=False, return_indices=True
        )
        values = values[tuple(nearest)]
    # The outermost pixels do not count, since reproject extrapolates half a pixel beyond them.
    inner = np.zeros(known.shape, np.float32)
    inner[1:-1, 1:-1] = known[1:-1, 1:-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # for pixels off the disk
        complete = reproject_interp((inner, wcs), target, shape, return_footprint=False)
        moved = reproject_interp(
            (values, wcs), target, shape, order="bicubic", return_footprint=False
        )
    moved = moved.astype(np.float32)
    return moved, (np.nan_to_num(complete) > 0.99) & np.isfinite(moved)


#: Cards of the old grid and its observer, which a target WCS replaces.
_GRID_CARDS = (
    *NUMBERS,
    *ROLL_CARDS,
    *"ctype1 ctype2 cunit1 cunit2 xcen ycen fov fovx fovy lonpole latpole wcsname".split(),
    *"obs_r0 solar_b0 car_rot".split(),
)


@dataclass(frozen=True)
class TargetGrid:
    """
    A grid that a result is put on.

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`
        With an ``array_shape``, an observer and a time.
    """

    wcs: WCS

    @classmethod
    def read(cls, target, source) -> TargetGrid:
        """
        Check a target, and give it the source's observer or time if its own is missing.

        Parameters
        ----------
        target : `~astropy.wcs.WCS`, `~astropy.io.fits.Header` or dict-like
            A header needs NAXIS1 and NAXIS2, a WCS its ``array_shape``.  It is not changed.
        source : `~sunpy.map.GenericMap`

        Raises
        ------
        TypeError
            If it is neither a WCS nor a header.
        ValueError
            If it has no shape of two axes, no solar longitude and latitude, or no finite plate
            scale.
        """
        if isinstance(target, fits.Header | Mapping):
            target = _wcs_of_header(target)
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
                "target_wcs has no pixels, or no finite plate scale; "
                "set its array_shape, CDELT and PC."
            )
        if {name[:2] for name in target.wcs.ctype} not in ({"HP"}, {"HG"}, {"CR"}):
            raise ValueError(
                f"The axes of target_wcs are {' and '.join(target.wcs.ctype)}; they must be "
                "helioprojective (HPLN, HPLT) or heliographic (HGLN, HGLT or CRLN, CRLT)."
            )
        completed = target.deepcopy()
        completed.array_shape = target.array_shape
        known = source.wcs.wcs
        if completed.wcs.aux.dsun_obs is None:
            for name in ("rsun_ref", "dsun_obs", "crln_obs", "hgln_obs", "hglt_obs"):
                setattr(completed.wcs.aux, name, getattr(known.aux, name))
        if not completed.wcs.dateobs:
            completed.wcs.dateobs = known.dateobs
        return cls(completed)

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
            A copy with the new cards.
        on_disk : numpy.ndarray of bool
            Pixels of this grid that see the Sun.
        """
        shape, observed = self.wcs.array_shape, meta.get("date-obs")
        header = {k.lower(): v for k, v in self.wcs.to_header().items()}
        kept = {k: v for k, v in meta.items() if not (k in _GRID_CARDS or counts_pixels(k))}
        meta = kept | header
        meta["naxis1"], meta["naxis2"] = shape[1], shape[0]
        step = f"resampled to another grid (reproject, adaptive); observed {observed}"
        meta = add_provenance(meta, {}, [step])
        return meta, on_disk_mask(sunpy.map.Map(np.broadcast_to(np.float32(0), shape), meta))

    def find_visible(self, known, wcs, on_disk) -> np.ndarray:
        """
        Find the pixels of this grid on which a field of another grid is known.

        Parameters
        ----------
        known : numpy.ndarray of bool
            Known pixels of the other grid.
        wcs : `~astropy.wcs.WCS`
            WCS of the other grid.
        on_disk : numpy.ndarray of bool
            Pixels of this grid that see the Sun.

        Raises
        ------
        ValueError
            If the two have no pixel of the disk in common.
        """
        from reproject import reproject_interp

        known_here = reproject_interp(
            (known.astype(np.float32), wcs),
            self.wcs,
            self.wcs.array_shape,
            order="nearest-neighbor",
            return_footprint=False,
        )
        visible = on_disk & (known_here == 1)
        if not visible.any():
            raise ValueError(
                "target_wcs and the magnetogram have no pixel of the disk in common; "
                "check CRVAL, CRPIX, CDELT and the observer of target_wcs."
            )
        return visible

    def resample(self, image, wcs, visible) -> np.ndarray:
        """
        Resample an image of another grid to this one, float32; NaN where it is not visible.

        Parameters
        ----------
        image : numpy.ndarray
            NaN where missing; such pixels do not count.
        wcs : `~astropy.wcs.WCS`
            WCS of the image.
        visible : numpy.ndarray of bool
            From `find_visible`.
        """
        from reproject import reproject_adaptive

        moved = reproject_adaptive(
            (image, wcs),
            self.wcs,
            self.wcs.array_shape,
            return_footprint=False,
            bad_value_mode="ignore",
            boundary_mode="ignore",
        )
        return np.where(visible, moved, np.nan).astype(np.float32)


def _wcs_of_header(header):
    """Make the WCS of a header, with the shape that its NAXIS cards give."""
    header = fits.Header({str(k).upper(): v for k, v in dict(header).items() if _is_card(k, v)})
    wcs = WCS(header)
    if wcs.array_shape is None and {"NAXIS1", "NAXIS2"} <= set(header):
        wcs.array_shape = (header["NAXIS2"], header["NAXIS1"])
    return wcs


def _is_card(name, value):
    """Return whether an entry is a card of one value: not HISTORY, COMMENT or keycomments."""
    named = str(name).upper() not in ("HISTORY", "COMMENT", "")
    return named and isinstance(value, str | int | float | np.number)
