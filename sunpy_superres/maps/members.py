"""The members of an ensemble: as a cube, and as Maps, each made when it is asked for."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import astropy.units as u
import ndcube
import numpy as np
import sunpy.map
from astropy.wcs import WCS

from sunpy_superres.maps.geometry import on_disk_mask
from sunpy_superres.maps.metadata import refresh_statistics
from sunpy_superres.maps.provenance import add_provenance
from sunpy_superres.maps.result_map import set_plot_settings

__all__ = [
    "EnsembleCube",
    "Members",
    "as_cube",
    "header_of_cube",
    "mask_of_cube",
    "members_of_cube",
]

#: Name of the axis that counts the members, from 0.
_MEMBER = "member"
_COMMENTS = {"srmember": "number of this member, from 1 to SRNSAMP"}


class Members(Sequence):
    """
    The members of an ensemble, a read-only list of Maps.

    A Map is made when it is asked for and not kept, so that the memory does not grow with the
    members.  Its data are those of the ensemble, and no copy.

    Parameters
    ----------
    data : numpy.ndarray
        Gauss, ``(n, ny, nx)``.
    meta : dict-like
        Cards of the result.  A member keeps them, with its own statistics, and has its number,
        which begins with 1, in the card SRMEMBER; its SRESTIM is "sample".
    mask : numpy.ndarray of bool, optional
        Of the shape of ``data``, True where a member is missing: its Map has NaN there.
    numbers : sequence of int, optional
        Numbers of the members, if they are a part of an ensemble; by default from 1.

    Examples
    --------
    >>> from sunpy_superres import super_resolve
    >>> from sunpy_superres.data import example_mdi_map
    >>> result = super_resolve(example_mdi_map(), n_samples=3, num_steps=1, seed=1,
    ...                        progress=False, return_samples=True)
    >>> result.members
    <3 members of 512 x 512 pixels>
    >>> result.members[-1].meta["srmember"]
    3
    """

    def __init__(self, data, meta, mask=None, numbers=None):
        self._data, self._meta, self._mask = data, meta, mask
        self._names = range(1, len(data) + 1) if numbers is None else numbers
        self._total = max([int(meta.get("srnsamp") or 0), len(data), *self._names])
        self._numbers = range(len(data))

    def __len__(self):
        return len(self._numbers)

    def __getitem__(self, key):
        if isinstance(key, slice):
            part = Members(self._data, self._meta, self._mask, self._names)
            part._numbers = self._numbers[key]
            return part
        try:
            number = self._numbers[operator.index(key)]
        except TypeError:
            raise TypeError(
                f"A member is asked for by a number or a slice, not {type(key).__name__}."
            ) from None
        except IndexError:
            raise IndexError(
                f"There are {len(self)} members, numbered from 0 to {len(self) - 1}; there is "
                f"no member {key}."
            ) from None
        return self._make(number)

    def _make(self, number):
        data, name, total = self._data[number], self._names[number], self._total
        if self._mask is not None and self._mask[number].any():
            data = np.where(self._mask[number], np.float32(np.nan), data)
        meta = dict(self._meta) | {
            "content": f"Member {name} of {total} of the HMI-like ensemble from MDI"
        }
        cards = {"srmember": name, "srestim": "sample"}
        if "missvals" in meta:
            cards["missvals"] = _count_missing(data, meta)
        refresh_statistics(meta, data, np.False_)
        step = f"member {name} of the {total} of the ensemble"
        smap = sunpy.map.Map(data, add_provenance(meta, cards, [step], _COMMENTS))
        set_plot_settings(smap)
        return smap

    def __repr__(self):
        ny, nx = self._data.shape[1:]
        return f"<{len(self)} member{'s' * (len(self) != 1)} of {nx} x {ny} pixels>"


def _count_missing(data, meta) -> int:
    """Count the pixels on the disk that a member lacks."""
    finite = np.isfinite(data)
    if meta.get("datavals") == np.count_nonzero(finite):
        return meta["missvals"]  # what is missing in one is missing in all
    return int(np.count_nonzero(on_disk_mask(sunpy.map.Map(data, meta)) & ~finite))


class EnsembleCube(ndcube.NDCube):
    """
    The ensemble of a result: an `~ndcube.NDCube` that NumPy takes for an array of its data.

    ``np.mean(cube, axis=0)`` is the mean over the members, in Gauss, NaN where the mask is set.
    For a plain NDCube, NumPy would return the cube itself.  NumPy's universal functions, such as
    ``np.abs`` and ``np.sum``, refuse a cube, as they do any NDCube: give them ``cube.data``.

    What the mask of a cube, or of one member for all, marks is missing in the members and in all
    metrics; ``cube.data`` still holds it.
    """

    def __array__(self, dtype=None, copy=None):
        data, mask = self.data, mask_of_cube(self)
        if mask is not None and mask.any():
            return np.asarray(np.where(mask, np.float32(np.nan), data), dtype=dtype)
        return np.array(data, dtype=dtype) if copy else np.asarray(data, dtype=dtype)

    @property
    def mask(self):
        """True where a value is missing, ``(n, ny, nx)``; one of ``(ny, nx)`` holds for all."""
        return self._mask

    @mask.setter
    def mask(self, value):
        shape = np.shape(self.data)
        if value is not None and np.shape(value) != shape:
            value = _spread_mask(value, shape)
        self._mask = value


def _spread_mask(mask, shape):
    """Give a mask the shape of a cube."""
    try:
        return np.broadcast_to(np.asarray(mask, bool), shape)
    except ValueError:
        raise ValueError(
            f"The mask has the shape {np.shape(mask)}, and the ensemble {shape}; give a mask of "
            f"that shape, or one of {shape[-2:]} for all members."
        ) from None


def mask_of_cube(cube):
    """
    Return the mask of an ensemble in the shape of its data; None if it has none.

    Parameters
    ----------
    cube : `~ndcube.NDCube`

    Raises
    ------
    ValueError
        If its shape is not that of the data, nor that of a member.
    """
    return None if cube.mask is None else _spread_mask(cube.mask, np.shape(cube.data))


def members_of_cube(cube) -> Members:
    """
    Make the members of an ensemble, in Gauss and with their numbers in the whole ensemble.

    Parameters
    ----------
    cube : `~ndcube.NDCube`
        ``(n, ny, nx)``; it may be a part of the ensemble.

    Raises
    ------
    ValueError
        As `header_of_cube` does, or if the mask has another shape.
    """
    data = cube.data if cube.unit in (None, u.G) else cube.data * cube.unit.to(u.G)
    return Members(data, header_of_cube(cube), mask_of_cube(cube), _number_members(cube))


def _number_members(cube):
    """Read the numbers of the members, from 1, off the member axis; None if it has none."""
    sky, total = cube.wcs.low_level_wcs, len(cube.data)
    if _MEMBER not in sky.world_axis_names:
        return None
    axis = tuple(sky.world_axis_names).index(_MEMBER)
    zero = np.zeros(total + 1)
    # One more than there are: a single one may be a mean, too, which the step alone tells.
    values = sky.pixel_to_world_values(zero, zero, np.arange(total + 1))[axis]
    numbers = np.rint(values)
    if not np.allclose(values, numbers, atol=1e-3) or np.any(np.diff(numbers) != 1):
        raise ValueError(
            "The members of the NDCube were rebinned: a mean of members is none. Rebin the other "
            "axes only."
        )
    return [int(number) + 1 for number in numbers[:total]]


def as_cube(members, reference) -> EnsembleCube:
    """
    Make a cube of an ensemble; its first axis counts the members.

    Parameters
    ----------
    members : numpy.ndarray
        Gauss, ``(n, ny, nx)``.
    reference : `~sunpy.map.GenericMap`
        A Map of their grid.
    """
    header = reference.wcs.to_header()
    header["WCSAXES"] = 3
    header["CTYPE3"], header["CUNIT3"] = "SAMPLE", ""
    header["CRPIX3"], header["CRVAL3"], header["CDELT3"] = 1.0, 0.0, 1.0
    header["CNAME3"] = _MEMBER
    wcs = WCS(header, naxis=3)
    wcs.array_shape = members.shape
    return EnsembleCube(members, wcs=wcs, unit=u.G, meta=dict(reference.meta))


def header_of_cube(cube) -> dict:
    """
    Make the header of a member: that in the cube's meta, moved where the cube was sliced.

    Slicing a cube moves its WCS, and leaves its meta.

    Parameters
    ----------
    cube : `~ndcube.NDCube`
        ``(n, ny, nx)``, in Gauss.

    Raises
    ------
    ValueError
        If the pixels or the observer of its WCS are not those of its meta: it was rebinned or
        reprojected; or if its members were rebinned.
    """
    _number_members(cube)
    meta, (_, ny, nx) = dict(cube.meta, bunit="Gauss"), np.shape(cube.data)
    sky = cube.wcs.low_level_wcs
    types = sky.world_axis_physical_types[:2]
    if not all(str(t).endswith(("lon", "lat")) for t in types):
        return meta  # a cube that was made by hand, whose meta alone says where it lies
    x, y = np.array([[0, nx - 1, 0], [0, ny - 1, ny - 1]])
    world = sky.pixel_to_world_values(x, y, np.zeros(3))[:2]
    wcs = sunpy.map.Map(np.broadcast_to(np.float32(0), (ny, nx)), meta).wcs
    units = zip(sky.world_axis_units, wcs.world_axis_units, strict=False)
    angles = [a * u.Unit(own).to(other) for a, (own, other) in zip(world, units, strict=False)]
    shift = np.array(wcs.world_to_pixel_values(*angles)) - [x, y]
    moved = np.rint(shift[:, :1])
    if not np.allclose(shift, moved, atol=0.01) or not _same_observer(sky, wcs):
        raise ValueError(
            "The pixels or the observer of the NDCube are not those of the header in its meta; "
            "rebin or reproject the Maps of the members instead, and give these."
        )
    for card, pixels in zip(("crpix1", "crpix2"), moved[:, 0], strict=True):
        if pixels:
            meta[card] = float(meta[card]) - pixels
    return meta


def _same_observer(sky, wcs) -> bool:
    """Return whether two WCS have one observer, as far as both name one."""
    auxiliaries = []
    for one in (sky, wcs):
        while not hasattr(one, "wcs") and hasattr(one, "_wcs"):
            one = one._wcs  # a slice of a WCS
        auxiliaries.append(getattr(getattr(one, "wcs", None), "aux", None))
    for name, tolerance in (("dsun_obs", 1e4), ("hglt_obs", 1e-4), ("hgln_obs", 1e-4),
                            ("crln_obs", 1e-4)):  # fmt: skip
        own, other = (getattr(aux, name, None) for aux in auxiliaries)
        if own is not None and other is not None and abs(own - other) > tolerance:
            return False
    return True
