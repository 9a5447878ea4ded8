"""Active regions: their places, sizes, fluxes and tilts, and whether two Maps agree on them."""

from __future__ import annotations

from dataclasses import dataclass

import astropy.units as u
import numpy as np
import scipy.fft
from astropy.stats import gaussian_sigma_to_fwhm
from astropy.table import QTable
from scipy import ndimage

from sunpy_superres.maps.geometry import sphere_vectors, to_heliographic
from sunpy_superres.maps.units import quantity_in
from sunpy_superres.metrics._docstrings import fill_docstring
from sunpy_superres.metrics._fields import Field, Pair
from sunpy_superres.metrics._tables import FullQTable
from sunpy_superres.metrics.physics import MX

__all__ = [
    "ActiveRegions",
    "Bipole",
    "active_regions",
    "bipole",
    "dice",
    "jaccard",
]

#: Default threshold of each method.
_THRESHOLDS = {"smoothed": 50 * u.G, "pixels": 100 * u.G}


@dataclass(frozen=True)
class ActiveRegions:
    """
    Active regions of a magnetogram; see `active_regions`.

    Parameters
    ----------
    labels : numpy.ndarray of int
        0 outside, else the number of the region, ``(ny, nx)``.
    table : `~astropy.table.QTable`
        A row for each region, the largest first: ``label``; ``area`` on the sphere (Mm^2) and
        ``msh``, the same in millionths of a solar hemisphere; ``unsigned_flux``,
        ``net_flux`` (Mx); ``longitude`` from the central meridian and ``latitude`` of the
        centre of unsigned flux (deg, heliographic); ``peak``, the largest ``|B|`` (G).
    """

    labels: np.ndarray
    table: QTable

    def __len__(self):
        return len(self.table)

    @property
    def mask(self) -> np.ndarray:
        """True inside any region."""
        return self.labels > 0

    @property
    def area(self) -> u.Quantity:
        """Area of all regions together, Mm^2."""
        return self.table["area"].sum() if len(self) else 0 * u.Mm**2


@dataclass(frozen=True)
class Bipole:
    """
    Separation and tilt of the two polarities; see `bipole`.

    Parameters
    ----------
    separation : `~astropy.units.Quantity`
        Along the great circle between the centres of flux, Mm.
    tilt : `~astropy.units.Quantity`
        Angle from the east-west direction, -90 to 90 deg; positive if the leading polarity is
        nearer to the equator (Joy's law).
    leading_sign : int
        Sign of the western polarity, 1 or -1.
    positive, negative : `~astropy.units.Quantity`
        Longitude from the central meridian and latitude of the centres, deg.
    """

    separation: u.Quantity
    tilt: u.Quantity
    leading_sign: int
    positive: u.Quantity
    negative: u.Quantity


@fill_docstring
def active_regions(
    smap,
    *,
    method="smoothed",
    threshold=None,
    smoothing=20 * u.Mm,
    grouping=10 * u.Mm,
    minimum_area=500 * u.Mm**2,
    max_angle=None,
    region=None,
):
    """
    Find the active regions of a magnetogram.

    Parameters
    ----------
    {field}
    {regions}
    {region}

    Returns
    -------
    ActiveRegions

    Raises
    ------
    {field_errors}

    References
    ----------
    Higgins et al. (2011), Advances in Space Research 47, 2105; Bobra et al. (2014), Solar
    Physics 289, 3549.
    """
    options = {
        "method": method, "threshold": threshold, "smoothing": smoothing,
        "grouping": grouping, "minimum_area": minimum_area, "max_angle": max_angle,
    }  # fmt: skip
    return label_regions(Field(smap, region), **options)


def _smoothed_above(field, mask, level, width):
    """Find where ``|B|``, smoothed over the known pixels, exceeds a level."""
    size = np.where(mask, np.abs(field.values), np.float32(0))
    sigma = width / gaussian_sigma_to_fwhm / field.grid.pixel_length
    weight = _gaussian(mask.astype(np.float32), sigma)
    smooth = _gaussian(size, sigma) / np.maximum(weight, np.float32(1e-3))
    return mask & (smooth > level)


