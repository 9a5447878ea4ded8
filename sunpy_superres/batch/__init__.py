"""Super-resolution of many magnetograms: files of an archive, or sequences of Maps."""

from importlib import import_module

__all__ = ["frame_seed", "read_report", "super_resolve_files", "super_resolve_maps"]


def __getattr__(name):
    # Loaded when it is first used: the command line handles its signals without loading sunpy.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.archive"), name)


def __dir__():
    return sorted(__all__)
