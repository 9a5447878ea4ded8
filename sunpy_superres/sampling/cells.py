"""Normal numbers of numbered cells: a counter-based generator, which has no state."""

from __future__ import annotations

import functools

import numpy as np
from scipy import special

__all__ = ["cell_noise", "weighted_table"]

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
    return table / (table.std() * np.sqrt(2))


@functools.lru_cache(maxsize=8)
def weighted_table(weight) -> np.ndarray:
    """
    Make the table in which a cell's numbers are looked up: two entries for each.

    Parameters
    ----------
    weight : float
        Standard deviation of the numbers.

    Returns
    -------
    numpy.ndarray
        float32, multiples of 2 to the power of -16; not to be written to.
    """
    table = (np.rint(weight * _normal_table() / _QUANTUM) * _QUANTUM).astype(np.float32)
    table.flags.writeable = False
    return table


def _mix(bits, buffer):
    """Mix the bits of 32-bit numbers in place: the finaliser of MurmurHash3 (Appleby 2011)."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, None)):
        np.right_shift(bits, np.uint32(shift), out=buffer)
        bits ^= buffer
        if factor is not None:
            bits *= np.uint32(factor)
    return bits


def cell_noise(keys, columns, tables) -> np.ndarray:
    """
    Draw numbers of cells, each a sum of independent normal numbers.

    A pure function of the keys and the columns.

    Parameters
    ----------
    keys : sequence of numpy.ndarray of uint32
        For each normal number two for each row, ``(2, rows, 1)``; other keys give other numbers.
    columns : numpy.ndarray of uint32
        Numbers of the cells within their rows, ``(rows, n)``.
    tables : sequence of numpy.ndarray
        For each normal number the `weighted_table` of its standard deviation.

    Returns
    -------
    numpy.ndarray
        float32, ``(rows, n)``.
    """
    total = np.zeros(columns.shape, np.float32)
    bits, buffer = (np.empty_like(columns) for _ in range(2))
    entry, found = np.empty(columns.shape, np.intp), np.empty(columns.shape, np.float32)
    for (first, second), table in zip(keys, tables, strict=True):
        np.add(columns, first, out=bits)
        _mix(bits, buffer)
        bits ^= second
        _mix(bits, buffer)
        np.right_shift(bits, np.uint32(_BITS), out=buffer)
        bits &= np.uint32(2**_BITS - 1)
        for half in (bits, buffer):
            # Of the type and in the mode in which take neither copies nor checks.
            entry[...] = half
            total += np.take(table, entry, out=found, mode="wrap")
    return total
