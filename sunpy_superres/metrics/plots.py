"""Plots of spectra and of reliability."""

from __future__ import annotations

import astropy.units as u
import numpy as np

from sunpy_superres.metrics.spectrum import Spectrum

__all__ = ["plot_reliability", "plot_spectra"]


def _new_axes():
    from matplotlib.figure import Figure

    return Figure(layout="constrained").add_subplot()


def plot_spectra(spectra, axes=None):
    """
    Draw spectra against scale, coarse to fine.

    Parameters
    ----------
    spectra : dict of str to Spectrum, or Spectrum
        One spectrum, or several by label.
    axes : `~matplotlib.axes.Axes`, optional
        New ones by default.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        If no spectrum is given.
    """
    axes = _new_axes() if axes is None else axes
    if isinstance(spectra, Spectrum):
        spectra = {spectra.name: spectra}
    if not isinstance(spectra, dict) or not spectra:
        raise ValueError("There is no spectrum to draw; give one, or a dict with at least one.")
    for label, spectrum in spectra.items():
        axes.plot(spectrum.scale.to_value(u.arcsec), spectrum.value.value, label=label)
    some = next(iter(spectra.values()))
    dimensionless = some.value.unit == u.one
    axes.set_xscale("log")
    if not axes.xaxis_inverted():
        axes.invert_xaxis()
    if any((s.value.value > 0).any() for s in spectra.values()) and some.name != "coherence":
        axes.set_yscale("log")
    if dimensionless:
        axes.axhline(0.5 if some.name == "coherence" else 1.0, color="0.6", lw=0.8, zorder=0)
    unit = "" if dimensionless else f" ({some.value.unit.to_string('unicode')})"
    axes.set_xlabel("scale (arcsec)")
    axes.set_ylabel((some.name or "value") + unit)
    scales = np.concatenate([s.scale.to_value(u.arcsec) for s in spectra.values()])
    low, high = scales.min() * 0.9, scales.max() * 1.1
    ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500) if low <= t <= high]
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.minorticks_off()
    if len(spectra) > 1 or next(iter(spectra)) != some.name:
        axes.legend()
    return axes


def plot_reliability(tables, axes=None):
    """
    Draw error against uncertainty; the uncertainty is right on the diagonal.

    Parameters
    ----------
    tables : dict of str to `~astropy.table.QTable`, or `~astropy.table.QTable`
        Result of `reliability`, or several by label.
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
    axes = _new_axes() if axes is None else axes
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
