"""Many magnetograms: files of an archive and sequences of Maps, in parallel if asked."""

from importlib import import_module

__all__ = ["frame_seed", "read_report", "super_resolve_files", "super_resolve_maps"]


def __getattr__(name):
    # When it is asked for: the command line takes its signals from here without sunpy.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.archive"), name)


def __dir__():
    return sorted(__all__)
