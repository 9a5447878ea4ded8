"""Sequences of frames, one after the other in memory, whose draws show the same Sun."""

from __future__ import annotations

import functools
import itertools
import os
from pathlib import Path

import sunpy.map
from tqdm.auto import tqdm

from sunpy_superres.batch.frames import ONE_AT_A_TIME, choose_seed, load_once, locate_model
from sunpy_superres.batch.scheduling import compute_in_order, use_own_threads
from sunpy_superres.batch.sources import find_files
from sunpy_superres.maps.lazy import compute_data
from sunpy_superres.maps.reading import read_map
from sunpy_superres.progress import shows_bars
from sunpy_superres.super_resolution import super_resolve

__all__ = [
    "find_frames",
    "read_frame",
    "resolve_frame",
    "super_resolve_maps",
    "super_resolve_sequence",
]


def find_frames(maps):
    """
    Find the frames of a sequence, without reading a file.

    Parameters
    ----------
    maps : `~sunpy.map.GenericMap`, path-like, or iterable of these
        Maps, files, patterns, and folders that are searched for FITS files.

    Returns
    -------
    list or iterator
        Maps and paths.  A list if the argument has a length, else an iterator that takes what it
        needs.

    Raises
    ------
    FileNotFoundError
        If a pattern or a folder gives no file.
    """
    if isinstance(maps, sunpy.map.GenericMap | str | os.PathLike):
        maps = [maps]
    found = itertools.chain.from_iterable(
        [entry] if isinstance(entry, sunpy.map.GenericMap) else find_files(os.fspath(entry))
        for entry in maps
    )
    return list(found) if hasattr(maps, "__len__") else found


def read_frame(frame):
    """
    Return a frame of `find_frames` as a Map.

    Parameters
    ----------
    frame : `~sunpy.map.GenericMap` or path-like
        A Map is returned as it is; a file is read by `~sunpy_superres.read_map`, and raises what
        that raises.
    """
    return frame if isinstance(frame, sunpy.map.GenericMap) else read_map(Path(frame))


def resolve_frame(frame, model, seed, options):
    """
    Super-resolve one frame of a sequence.

    Parameters
    ----------
    frame : `~sunpy.map.GenericMap` or path-like
    model : tuple of str
        Name and SHA-256, for `~sunpy_superres.batch.frames.load_once`.
    seed : int
        Seed of the sequence.
    options : dict
        Other options of `~sunpy_superres.super_resolve`, which also says what is raised.
    """
    with ONE_AT_A_TIME:
        use_own_threads()
        mdi_map = read_frame(frame)
        seed = choose_seed(mdi_map, seed, options.get("noise", "sun"))
        return super_resolve(mdi_map, model=load_once(*model), seed=seed, progress=False, **options)


def super_resolve_sequence(maps, *, client=None, model="default", seed=0, progress=True, **options):
    """
    Super-resolve a sequence of frames that show the same Sun, in order.

    All frames draw from the noise of one seed, which is tied to the Sun's surface: what does not
    change on the Sun hardly changes from frame to frame.  Nothing is passed from one frame to
    the next, so that any part of a sequence gives the same results as the whole.  With
    ``return_samples=True`` the members of two frames correspond, so that the error of a
    difference is the scatter of the members' differences.

    Parameters
    ----------
    maps : `~sunpy.map.MapSequence`, path-like, or iterable of Maps and path-likes
        Maps, files, patterns, and folders that are searched for FITS files; the files of a
        pattern or a folder come in the order of their names.  Frames are read as they are needed,
        so that one is in memory at a time and an iterable may be endless.
    client : `distributed.Client`, optional
        Client of a cluster that computes some frames ahead; its workers must see the same files.
        Dask data of a Map are computed before it is sent.
    model : str or path-like
        As in `~sunpy_superres.super_resolve`.
    seed : int
        Seed of the sequence, and of each frame.  With ``noise="array"``, which has each frame
        drawn anew, `frame_seed` works out the seed of each.
    progress : bool
        Show a progress bar.
    **options
        Other options of `~sunpy_superres.super_resolve`, such as ``lifetime``.

    Yields
    ------
    SuperResolution or SuperResolutionSamples
        The result of each frame.

    Raises
    ------
    FileNotFoundError
        If a file does not exist, or a pattern or a folder gives none.
    ModelError
        If the model cannot be loaded.
    TypeError, ValueError
        If `~sunpy_superres.super_resolve` refuses a frame or an option; no later frame follows.

    Examples
    --------
    >>> from sunpy_superres.batch import super_resolve_sequence
    >>> from sunpy_superres.data import example_mdi_map
    >>> results = super_resolve_sequence(
    ...     [example_mdi_map()], seed=1, n_samples=1, num_steps=1, progress=False)
    >>> [result.hmi_like.meta["srseed"] for result in results]
    [1]
    """
    frames = find_frames(maps)
    total = len(frames) if isinstance(frames, list) else None
    model = locate_model(model)
    model = (model, load_once(model, progress=progress).sha256)
    task = functools.partial(resolve_frame, model=model, seed=seed, options=options)
    hidden = not shows_bars(progress)
    bar = tqdm(frames, total=total, unit="frame", desc="super-resolving", disable=hidden)
    if client is not None:
        bar = (_make_portable(frame, client) for frame in bar)
    yield from compute_in_order(task, bar, client)


def _make_portable(frame, client):
    """Return a frame that a worker finds, or reads, without the caller's folder and cluster."""
    if isinstance(frame, sunpy.map.GenericMap):
        return compute_data(frame, client)
    return Path(frame).absolute()


def super_resolve_maps(maps, **options):
    """
    Super-resolve Maps in memory, in order: `super_resolve_sequence` under its older name.

    Parameters
    ----------
    maps : iterable of `~sunpy.map.GenericMap`
        For example a `~sunpy.map.MapSequence`.
    **options
        As in `super_resolve_sequence`.

    Yields
    ------
    SuperResolution or SuperResolutionSamples
        The result of each Map.
    """
    yield from super_resolve_sequence(maps, **options)
