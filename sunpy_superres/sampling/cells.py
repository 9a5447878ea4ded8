"""Normal numbers of numbered cells: a counter-based generator, which has no state."""

from __future__ import annotations

import functools

import numpy as np
from scipy import special

__all__ = ["cell_noise"]

#: Bits of a random number that look up one entry of the table of normal numbers.
_BITS = 16
#: The table's numbers are multiples of this, so that sums below 256 are exact in float32, and a
#: pixel's sum does not depend on the order in which its cells are added.
_QUANTUM = 2.0**-16


@functools.cache
def _normal_table():
    """Quantiles of the normal distribution, of variance 1/2: the sum of two has variance 1."""
    n = 2**_BITS
    table = special.ndtri((np.arange(n) + 0.5) / n)
    table /= table.std() * np.sqrt(2)
    return (np.rint(table / _QUANTUM) * _QUANTUM).astype(np.float32)


def _mix(bits, buffer):
    """Mix the bits of 32-bit numbers in place: the finaliser of MurmurHash3 (Appleby 2011)."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, None)):
        np.right_shift(bits, np.uint32(shift), out=buffer)
        bits ^= buffer
        if factor is not None:
            bits *= np.uint32(factor)
    return bits


def cell_noise(keys, columns) -> np.ndarray:
    """
    Standard normal numbers of cells: a pure function of the keys and the columns.

    Parameters
    ----------
    keys : numpy.ndarray of uint32
        Two for each row, ``(2, rows, 1)``; other keys give other numbers.
    columns : numpy.ndarray of uint32
        Numbers of the cells within their rows, ``(rows, n)``.

    Returns
    -------
    numpy.ndarray
        float32, ``(rows, n)``.
    """
    bits, table = columns + keys[0], _normal_table()
    buffer = np.empty_like(bits)
    _mix(bits, buffer)
    bits ^= keys[1]
    _mix(bits, buffer)
    return table[bits & np.uint32(2**_BITS - 1)] + table[bits >> np.uint32(_BITS)]
