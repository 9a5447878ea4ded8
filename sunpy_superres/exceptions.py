"""Warnings and errors of the package."""

__all__ = ["ModelError", "SuperResWarning"]  # noqa: F822 - the second is in __getattr__


class ModelError(ValueError):
    """A model fails to load, to run or to be published; the message says what to do."""


def __getattr__(name):
    # The warning derives from sunpy's; a machine that only trains has no sunpy.
    if name == "SuperResWarning":
        from sunpy_superres.warning import SuperResWarning

        return SuperResWarning
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
