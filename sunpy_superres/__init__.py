"""
Make HMI-like magnetograms, with their uncertainty, from those of SOHO/MDI.

Importing this package loads neither torch nor the network.
"""

import os
import sys
from importlib import import_module

from sunpy_superres.version import __version__

#: Public names, and the modules that define them.
_HOMES = {
    "ModelError": "exceptions",
    "SuperResWarning": "exceptions",
    "SuperResolution": "super_resolution",
    "load_model": "models.loading",
    "read_map": "maps.reading",
    "simulate_mdi": "maps.simulation",
    "super_resolve": "super_resolution",
}
#: Sub-packages and modules that are imported when they are first used as attributes.
_ROOMS = ("batch", "data", "datasets", "evaluation", "instruments", "metrics", "training")

__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604 - the names are the keys of _HOMES


if "sunpy.map" in sys.modules:  # so that sunpy.map.Map knows the results in its files
    import_module(f"{__name__}.maps.result_map")


def _use_one_thread():
    """Keep torch from waiting for ever for threads that a forked process has not inherited."""
    set_num_threads = getattr(sys.modules.get("torch"), "set_num_threads", None)
    if set_num_threads is not None:
        set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_use_one_thread)


def __getattr__(name):
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return sorted([*__all__, *_ROOMS])
