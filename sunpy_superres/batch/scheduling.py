"""Scheduling of tasks: in this process, or in the workers of dask, a few at a time."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import sys
from collections import deque

from sunpy_superres.sampling.memory import reuse_memory

__all__ = [
    "compute_in_order",
    "compute_unordered",
    "open_client",
    "use_own_threads",
]

#: Tasks that each worker has: one that runs and two that wait.
_AHEAD = 3


def use_own_threads():
    """Let the network use as many threads as dask gave to this worker, if this is one."""
    import torch

    distributed = sys.modules.get("distributed")  # every worker has loaded it
    if distributed is None:
        return
    with contextlib.suppress(ValueError):  # not a worker, and may use all threads
        torch.set_num_threads(distributed.get_worker().state.nthreads)


@contextlib.contextmanager
def open_client(client, workers):
    """Yield the given client, a client of ``workers`` processes, or None for this process alone."""
    if client is not None or not workers or workers == 1:
        yield client
        return
    try:
        from dask.system import CPU_COUNT
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ImportError(
            "More than one worker needs dask: pip install 'sunpy_superres[batch]'."
        ) from error
    threads = max(1, CPU_COUNT // workers)
    # No limit that pauses or kills a worker: the memory of a frame is bounded by its size.
    with (
        _keep_environment(),
        LocalCluster(
            workers, threads_per_worker=threads, memory_limit=0, dashboard_address=":0",
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster) as own,
    ):  # fmt: skip
        own.run(reuse_memory)
        yield own


@contextlib.contextmanager
def _keep_environment():
    """Undo what dask sets for its workers: later programs would use a single thread."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def compute_unordered(function, items, client):
    """Yield ``(item, result or exception)`` in any order; a worker has few items at a time."""
    if client is None:
        yield from ((item, function(item)) for item in items)
        return
    from distributed import as_completed

    items, waiting = iter(items), {}
    ahead = _ahead(client)

    def submitted():
        for item in itertools.islice(items, ahead - len(waiting)):
            # Not pure: a file may have changed since an equal call.
            future = client.submit(function, item, pure=False)
            waiting[future] = item
            yield future

    pool = as_completed(submitted())
    for future in pool:
        item = waiting.pop(future)
        error = future.exception()
        yield item, error if error is not None else future.result()
        future.release()
        for new in submitted():
            pool.add(new)


def compute_in_order(function, items, client):
    """Yield results in the order of the items; a worker has few items at a time."""
    if client is None:
        yield from map(function, items)
        return
    ahead, waiting = _ahead(client), deque()
    for item in items:
        waiting.append(client.submit(function, item, pure=False))
        if len(waiting) == ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _ahead(client):
    """Return how many tasks the workers of a client have at a time."""
    return _AHEAD * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
