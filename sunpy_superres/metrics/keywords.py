"""Line-of-sight keywords of SHARP and SMARP, with error bars."""

from __future__ import annotations

from numbers import Real
from typing import NamedTuple

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_superres.maps.fields import known_pixels, to_gauss, warn_of_values
from sunpy_superres.maps.metadata import observation_time
from sunpy_superres.maps.regridding import same_grid
from sunpy_superres.metrics._docstrings import fill_docstring
from sunpy_superres.metrics._fields import Field
from sunpy_superres.metrics._model_error import read_model_error, widen
from sunpy_superres.metrics._patch import Patch, pixel_of_plane
from sunpy_superres.metrics._patch_values import measure_patch
from sunpy_superres.metrics._region import region_mask
from sunpy_superres.metrics._tables import FullQTable
from sunpy_superres.metrics.error_bars import PERCENTILES, with_error
from sunpy_superres.metrics.regions import ActiveRegions, label_regions
from sunpy_superres.version import __version__

__all__ = ["region_keywords"]


class _Keyword(NamedTuple):
    """JSOC's name of a keyword, and the unit and the description of its column."""

    name: str
    unit: u.UnitBase
    description: str


#: The keywords, in the order of the columns.
_KEYWORDS = (
    _Keyword("R_VALUE", u.one, "log10 of R: |B| in G times pixels of 2 arcsec, near strong-field "
            "inversion lines; 0 where R is below 1 (Schrijver 2007, as JSOC computes it)"),
    _Keyword("USFLUXL", u.Mx, "Unsigned line-of-sight flux on the equal-area grid"),
    _Keyword("MEANGBL", u.G / u.pix, "Mean gradient of the line-of-sight field, in G per pixel of "
            "the equal-area grid (JSOC's comment says G/Mm)"),
    _Keyword("CMASKL", u.one, "Pixels of the equal-area grid that count for USFLUXL"),
    _Keyword("NPIX", u.one, "Pixels of the region in the image plane"),
    _Keyword("SIZE", u.one, "Projected area of the region, millionths of the solar disk"),
    _Keyword("AREA", u.one, "Area of the region on the sphere, millionths of a hemisphere"),
    _Keyword("NACR", u.one, "Active pixels of the region in the image plane"),
    _Keyword("SIZE_ACR", u.one, "Projected area of the active pixels, millionths of the disk"),
    _Keyword("AREA_ACR", u.one, "Area of the active pixels on the sphere, millionths of a "
            "hemisphere"),
    _Keyword("MTOT", u.G * u.pix, "Sum of |B| over the region's pixels in the image plane (JSOC's "
            "comment says weber)"),
    _Keyword("MNET", u.G * u.pix, "Sum of B over the region's pixels in the image plane"),
    _Keyword("MPOS_TOT", u.G * u.pix, "Sum of B over the positive pixels"),
    _Keyword("MNEG_TOT", u.G * u.pix, "Sum of |B| over the negative pixels"),
    _Keyword("MMEAN", u.G, "Mean of B in the region"),
    _Keyword("MSTDEV", u.G, "Standard deviation of B in the region"),
    _Keyword("MSKEW", u.one, "Skewness of B in the region"),
    _Keyword("MKURT", u.one, "Kurtosis of B in the region, less 3"),
    _Keyword("LAT_MIN", u.deg, "Smallest latitude of a pixel"),
    _Keyword("LON_MIN", u.deg, "Smallest longitude of a pixel from the central meridian"),
    _Keyword("LAT_MAX", u.deg, "Largest latitude of a pixel"),
    _Keyword("LON_MAX", u.deg, "Largest longitude of a pixel from the central meridian"),
    _Keyword("LAT_FWT", u.deg, "Latitude of the centre of unsigned flux of the active pixels"),
    _Keyword("LON_FWT", u.deg, "Longitude of that centre from the central meridian"),
    _Keyword("LATFWTPO", u.deg, "Latitude of the centre of positive flux of the active pixels"),
    _Keyword("LONFWTPO", u.deg, "Longitude of that centre from the central meridian"),
    _Keyword("LATFWTNE", u.deg, "Latitude of the centre of negative flux of the active pixels"),
    _Keyword("LONFWTNE", u.deg, "Longitude of that centre from the central meridian"),
    _Keyword("LATDTMIN", u.deg, "Lower edge of the patch in this frame"),
    _Keyword("LONDTMIN", u.deg, "Left edge of the patch, from the central meridian"),
    _Keyword("LATDTMAX", u.deg, "Upper edge of the patch in this frame"),
    _Keyword("LONDTMAX", u.deg, "Right edge of the patch, from the central meridian"),
)  # fmt: skip
#: Distance from disk centre within which regions are looked for.
_LIMIT = 70 * u.deg
#: Smallest value of a bitmap that counts, of SHARP and of SMARP, and the bit of active pixels.
_SHARP_LEVEL, _SMARP_LEVEL, _ACTIVE_BIT = 30, 36, 2
_WHOLE = "map"


