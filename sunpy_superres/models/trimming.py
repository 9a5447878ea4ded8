"""Cut off, layer by layer, the margin of a tile that the rest of a network no longer reads."""

from __future__ import annotations

__all__ = ["WHOLE", "shrink", "trim"]

#: Rows above and below, columns left and right that are not needed of a result: none.
WHOLE = (0, 0, 0, 0)


def trim(x, margin):
    """
    Cut a margin off.

    Parameters
    ----------
    x : torch.Tensor
        ``(..., ny, nx)``.
    margin : tuple of int
        Rows above and below, and columns left and right.

    Returns
    -------
    torch.Tensor
        A view.
    """
    above, below, left, right = margin
    return x[..., above : x.shape[-2] - below, left : x.shape[-1] - right]


def shrink(x, margin, radius):
    """
    Cut a margin down to what the following layers read.

    Parameters
    ----------
    x : torch.Tensor
        ``(..., ny, nx)``.
    margin : tuple of int
        What ``x`` has of it, as in `trim`; 0 at the frame's own edges.
    radius : int
        Receptive radius of the following layers.

    Returns
    -------
    x : torch.Tensor
        A view.
    margin : tuple of int
        What is left.
    """
    cut = tuple(max(0, side - radius) for side in margin)
    return trim(x, cut), tuple(side - gone for side, gone in zip(margin, cut, strict=True))
