"""Docstring sections that several metrics share, and how they get onto the page of each."""

from __future__ import annotations

import textwrap

_REGION = """\
region : numpy.ndarray of bool or two `~astropy.coordinates.SkyCoord`, optional
    A mask of the Map's shape, or its lower left and upper right corner; by default the whole
    Map."""

_FIELD = """\
smap : `~sunpy.map.GenericMap`
    Line-of-sight field in Gauss or Mx/cm^2, helioprojective or heliographic."""

_REFERENCE = """\
    A reference on another grid is brought to that of the Map with quintic splines, and averaged
    over the Map's pixels where these are larger."""

_NO_FIELD = """\
TypeError
    If an argument is not a Map of a magnetic field."""

#: Sections by their names, which stand in braces, alone on a line, in the docstrings.
_SECTIONS = {
    "region": _REGION,
    "field": _FIELD,
    "pair": f"""\
smap, reference : `~sunpy.map.GenericMap`
    Line-of-sight fields in Gauss or Mx/cm^2, helioprojective or heliographic.
{_REFERENCE}""",
    "ensemble": f"""\
samples : `~ndcube.NDCube` or sequence of `~sunpy.map.GenericMap`
    The ensemble: the third result of ``super_resolve(..., return_samples=True)``, or at least
    two Maps on one grid.
reference : `~sunpy.map.GenericMap`
    The truth.
{_REFERENCE}""",
    "estimate": f"""\
smap, uncertainty : `~sunpy.map.GenericMap`
    The first two results of `~sunpy_superres.super_resolve`; their errors are assumed to be
    normally distributed.
reference : `~sunpy.map.GenericMap`
    The truth.
{_REFERENCE}""",
    "radial": """\
radial : bool
    Assume that the field is radial: divide it by the cosine of the angle between the
    vertical and the line of sight.
max_angle : `~astropy.units.Quantity`, optional
    Leave out pixels farther from disk centre than this angle.  The default is 70 deg for a
    radial flux, whose noise grows without limit toward the limb, and no limit otherwise.""",
    "data_range": """\
data_range : `~astropy.units.Quantity`
    What counts as the peak; by default 6000 G, the range from -3000 to 3000 G of
    Ramunno et al. (2025).  Values for different ranges are not comparable.""",
    "bins": """\
bins : `~astropy.units.Quantity`, optional
    Edges of the rings of wavenumber, as scales in arcsec.  By default 6 to 40 rings of equal
    width in the logarithm, down to two pixels.""",
    "regions": """\
method : {"smoothed", "pixels"}
    "smoothed": a region is where ``|B|``, smoothed by a Gaussian, exceeds the threshold, as
    in automated detection (Higgins et al. 2011); it holds both polarities and the weak field
    between its patches.  "pixels": a region is the pixels in which ``|B|`` itself exceeds the
    threshold and which are closer together than ``grouping``, in the manner of HMI's active
    region patches (Bobra et al. 2014); areas count the strong pixels only, and network joins
    the regions that it touches.  Pixels with fewer than three strong neighbours (of eight) do
    not count.
threshold : `~astropy.units.Quantity`, optional
    Gauss; 50 for "smoothed" and 100 for "pixels" by default.
smoothing : `~astropy.units.Quantity`
    Full width at half maximum of the Gaussian of "smoothed", on the Sun at disk centre.
grouping : `~astropy.units.Quantity`
    Largest gap inside one region of "pixels".
minimum_area : `~astropy.units.Quantity`
    On the sphere, Mm^2; smaller regions are left out.
max_angle : `~astropy.units.Quantity`, optional
    Leave out pixels farther from disk centre than this angle, such as 70 deg against the
    noise of the limb; by default none.""",
    "pair_errors": f"""\
{_NO_FIELD}
ValueError
    If the Maps have no known pixel in common, or a unit, the coordinates, the region or an
    option is invalid.""",
    "field_errors": f"""\
{_NO_FIELD}
ValueError
    If the unit, the coordinates, the region or an option is invalid, or no pixel is left.""",
    "ensemble_errors": """\
TypeError
    If the samples are not an ensemble, or the reference is not a Map of a magnetic field.
ValueError
    If the ensemble and the reference have no known pixel in common, or a unit, the coordinates
    or the region is invalid.""",
    "estimate_errors": f"""\
{_NO_FIELD}
ValueError
    If the Maps have no known pixel in common, the uncertainty is negative or has another grid
    than the Map, or a unit, the coordinates, the region or an option is invalid.""",
}


def fill_docstring(function):
    """
    Replace each line ``{name}`` of a function's docstring by the section of that name.

    Parameters
    ----------
    function : callable

    Returns
    -------
    callable
        The function itself.
    """
    lines = []
    for line in (function.__doc__ or "").splitlines():  # none under python -OO
        name = line.strip()
        if name.startswith("{") and name.endswith("}"):
            margin = line[: line.index("{")]
            line = textwrap.indent(_SECTIONS[name[1:-1]], margin)
        lines.append(line)
    function.__doc__ = "\n".join(lines) or None
    return function