@fill_docstring
def region_keywords(smap, *, samples=None, region=None):
    """
    Measure the line-of-sight keywords of SHARP and SMARP, with error bars.

    R_VALUE, USFLUXL, MEANGBL and CMASKL are computed as JSOC's pipeline computes them, on a
    cylindrical equal-area (CEA) grid.  A Map on such a grid is taken as it is; the regions of a
    helioprojective one are first brought to a grid like SHARP's, with pixels of 0.03 deg for HMI
    and for results of this package and 0.12 deg for MDI, each centred on its region.  The other
    keywords are sums over the image plane, or over the sphere.

    The field is taken for what the Map says, Gauss along the line of sight: nothing is divided by
    mu, as in JSOC's keywords.

    Parameters
    ----------
    {field}
    samples : `~ndcube.NDCube`, `~sunpy_superres.super_resolution.SuperResolutionSamples` or \
iterable of `~sunpy.map.GenericMap`, optional
        The ensemble on the Map's grid, whose members are measured one after the other.
    region : optional
        What is measured; a row for each region:

        - by default, the active regions that `active_regions` finds within 70 deg of disk centre;
          in each member a region has the outline that is found there, so that areas and positions
          have errors too;
        - a boolean mask of the Map's shape, or its lower left and upper right corner as two
          `~astropy.coordinates.SkyCoord`;
        - labels, an array of int of the Map's shape (0 outside), or `ActiveRegions`;
        - the bitmap of a SHARP or SMARP as a Map, or a tuple of it and the smallest value that
          counts (30 for SHARP and 36 for SMARP, as in JSOC's programs, if it is left out).  Its
          bits say which pixels are active.  R counts all pixels of the patch, as JSOC's does;
        - "map" for all of the Map, which R_VALUE of a SHARP or SMARP needs.

    Returns
    -------
    `~astropy.table.QTable`
        A row for each region, the largest first where they were found here.  Column ``region`` is
        its number, the others have JSOC's names: R_VALUE, USFLUXL, MEANGBL, CMASKL, NPIX, SIZE,
        AREA, NACR, SIZE_ACR, AREA_ACR, MTOT, MNET, MPOS_TOT, MNEG_TOT, MMEAN, MSTDEV, MSKEW,
        MKURT, LAT_MIN, LON_MIN, LAT_MAX, LON_MAX, LAT_FWT, LON_FWT, LATFWTPO, LONFWTPO, LATFWTNE,
        LONFWTNE, LATDTMIN, LONDTMIN, LATDTMAX, LONDTMAX.  With ``samples`` each of these, such as
        ``R_VALUE``, is followed by ``R_VALUE_err``, the standard deviation of the members, and
        ``R_VALUE_p16`` and ``R_VALUE_p84``, their percentiles.  The value itself is that of
        ``smap``, and may lie outside of the percentiles if that is one draw.  What the members of
        the embedded model share of an error, as measured when it was calibrated, is added in
        quadrature to the errors of R_VALUE, USFLUXL, MEANGBL and the active area
        (``meta["shared_errors"]``), and the errors of AREA, SIZE, NPIX and CMASKL of regions that
        are found are larger than the scatter by a factor that was measured likewise
        (``meta["spread_factors"]``); the uncertainty of the ratio between the instruments is not
        in them (``meta["ratio_uncertainty"]``).  The edges of a patch (LATDTMIN to LONDTMAX) have
        no error.  Columns have units and descriptions; ``meta`` says what was measured and how.

    Raises
    ------
    TypeError
        If the Map is not a Map of a magnetic field, or the samples are not an ensemble.
    ValueError
        If a unit, the coordinates or the region is invalid, or the samples or the bitmap have
        another grid than the Map.

    Warns
    -----
    SuperResWarning
        If the Map or a member holds what look like numbers written for missing data.

    Notes
    -----
    Without a bitmap, the active pixels are those above 200 G with at least three such neighbours;
    JSOC finds them with a segmentation of its own.  SIZE and AREA are in JSOC's units: millionths
    of the disk and of a hemisphere.  Counts and sums over pixels of the image plane depend on the
    size of the Map's pixels.  A region none of whose pixels is known has NaN in all columns, and a
    member in which that is so does not count.

    References
    ----------
    Bobra et al. (2014), Solar Physics 289, 3549; Bobra et al. (2021), Astrophysical Journal
    Supplement 256, 26; Schrijver (2007), Astrophysical Journal Letters 655, L117.

    Examples
    --------
    >>> from sunpy_superres import metrics
    >>> from sunpy_superres.data import example_hmi_map
    >>> table = metrics.region_keywords(example_hmi_map())
    >>> len(table), table["USFLUXL"].unit
    (1, Unit("Mx"))
    >>> print(f"{table['R_VALUE'][0]:.1f}, {table['LAT_FWT'][0]:.0f}")
    4.1, 24 deg
    """
    field = Field(smap)
    patches = _find_patches(field, region)
    on_disk = np.isfinite(field.grid.mu)

    def measure(member):
        if not same_grid(field.grid.map, member):
            raise ValueError(
                "The samples have another grid than the Map; give the Map of the same result."
            )
        values, known = _read(member)
        for patch in patches:  # what else is in the member does not count
            part = np.zeros_like(known)
            part[patch.slices] = (known & on_disk)[patch.slices]
            warn_of_values(member, part)
        return _measure(patches, values, known)

    values = _measure(patches, *_read(field.grid.map))
    spread = None if samples is None else with_error(measure, samples)
    lacking = read_model_error(field.grid.map.meta)
    meta = _describe(field.grid.map, spread, *lacking)
    meta["grid_pixel_deg"] = pixel_of_plane(field.grid)
    return _table(patches, values, spread, lacking, meta)


