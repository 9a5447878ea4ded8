"""Whether an ensemble, or a field with its uncertainty, says the truth about its errors."""

from __future__ import annotations

from collections.abc import Iterable

import astropy.units as u
import ndcube
import numpy as np
import sunpy.map
from astropy.table import QTable
from scipy import special

from sunpy_superres.metrics._fields import Field, Pair, in_gauss, same_grid, usable

__all__ = [
    "coverage",
    "crps",
    "members_of",
    "pit",
    "plot_reliability",
    "rank_histogram",
    "reliability",
    "spread_skill",
]

#: Default edges of the bins of |B| in `reliability`.
_FIELD_BINS = [0, 30, 100, 300, 700, 5000] * u.G
#: Default edges of the bins of mu.
_MU_BINS = np.array([0.0, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0])
#: Pixels worked on at once.
_CHUNK = 2**20


def members_of(samples):
    """
    An ensemble as an array, and a Map of its grid.

    Parameters
    ----------
    samples : `~ndcube.NDCube` or sequence of `~sunpy.map.GenericMap`
        The third result of ``super_resolve(..., return_samples=True)``, or Maps that all have
        the same grid.

    Returns
    -------
    members : numpy.ndarray
        Gauss, ``(n, ny, nx)``.
    there : numpy.ndarray of bool
        Where all members are finite and none is masked.
    grid : `~sunpy.map.GenericMap`
        The first member, in Gauss.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If there are fewer than two members, they have different grids, or a cube has lost
        the header of its Map.
    """
    if isinstance(samples, ndcube.NDCube):
        return _members_of_cube(samples)
    if isinstance(samples, sunpy.map.GenericMap | str | np.ndarray) or not isinstance(
        samples, Iterable
    ):
        raise TypeError(_NO_ENSEMBLE.format(type(samples).__name__))
    maps = list(samples)
    wrong = next((m for m in maps if not isinstance(m, sunpy.map.GenericMap)), None)
    if wrong is not None:
        raise TypeError(_NO_ENSEMBLE.format(f"a sequence with {type(wrong).__name__}"))
    if len(maps) < 2:
        raise ValueError(f"An ensemble needs at least two Maps, not {len(maps)}.")
    if not all(same_grid(maps[0], other) for other in maps[1:]):
        raise ValueError("The members of an ensemble must have the same grid; reproject them.")
    members = np.stack([in_gauss(member) for member in maps])
    there = np.all([usable(m, v) for m, v in zip(maps, members, strict=True)], axis=0)
    return members, there, sunpy.map.Map(members[0], dict(maps[0].meta, bunit="Gauss"))


_NO_ENSEMBLE = (
    "An ensemble is an NDCube (super_resolve(..., return_samples=True)) or a sequence of Maps, "
    "not {}."
)


def _members_of_cube(cube):
    members = np.asarray(cube.data)
    if members.ndim != 3 or len(members) < 2:
        raise ValueError(
            f"An ensemble needs the shape (n, ny, nx) with n of at least 2, not {members.shape}."
        )
    if not cube.meta or "ctype1" not in {str(key).lower() for key in cube.meta}:
        raise ValueError(
            "The NDCube's meta holds no Map's header; give it that of a member, or give Maps."
        )
    if cube.unit is not None and cube.unit != u.G:
        members = members * cube.unit.to(u.G)
    grid = sunpy.map.Map(members[0], dict(cube.meta, bunit="Gauss"))
    there = np.all([usable(grid, member) for member in members], axis=0)
    if cube.mask is not None:
        there &= ~np.broadcast_to(np.asarray(cube.mask, bool), members.shape).any(axis=0)
    return members, there, grid


def _against(samples, reference, region):
    """Members and truth as ``(n, pixels)`` and ``(pixels,)``."""
    members, there, grid = members_of(samples)
    pair = Pair(grid, reference, region)
    mask = pair.mask & there
    if not mask.any():
        raise ValueError("No pixel is known in all members and in the reference.")
    return members[:, mask], pair.second.values[mask]


