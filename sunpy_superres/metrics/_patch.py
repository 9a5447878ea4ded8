"""Regions on the grid of a Map, and on the equal-area grid that SHARP and SMARP use."""

from __future__ import annotations

from functools import cached_property

import astropy.units as u
import numpy as np
from astropy.wcs import WCS
from scipy import ndimage

from sunpy_superres.maps.geometry import (
    find_pixels,
    from_heliographic,
    is_helioprojective,
    to_heliographic,
)
from sunpy_superres.metrics._fields import Field, bounding_box
from sunpy_superres.metrics.regions import label_regions

#: Pixel of SHARP's grid in degrees, for pixels of about half an arcsec; SMARP's is 4 times that.
SHARP_PIXEL = 0.03
#: Margin, in Mm, around a region in which the members' own outline is looked for.
_MARGIN = 30.0


class Patch:
    """
    A region of a Map, and where it lies on a cylindrical equal-area (CEA) grid.

    Parameters
    ----------
    grid : Grid
        Of the whole Map.
    mask : numpy.ndarray of bool
        The region, ``(ny, nx)``.
    active : numpy.ndarray of bool, optional
        Pixels of strong field, where they are known beforehand, ``(ny, nx)``.
    others : numpy.ndarray of bool, optional
        Give it, with the pixels of all other regions, if the region was found in the field: each
        field that is measured then gets the outline that is found in it.
    box : bool
        R counts all pixels of the Map, as in JSOC's patches, not only those of the mask.

    Attributes
    ----------
    slices : tuple of slice
        Rows and columns of the Map that are measured.
    """

    def __init__(self, grid, mask, *, active=None, others=None, box=False):
        margin = 3 if others is None else int(np.ceil(_MARGIN / grid.pixel_length))
        slices = [slice(0, n) for n in mask.shape]
        if is_helioprojective(grid.map) or others is not None:
            slices = [
                slice(max(0, s.start - margin), min(n, s.stop + margin))
                for s, n in zip(bounding_box(mask), mask.shape, strict=True)
            ]
        self.slices = tuple(slices)
        self.grid = grid.crop(*self.slices)
        self.mask = mask[self.slices]
        self.active = None if active is None else active[self.slices]
        self.box = box
        self._others = None if others is None else others[self.slices]

    def cut(self, values, known):
        """Cut values in Gauss to the patch; unknown ones become 0.  Say which are known."""
        values, known = values[self.slices], known[self.slices]
        return np.where(known, values, np.float32(0)), known

    def cut_field(self, field):
        """Cut a `Field` on the same grid to the patch, as `cut` does with arrays."""
        return field.values[self.slices], field.mask[self.slices]

    def outline(self, values, known):
        """Find the region in a field: the mask, or what of the field's own regions touches it."""
        if self._others is None:
            return self.mask & known
        known = known & ~self._others
        if not known.any():
            return known
        field = Field.on(self.grid, values, known)
        labels = label_regions(field, minimum_area=0 * u.Mm**2).labels
        touching = np.unique(labels[self.mask])
        return np.isin(labels, touching[touching > 0])

    @cached_property
    def plane(self):
        """WCS of the CEA grid, and its shape; those of the Map if this is such a grid."""
        smap, shape = self.grid.map, self.grid.shape
        if not is_helioprojective(smap):
            return None, shape
        places = self.grid.positions[:, self.mask]
        places = places[:, np.isfinite(places).all(0)]
        middle = to_heliographic(places.mean(1), smap)
        wcs = _cea(*(angle.to_value(u.deg) for angle in middle), pixel_of_plane(self.grid))
        angles = (angle.to_value(u.deg) for angle in to_heliographic(places, smap))
        corners = np.array(wcs.wcs_world2pix(*angles, 0))
        low, high = np.floor(corners.min(1)) - 1, np.ceil(corners.max(1)) + 2
        wcs.wcs.crpix -= low
        return wcs, tuple(int(n) for n in (high - low)[::-1])

    @cached_property
    def _coordinates(self):
        """Rows and columns of the Map that the CEA pixels lie at."""
        wcs, shape = self.plane
        y, x = np.mgrid[: shape[0], : shape[1]]
        longitude, latitude = wcs.wcs_pix2world(x.ravel(), y.ravel(), 0)
        vectors = from_heliographic(longitude * u.deg, latitude * u.deg, self.grid.map)
        x, y = find_pixels(self.grid.map, vectors)
        outside = -10.0  # beyond the edge, where there is nothing
        return np.nan_to_num(np.stack([y, x]), nan=outside).reshape(2, *shape)

    def on_plane(self, array):
        """Bring an array of the patch to the CEA grid: numbers by cubic splines, masks as is."""
        if self.plane[0] is None:
            return array
        if array.dtype == bool:
            return ndimage.map_coordinates(
                array.astype(np.uint8), self._coordinates, order=0, mode="constant"
            ).astype(bool)
        return ndimage.map_coordinates(
            array, self._coordinates, order=3, mode="constant", output=np.float32
        )


def pixel_of_plane(grid) -> float:
    """Return the side of a pixel of the CEA grid on which a Map is measured, in degrees."""
    if is_helioprojective(grid.map):
        return SHARP_PIXEL * max(1, round(grid.scale / 0.5))
    return float(np.mean([(abs(s) * u.pix).to_value(u.deg) for s in grid.map.scale]))


def _cea(longitude, latitude, pixel):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["HGLN-CEA", "HGLT-CEA"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.crval = [longitude, latitude]
    wcs.wcs.cdelt = [pixel, pixel]
    wcs.wcs.crpix = [1.0, 1.0]
    return wcs
