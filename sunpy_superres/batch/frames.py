"""One frame of many: its seed, the model that all frames share, and the lock of a process."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import numpy as np

from sunpy_superres.exceptions import ModelError
from sunpy_superres.models.loading import load_model

__all__ = ["ONE_AT_A_TIME", "choose_seed", "frame_seed", "load_once", "locate_model"]

#: One frame at a time in a process; the threads of the network are the parallel part.
ONE_AT_A_TIME = threading.Lock()
#: The model of this process, by name and SHA-256; one at most.
_LOADED = {}


def frame_seed(mdi_map, seed=0) -> int:
    """
    Work out the seed of a frame whose noise is tied to the array; it depends on no other frame.

    Noise on the Sun needs no such seed: all frames draw from the one of their batch.

    Parameters
    ----------
    mdi_map : `~sunpy.map.GenericMap`
    seed : int
        Seed of the batch; another one gives other draws of every frame.

    Returns
    -------
    int
        A number of 31 bits.
    """
    digest = hashlib.sha256(np.ascontiguousarray(mdi_map.data, dtype="<f4").tobytes())
    digest.update(f"{mdi_map.meta.get('t_obs') or mdi_map.meta.get('date-obs')} {seed}".encode())
    return int.from_bytes(digest.digest()[:4], "big") >> 1


def choose_seed(mdi_map, seed, noise) -> int:
    """
    Choose the seed with which `~sunpy_superres.super_resolve` draws a frame of a batch.

    Parameters
    ----------
    mdi_map : `~sunpy.map.GenericMap`
    seed : int
        Seed of the batch.
    noise : {"sun", "array"}
        "sun" takes the seed of the batch for every frame, so that frames of the same Sun show the
        same structure; "array" takes `frame_seed`.
    """
    return seed if noise == "sun" else frame_seed(mdi_map, seed)


def locate_model(model) -> str:
    """
    Return a model's name, or the absolute path of its folder, which a worker elsewhere finds too.

    Parameters
    ----------
    model : str or path-like
        As ``model`` of `~sunpy_superres.super_resolve`.
    """
    name = os.fspath(model) if isinstance(model, str | os.PathLike) else str(model)
    return str(Path(name).absolute()) if name != "default" and Path(name).is_dir() else name


def load_once(name, sha256=None, progress=False):
    """
    Return the model of this process; load it unless it is known to be the wanted one.

    Parameters
    ----------
    name : str
        As ``model`` of `~sunpy_superres.super_resolve`.
    sha256 : str, optional
        SHA-256 of the wanted model; any, by default.
    progress : bool
        Show the progress of a download.

    Raises
    ------
    ModelError
        If the model cannot be loaded, or has another SHA-256.
    """
    if (name, sha256) not in _LOADED:
        model = load_model(name, progress=progress)
        if sha256 not in (None, model.sha256):
            raise ModelError(
                f"The model {name!r} of this worker has other weights than that of the caller; "
                "give all of them the same folder, or a model of the Hub with its commit."
            )
        sha256 = model.sha256
        _LOADED.clear()
        _LOADED[name, sha256] = model
    return _LOADED[name, sha256]
