"""Show the progress of a training, with tqdm if it is installed."""

from __future__ import annotations

import sys

try:
    from tqdm.auto import tqdm
except ImportError:  # a bare GPU machine
    tqdm = None

from sunpy_superres.progress import shows_bars

__all__ = ["progress_bar"]


class _Lines:
    """Replaces the progress bar where there is none: prints a line now and then."""

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
        every = max(1, min(50, self.total // 10))
        if self.progress and steps and (self.n % every == 0 or self.n == self.total):
            print(f"{self.name} {self.n}/{self.total} {self.text}", file=sys.stderr, flush=True)


def progress_bar(total, name, progress):
    """
    Make a progress bar of steps.

    Parameters
    ----------
    total : int
    name : str
    progress : bool
        Whether to show it.  Where no bars are drawn, in a log file for example, a line says now and
        then how far the training is.
    """
    if tqdm is None or not shows_bars():
        return _Lines(total, name, progress)
    return tqdm(total=total, desc=name, unit="step", disable=not progress, mininterval=5)
