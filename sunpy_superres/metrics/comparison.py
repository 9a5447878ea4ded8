"""All metrics of one Map against a reference, in one table."""

from __future__ import annotations

import astropy.units as u
import ndcube
import numpy as np
from astropy.table import Table

from sunpy_superres.metrics import image, inversion_line, physics, probabilistic, regions, spectrum
from sunpy_superres.metrics._fields import Pair

__all__ = ["compare"]

#: Scales, in arcsec, between which `compare` gives the power ratio.
BANDS = (2, 4, 8, 20)
#: Distance from disk centre beyond which active regions are not looked for.
_LIMIT = 70 * u.deg


def compare(smap, reference, *, uncertainty=None, samples=None, region=None):
    """
    All metrics of a Map against a reference.

    Parameters
    ----------
    smap, reference : `~sunpy.map.GenericMap`
        Line-of-sight fields, such as an HMI-like Map and what HMI saw.  A reference on
        another grid is brought to the Map's with `reproject` (once, for all rows): cubic
        splines, or averaged where its pixels are clearly smaller.
    uncertainty : `~sunpy.map.GenericMap`, optional
        Uncertainty of the Map; adds how often it covers.
    samples : `~ndcube.NDCube` or sequence of `~sunpy.map.GenericMap`, optional
        The ensemble; adds its scores.
    region : numpy.ndarray of bool or two `~astropy.coordinates.SkyCoord`, optional
        A mask of the Map's shape, or lower left and upper right corner.

    Returns
    -------
    `~astropy.table.Table`
        Columns ``metric``; ``value``, of the Map; ``reference``, what it would be for a
        perfect Map (the reference's own flux, area, length, or an exact 1 or 0), NaN where
        that is not a finite number; ``relative_error``, their difference over the reference,
        NaN where the reference is 0; ``unit``.  Active regions, inversion lines and the
        bipole (of the reference's largest region) within 70 deg of disk centre; rows that
        need one are NaN where there is none.

    Raises
    ------
    TypeError
        If an argument is not a Map of a magnetic field.
    ValueError
        If the Maps have nothing in common, or the region is not one of theirs.

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
    _spectrum(rows, pair)
    if uncertainty is not None:
        errors = probabilistic.Errors(smap, uncertainty, reference, region)
        for level, width, inside in probabilistic.measure_coverage(
            errors, (0.68269, 0.9545)
        ).iterrows():
            rows.add(f"coverage, {width:.0f} sigma", inside, level)
        scaled = np.square(errors.scaled, dtype=np.float64).mean()
        rows.add("error / uncertainty, rms", np.sqrt(scaled), 1.0)
    if samples is not None:
        common = {"region": region}
        if not isinstance(samples, ndcube.NDCube):
            samples = list(samples)
        rows.add("CRPS", probabilistic.crps(samples, reference, **common), 0.0)
        rows.add("spread / skill", probabilistic.spread_skill(samples, reference, **common), 1.0)
    return rows.table()


class _Rows:
    def __init__(self):
        self.rows = []

    def add(self, metric, value, reference=np.nan):
        unit = ""
        if isinstance(value, u.Quantity):
            unit = value.unit.to_string("unicode") if value.unit != u.one else ""
            reference = (
                u.Quantity(reference, value.unit).value
                if np.isscalar(reference)
                else (reference.to_value(value.unit))
            )
            value = value.value
        value, reference = float(value), float(reference)
        error = (value - reference) / abs(reference) if reference else np.nan
        self.rows.append((metric, value, reference, error, unit))

    def table(self):
        names = ("metric", "value", "reference", "relative_error", "unit")
        table = Table(rows=self.rows, names=names)
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
    except ValueError:  # nowhere 11 x 11 known pixels
        rows.add("SSIM", np.nan, 1.0)
    rows.add("correlation", image.measure_correlation(pair), 1.0)
    try:
        rows.add("gradient ratio", image.measure_gradient_ratio(pair), 1.0)
    except ValueError:  # nowhere 3 x 3 known pixels
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
    except ValueError:  # no region, or of one polarity
        rows.add("bipole, separation", np.nan * u.Mm, np.nan)
        rows.add("bipole, tilt", np.nan * u.deg, np.nan)
    try:
        shift = physics.measure_flux_centre_shift(pair, 100 * u.G)
    except ValueError:  # no such field
        shift = [np.nan, np.nan] * u.arcsec
    for name, value in zip("xy", shift, strict=True):
        rows.add(f"flux centre, shift in {name}", value, 0.0)


def _spectrum(rows, pair):
    try:
        transforms = spectrum.transform_pair(pair)
    except ValueError:  # less than 8 x 8 pixels
        transforms = None
    for low, high in zip(BANDS[:-1], BANDS[1:], strict=True):
        value = np.nan
        if transforms is not None:
            value = spectrum.band_ratio(transforms, low * u.arcsec, high * u.arcsec)
        rows.add(f'power ratio, {low}-{high}"', value, 1.0)
    scale = np.nan * u.arcsec
    if transforms is not None:
        scale = spectrum.find_crossing(spectrum.measure_coherence(pair, transforms=transforms))
    rows.add("resolved scale", scale, np.nan)
