"""How the C library keeps the memory that the layers of a network free."""

from __future__ import annotations

import contextlib
import ctypes
import os

__all__ = ["return_memory", "reuse_memory"]

#: Numbers of the options of ``mallopt``, from malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
#: Bytes of the smallest blocks that go back to the system as soon as they are freed; glibc allows
#: no more.
_LARGE = 2**25


def _call_glibc(name, *arguments):
    """Call a function of the C library, if it is glibc and has it."""
    with contextlib.suppress(OSError, AttributeError):
        getattr(ctypes.CDLL("libc.so.6"), name)(*arguments)


def reuse_memory():
    """
    Let the C library keep freed memory for the next layer of the network.

    By default it returns large blocks to the system, which clears them each time they are used
    again.  The setting holds for the whole process, so only a process that this package starts
    should call this function.  Whole images, of more than 32 MiB, still go back; torch is asked to
    take them in huge pages (``THP_MEM_ALLOC_ENABLE``, which it reads before its first array), of
    which the system has to provide 500 times fewer.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    _call_glibc("mallopt", _M_MMAP_THRESHOLD, _LARGE)
    _call_glibc("mallopt", _M_TRIM_THRESHOLD, 2**31 - 1)


def return_memory():
    """Give freed memory back to the system, which the C library would keep in many small gaps."""
    _call_glibc("malloc_trim", 0)
