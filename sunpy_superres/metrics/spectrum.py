"""Power, coherence and resolution by spatial scale."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import astropy.units as u
import numpy as np
import scipy.fft
import sunpy.map

from sunpy_superres.metrics._docstrings import fill_docstring
from sunpy_superres.metrics._ensemble import read_members
from sunpy_superres.metrics._fields import Field, Pair, bounding_box

__all__ = [
    "Spectrum",
    "coherence",
    "power_ratio",
    "power_spectrum",
    "resolved_scale",
]

#: Largest number of rings of a spectrum by default.
_RINGS = 40


@dataclass(frozen=True)
class Spectrum:
    """
    A quantity by spatial scale, averaged over rings of wavenumber.

    Parameters
    ----------
    scale : `~astropy.units.Quantity`
        Wavelength in arcsec, descending: the inverse of the mean wavenumber of a ring.
    value : `~astropy.units.Quantity`
        Power in G^2 arcsec^2, or a ratio or a coherence without unit.
    modes : numpy.ndarray of int
        Number of Fourier modes in the ring; the value of a ring with few modes is uncertain.
    name : str
        Name of the quantity, for plots.
    """

    scale: u.Quantity
    value: u.Quantity
    modes: np.ndarray
    name: str = ""

    def at(self, scale) -> u.Quantity:
        """
        Interpolate the value at a scale, linearly in the logarithm of the scale.

        Parameters
        ----------
        scale : `~astropy.units.Quantity`
            Arcsec; beyond the ends of the spectrum the value is that of its last ring.
        """
        where = np.log(_arcsec("scale", scale))
        known = np.log(self.scale.to_value(u.arcsec))
        return np.interp(where, known[::-1], self.value.value[::-1]) * self.value.unit


def _arcsec(name, quantity):
    try:
        return u.Quantity(quantity).to_value(u.arcsec)
    except (u.UnitConversionError, TypeError) as error:
        raise ValueError(
            f"{name} must be in arcsec, such as 2 * u.arcsec, not {quantity}."
        ) from error


class _Transform:
    """The Fourier transform of fields under one window, and sums over rings of wavenumber."""

    def __init__(self, mask, scale, rings=None):
        self.box = bounding_box(mask)
        mask = mask[self.box]
        if min(mask.shape) < 8:
            raise ValueError(
                f"A spectrum needs at least 8 x 8 pixels, not {mask.shape[0]} x {mask.shape[1]}."
            )
        window = np.outer(*(_hann(n) for n in mask.shape)) * mask
        self.window = window.astype(np.float32)
        # By Parseval's theorem the integral of the power is then the variance under the window.
        self.norm = scale**2 / np.square(self.window).sum(dtype=np.float64)
        ny, nx = mask.shape
        frequency = np.hypot(
            np.fft.fftfreq(ny, scale)[:, None].astype(np.float32),
            np.fft.rfftfreq(nx, scale)[None].astype(np.float32),
        )
        self.frequency = frequency
        lowest, highest = 2 / (min(mask.shape) * scale), 0.5 / scale
        if rings is None:
            count = int(np.clip(min(mask.shape) // 4, 6, _RINGS))
            edges = np.geomspace(lowest, highest, count + 1)
        else:
            scales = np.asarray(_arcsec("bins", rings))
            if scales.ndim != 1 or scales.size < 2 or not (scales > 0).all():
                raise ValueError(f"bins must be two or more positive scales, not {rings}.")
            edges = np.sort(1 / scales)
        self.ring = np.digitize(frequency, edges, right=True).astype(np.int16)
        self.ring[(frequency <= edges[0]) | (frequency > edges[-1])] = 0
        self.count = len(edges)
        # Each mode off the axis counts for its conjugate as well.
        self.weight = np.full(nx // 2 + 1, 2.0, np.float32)
        self.weight[0] = 1
        if nx % 2 == 0:
            self.weight[-1] = 1
        ones = np.broadcast_to(self.weight, self.ring.shape)
        modes = self.gather(ones)
        self.filled = modes > 0
        if not self.filled.any():
            raise ValueError("No Fourier mode of the map lies in the bins; widen them.")
        self.modes = modes[self.filled]
        self.scale = u.Quantity(1 / self.average(frequency * ones), u.arcsec)

    def gather(self, values):
        """Sum over the modes of each ring."""
        return np.bincount(self.ring.ravel(), values.ravel(), self.count)[1:]

    def average(self, values):
        """Average over the modes of each ring that has any; modes count by ``weight``."""
        return self.gather(values)[self.filled] / self.modes

    def __call__(self, values):
        """Transform a field, less its mean, under the window."""
        values = values[self.box]
        mean = (values * self.window).sum(dtype=np.float64) / self.window.sum(dtype=np.float64)
        return scipy.fft.rfft2((values - np.float32(mean)) * self.window, workers=-1)

    def sum_bands(self, transform, edges):
        """Sum the squared modes between the scales of ``edges``, in arcsec, ascending."""
        squared = np.square(np.abs(transform)) * self.weight
        bands = (
            (self.frequency > 1 / high) & (self.frequency <= 1 / low)
            for low, high in itertools.pairwise(edges)
        )
        return np.array([squared.sum(where=band, dtype=np.float64) for band in bands])

    def power(self, transform):
        """Average the power over each ring, G^2 arcsec^2."""
        squared = np.square(transform.real) + np.square(transform.imag)
        return self.average(squared * self.weight) * self.norm

    def cross(self, first, second):
        """Average the real part of the cross power over each ring, G^2 arcsec^2."""
        product = first.real * second.real + first.imag * second.imag
        return self.average(product * self.weight) * self.norm

    def spectrum(self, value, name, unit=u.one):
        """Make a `Spectrum` of the values of the rings, from coarse to fine."""
        return Spectrum(self.scale, u.Quantity(value, unit), self.modes.astype(int), name)


def _hann(n):
    """Compute a Hann window that is not zero at the outermost pixels."""
    return np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2


@fill_docstring
def power_spectrum(smap, *, bins=None, region=None):
    """
    Compute the radially averaged power spectrum.

    The mean of the field is subtracted, and the rest multiplied by a Hann window over the
    bounding box of the known pixels; missing pixels are zero.  The spectrum is normalised so that
    the integral of the power over the plane of wavenumbers is the variance of the field under the
    window.

    Parameters
    ----------
    {field}
    {bins}
    {region}

    Returns
    -------
    Spectrum
        G^2 arcsec^2.

    Raises
    ------
    {field_errors}
        Also if fewer than 8 x 8 pixels are left.
    """
    field = Field(smap, region)
    transform = _Transform(field.mask, field.grid.scale, bins)
    power = transform.power(transform(field.values))
    return transform.spectrum(power, "power", u.G**2 * u.arcsec**2)


@fill_docstring
def power_ratio(smap, reference, *, bins=None, region=None):
    """
    Divide the power of a Map by the power of a reference, scale by scale.

    The ratio is 1 where the Map has as much structure as the reference.  It does not show whether
    the structure is in the right place; `coherence` does.

    Parameters
    ----------
    {pair}
    {bins}
    {region}

    Returns
    -------
    Spectrum
        A ratio; NaN where the reference has no power.

    Raises
    ------
    {pair_errors}
        Also if fewer than 8 x 8 pixels are left.
    """
    transform, first, second = transform_pair(Pair(smap, reference, region), bins)
    powers = transform.power(first), transform.power(second)
    ratio = np.divide(*powers, out=np.full(powers[0].shape, np.nan), where=powers[1] > 0)
    return transform.spectrum(ratio, "power ratio")


def transform_pair(pair, bins=None):
    """Return a `_Transform` for a pair, and what it makes of the two fields."""
    transform = _Transform(pair.mask, pair.grid.scale, bins)
    return transform, transform(pair.first.values), transform(pair.second.values)


def band_ratio(transforms, low, high):
    """Compute the power ratio between two scales; NaN if the reference has no power there."""
    transform, first, second = transforms
    edges = [low.to_value(u.arcsec), high.to_value(u.arcsec)]
    powers = [float(transform.sum_bands(field, edges)[0]) for field in (first, second)]
    return powers[0] / powers[1] if powers[1] else np.nan


def sum_band_powers(fields, known, pixel_scale, edges):
    """
    Sum the power of fields between spatial scales over the Fourier modes.

    The transform is that of `power_spectrum`.

    Parameters
    ----------
    fields : sequence of numpy.ndarray
        Gauss, ``(ny, nx)``; 0 or any finite value where they are not known.
    known : numpy.ndarray of bool
        Pixels that have a value in all of them.
    pixel_scale : float
        Arcsec.
    edges : array-like
        Edges of the bands, in arcsec, ascending.

    Returns
    -------
    numpy.ndarray
        G^2, ``(fields, bands)``.
    """
    transform = _Transform(known, pixel_scale)
    return np.array([transform.sum_bands(transform(values), edges) for values in fields])


@fill_docstring
def coherence(smap, reference, *, bins=None, region=None):
    """
    Compute the coherence of a Map with a reference, scale by scale.

    The coherence is the correlation of their Fourier modes, ring by ring: 1 where both have the
    same structure in the same place, 0 where their structure is unrelated.  It is also known as
    Fourier ring correlation.

    Parameters
    ----------
    {pair}
    {bins}
    {region}

    Returns
    -------
    Spectrum
        -1 to 1.

    Raises
    ------
    {pair_errors}
        Also if fewer than 8 x 8 pixels are left.

    References
    ----------
    Saxton & Baumeister (1982), Journal of Microscopy 127, 127.
    """
    return measure_coherence(transform_pair(Pair(smap, reference, region), bins))


def measure_coherence(transforms):
    """Compute the coherence of the two fields of a `transform_pair`."""
    transform, first, second = transforms
    return transform.spectrum(_coherence(transform, first, second), "coherence")


def _coherence(transform, first, second):
    norm = np.sqrt(transform.power(first) * transform.power(second))
    return transform.cross(first, second) / np.maximum(norm, 1e-30)


@fill_docstring
def resolved_scale(smap, reference=None, *, level=0.5, bins=None, region=None):
    """
    Find the finest scale down to which structure is in the right place.

    It is the scale at which the `coherence`, from coarse to fine, first falls below ``level``:
    for a Map and a reference, the finest scale of the reference that the Map resolves; for an
    ensemble, the finest scale on which its members agree, which needs no truth.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap` or `~ndcube.NDCube`
        A Map; or an ensemble, as `~sunpy_superres.super_resolve` returns it or as a
        sequence of Maps.
    reference : `~sunpy.map.GenericMap`, optional
        Required for a Map, refused for an ensemble.  If it has another grid than the Map, it is
        brought to that grid with `reproject`.
    level : float
        Coherence at the scale that is returned.
    {bins}
    {region}

    Returns
    -------
    `~astropy.units.Quantity`
        Arcsec.  The scale of the finest ring if the coherence is above ``level`` in all rings,
        NaN if it is below in the coarsest.

    Raises
    ------
    TypeError
        If the input is neither a Map of a magnetic field nor an ensemble.
    ValueError
        If a Map has no reference or an ensemble has one, a unit, the coordinates, the region or
        the bins are invalid, or fewer than 8 x 8 pixels are left.
    """
    ensemble = not isinstance(smap, sunpy.map.GenericMap)
    if ensemble == (reference is not None):
        raise ValueError("Give a Map and a reference, or an ensemble without a reference.")
    if not ensemble:
        return find_crossing(coherence(smap, reference, bins=bins, region=region), level)
    members, known, grid = read_members(smap)
    field = Field(grid, region)
    mask = field.mask & known
    transform = _Transform(mask, field.grid.scale, bins)
    transforms = [transform(np.where(mask, member, np.float32(0))) for member in members]
    pairs = itertools.combinations(transforms, 2)
    mean = np.mean([_coherence(transform, *pair) for pair in pairs], axis=0)
    return find_crossing(transform.spectrum(mean, "coherence"), level)


def find_crossing(spectrum, level=0.5):
    """Find the scale at which a spectrum, from coarse to fine, first falls below a level."""
    scale, value = spectrum.scale.to_value(u.arcsec), spectrum.value.value
    below = np.flatnonzero(value < level)
    if not below.size:
        return scale[-1] * u.arcsec
    first = below[0]
    if first == 0:
        return np.nan * u.arcsec
    share = (value[first - 1] - level) / (value[first - 1] - value[first])
    logs = np.log(scale[first - 1 : first + 1])
    return float(np.exp(logs[0] + share * (logs[1] - logs[0]))) * u.arcsec