def spread_skill(samples, reference, *, region=None):
    """
    Spread of an ensemble over the error of its mean: 1 for an honest ensemble.

    The root of the mean ensemble variance, times (1 + 1/n) since the mean of n members has
    a sampling error of its own, over the root mean square error of the mean.

    Parameters
    ----------
    samples : `~ndcube.NDCube` or sequence of `~sunpy.map.GenericMap`
        The ensemble.
    reference : `~sunpy.map.GenericMap`
        The truth; brought to the ensemble's grid as in `~sunpy_superres.metrics.rmse`.
    region : optional
        A mask of the Map's shape, or two `~astropy.coordinates.SkyCoord` corners.

    Returns
    -------
    float
        Below 1: too sure of itself.

    Raises
    ------
    TypeError, ValueError
        As `~sunpy_superres.metrics.rmse`; `TypeError` also for what is not an ensemble.

    References
    ----------
    Fortin et al. (2014), Journal of Hydrometeorology 15, 1708.
    """
    members, truth = _against(samples, reference, region)
    n = len(members)
    mean = members.mean(axis=0, dtype=np.float64)
    variance = members.var(axis=0, ddof=1, dtype=np.float64).mean()
    error = np.square(mean - truth).mean()
    return float(np.sqrt((1 + 1 / n) * variance / error)) if error else float("nan")


def crps(samples, reference, *, region=None):
    """
    Continuous ranked probability score, in its fair form.

    The mean distance of the members from the truth, less half of their distance from one
    another: the mean absolute error of an ensemble, and that of a single Map.  Fair: its
    expectation does not depend on the number of members.  Computed by scoringrules.

    Parameters
    ----------
    samples, reference, region
        As `spread_skill`.

    Returns
    -------
    `~astropy.units.Quantity`
        Gauss; less is better.

    Raises
    ------
    TypeError, ValueError
        As `spread_skill`.

    References
    ----------
    Ferro (2014), Quarterly Journal of the Royal Meteorological Society 140, 1917.
    """
    import scoringrules

    members, truth = _against(samples, reference, region)
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


def rank_histogram(samples, reference, *, region=None):
    """
    How often the truth has each rank among the members: flat for an honest ensemble.

    A valley (truth outside of the members) says that they are too close together, a hill
    that they are too far apart, a slope that they are biased.  A truth equal to members
    counts for all ranks that it may have, in equal parts.

    Parameters
    ----------
    samples, reference, region
        As `spread_skill`.

    Returns
    -------
    numpy.ndarray
        Shape ``(n + 1,)``; adds up to 1.

    Raises
    ------
    TypeError, ValueError
        As `spread_skill`.

    References
    ----------
    Hamill (2001), Monthly Weather Review 129, 550.
    """
    members, truth = _against(samples, reference, region)
    n = len(members)
    below = (members < truth).sum(axis=0)
    ties = (members == truth).sum(axis=0)
    counts = np.zeros(n + 2)
    share = 1 / (ties + 1)
    np.add.at(counts, below, share)
    np.add.at(counts, below + ties + 1, -share)
    histogram = np.cumsum(counts)[: n + 1]
    return histogram / histogram.sum()


class _Errors:
    """Error, uncertainty and field strength of the pixels of a Map against the truth."""

    def __init__(self, smap, uncertainty, reference, region):
        pair = Pair(smap, reference, region)
        sigma = Field(uncertainty, region)
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
        """Errors over their standard deviations."""
        return self.error / np.maximum(self.sigma, np.float32(1e-6))


def coverage(smap, uncertainty, reference, *, levels=(0.5, 0.68269, 0.9, 0.9545), region=None):
    """
    How often the truth lies in the central interval of a probability.

    Parameters
    ----------
    smap, uncertainty : `~sunpy.map.GenericMap`
        The two results of `~sunpy_superres.super_resolve`; errors are taken as normal.
    reference : `~sunpy.map.GenericMap`
        The truth.
    levels : sequence of float
        Probabilities; 0.68269 and 0.9545 are 1 and 2 sigma.
    region : optional
        As `~sunpy_superres.metrics.rmse`.

    Returns
    -------
    `~astropy.table.QTable`
        Columns ``level``, ``sigma`` (half the width of the interval in standard
        deviations) and ``coverage``, the fraction of pixels inside: equal to the level if
        the uncertainty is right.

    Raises
    ------
    TypeError, ValueError
        As `~sunpy_superres.metrics.rmse`; `ValueError` also for levels outside of 0 to 1 and
        a negative uncertainty.
    """
    return coverage_of(_Errors(smap, uncertainty, reference, region), levels)


def coverage_of(errors, levels=(0.5, 0.68269, 0.9, 0.9545)):
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


