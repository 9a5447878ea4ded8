"""How close two magnetograms are, pixel by pixel."""

from __future__ import annotations

import astropy.units as u
import numpy as np

from sunpy_superres.metrics._docstrings import fill_docstring
from sunpy_superres.metrics._fields import Pair, bounding_box

__all__ = ["correlation", "gradient_ratio", "mae", "psnr", "rmse", "ssim"]

#: Default data range: the paper's +-3000 G.
DATA_RANGE = 6000 * u.G


@fill_docstring
def rmse(smap, reference, *, region=None):
    """
    Compute the root mean square difference.

    Parameters
    ----------
    {pair}
    {region}

    Returns
    -------
    `~astropy.units.Quantity`
        Gauss, over the pixels that both have on the disk.

    Raises
    ------
    {pair_errors}
    """
    return measure_rmse(Pair(smap, reference, region))


def measure_rmse(pair):
    a, b = pair.inside()
    return np.sqrt(np.mean(np.square(a - b), dtype=np.float64)) * u.G


@fill_docstring
def mae(smap, reference, *, region=None):
    """
    Compute the mean absolute difference.

    Parameters
    ----------
    {pair}
    {region}

    Returns
    -------
    `~astropy.units.Quantity`
        Gauss, over the pixels that both have on the disk.

    Raises
    ------
    {pair_errors}
    """
    return measure_mae(Pair(smap, reference, region))


def measure_mae(pair):
    a, b = pair.inside()
    return np.mean(np.abs(a - b), dtype=np.float64) * u.G


@fill_docstring
def psnr(smap, reference, *, data_range=DATA_RANGE, region=None):
    """
    Compute the peak signal-to-noise ratio, 20 log10(data range / RMSE).

    Parameters
    ----------
    {pair}
    {data_range}
    {region}

    Returns
    -------
    `~astropy.units.Quantity`
        Decibel; infinite for equal Maps.

    Raises
    ------
    {pair_errors}
    """
    return measure_psnr(Pair(smap, reference, region), data_range)


def range_in_gauss(data_range):
    """Return the width of a range in Gauss; refuse anything but a positive field."""
    quantity = u.Quantity(data_range)
    if quantity.shape or not quantity.unit.is_equivalent(u.G) or not quantity > 0:
        raise ValueError(
            f"data_range must be a positive field such as 6000 * u.G, not {data_range}."
        )
    return quantity.to_value(u.G)


def measure_psnr(pair, data_range=DATA_RANGE):
    peak, error = range_in_gauss(data_range), measure_rmse(pair).value
    return (20 * np.log10(peak / error) if error else np.inf) * u.dB


@fill_docstring
def ssim(smap, reference, *, data_range=DATA_RANGE, region=None):
    """
    Compute the structural similarity (Wang et al. 2004), with Gaussian weights of 1.5 pixels.

    scikit-image computes it for each pixel; the result is the mean over the pixels whose
    neighbourhood (11 x 11 pixels) is known in both Maps.

    Parameters
    ----------
    {pair}
    {data_range}
        It sets the constants of the similarity, which keep quiet parts from counting much.
    {region}

    Returns
    -------
    float
        1 for equal Maps.

    Raises
    ------
    {pair_errors}
        Also if no square of 11 x 11 pixels is known in both Maps.
    """
    return measure_ssim(Pair(smap, reference, region), data_range)


def measure_ssim(pair, data_range=DATA_RANGE):
    from scipy import ndimage
    from skimage.metrics import structural_similarity

    rows, columns = bounding_box(pair.mask)
    mask = pair.mask[rows, columns]
    complete = ndimage.minimum_filter(mask, 11, mode="constant")
    if not complete.any():
        raise ValueError("No 11 x 11 pixels are known in both maps; SSIM needs a larger region.")
    _, image = structural_similarity(
        pair.first.values[rows, columns],
        pair.second.values[rows, columns],
        data_range=range_in_gauss(data_range),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return float(image[complete].mean(dtype=np.float64))


@fill_docstring
def correlation(smap, reference, *, region=None):
    """
    Compute Pearson's correlation coefficient.

    Parameters
    ----------
    {pair}
    {region}

    Returns
    -------
    float
        NaN if either field is constant.

    Raises
    ------
    {pair_errors}
    """
    return measure_correlation(Pair(smap, reference, region))


def measure_correlation(pair):
    a, b = (values - values.mean(dtype=np.float64) for values in pair.inside())
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm else float("nan")


@fill_docstring
def gradient_ratio(smap, reference, *, region=None):
    """
    Divide the mean absolute gradient of a Map by that of the reference.

    The ratio is 1 for equal sharpness, and less for a blurred Map.  Noise has gradients as well,
    so that a noisy Map can pass for a sharp one: compare with
    `~sunpy_superres.metrics.power_ratio`.

    Parameters
    ----------
    {pair}
    {region}

    Returns
    -------
    float
        NaN if the reference is constant.

    Raises
    ------
    {pair_errors}
        Also if no pixel and its four neighbours are all known in both Maps.
    """
    return measure_gradient_ratio(Pair(smap, reference, region))


def measure_gradient_ratio(pair):
    sums = sum_gradients((pair.first.values, pair.second.values), pair.mask)
    if sums is None:
        raise ValueError("No 3 x 3 pixels are known in both maps; the gradient needs more.")
    return float(sums[0] / sums[1]) if sums[1] else float("nan")


def sum_gradients(fields, known):
    """
    Sum the absolute gradient over the known pixels whose four neighbours are known as well.

    Parameters
    ----------
    fields : sequence of numpy.ndarray
        Gauss, ``(ny, nx)``.
    known : numpy.ndarray of bool
        Pixels that have a value in all of them.

    Returns
    -------
    numpy.ndarray or None
        Gauss per pixel, one sum for each field; None if no pixel has all its neighbours.
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