def _find_patches(field, region):
    """Make the list of patches that a region stands for."""
    grid, shape = field.grid, field.grid.shape
    if region is None:
        labels = label_regions(field, max_angle=_LIMIT).labels
        return [
            Patch(grid, labels == n, others=(labels > 0) & (labels != n))
            for n in range(1, labels.max() + 1)
        ]
    if isinstance(region, str):
        if region != _WHOLE:
            raise ValueError(f"A region must be '{_WHOLE}' if it is a string, not {region!r}.")
        return [Patch(grid, np.isfinite(grid.mu), box=True)]
    bitmap, level = region if _is_bitmap_and_level(region) else (region, None)
    if isinstance(bitmap, sunpy.map.GenericMap):
        return [_patch_of_bitmap(grid, bitmap, level)]
    if isinstance(region, ActiveRegions):
        region = region.labels
    if isinstance(region, np.ndarray) and region.dtype.kind in "iu" and region.shape == shape:
        numbers = np.unique(region[region > 0])
        return [_patch_of_mask(grid, region == n) for n in numbers]
    return [_patch_of_mask(grid, region_mask(grid.map, region))]


def _is_bitmap_and_level(region):
    return (
        isinstance(region, tuple)
        and len(region) == 2
        and isinstance(region[0], sunpy.map.GenericMap)
    )


def _patch_of_mask(grid, mask):
    mask = mask & np.isfinite(grid.mu)
    if not mask.any():
        raise ValueError("No pixel of the region is on the disk; check the region.")
    return Patch(grid, mask)


