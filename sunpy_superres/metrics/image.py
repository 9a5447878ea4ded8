"""How close two magnetograms are, pixel by pixel."""

from __future__ import annotations

import astropy.units as u
import numpy as np

from sunpy_superres.metrics._fields import Pair

__all__ = ["correlation", "gradient_ratio", "mae", "psnr", "rmse", "ssim"]

#: Default data range: the paper's +-3000 G.
_RANGE = 6000 * u.G


def rmse(smap, reference, *, region=None):
    """
    Root mean square difference.

    Parameters
    ----------
    smap, reference : `~sunpy.map.GenericMap`
        Line-of-sight fields.  A reference on another grid is brought to the Map's with
        `reproject`: cubic splines, or averaged where its pixels are clearly smaller.
    region : numpy.ndarray of bool or two `~astropy.coordinates.SkyCoord`, optional
        A mask of the Map's shape, or lower left and upper right corner.

    Returns
    -------
    `~astropy.units.Quantity`
        Gauss, over the pixels that both have on the disk.

    Raises
    ------
    TypeError
        If an argument is not a Map of a magnetic field.
    ValueError
        If the Maps have nothing in common, or the region is not one of theirs.
    """
    return measure_rmse(Pair(smap, reference, region))


def measure_rmse(pair):
    a, b = pair.inside()
    return np.sqrt(np.mean(np.square(a - b), dtype=np.float64)) * u.G


def mae(smap, reference, *, region=None):
    """
    Mean absolute difference; parameters and errors as `rmse`.

    Returns
    -------
    `~astropy.units.Quantity`
        Gauss.
    """
    return measure_mae(Pair(smap, reference, region))


def measure_mae(pair):
    a, b = pair.inside()
    return np.mean(np.abs(a - b), dtype=np.float64) * u.G


def psnr(smap, reference, *, data_range=_RANGE, region=None):
    """
    Peak signal-to-noise ratio, 20 log10(data range / RMSE).

    Parameters
    ----------
    smap, reference, region
        As `rmse`.
    data_range : `~astropy.units.Quantity`
        What counts as the peak; by default 6000 G, the range from -3000 to 3000 G of
        Ramunno et al. (2025).  Do not compare figures with different ranges.

    Returns
    -------
    `~astropy.units.Quantity`
        Decibel; infinite for equal Maps.

    Raises
    ------
    TypeError, ValueError
        As `rmse`.
    """
    return measure_psnr(Pair(smap, reference, region), data_range)


def check_data_range(data_range):
    quantity = u.Quantity(data_range)
    if quantity.shape or not quantity.unit.is_equivalent(u.G) or not quantity > 0:
        raise ValueError(
            f"data_range must be a positive field such as 6000 * u.G, not {data_range}."
        )
    return quantity.to_value(u.G)


def measure_psnr(pair, data_range=_RANGE):
    peak, error = check_data_range(data_range), measure_rmse(pair).value
    return (20 * np.log10(peak / error) if error else np.inf) * u.dB


def ssim(smap, reference, *, data_range=_RANGE, region=None):
    """
    Structural similarity (Wang et al. 2004), with Gaussian weights of 1.5 pixels.

    Computed by scikit-image and averaged over the pixels whose neighbourhood (11 x 11
    pixels) is known in both Maps.

    Parameters
    ----------
    smap, reference, region
        As `rmse`.
    data_range : `~astropy.units.Quantity`
        As `psnr`; it sets the constants that keep quiet parts from counting.

    Returns
    -------
    float
        1 for equal Maps.

    Raises
    ------
    TypeError, ValueError
        As `rmse`; `ValueError` also if no neighbourhood is complete.
    """
    return measure_ssim(Pair(smap, reference, region), data_range)


def measure_ssim(pair, data_range=_RANGE):
    from scipy import ndimage
    from skimage.metrics import structural_similarity

    rows, columns = find_bounding_box(pair.mask)
    mask = pair.mask[rows, columns]
    complete = ndimage.minimum_filter(mask, 11, mode="constant")
    if not complete.any():
        raise ValueError("No 11 x 11 pixels are known in both maps; SSIM needs a larger region.")
    _, image = structural_similarity(
        pair.first.values[rows, columns],
        pair.second.values[rows, columns],
        data_range=check_data_range(data_range),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return float(image[complete].mean(dtype=np.float64))


def find_bounding_box(mask):
    """Rows and columns that hold all of a mask."""
    slices = []
    for axis in (1, 0):
        where = np.flatnonzero(mask.any(axis=axis))
        slices.append(slice(int(where[0]), int(where[-1]) + 1))
    return tuple(slices)


def correlation(smap, reference, *, region=None):
    """
    Pearson's correlation coefficient; parameters and errors as `rmse`.

    Returns
    -------
    float
        NaN if either field is constant.
    """
    return measure_correlation(Pair(smap, reference, region))


def measure_correlation(pair):
    a, b = (values - values.mean(dtype=np.float64) for values in pair.inside())
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm else float("nan")


def gradient_ratio(smap, reference, *, region=None):
    """
    Mean absolute gradient over the reference's: 1 for equal sharpness, less if blurred.

    Noise has gradients as well, so that a noisy Map can pass for a sharp one: look at
    `~sunpy_superres.metrics.power_ratio` beside it.

    Parameters
    ----------
    smap, reference, region
        As `rmse`.

    Returns
    -------
    float
        NaN if the reference is constant.

    Raises
    ------
    TypeError, ValueError
        As `rmse`; `ValueError` also if no 3 x 3 pixels are known in both.
    """
    return measure_gradient_ratio(Pair(smap, reference, region))


def measure_gradient_ratio(pair):
    sums = sum_gradients((pair.first.values, pair.second.values), pair.mask)
    if sums is None:
        raise ValueError("No 3 x 3 pixels are known in both maps; the gradient needs more.")
    return float(sums[0] / sums[1]) if sums[1] else float("nan")


def sum_gradients(fields, known):
    """
    Sum of the absolute gradient over the pixels whose four neighbours are known as well.

    Parameters
    ----------
    fields : sequence of numpy.ndarray
        Gauss, ``(ny, nx)``.
    known : numpy.ndarray of bool
        Pixels that have a value in all of them.

    Returns
    -------
    numpy.ndarray or None
        Gauss per pixel, one sum for each field; None where no pixel has all its neighbours.
    """
    inner = known[1:-1, 1:-1] & known[:-2, 1:-1] & known[2:, 1:-1]
    inner &= known[1:-1, :-2] & known[1:-1, 2:]
    if not inner.any():
        return None
    sums = []
    for values in fields:
        size = np.hypot(values[2:, 1:-1] - values[:-2, 1:-1], values[1:-1, 2:] - values[1:-1, :-2])
        sums.append(size[inner].sum(dtype=np.float64) / 2)
    return np.array(sums)