def _gaussian(values, sigma):
    """Smooth with a Gaussian, and zeros beyond the edges; a wide one by Fourier transform."""
    if sigma < 6:
        return ndimage.gaussian_filter(values, sigma, mode="constant")
    shape = [scipy.fft.next_fast_len(n + int(4 * sigma), real=True) for n in values.shape]
    transform = scipy.fft.rfft2(values, shape, workers=-1)
    for axis, frequency in enumerate((np.fft.fftfreq(shape[0]), np.fft.rfftfreq(shape[1]))):
        damping = np.exp(-2 * (np.pi * sigma * frequency) ** 2).astype(np.float32)
        transform *= damping[:, None] if axis == 0 else damping
    smooth = scipy.fft.irfft2(transform, shape, workers=-1)
    return smooth[: values.shape[0], : values.shape[1]]


def label_regions(
    field,
    method="smoothed",
    threshold=None,
    smoothing=20 * u.Mm,
    grouping=10 * u.Mm,
    minimum_area=500 * u.Mm**2,
    max_angle=None,
):
    """Find the active regions of a `Field`; see `active_regions`."""
    if method not in _THRESHOLDS:
        raise ValueError(f"method must be 'smoothed' or 'pixels', not {method!r}.")
    level = quantity_in("threshold", _THRESHOLDS[method] if threshold is None else threshold, u.G)
    width = quantity_in("smoothing", smoothing, u.Mm)
    gap = quantity_in("grouping", grouping, u.Mm)
    smallest = quantity_in("minimum_area", minimum_area, u.Mm**2)
    mask = field.within(max_angle)
    eight = np.ones((3, 3), bool)
    if method == "smoothed":
        active = _smoothed_above(field, mask, level, width)
        labels, number = ndimage.label(active, eight)
    else:
        active = mask & (np.abs(field.values) > level)
        # Single pixels and lines of pixels are noise.
        active &= ndimage.uniform_filter(active.astype(np.float32), 3) > 0.4
        reach = round(gap / 2 / field.grid.pixel_length)
        joined = ndimage.maximum_filter(active, 2 * reach + 1) if reach else active
        labels, number = ndimage.label(joined, eight)
        labels[~active] = 0
    area = np.bincount(labels[active], field.grid.area_in(active), number + 1)
    kept = [n for n in np.argsort(-area, kind="stable") if n and area[n] >= max(smallest, 1e-9)]
    renumber = np.zeros(number + 1, np.int32)
    renumber[kept] = np.arange(1, len(kept) + 1)
    labels = renumber[labels]
    return ActiveRegions(labels, _table(field, labels, len(kept)))


def _table(field, labels, number):
    """Measure each region for `ActiveRegions.table`."""
    rows, columns = np.nonzero(labels)
    which = labels[rows, columns]
    values = field.values[rows, columns].astype(float)
    area = field.grid.area_in((rows, columns)).astype(float)
    flux = np.abs(values) * area

    def total(weight):
        return np.bincount(which, weight, number + 1)[1:]

    peak = np.zeros(number + 1)
    np.maximum.at(peak, which, np.abs(values))
    vectors = sphere_vectors(field.grid.map, columns, rows) if which.size else np.zeros((3, 0))
    centres = np.stack([total(np.nan_to_num(component) * flux) for component in vectors])
    longitude, latitude = to_heliographic(centres, field.grid.map)
    hemisphere = 2 * np.pi * field.grid.map.rsun_meters.to_value(u.Mm) ** 2
    return FullQTable(
        {
            "label": np.arange(1, number + 1),
            "area": total(area) * u.Mm**2,
            "msh": total(area) / hemisphere * 1e6,
            "unsigned_flux": total(flux) * MX * u.Mx,
            "net_flux": total(values * area) * MX * u.Mx,
            "longitude": longitude,
            "latitude": latitude,
            "peak": peak[1:] * u.G,
        }
    )


