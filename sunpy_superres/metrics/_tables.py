"""Tables that print all that they hold."""

from __future__ import annotations

from astropy.table import QTable, Table

__all__ = ["FullQTable", "FullTable"]


class FullTable(Table):
    """Table whose text has all rows and columns; astropy's stops at the size of the terminal."""

    def __str__(self):
        return "\n".join(self.pformat(max_lines=-1, max_width=-1))


class FullQTable(FullTable, QTable):
    """The same for columns of quantities."""
