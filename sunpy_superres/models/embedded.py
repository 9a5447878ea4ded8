"""The configuration of the embedded model, for what needs no torch."""

from __future__ import annotations

import functools
import json
from importlib.resources import files

__all__ = ["read_embedded_config"]


@functools.cache
def read_embedded_config() -> dict:
    """
    Read config.json of the embedded model.

    Returns
    -------
    dict
        Not to be changed: all callers share it.
    """
    path = files("sunpy_superres") / "weights" / "config.json"
    return json.loads(path.read_text(encoding="utf-8"))
