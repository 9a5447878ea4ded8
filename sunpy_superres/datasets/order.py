"""Which of two Maps is MDI's, and which HMI's."""

from __future__ import annotations

from sunpy_superres.maps.levels import is_simulated
from sunpy_superres.maps.magnetogram import check_observable
from sunpy_superres.maps.refusals import check_is_map

__all__ = ["check_order"]


def check_order(mdi_map, hmi_map, function="align_pair"):
    """
    Refuse what is no Map, and an MDI magnetogram in HMI's place.

    Parameters
    ----------
    mdi_map, hmi_map : object
    function : str
        Name of the function that wants the Maps.

    Raises
    ------
    TypeError
        If one is no Map, the Maps are swapped, or both are MDI's.
    """
    for smap in (mdi_map, hmi_map):
        check_is_map(smap, function)
    simulated = is_simulated(hmi_map.meta, "MDI")
    if not _may_be(hmi_map, "MDI") or (_may_be(hmi_map, "HMI") and not simulated):
        return
    if _may_be(mdi_map, "HMI") and not _may_be(mdi_map, "MDI"):
        raise TypeError(
            "The two Maps are swapped: the first is from HMI and the second from MDI; call "
            f"{function}(mdi_map, hmi_map)."
        )
    raise TypeError(
        "The second Map is from MDI, as the first is to be; give HMI's magnetogram of the same "
        "time."
    )


def _may_be(smap, instrument):
    """Return whether a header may be that of a magnetogram of an instrument."""
    try:
        check_observable(smap.meta, instrument)
    except TypeError:
        return False
    return True
