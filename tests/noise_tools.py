"""What the tests of the noise on the Sun share: frames, and tests of whiteness."""

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.coordinates import SkyCoord
from scipy import stats
from sunpy.coordinates import HeliographicStonyhurst
from sunpy.sun.models import differential_rotation

from sunpy_superres.maps.geometry import sphere_vectors, to_heliographic
from sunpy_superres.maps.grid import Grid
from sunpy_superres.maps.metadata import rebin_meta
from sunpy_superres.sampling.sun_noise import SunNoise

#: Carrington's rotation, in which CRLN_OBS counts.
CARRINGTON = 14.1844 * u.deg / u.day


def blank(meta, shape):
    """A Map with this header and no memory."""
    return sunpy.map.Map(np.broadcast_to(np.float32(0), shape), dict(meta))


def fine_grid(smap):
    """The grid of the HMI-like pixels of an MDI Map."""
    shape = tuple(4 * n for n in smap.data.shape)
    return Grid(blank(rebin_meta(smap.meta, shape, 4), shape))


def draw(smap, member=0, seed=7, **options):
    return SunNoise(fine_grid(smap), seed, **options).draw(member)


def make_header(shape, corner=(500, 560), **changes):
    """Header of a cut-out of a full disk of 1024 x 1024 pixels, whose first pixel is ``corner``."""
    from sunpy_superres.maps.examples import _MDI_HEADER

    meta = dict(_MDI_HEADER)
    meta["crpix1"] -= corner[0]
    meta["crpix2"] -= corner[1]
    meta |= changes
    return {name: value for name, value in meta.items() if value is not None}


def assert_unit_variance(values):
    """Mean 0 and variance 1, within four and a half of their standard errors."""
    values = values[np.isfinite(values)].astype(float)
    assert abs(values.mean()) < 4.5 / np.sqrt(values.size)
    assert abs((values**2).mean() - 1) < 4.5 * np.sqrt(2 / values.size)


def assert_white(images):
    """
    Flat spectrum, ``(n, ny, nx)``: in rings, in the corners and in blocks of wavenumbers.

    The power at a wavenumber of white noise has mean 1 and standard deviation 1; those of opposite
    wavenumbers are equal.
    """
    power = (np.abs(np.fft.fft2(images)) ** 2).mean(axis=0) / images[0].size
    n = len(images)
    ny, nx = (np.fft.fftfreq(size) for size in power.shape)
    radius = np.hypot(ny[:, None], nx)
    rings = [(radius > low) & (radius <= low + 0.05) for low in np.arange(0, 0.75, 0.05)]
    corners = (np.abs(ny)[:, None] > 0.4) & (np.abs(nx) > 0.4)
    axes = [np.broadcast_to(np.abs(f) < 0.02, power.shape) for f in (ny[:, None], nx)]
    for chosen in [*rings, corners, *axes]:
        count = chosen.sum()
        if count >= 8:
            assert abs(power[chosen].mean() - 1) < 4.5 * np.sqrt(2 / (count * n)), radius[chosen][0]
    # Half of the plane, in blocks: chi-square of their means.
    half = power[1 : power.shape[0] // 2, 1:]
    rows, columns = (size // 8 for size in half.shape)
    blocks = half[: 8 * rows, : 8 * columns].reshape(rows, 8, columns, 8).mean(axis=(1, 3))
    chi_square = ((blocks - 1) ** 2).sum() * 64 * n
    assert 1e-4 < stats.chi2.sf(chi_square, blocks.size) < 1 - 1e-4


def assert_normal(values):
    """Skewness and kurtosis of 0, and the normal distribution to its tails."""
    values = np.ravel(values).astype(float)
    assert abs(stats.skew(values)) < 4.5 * np.sqrt(6 / values.size)
    assert abs(stats.kurtosis(values)) < 4.5 * np.sqrt(24 / values.size)
    assert stats.kstest(values[:: 1 + values.size // 200000], "norm").pvalue > 1e-4
    tail = (np.abs(values) > 4).mean()
    expected = 2 * stats.norm.sf(4)
    assert abs(tail - expected) < 4.5 * np.sqrt(expected / values.size)


def assert_independent(a, b):
    known = np.isfinite(a) & np.isfinite(b)
    assert abs(np.mean(a[known] * b[known], dtype=float)) < 4.5 / np.sqrt(known.sum())


def subpixels(shape, n=5):
    """Coordinates of ``n x n`` points in each pixel, and the pixel's number."""
    y, x = ((np.arange(n * size) + 0.5) / n - 0.5 for size in shape)
    y, x = np.meshgrid(y, x, indexing="ij")
    return x.ravel(), y.ravel(), pixel_number(x, y, shape)


def pixel_number(x, y, shape):
    """Number of the pixel that holds a point, -1 outside."""
    column, row = np.rint(np.ravel(x)), np.rint(np.ravel(y))
    inside = (column >= 0) & (column < shape[1]) & (row >= 0) & (row < shape[0])
    return np.where(inside, row * shape[1] + column, -1).astype(int)


def shared_correlation(a, b, first, second, margin=16):
    """
    Correlation of two noises at the same places over what the pixels' overlap makes of it.

    ``first`` and ``second`` give, for points that cover the surface evenly, the pixel of ``a`` and
    that of ``b`` which hold them.  Two sums over the surface that share a part of it correlate
    by that part over the root of the product of the two.

    Returns
    -------
    ratio : float
        1 where the noise is the same on the Sun, 0 where it is independent.
    error : float
        Its standard error for independent noise.
    """
    inside = np.zeros(a.shape, bool)
    inside[margin:-margin, margin:-margin] = True
    size_a, size_b = (np.bincount(n[n >= 0], minlength=a.size) for n in (first, second))
    chosen = (second >= 0) & inside.ravel()[first]
    pairs, shared = np.unique(first[chosen] * a.size + second[chosen], return_counts=True)
    i, j = np.divmod(pairs, a.size)
    overlap = shared / np.sqrt(size_a[i] * size_b[j])
    product = (a.ravel()[i] * b.ravel()[j] * overlap).sum(dtype=float)
    return product / (overlap**2).sum(), 1 / np.sqrt((overlap**2).sum())


def carry(smap, other, x, y):
    """Pixels of another frame at which places are seen, when the surface has carried them."""
    longitude, latitude = to_heliographic(sphere_vectors(smap, x, y), smap)
    time = (other.date - smap.date).to(u.day)
    turned = differential_rotation(time, latitude) - CARRINGTON * time
    longitude += turned + smap.carrington_longitude - other.carrington_longitude
    place = SkyCoord(
        longitude + other.observer_coordinate.lon,
        latitude,
        other.rsun_meters,
        frame=HeliographicStonyhurst(obstime=other.date),
    )
    pixels = other.world_to_pixel(place)
    return pixels.x.value, pixels.y.value


def places_later(smap, other):
    """As `same_places`, for frames at different times."""
    grids = fine_grid(smap), fine_grid(other)
    x, y, first = subpixels(grids[0].shape)
    return first, pixel_number(*carry(grids[0].map, grids[1].map, x, y), grids[1].shape)
