"""Scores of an ensemble, and of a field with its uncertainty: are their errors as they say?"""

from __future__ import annotations

import itertools

import astropy.units as u
import numpy as np
from astropy.table import QTable
from scipy import special

from sunpy_superres.maps.regridding import same_grid
from sunpy_superres.metrics._docstrings import fill_docstring
from sunpy_superres.metrics._ensemble import pair_members
from sunpy_superres.metrics._fields import Field, Pair

__all__ = [
    "coverage",
    "crps",
    "pit",
    "rank_histogram",
    "reliability",
    "spread_skill",
]

#: Default edges of the bins of |B| in `reliability`.
_FIELD_BINS = [0, 30, 100, 300, 700, 5000] * u.G
#: Default edges of the bins of mu.
_MU_BINS = np.array([0.0, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0])
#: Pixels that are scored at once.
_CHUNK = 2**20


@fill_docstring
def spread_skill(samples, reference, *, region=None):
    """
    Divide the spread of an ensemble by the error of its mean: 1 for a calibrated ensemble.

    The spread is the root of the mean ensemble variance times (1 + 1/n), since the mean of n
    members has a sampling error of its own; the error is the root mean square error of the mean.

    Parameters
    ----------
    {ensemble}
    {region}

    Returns
    -------
    float
        Below 1 the ensemble is overconfident.

    Raises
    ------
    {ensemble_errors}

    References
    ----------
    Fortin et al. (2014), Journal of Hydrometeorology 15, 1708.
    """
    members, truth = pair_members(samples, reference, region)
    n = len(members)
    mean = members.mean(axis=0, dtype=np.float64)
    variance = members.var(axis=0, ddof=1, dtype=np.float64).mean()
    error = np.square(mean - truth).mean()
    return float(np.sqrt((1 + 1 / n) * variance / error)) if error else float("nan")


