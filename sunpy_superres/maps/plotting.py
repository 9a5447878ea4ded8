"""A figure of an input, its result and the uncertainty."""

from __future__ import annotations

import astropy.units as u
import numpy as np

from sunpy_superres.instruments import MDI
from sunpy_superres.maps.units import quantity_in

__all__ = ["plot_result"]


def plot_result(mdi_map, result, limit=None):
    """
    Draw input, HMI-like field and uncertainty side by side.

    The first two share one colour scale, in HMI Gauss: the input is divided by the
    factor between MDI and HMI.

    Parameters
    ----------
    mdi_map : `~sunpy.map.GenericMap`
        The input of `~sunpy_superres.super_resolve`.
    result : SuperResolution
        Its result.
    limit : `~astropy.units.Quantity`, optional
        Largest field of the colour scale; from the data by default.

    Returns
    -------
    `~matplotlib.figure.Figure`

    Raises
    ------
    ValueError
        If ``limit`` is not a non-negative quantity in Gauss.
    """
    from matplotlib.figure import Figure
    from sunpy.visualization import axis_labels_from_ctype

    hmi_like, uncertainty = result[:2]
    finite = np.abs(hmi_like.data[np.isfinite(hmi_like.data)])
    if limit is not None:
        limit = quantity_in("limit", limit, u.G)
    else:
        limit = float(np.clip(np.quantile(finite, 0.995), 100, 1500)) if finite.size else 100.0
    spread = uncertainty.data[np.isfinite(uncertainty.data)]
    figure = Figure(figsize=(17, 5.4), layout="constrained")
    panels = (
        (mdi_map, np.asarray(mdi_map.data) / MDI.gain, f"MDI / {MDI.gain:.2f}", "gray", -limit),
        (hmi_like, hmi_like.data, "HMI-like", "gray", -limit),
        (uncertainty, uncertainty.data, "Standard error", "magma", 0.0),
    )
    for number, (smap, data, title, colours, low) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, 3, number, projection=smap.wcs)
        high = limit if low else float(np.quantile(spread, 0.995)) if spread.size else 1.0
        image = axes.imshow(
            data, origin="lower", cmap=colours, vmin=low, vmax=high, interpolation="nearest"
        )
        axes.set_title(f"{title}  {smap.date.strftime('%Y-%m-%d %H:%M')}")
        quantity = "line-of-sight field" if low else "standard error"
        figure.colorbar(image, ax=axes, shrink=0.85, label=f"{quantity} ({u.G})")
        for coordinate, axis in zip(axes.coords, smap.coordinate_system, strict=True):
            coordinate.set_axislabel(axis_labels_from_ctype(axis, None))
    return figure
