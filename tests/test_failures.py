"""What people read when an input fails."""

import errno

import pytest

from sunpy_superres.batch.failures import describe_failure


class OutOfMemoryError(RuntimeError):
    """As torch has it."""


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("No pixel is known; give another frame."),
         "No pixel is known; give another frame."),
        (TypeError("This is a bitmap, not a magnetogram."), "This is a bitmap, not a magnetogram."),
        (OSError(errno.ENOSPC, "No space left on device", "a.fits"),
         "a.fits: No space left on device"),
        (OSError(errno.EBADF, "Bad file descriptor", 3), "3: Bad file descriptor"),
        (FileExistsError("a.fits exists; give --overwrite."), "a.fits exists; give --overwrite."),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (ValueError("one\n  two"), "one two"),
        (EOFError("at end"), "It is cut short or damaged (at end); download it again."),
        (KeyError("cdelt1"), "It has no 'cdelt1', which is needed."),
        (MemoryError(), "The memory is full; give a cut-out, fewer workers or another device."),
        (OutOfMemoryError("CUDA out of memory"), "The memory is full; give a cut-out, fewer "
         "workers or another device (CUDA out of memory)."),
        (IndexError("index 5"), "An error that the package does not know (IndexError: index 5); "
         "please report it."),
        (ValueError(), "An error that the package does not know (ValueError: ); please report it."),
    ],
)  # fmt: skip
def test_a_failure_is_a_sentence(error, text):
    assert describe_failure(error) == text
