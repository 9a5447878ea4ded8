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

    @classmethod
    def is_datasource_for(cls, data, header, **kwargs):
        """Return whether a header is that of a result on MDI's instrument."""
        return "srmodel" in header and MDIMap.is_datasource_for(data, header, **kwargs)


def set_plot_settings(smap):
    """
    Set colours, their limits and the title of a result, in place.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        With the cards of a result.
    """
    is_error = "error" in str(smap.meta.get("content", "")).lower()
    title = "Standard error" if is_error else "HMI-like field from MDI"
    if "srmember" in smap.meta:
        title = f"Member {smap.meta['srmember']} of {smap.meta.get('srnsamp', '?')}"
    low, high = (0.0, _UNCERTAINTY) if is_error else (-_FIELD, _FIELD)
    smap.plot_settings |= {
        "cmap": "magma" if is_error else "gray",
        "norm": ImageNormalize(vmin=low, vmax=high, clip=False),
        "interpolation": "nearest",
        "title": f"{title}, {smap.date.strftime('%Y-%m-%d %H:%M')}",
    }


def _is_only_mdi(data, header, **kwargs):
    """Return whether `MDIMap`, and no class of this module, is right for a header."""
    return "srmodel" not in header and MDIMap.is_datasource_for(data, header, **kwargs)


# sunpy refuses a header that two classes claim.
sunpy.map.Map.register(MDIMap, _is_only_mdi)
