"""All metrics of one Map against a reference, in one table."""

from __future__ import annotations

import astropy.units as u
import ndcube
import numpy as np

from sunpy_superres.metrics import image, inversion_line, physics, probabilistic, regions, spectrum
from sunpy_superres.metrics._docstrings import fill_docstring
from sunpy_superres.metrics._fields import Pair
from sunpy_superres.metrics._patch import Patch
from sunpy_superres.metrics._patch_values import measure_patch
from sunpy_superres.metrics._tables import FullTable

__all__ = ["compare"]

#: Edges, in arcsec, of the bands of scales for which `compare` gives the power ratio.
BANDS = (2, 4, 8, 20)
#: Distance from disk centre within which active regions and inversion lines are looked for.
_LIMIT = 70 * u.deg
#: Keywords of SHARP, as `region_keywords` computes them, and their units.
_KEYWORDS = {"R_VALUE": u.one, "USFLUXL": u.Mx, "MEANGBL": u.G / u.pix, "AREA_ACR": u.one}


@fill_docstring
def compare(smap, reference, *, uncertainty=None, samples=None, region=None):
    """
    Measure a Map against a reference with all metrics.

    Parameters
    ----------
    {pair}
    uncertainty : `~sunpy.map.GenericMap`, optional
        Uncertainty of the Map; adds rows that say how often it covers the reference.
    samples : `~ndcube.NDCube` or sequence of `~sunpy.map.GenericMap`, optional
        The ensemble; adds its scores.
    {region}

    Returns
    -------
    `~astropy.table.Table`
        Columns ``metric``; ``value``, measured on the Map; ``reference``, the value of a
        perfect Map (the reference's own flux, area or length, or exactly 1 or 0), NaN if
        that is not a finite number; ``relative_error``, their difference divided by the
        absolute value of ``reference``, NaN if that is 0; ``unit``.  Active regions, inversion
        lines, the bipole and the keywords of SHARP (these in the reference's largest region) are
        those within 70 deg of disk centre; where none is found, their rows are 0 or NaN.

    Raises
    ------
    {pair_errors}
        Also if the uncertainty or the samples are invalid; see
        `~sunpy_superres.metrics.coverage` and `~sunpy_superres.metrics.crps`.

    Examples
    --------
    >>> from sunpy_superres.maps.examples import example_hmi_map
    >>> from sunpy_superres.metrics import compare
    >>> truth = example_hmi_map()
    >>> table = compare(truth, truth)
    >>> table.colnames
    ['metric', 'value', 'reference', 'relative_error', 'unit']
    >>> [str(name) for name in table["metric"][:3]]
    ['RMSE', 'MAE', 'PSNR']
    """
    pair = Pair(smap, reference, region)
    rows = _Rows()
    _image(rows, pair)
    _flux(rows, pair)
    _regions(rows, pair)
    _keywords(rows, pair)
    _spectrum(rows, pair)
    if uncertainty is not None:
        errors = probabilistic.Errors(smap, uncertainty, reference, region)
        covered = probabilistic.measure_coverage(errors, (0.68269, 0.9545))
        for level, width, inside in covered.iterrows():
            rows.add(f"coverage, {width:.0f} sigma", inside, level)
        scaled = np.square(errors.scaled, dtype=np.float64).mean()
        rows.add("error / uncertainty, rms", np.sqrt(scaled), 1.0)
    if samples is not None:
        if not isinstance(samples, ndcube.NDCube):
            samples = list(samples)  # it may be a generator, and is read twice
        rows.add("CRPS", probabilistic.crps(samples, reference, region=region), 0.0)
        skill = probabilistic.spread_skill(samples, reference, region=region)
        rows.add("spread / skill", skill, 1.0)
    return rows.table()


class _Rows:
    def __init__(self):
        self.rows = []

    def add(self, metric, value, reference=np.nan):
        unit = ""
        if isinstance(value, u.Quantity):
            unit = value.unit.to_string("unicode") if value.unit != u.one else ""
            reference = u.Quantity(reference, value.unit).value
            value = value.value
        value, reference = float(value), float(reference)
        error = (value - reference) / abs(reference) if reference else np.nan
        self.rows.append((metric, value, reference, error, unit))

    def table(self):
        names = ("metric", "value", "reference", "relative_error", "unit")
        table = FullTable(rows=self.rows, names=names)
        for name in names[1:4]:
            table[name].info.format = ".6g"
        table["relative_error"].info.format = ".3g"
        return table


