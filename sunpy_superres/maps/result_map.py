"""The Map of a result, which sunpy makes of its header too, and which looks right when plotted."""

from __future__ import annotations

import sunpy.map
from astropy.visualization import ImageNormalize
from sunpy.map.sources import MDIMap

__all__ = ["SuperResolvedMap", "set_plot_settings"]

#: Limits of the colours in Gauss: of the field to both sides of 0, and of the uncertainty.
_FIELD, _UNCERTAINTY = 1000.0, 200.0


class SuperResolvedMap(MDIMap):
    """
    Map of a result of `~sunpy_superres.super_resolve`: MDI's, with plot settings of its own.

    ``sunpy.map.Map`` makes this of each header with MDI's instrument and the card SRMODEL, once
    ``sunpy_superres`` is imported.  A field is shown in gray from -1000 to 1000 G, an uncertainty
    in magma from 0 to 200 G.
    """

    def __init__(self, data, header, **kwargs):
        super().__init__(data, header, **kwargs)
        set_plot_settings(self)

    @property
    def latex_name(self):
        """Title of a plot: what the Map is, and its time."""
        title = "Standard error" if _is_error(self) else "HMI-like field from MDI"
        if "srmember" in self.meta:
            title = f"Member {self.meta['srmember']} of {self.meta.get('srnsamp', '?')}"
        return f"{title}, {self.date.strftime('%Y-%m-%d %H:%M')}"

    @classmethod
    def is_datasource_for(cls, data, header, **kwargs):
        """Return whether a header is that of a result on MDI's instrument."""
        return "srmodel" in header and MDIMap.is_datasource_for(data, header, **kwargs)


def _is_error(smap):
    return "error" in str(smap.meta.get("content", "")).lower()


def set_plot_settings(smap):
    """
    Set colours and their limits of a result, in place.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        With the cards of a result.
    """
    is_error = _is_error(smap)
    low, high = (0.0, _UNCERTAINTY) if is_error else (-_FIELD, _FIELD)
    # No title: sunpy's draw_contours would give it to matplotlib, which refuses it.
    smap.plot_settings |= {
        "cmap": "magma" if is_error else "gray",
        "norm": ImageNormalize(vmin=low, vmax=high, clip=False),
        "interpolation": "nearest",
    }


def _is_only_mdi(data, header, **kwargs):
    """Return whether `MDIMap`, and no class of this module, is right for a header."""
    return "srmodel" not in header and MDIMap.is_datasource_for(data, header, **kwargs)


# sunpy refuses a header that two classes claim.
sunpy.map.Map.register(MDIMap, _is_only_mdi)
