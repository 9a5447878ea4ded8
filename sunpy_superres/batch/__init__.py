"""Super-resolution of many magnetograms: files of an archive, sequences of Maps, and movies."""

from importlib import import_module

#: Public names, and the modules that define them.
_HOMES = {
    "frame_seed": "frames",
    "read_report": "archive",
    "super_resolve_files": "archive",
    "super_resolve_maps": "sequence",
    "super_resolve_sequence": "sequence",
    "write_movie": "movie",
}

__all__ = [*_HOMES]  # noqa: PLE0604 - the names are the keys of _HOMES


def __getattr__(name):
    # Loaded only when asked for: the command line handles its signals without loading sunpy.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return sorted(__all__)