def _patch_of_bitmap(grid, bitmap, level):
    if not same_grid(grid.map, bitmap):
        raise ValueError(
            "The bitmap has another grid than the Map; give the bitmap of the same patch and time."
        )
    if level is None:
        smarp = "tarpnum" in bitmap.meta or "MDI" in str(bitmap.meta.get("instrume", "")).upper()
        level = _SMARP_LEVEL if smarp else _SHARP_LEVEL
    elif not isinstance(level, Real):
        raise ValueError(f"The smallest value of a bitmap that counts is a number, not {level!r}.")
    values = np.nan_to_num(np.asarray(bitmap.data, float)).astype(int)
    mask = (values >= level) & np.isfinite(grid.mu)
    if not mask.any():
        raise ValueError(f"No pixel of the bitmap reaches {level}; give another threshold.")
    return Patch(grid, mask, active=mask & (values & _ACTIVE_BIT > 0), box=True)


def _read(smap):
    """Return the values of a Map in Gauss, and where they are known."""
    values = to_gauss(smap)
    return values, known_pixels(smap, values)


def _measure(patches, values, known):
    """Measure all keywords of all patches, ``(patches, keywords)``."""
    rows = [measure_patch(patch, *patch.cut(values, known)) for patch in patches]
    return np.array([[row[k.name] for k in _KEYWORDS] for row in rows]).reshape(-1, len(_KEYWORDS))


def _describe(smap, spread, shared, factors):
    """Collect the metadata of the table."""
    meta, cards = smap.meta, {}
    for name, card in (
        ("content", "content"), ("instrument", "instrume"), ("telescope", "telescop"),
        ("HARPNUM", "harpnum"), ("TARPNUM", "tarpnum"), ("NOAA_AR", "noaa_ar"),
        ("model", "srmodel"), ("model_revision", "srrev"), ("model_sha256", "srsha256"),
        ("estimate", "srestim"), ("seed", "srseed"), ("ratio_uncertainty", "srgainu"),
        ("result_of_version", "srvers"),
    ):  # fmt: skip
        if meta.get(card) not in (None, ""):
            cards[name] = meta[card]
    return {
        "software": f"sunpy_superres {__version__}",
        "algorithm": "JSOC's line-of-sight keywords of SHARP and SMARP (Bobra et al. 2014, 2021); "
        "R after Schrijver (2007)",
        "date": observation_time(smap).isot,
        **cards,
        **({} if spread is None else {
            "members": len(spread.members),
            "errors": "standard deviation of the members, with the error that they share where "
            "it is known (shared_errors, in quadrature), or times a factor (spread_factors); "
            "percentiles "
            f"{PERCENTILES[0]} and {PERCENTILES[1]}, widened likewise; without the uncertainty "
            "of the ratio between the instruments (ratio_uncertainty)",
            "shared_errors": _list(shared),
            "spread_factors": _list(factors),
        }),
    }  # fmt: skip


def _list(numbers):
    return ", ".join(f"{name} {number:g}" for name, number in numbers.items())


def _table(patches, values, spread, lacking, meta):
    table = FullQTable({"region": np.arange(1, len(patches) + 1)}, meta=meta)
    table["region"].info.description = "Number of the region"
    for number, keyword in enumerate(_KEYWORDS):
        columns = {keyword.name: values[:, number]}
        if spread is not None and "DTM" not in keyword.name:
            wide = widen(keyword.name, spread, number, *lacking)
            for end, array in zip(_ENDS, wide, strict=True):
                columns[f"{keyword.name}_{end}"] = array
        for name, column in columns.items():
            _add_column(table, keyword, name, column)
    return table


_ENDS = {"err": "Standard error of {}", "p16": "16th percentile of {}",
         "p84": "84th percentile of {}"}  # fmt: skip


def _add_column(table, keyword, name, column):
    table[name] = column if keyword.unit == u.one else column * keyword.unit
    end = name.removeprefix(keyword.name).lstrip("_")
    about = _ENDS[end].format(keyword.name) if end else keyword.description
    table[name].info.description = about
    table[name].info.format = ".6g"
