"""Warnings and errors of the package."""

__all__ = ["ModelError", "SuperResWarning"]


class SuperResWarning(UserWarning):
    """The result is usable, but the input or the model gives reason for care."""


class ModelError(ValueError):
    """A model folder or a Hub model that cannot be loaded; the message names the fix."""