@fill_docstring
def crps(samples, reference, *, region=None):
    """
    Compute the continuous ranked probability score in its fair form, by scoringrules.

    It is the mean distance of the members from the truth, less half of their mean distance from
    one another; for a single Map it would be the mean absolute error.  In the fair form, its
    expectation does not depend on the number of members.

    Parameters
    ----------
    {ensemble}
    {region}

    Returns
    -------
    `~astropy.units.Quantity`
        Gauss; smaller is better.

    Raises
    ------
    {ensemble_errors}

    References
    ----------
    Ferro (2014), Quarterly Journal of the Royal Meteorological Society 140, 1917.
    """
    import scoringrules

    members, truth = pair_members(samples, reference, region)
    total = 0.0
    for start in range(0, truth.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        scores = scoringrules.crps_ensemble(
            truth[part].astype(float),
            members[:, part].astype(float),
            m_axis=0,
            estimator="fair",
            backend="numpy",
        )
        total += float(scores.sum())
    return total / truth.size * u.G


@fill_docstring
def rank_histogram(samples, reference, *, region=None):
    """
    Count how often the truth has each rank among the members.

    The histogram of a calibrated ensemble is flat.  A valley shows that the members are too close
    together (the truth lies outside of them too often), a hill that they are too far apart, and a
    slope that they are biased.  A truth that equals some members counts for all ranks that it may
    have, in equal parts.

    Parameters
    ----------
    {ensemble}
    {region}

    Returns
    -------
    numpy.ndarray
        Shape ``(n + 1,)``; adds up to 1.

    Raises
    ------
    {ensemble_errors}

    References
    ----------
    Hamill (2001), Monthly Weather Review 129, 550.
    """
    members, truth = pair_members(samples, reference, region)
    n = len(members)
    below = (members < truth).sum(axis=0)
    ties = (members == truth).sum(axis=0)
    counts = np.zeros(n + 2)
    share = 1 / (ties + 1)
    np.add.at(counts, below, share)
    np.add.at(counts, below + ties + 1, -share)
    histogram = np.cumsum(counts)[: n + 1]
    return histogram / histogram.sum()


class Errors:
    """Error, uncertainty and field strength of the pixels of a Map against the truth."""

    def __init__(self, smap, uncertainty, reference, region):
        pair = Pair(smap, reference, region)
        sigma = Field(uncertainty, region, signed=False)
        if not same_grid(smap, uncertainty):
            raise ValueError(
                "The map and its uncertainty have different grids; give the two that "
                "super_resolve returned."
            )
        mask = pair.mask & sigma.mask
        self.sigma = sigma.values[mask]
        if not self.sigma.size:
            raise ValueError("No pixel is known in the map, its uncertainty and the reference.")
        if (self.sigma < 0).any():
            raise ValueError("The uncertainty has negative pixels; is it the second of the two?")
        self.error = (pair.second.values - pair.first.values)[mask]
        self.field = np.abs(pair.first.values[mask])
        self.mu = pair.grid.mu[mask]

    @property
    def scaled(self):
        """Errors divided by their standard uncertainties."""
        return self.error / np.maximum(self.sigma, np.float32(1e-6))


@fill_docstring
def coverage(smap, uncertainty, reference, *, levels=(0.5, 0.68269, 0.9, 0.9545), region=None):
    """
    Count how often the truth lies in the central interval of a given probability.

    Parameters
    ----------
    {estimate}
    levels : sequence of float
        Probabilities; 0.68269 and 0.9545 are 1 and 2 sigma.
    {region}

    Returns
    -------
    `~astropy.table.QTable`
        Columns ``level``, ``sigma`` (half the width of the interval in standard
        deviations) and ``coverage``, the fraction of pixels inside: equal to the level if
        the uncertainty is right.

    Raises
    ------
    {estimate_errors}
    """
    return measure_coverage(Errors(smap, uncertainty, reference, region), levels)


def measure_coverage(errors, levels=(0.5, 0.68269, 0.9, 0.9545)):
    levels = np.atleast_1d(np.asarray(levels, float))
    if not ((levels > 0) & (levels < 1)).all():
        raise ValueError(f"levels must lie between 0 and 1, not {levels.tolist()}.")
    widths = np.sqrt(2) * special.erfinv(levels)
    off = np.abs(errors.scaled)
    return QTable(
        {
            "level": levels,
            "sigma": widths,
            "coverage": np.array([(off <= width).mean() for width in widths]),
        }
    )


@fill_docstring
def pit(smap, uncertainty, reference, *, bins=20, region=None):
    """
    Compute the histogram of the probability integral transform.

    The transform is the cumulative probability of the truth in the normal distribution that a
    Map and its uncertainty describe.  Its histogram is flat if the uncertainty is right.

    Parameters
    ----------
    {estimate}
    bins : int
        Number of bins.
    {region}

    Returns
    -------
    numpy.ndarray
        Shape ``(bins,)``; adds up to 1.

    Raises
    ------
    {estimate_errors}

    References
    ----------
    Gneiting, Balabdaoui & Raftery (2007), Journal of the Royal Statistical Society B 69, 243.
    """
    errors = Errors(smap, uncertainty, reference, region)
    counts, _ = np.histogram(special.ndtr(errors.scaled), bins=bins, range=(0, 1))
    return counts / counts.sum()


@fill_docstring
def reliability(smap, uncertainty, reference, *, by="field", bins=None, region=None):
    """
    Compare uncertainty and error, bin by bin.

    Parameters
    ----------
    {estimate}
    by : {"field", "mu", "uncertainty"}
        The quantity by which the pixels are sorted into bins: ``|B|`` of the Map, the cosine of
        the heliocentric angle (1 at disk centre), or the uncertainty itself.
    bins : `~astropy.units.Quantity` or array-like, optional
        Edges, in Gauss; plain numbers for ``by="mu"``.
    {region}

    Returns
    -------
    `~astropy.table.QTable`
        A row for each bin that holds pixels: its edges ``low`` and ``high``, ``pixels``,
        ``uncertainty`` and ``error`` (root mean squares, Gauss), their ``ratio`` (1 if the
        uncertainty is right), ``bias`` (mean of Map less truth, Gauss) and the fractions
        ``within_1_sigma`` and ``within_2_sigma``.

    Raises
    ------
    {estimate_errors}
    """
    errors = Errors(smap, uncertainty, reference, region)
    if by == "field":
        key, unit, edges = errors.field, u.G, _FIELD_BINS
    elif by == "mu":
        key, unit, edges = errors.mu, u.one, _MU_BINS * u.one
    elif by == "uncertainty":
        key, unit = errors.sigma, u.G
        edges = np.unique(np.quantile(errors.sigma, np.linspace(0, 1, 9))) * u.G
        if edges.size == 1:
            edges = [edges[0].value, edges[0].value + 1] * u.G
    else:
        raise ValueError(f"by must be 'field', 'mu' or 'uncertainty', not {by!r}.")
    edges = edges if bins is None else u.Quantity(bins)
    if not edges.unit.is_equivalent(unit):
        needed = "plain numbers" if unit == u.one else f"in {unit}, such as [0, 100] * u.{unit}"
        raise ValueError(f"bins of {by!r} must be {needed}, not {bins!r}.")
    edges = edges.to_value(unit)
    if edges.ndim != 1 or edges.size < 2 or not (np.diff(edges) >= 0).all():
        raise ValueError("bins must be two or more ascending edges.")
    off, scaled = errors.error.astype(float), np.abs(errors.scaled)
    rows = []
    for low, high in itertools.pairwise(edges):
        chosen = (key >= low) & ((key < high) | ((high == edges[-1]) & (key == high)))
        if not chosen.any():
            continue
        spread = np.sqrt(np.square(errors.sigma[chosen], dtype=np.float64).mean())
        error = np.sqrt(np.square(off[chosen]).mean())
        rows.append(
            (low, high, int(chosen.sum()), spread, error, spread / error if error else np.nan,
             -off[chosen].mean(), (scaled[chosen] <= 1).mean(), (scaled[chosen] <= 2).mean())
        )  # fmt: skip
    names = "low high pixels uncertainty error ratio bias within_1_sigma within_2_sigma".split()
    table = QTable(rows=rows, names=names) if rows else QTable(names=names)
    for name in ("uncertainty", "error", "bias"):
        table[name] = table[name] * u.G
    if unit == u.G:
        table["low"], table["high"] = table["low"] * u.G, table["high"] * u.G
    return table
