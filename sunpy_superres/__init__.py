"""
HMI-like magnetograms, with their uncertainty, from SOHO/MDI ones.

Importing this package loads neither torch nor the network.
"""

from importlib import import_module

from sunpy_superres.version import __version__

_HOMES = {
    "ModelError": "exceptions",
    "SuperResWarning": "exceptions",
    "load_model": "hub",
    "read_map": "files",
    "simulate_mdi": "instruments",
    "SuperResolution": "super_resolution",
    "super_resolve": "super_resolution",
}

__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604 - the names are the keys of _HOMES


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return sorted(__all__)