@fill_docstring
def jaccard(smap, reference, *, region=None, **options):
    """
    Compute the Jaccard index of the active regions: their common area over that of their union.

    Parameters
    ----------
    {pair}
    {region}
    {regions}

    Returns
    -------
    float
        0 to 1; NaN if neither Map has an active region.

    Raises
    ------
    {pair_errors}
    """
    return overlap(*_pair_of_regions(smap, reference, region, options))[0]


@fill_docstring
def dice(smap, reference, *, region=None, **options):
    """
    Compute the Dice coefficient of the active regions: twice their common area over their sum.

    Parameters
    ----------
    {pair}
    {region}
    {regions}

    Returns
    -------
    float
        0 to 1; NaN if neither Map has an active region.

    Raises
    ------
    {pair_errors}
    """
    return overlap(*_pair_of_regions(smap, reference, region, options))[1]


def _pair_of_regions(smap, reference, region, options):
    pair = Pair(smap, reference, region)
    return pair, label_regions(pair.first, **options), label_regions(pair.second, **options)


def overlap(pair, first, second):
    """Compute Jaccard index and Dice coefficient, by area on the sphere."""
    area = pair.grid.area
    common = area[first.mask & second.mask].sum(dtype=np.float64)
    either = area[first.mask | second.mask].sum(dtype=np.float64)
    if not either:
        return float("nan"), float("nan")
    return float(common / either), float(2 * common / (either + common))


@fill_docstring
def bipole(smap, *, threshold=100 * u.G, region=None):
    """
    Measure the separation and the tilt of a bipolar region.

    The centre of each polarity is the mean position on the sphere, weighted by its flux.

    Parameters
    ----------
    {field}
    threshold : `~astropy.units.Quantity`
        Pixels below this ``|B|`` do not count.
    {region}
        If the Map holds more than one active region, give one of them, such as
        ``active_regions(smap).labels == 1``.

    Returns
    -------
    Bipole

    Raises
    ------
    {field_errors}
        Also if no pixel of one of the polarities exceeds the threshold.

    References
    ----------
    Howard (1991), Solar Physics 136, 251, for tilt angles.
    """
    return measure_bipole(Field(smap, region), threshold)


def measure_bipole(field, threshold=100 * u.G, mask=True):
    """Measure the bipole of a `Field` inside a further mask; see `bipole`."""
    level = quantity_in("threshold", threshold, u.G)
    smap = field.grid.map
    centres, names = [], ("positive", "negative")
    for name, sign in zip(names, (1, -1), strict=True):
        rows, columns = np.nonzero((sign * field.values > level) & mask)
        weight = np.abs(field.values[rows, columns]) * field.grid.area[rows, columns]
        if not weight.size:
            raise ValueError(f"No {name} field above {level:g} G; lower the threshold.")
        vector = np.nansum(sphere_vectors(smap, columns, rows) * weight, axis=1)
        centres.append(vector / np.linalg.norm(vector))
    angle = np.arctan2(np.linalg.norm(np.cross(*centres)), np.dot(*centres))
    positions = [u.Quantity(to_heliographic(centre, smap)) for centre in centres]
    leading = 0 if positions[0][0] >= positions[1][0] else 1
    lead, follow = positions[leading], positions[1 - leading]
    middle = 0.5 * (lead[1] + follow[1])
    eastward = (lead[0] - follow[0]) * np.cos(middle)
    north = 1.0 if middle >= 0 else -1.0  # in the south, nearer to the equator is northward
    tilt = np.arctan2(north * (follow[1] - lead[1]), eastward).to(u.deg)
    return Bipole(
        angle * smap.rsun_meters.to(u.Mm), tilt, 1 - 2 * leading, positions[0], positions[1]
    )