def pit(smap, uncertainty, reference, *, bins=20, region=None):
    """
    Histogram of the probability integral transform.

    Where the truth lies in the normal distribution that a Map and its uncertainty stand
    for, as a probability: flat if it is right.

    Parameters
    ----------
    smap, uncertainty, reference, region
        As `coverage`.
    bins : int

    Returns
    -------
    numpy.ndarray
        Shape ``(bins,)``; adds up to 1.

    Raises
    ------
    TypeError, ValueError
        As `coverage`.

    References
    ----------
    Gneiting, Balabdaoui & Raftery (2007), Journal of the Royal Statistical Society B 69, 243.
    """
    errors = _Errors(smap, uncertainty, reference, region)
    counts, _ = np.histogram(special.ndtr(errors.scaled), bins=bins, range=(0, 1))
    return counts / counts.sum()


def reliability(smap, uncertainty, reference, *, by="field", bins=None, region=None):
    """
    Uncertainty against error, bin by bin.

    Parameters
    ----------
    smap, uncertainty, reference, region
        As `coverage`.
    by : {"field", "mu", "uncertainty"}
        What the pixels are sorted by: ``|B|`` of the Map in Gauss, the cosine of the
        heliocentric angle (1 at disk centre), or the uncertainty itself in Gauss.
    bins : array-like or `~astropy.units.Quantity`, optional
        Edges.

    Returns
    -------
    `~astropy.table.QTable`
        A row for each bin that holds pixels: its edges ``low`` and ``high``, ``pixels``,
        ``uncertainty`` and ``error`` (root mean squares, Gauss), their ``ratio`` (1 if the
        uncertainty is right), ``bias`` (mean of Map less truth, Gauss) and the fractions
        ``within_1_sigma`` and ``within_2_sigma``.

    Raises
    ------
    TypeError, ValueError
        As `coverage`; `ValueError` also for an unknown ``by`` or wrong edges.
    """
    errors = _Errors(smap, uncertainty, reference, region)
    return reliability_of(errors, by, bins)


def reliability_of(errors, by="field", bins=None):
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
    if edges.unit == u.one:
        edges = edges.value * unit
    if not edges.unit.is_equivalent(unit):
        raise ValueError(f"bins of {by!r} must be in {unit or 'plain numbers'}, not {edges.unit}.")
    edges = edges.to_value(unit)
    if edges.ndim != 1 or edges.size < 2 or not (np.diff(edges) >= 0).all():
        raise ValueError("bins must be two or more ascending edges.")
    off, scaled = errors.error.astype(float), np.abs(errors.scaled)
    rows = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        chosen = (key >= low) & ((key < high) | ((high == edges[-1]) & (key == high)))
        if not chosen.any():
            continue
        spread = np.sqrt(np.square(errors.sigma[chosen], dtype=np.float64).mean())
        error = np.sqrt(np.square(off[chosen]).mean())
        rows.append(
            (low, high, int(chosen.sum()), spread, error, spread / error if error else np.nan,
             -off[chosen].mean(), (scaled[chosen] <= 1).mean(), (scaled[chosen] <= 2).mean())
        )  # fmt: skip
    names = ("low high pixels uncertainty error ratio bias within_1_sigma within_2_sigma").split()
    table = QTable(rows=rows, names=names) if rows else QTable(names=names)
    for name in ("uncertainty", "error", "bias"):
        table[name] = table[name] * u.G
    if unit == u.G:
        table["low"], table["high"] = table["low"] * u.G, table["high"] * u.G
    return table


def plot_reliability(tables, axes=None):
    """
    Draw error against uncertainty; on the diagonal the uncertainty is right.

    Parameters
    ----------
    tables : dict of str to `~astropy.table.QTable`, or `~astropy.table.QTable`
        Of `reliability`, by label.
    axes : `~matplotlib.axes.Axes`, optional
        New ones by default.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        If the tables are empty.
    """
    if axes is None:
        from matplotlib.figure import Figure

        axes = Figure(layout="constrained").add_subplot()
    tables = tables if isinstance(tables, dict) else {"": tables}
    values = []
    for label, table in tables.items():
        x, y = table["uncertainty"].to_value(u.G), table["error"].to_value(u.G)
        axes.plot(x, y, "o-", label=label or None)
        values += [*x, *y]
    values = [v for v in values if np.isfinite(v) and v > 0]
    if not values:
        raise ValueError("There is no reliability to draw; the tables are empty.")
    limits = np.array([0.8 * min(values), 1.25 * max(values)])
    axes.plot(limits, limits, color="0.6", lw=0.8, zorder=0)
    axes.set(
        xscale="log", yscale="log", xlim=limits, ylim=limits, aspect="equal",
        xlabel="uncertainty, rms (G)", ylabel="error, rms (G)",
    )  # fmt: skip
    if any(tables):
        axes.legend()
    return axes