def _image(rows, pair):
    rows.add("RMSE", image.measure_rmse(pair), 0.0)
    rows.add("MAE", image.measure_mae(pair), 0.0)
    rows.add("PSNR", image.measure_psnr(pair))
    try:
        rows.add("SSIM", image.measure_ssim(pair), 1.0)
    except ValueError:  # no square of 11 x 11 known pixels
        rows.add("SSIM", np.nan, 1.0)
    rows.add("correlation", image.measure_correlation(pair), 1.0)
    try:
        rows.add("gradient ratio", image.measure_gradient_ratio(pair), 1.0)
    except ValueError:  # no pixel with four known neighbours
        rows.add("gradient ratio", np.nan, 1.0)
    rows.add("Wasserstein distance", physics.measure_wasserstein(pair), 0.0)


def _flux(rows, pair):
    fluxes = [physics.polarity_fluxes(field) for field in (pair.first, pair.second)]
    for name, sign in (
        ("unsigned flux", (1, -1)), ("net flux", (1, 1)),
        ("positive flux", (1, 0)), ("negative flux", (0, 1)),
    ):  # fmt: skip
        value, reference = (np.dot(flux, sign) for flux in fluxes)
        rows.add(name, value * u.Mx, reference * u.Mx)


def _regions(rows, pair):
    fields = (pair.first, pair.second)
    found = [regions.label_regions(field, max_angle=_LIMIT) for field in fields]
    rows.add("active regions", len(found[0]), len(found[1]))
    rows.add("active-region area", found[0].area, found[1].area)
    areas = [f.table["msh"].sum() if len(f) else 0.0 for f in found]
    rows.add("active-region area (MSH)", *areas)
    for name, value in zip(("Jaccard", "Dice"), regions.overlap(pair, *found), strict=True):
        rows.add(f"active regions, {name}", value, 1.0)
    lines = [inversion_line.trace_inversion_line(field, max_angle=_LIMIT) for field in fields]
    rows.add("inversion line", lines[0].length, lines[1].length)
    rows.add("Schrijver's R", lines[0].r_value, lines[1].r_value)
    largest = found[1].labels == 1
    try:
        poles = [regions.measure_bipole(field, mask=largest) for field in fields]
        rows.add("bipole, separation", poles[0].separation, poles[1].separation)
        rows.add("bipole, tilt", poles[0].tilt, poles[1].tilt)
    except ValueError:  # no region, or a region of one polarity
        rows.add("bipole, separation", np.nan * u.Mm, np.nan)
        rows.add("bipole, tilt", np.nan * u.deg, np.nan)
    try:
        shift = physics.measure_flux_centre_shift(pair, 100 * u.G)
    except ValueError:  # no field above 100 G
        shift = [np.nan, np.nan] * u.arcsec
    for name, value in zip("xy", shift, strict=True):
        rows.add(f"flux centre, shift in {name}", value, 0.0)


def _keywords(rows, pair):
    """Measure the keywords of SHARP in both, in the pixels of the reference's largest region."""
    largest = regions.label_regions(pair.second, max_angle=_LIMIT).labels == 1
    values = [dict.fromkeys(_KEYWORDS, np.nan)] * 2
    if largest.any():
        patch = Patch(pair.grid, largest)
        values = [measure_patch(patch, *patch.cut_field(f)) for f in (pair.first, pair.second)]
    for name, unit in _KEYWORDS.items():
        rows.add(name, values[0][name] * unit, values[1][name])


def _spectrum(rows, pair):
    try:
        transforms = spectrum.transform_pair(pair)
    except ValueError:  # fewer than 8 x 8 pixels
        transforms = None
    for low, high in zip(BANDS[:-1], BANDS[1:], strict=True):
        value = np.nan
        if transforms is not None:
            value = spectrum.band_ratio(transforms, low * u.arcsec, high * u.arcsec)
        rows.add(f'power ratio, {low}-{high}"', value, 1.0)
    scale = np.nan * u.arcsec
    if transforms is not None:
        scale = spectrum.find_crossing(spectrum.measure_coherence(transforms))
    rows.add("resolved scale", scale, np.nan)
