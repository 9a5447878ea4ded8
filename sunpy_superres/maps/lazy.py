"""Maps whose data are dask arrays, on a cluster."""

from __future__ import annotations

import contextlib
import sys

import numpy as np
import sunpy.map

__all__ = ["compute_data", "read_array"]


def compute_data(smap, client=None):
    """
    Return a Map whose data and mask are in memory, if they could otherwise be waited for for ever.

    A task that asks its cluster for data holds the thread that could compute them.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        Returned as it is if its data are not of dask.
    client : `distributed.Client`, optional
        It computes the data, which may be futures of its cluster, before all that waits there.
        Without it, data are computed in this process if it runs a task of a cluster, else later.
    """
    parts = [getattr(smap, name, None) for name in ("data", "mask")]
    if not any(map(_is_lazy, parts)) or (client is None and not _runs_a_task()):
        return smap
    data, mask = (_compute(part, client) if _is_lazy(part) else part for part in parts)
    return sunpy.map.Map(data, smap.meta, mask=mask, plot_settings=smap.plot_settings)


def read_array(data, dtype=None) -> np.ndarray:
    """
    Read data as a plain array; what is masked is NaN.

    NumPy's own conversion of an array of dask drops its mask.

    Parameters
    ----------
    data : array-like
        Also of dask, or masked.
    dtype : dtype, optional
        A floating-point type; by default that of the data, or float32 for masked integers.
    """
    if _is_lazy(data):
        data = data.compute()
    if isinstance(data, np.ma.MaskedArray):
        data = data.astype(dtype or np.result_type(data.dtype, np.float32)).filled(np.nan)
    return np.asarray(data, dtype=dtype)


def _is_lazy(part):
    return hasattr(part, "__dask_graph__")


def _compute(part, client):
    if client is None:
        return part.compute(scheduler="synchronous")
    return client.compute(part, priority=100).result()


def _runs_a_task():
    """Return whether a worker of dask runs this function."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    with contextlib.suppress(ValueError):
        distributed.get_worker()
        return True
    return False
