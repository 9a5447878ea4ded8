"""Show the progress of a training, with tqdm if it is installed."""

from __future__ import annotations

import sys

try:
    from tqdm.auto import tqdm
except ImportError:  # a bare GPU machine
    tqdm = None

__all__ = ["progress_bar"]


class _Lines:
    """Replaces the progress bar if tqdm is missing: prints a line now and then."""

    def __init__(self, total, name, progress):
        self.total, self.name, self.progress, self.n, self.text = total, name, progress, 0, ""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def set_postfix(self, refresh=False, **values):
        self.text = " ".join(f"{key} {value}" for key, value in values.items())

    def update(self, steps):
        self.n += steps
        if self.progress and (self.n % 50 == 0 or self.n == self.total):
            print(f"{self.name} {self.n}/{self.total} {self.text}", file=sys.stderr, flush=True)


def progress_bar(total, name, progress):
    """
    Make a progress bar of steps.

    Parameters
    ----------
    total : int
    name : str
    progress : bool
        Whether to show it.
    """
    if tqdm is None:
        return _Lines(total, name, progress)
    return tqdm(total=total, desc=name, unit="step", disable=not progress, mininterval=5)
