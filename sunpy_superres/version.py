"""Version of the package, from setuptools_scm."""

try:
    from sunpy_superres._version import version as __version__
except ImportError:  # a source tree that was never built
    __version__ = "0.1.dev0"

__all__ = ["__version__"]
