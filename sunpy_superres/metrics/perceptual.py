"""Distances between Maps, or between collections of them, by the features of a network."""

from __future__ import annotations

import numpy as np
import sunpy.map
from astropy.nddata import reshape_as_blocks

from sunpy_superres.metrics._docstrings import fill_docstring
from sunpy_superres.metrics._fields import Field, Pair, bounding_box
from sunpy_superres.metrics.image import DATA_RANGE, range_in_gauss
from sunpy_superres.torch_state import own_torch_state

__all__ = ["fid", "frechet_distance", "lpips"]

#: HMI-like pixels along a side of a piece; the features of a piece are one sample.
_PIECE = 32


@own_torch_state()
def frechet_distance(maps, references, *, features=None, model="default"):
    """
    Compute the Frechet distance between two collections of magnetograms.

    The features of pieces of the Maps are assumed to be normally distributed; the result is the
    distance between the two normal distributions, 0 for equal collections.  It compares how
    magnetograms look, not where structures are.  It has no scale of its own: compare it with
    the distance between two sets of real magnetograms.

    By default the features come from the package's own autoencoder, which was trained on
    magnetograms only: mean and spread of the innermost activations of its decoder in pieces of
    32 x 32 pixels.

    Parameters
    ----------
    maps, references : sequence of `~sunpy.map.GenericMap`
        At HMI's plate scale; not necessarily of the same regions.
    features : callable, optional
        ``features(field)`` of an array in Gauss, ``(ny, nx)``, 0 where missing, gives the
        samples of this Map, ``(n, d)``.
    model : str, path-like or Model
        The model whose autoencoder is used; see `~sunpy_superres.load_model`.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If a collection holds anything but Maps of a magnetic field.
    ValueError
        If a collection is empty, a Map is smaller than 32 x 32 pixels, ``features`` gives
        anything but finite samples, or there are fewer samples than twice the number of features.

    References
    ----------
    Heusel et al. (2017), Advances in Neural Information Processing Systems 30.
    """
    if features is None:
        features = _autoencoder_features(model)
    mean1, covariance1 = _moments(_collection(maps, "maps"), features)
    mean2, covariance2 = _moments(_collection(references, "references"), features)
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
        rows, columns = bounding_box(field.mask)
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
    """Compute the trace of the root of the product of two covariances."""
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
        # Without this, strong fields would outweigh everything else.
        x = torch.asinh(x)
        mean = F.avg_pool2d(x, piece)
        spread = (F.avg_pool2d(x.square(), piece) - mean.square()).clamp(min=0).sqrt()
        return torch.cat([mean, spread], 1)[0].flatten(1).T.numpy()

    return features


@fill_docstring
@own_torch_state()
def lpips(smap, reference, *, network="alex", data_range=DATA_RANGE, region=None):
    """
    Compute the learned perceptual image patch similarity (Zhang et al. 2018), by torchmetrics.

    It needs the extra ``perceptual``; the weights of the network, trained on photographs, are
    fetched by torchvision when they are first used.

    Parameters
    ----------
    {pair}
        Missing pixels are 0 in both.
    network : {"alex", "vgg", "squeeze"}
        "alex" is the usual choice for comparisons.
    data_range : `~astropy.units.Quantity`
        Width of the range, about 0, that is scaled to -1 to 1; fields beyond it are clipped.
        6000 G by default, as in Ramunno et al. (2025).
    {region}

    Returns
    -------
    float
        0 for equal Maps.

    Raises
    ------
    ImportError
        Without the extra.
    {pair_errors}
    """
    import torch

    functional = _torchmetrics("torchmetrics.functional.image")
    pair = Pair(smap, reference, region)
    box = bounding_box(pair.mask)
    half = range_in_gauss(data_range) / 2
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


@own_torch_state()
def fid(maps, references, *, network=2048, data_range=DATA_RANGE, size=256):
    """
    Compute the Frechet inception distance between two collections of Maps, by torchmetrics.

    It needs the extra ``perceptual``.  The usual network was trained on photographs, and its
    weights are fetched when they are first used; `frechet_distance` needs neither.

    Parameters
    ----------
    maps, references : sequence of `~sunpy.map.GenericMap`
        At HMI's plate scale.
    network : int or `torch.nn.Module`
        Argument ``feature`` of torchmetrics' ``FrechetInceptionDistance``: number of features
        of the Inception network (64, 192, 768 or 2048), or a module that turns images
        ``(n, 3, size, size)``, 0 to 255, into features ``(n, d)``.
    data_range : `~astropy.units.Quantity`
        Width of the range, about 0, that becomes 0 to 255.
    size : int
        The Maps are cut into squares of this many pixels; the remaining margin is not used.

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
        If a collection has fewer than two squares, or ``data_range`` is invalid.
    """
    import torch

    module = _torchmetrics("torchmetrics.image.fid")
    half = range_in_gauss(data_range) / 2
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
            squares = reshape_as_blocks(grey[: ny * size, : nx * size], size)
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
