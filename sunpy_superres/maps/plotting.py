"""A figure of an input, its result and the uncertainty, for one frame or for many."""

from __future__ import annotations

import astropy.units as u
import numpy as np

from sunpy_superres.instruments import MDI
from sunpy_superres.maps.fields import mark_missing
from sunpy_superres.maps.units import quantity_in

__all__ = ["ResultPanels", "find_clipped", "plot_result"]


class ResultPanels:
    """
    Input, HMI-like field and uncertainty side by side; later frames can take their place.

    The first two share one colour scale, in HMI Gauss: the input is divided by the
    factor between MDI and HMI.  The colour scales stay those of the first frame.

    Parameters
    ----------
    mdi_map, result, limit
        As in `plot_result`.
    time : `~astropy.time.Time`, optional
        Time in the titles; that of each Map by default.
    several : bool
        Other frames will follow: every colour bar then ends in arrows, since their values may lie
        beyond it.  By default one does where values of this frame lie beyond it.

    Attributes
    ----------
    figure : `~matplotlib.figure.Figure`
    """

    def __init__(self, mdi_map, result, limit=None, time=None, several=False):
        from matplotlib.figure import Figure

        hmi_like, uncertainty = result[:2]
        finite = np.abs(hmi_like.data[np.isfinite(hmi_like.data)])
        if limit is not None:
            limit = quantity_in("limit", limit, u.G)
        else:
            limit = float(np.clip(np.quantile(finite, 0.995), 100, 1500)) if finite.size else 100.0
        spread = uncertainty.data[np.isfinite(uncertainty.data)]
        high = float(np.quantile(spread, 0.995)) if spread.size else 1.0
        self.figure = Figure(figsize=(17, 5.4), layout="constrained")
        self._images = []
        styles = (
            ("gray", -limit, limit, "line-of-sight field"),
            ("gray", -limit, limit, "line-of-sight field"),
            ("magma", 0.0, high, "standard error"),
        )
        panels = zip(_panels(mdi_map, result), styles, strict=True)
        for number, ((smap, data, title), style) in enumerate(panels, start=1):
            colours, low, high, quantity = style
            axes = self.figure.add_subplot(1, 3, number, projection=smap.wcs)
            extend = find_clipped(data, low, high)
            if several:
                extend = "both" if low else "max"  # no uncertainty is negative
            image = axes.imshow(
                data, origin="lower", cmap=colours, vmin=low, vmax=high, interpolation="nearest"
            )
            axes.set_title(_add_time(title, smap, time))
            self.figure.colorbar(
                image, ax=axes, shrink=0.85, label=f"{quantity} ({u.G})", extend=extend
            )
            _label_axes(axes, smap)
            self._images.append(image)

    def fix_layout(self):
        """Keep the panels where they are, so that they do not move with the width of a label."""
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")

    def show(self, mdi_map, result, time=None):
        """
        Put another frame in the place of the one that is shown.

        Parameters
        ----------
        mdi_map : `~sunpy.map.GenericMap`
        result : SuperResolution
        time : `~astropy.time.Time`, optional
        """
        for image, (smap, data, title) in zip(self._images, _panels(mdi_map, result), strict=True):
            axes = image.axes
            axes.reset_wcs(smap.wcs)
            ny, nx = data.shape
            image.set_data(data)
            image.set_extent((-0.5, nx - 0.5, -0.5, ny - 0.5))
            axes.set_title(_add_time(title, smap, time))
            _label_axes(axes, smap)


def find_clipped(data, low, high) -> str:
    """
    Find at which ends of a colour scale values are clipped.

    Parameters
    ----------
    data : array-like
        Values that are not finite do not count.
    low, high : float
        Ends of the scale.

    Returns
    -------
    {"neither", "min", "max", "both"}
        The argument ``extend`` of a colour bar.
    """
    values = np.asarray(data)[np.isfinite(data)]
    below, above = bool((values < low).any()), bool((values > high).any())
    return {(False, False): "neither", (True, False): "min", (False, True): "max"}.get(
        (below, above), "both"
    )


def _panels(mdi_map, result):
    """Map, data and title of each panel."""
    hmi_like, uncertainty = result[:2]
    ratio = MDI.gain / float(hmi_like.meta.get("srlevfac", 1.0))  # of a frame of an older level
    return (
        (mdi_map, mark_missing(mdi_map) / ratio, f"MDI / {ratio:.2f}"),
        (hmi_like, hmi_like.data, "HMI-like"),
        (uncertainty, uncertainty.data, "Standard error"),
    )


def _add_time(title, smap, time):
    return f"{title}  {(smap.date if time is None else time).strftime('%Y-%m-%d %H:%M')}"


def _label_axes(axes, smap):
    from sunpy.visualization import axis_labels_from_ctype

    for coordinate, axis in zip(axes.coords, smap.coordinate_system, strict=True):
        coordinate.set_axislabel(axis_labels_from_ctype(axis, None))


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
    return ResultPanels(mdi_map, result, limit).figure
