"""Distances between collections of Maps, or between images, in the features of a network."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_superres.metrics._fields import Field, Pair
from sunpy_superres.metrics.image import check_data_range, find_bounding_box

__all__ = ["fid", "frechet_distance", "lpips"]

_RANGE = 6000 * u.G
#: HMI-like pixels along one side of a piece whose features are one sample.
_PIECE = 32


def frechet_distance(maps, references, *, features=None, model="default"):
    """
    Frechet distance between two collections of magnetograms.

    The features of pieces of the Maps are taken for normally distributed; the distance is
    that of the two normal distributions.  0 for equal collections; it compares how
    magnetograms look, not where things are, and has no scale of its own: compare it with
    the distance between two sets of real ones.

    By default the features come from the package's own autoencoder, which has seen nothing but
    magnetograms: the innermost activations of its decoder, averaged over pieces of 32 x 32
    pixels, and their spread there.

    Parameters
    ----------
    maps, references : sequence of `~sunpy.map.GenericMap`
        At HMI's plate scale; not necessarily of the same regions.
    features : callable, optional
        ``features(field)`` of an array in Gauss, ``(ny, nx)``, 0 where missing, gives the
        samples of this Map, ``(n, d)``.
    model : str, path-like or Model
        Whose autoencoder is used; see `~sunpy_superres.load_model`.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If a collection holds anything but Maps of a magnetic field.
    ValueError
        If there are fewer samples than twice the number of features.

    References
    ----------
    Heusel et al. (2017), Advances in Neural Information Processing Systems 30.
    """
    if features is None:
        features = _autoencoder_features(model)
    moments = [_moments(_collection(maps, "maps"), features)]
    moments.append(_moments(_collection(references, "references"), features))
    (mean1, covariance1), (mean2, covariance2) = moments
    return float(
        np.square(mean1 - mean2).sum()
        + np.trace(covariance1)
        + np.trace(covariance2)
        - 2 * _trace_of_root(covariance1, covariance2)
    )


def _collection(maps, name):
    maps = [maps] if isinstance(maps, sunpy.map.GenericMap) else list(maps)
    if not maps:
        raise ValueError(f"{name} is empty; give at least one Map.")
    return maps


def _moments(maps, features):
    samples = []
    for smap in maps:
        field = Field(smap)
        rows, columns = find_bounding_box(field.mask)
        found = np.asarray(features(field.values[rows, columns]), np.float64)
        if found.ndim != 2 or not np.isfinite(found).all():
            raise ValueError(
                f"features must give finite samples of shape (n, d), not {found.shape}."
            )
        samples.append(found)
    samples = np.concatenate(samples)
    if len(samples) < 2 * samples.shape[1]:
        raise ValueError(
            f"{len(samples)} samples are too few for {samples.shape[1]} features; "
            "give more or larger Maps."
        )
    return samples.mean(axis=0), np.atleast_2d(np.cov(samples, rowvar=False))


def _trace_of_root(first, second):
    """Trace of the root of the product of two covariances."""
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None)).sum()


def _autoencoder_features(model):
    import torch
    from torch.nn import functional as F

    from sunpy_superres.models.loading import load_model

    network = load_model(model).network
    piece = _PIECE // network.factor

    @torch.inference_mode()
    def features(field):
        ny, nx = (n // _PIECE * _PIECE for n in field.shape)
        if not ny or not nx:
            raise ValueError(f"A Map is smaller than {_PIECE} x {_PIECE} pixels.")
        tensor = torch.from_numpy(np.ascontiguousarray(field[:ny, :nx]))[None, None]
        autoencoder = network.autoencoder
        x = autoencoder.encode(tensor / network.config.field_scale)
        x = autoencoder.decoder.stem(x)
        for block in autoencoder.decoder.blocks:
            x = block(x)
        # Strong fields would hide all else.
        x = torch.asinh(x)
        mean = F.avg_pool2d(x, piece)
        spread = (F.avg_pool2d(x.square(), piece) - mean.square()).clamp(min=0).sqrt()
        return torch.cat([mean, spread], 1)[0].flatten(1).T.numpy()

    return features


def lpips(smap, reference, *, network="alex", data_range=_RANGE, region=None):
    """
    Learned perceptual image patch similarity (Zhang et al. 2018), by torchmetrics.

    Needs the extra ``perceptual``; the weights of the network, trained on photographs, are
    fetched by torchvision when they are first used.

    Parameters
    ----------
    smap, reference, region
        As `~sunpy_superres.metrics.rmse`.  What is missing is 0 in both.
    network : {"alex", "vgg", "squeeze"}
        "alex" is the usual choice for comparisons.
    data_range : `~astropy.units.Quantity`
        Width of the range, about 0, that is scaled to -1 to 1; fields beyond it are clipped.
        6000 G by default, as in Ramunno et al. (2025).

    Returns
    -------
    float
        0 for equal Maps.

    Raises
    ------
    ImportError
        Without the extra.
    TypeError, ValueError
        As `~sunpy_superres.metrics.rmse`.
    """
    import torch

    functional = _torchmetrics("torchmetrics.functional.image")
    pair = Pair(smap, reference, region)
    box = find_bounding_box(pair.mask)
    half = check_data_range(data_range) / 2
    images = [
        torch.from_numpy(np.clip(field.values[box] / half, -1, 1).astype(np.float32))
        .expand(1, 3, -1, -1)
        .contiguous()
        for field in (pair.first, pair.second)
    ]
    try:
        metric = functional.learned_perceptual_image_patch_similarity
        value = metric(*images, net_type=network, normalize=False)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ImportError(_ADVICE) from error
    return float(value)


def fid(maps, references, *, network=2048, data_range=_RANGE, size=256):
    """
    Frechet inception distance between two collections of Maps, by torchmetrics.

    Needs the extra ``perceptual``.  The usual network was trained on photographs, and its
    weights are fetched when they are first used; `frechet_distance` needs neither.

    Parameters
    ----------
    maps, references : sequence of `~sunpy.map.GenericMap`
        At HMI's plate scale.
    network : int or `torch.nn.Module`
        Of torchmetrics' ``FrechetInceptionDistance(feature=...)``: features of the Inception
        network (64, 192, 768 or 2048), or a module that turns images ``(n, 3, size, size)``,
        0 to 255, into features ``(n, d)``.
    data_range : `~astropy.units.Quantity`
        Width of the range, about 0, that becomes 0 to 255.
    size : int
        The Maps are cut into squares of this many pixels, what is left over is not used.

    Returns
    -------
    float

    Raises
    ------
    ImportError
        Without the extra.
    TypeError
        If a collection holds anything but Maps of a magnetic field.
    ValueError
        If a collection has fewer than two squares.
    """
    import torch

    module = _torchmetrics("torchmetrics.image.fid")
    half = check_data_range(data_range) / 2
    options = {"feature": network, "normalize": False}
    if not isinstance(network, int):
        options["input_img_size"] = (3, size, size)
    try:
        metric = module.FrechetInceptionDistance(**options)
    except ModuleNotFoundError as error:
        raise ImportError(_ADVICE) from error
    metric.set_dtype(torch.float64)
    for collection, name, real in ((maps, "maps", False), (references, "references", True)):
        number = 0
        for smap in _collection(collection, name):
            field = Field(smap)
            grey = np.clip((field.values / half + 1) * 127.5, 0, 255).round().astype(np.uint8)
            ny, nx = (n // size for n in grey.shape)
            squares = grey[: ny * size, : nx * size].reshape(ny, size, nx, size).swapaxes(1, 2)
            for square in squares.reshape(-1, size, size):
                metric.update(torch.from_numpy(square).expand(1, 3, -1, -1), real=real)
                number += 1
        if number < 2:
            raise ValueError(
                f"{name} has {number} squares of {size} x {size} pixels; give more Maps, "
                "larger ones, or a smaller size."
            )
    return float(metric.compute())


_ADVICE = "This metric needs the extra 'perceptual': pip install 'sunpy_superres[perceptual]'."


def _torchmetrics(name):
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(_ADVICE) from error
