"""Whether the keywords of MDI, of its super-resolved Maps and of HMI have the same scale."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.table import MaskedColumn, Table

from sunpy_superres import metrics
from sunpy_superres.evaluation.figures import first_member
from sunpy_superres.files import write_atomically
from sunpy_superres.instruments import FACTOR
from sunpy_superres.maps.regridding import resample_to

__all__ = ["KeywordScores"]

#: What is measured, and the unit of its bias and scatter: a difference in dex, or a relative error.
_MEASURED = {
    "R_VALUE": "dex", "USFLUXL": "%", "MEANGBL": "%", "AREA": "%", "AREA_ACR": "%",
    "PIL length": "%",
}  # fmt: skip
#: The estimates, in the order of the table.
_ESTIMATES = ("MDI as is", "bicubic", "sample", "mean", "ensemble")
#: Keywords that the outline of a region decides.  Their errors differ from region to region by a
#: factor of a hundred, and the scatter of the members with them, so that what it lacks is a factor.
_OF_OUTLINE = ("AREA",)
#: Half widths, in standard errors, of the error bars that should cover 68 and 95 percent.
_WIDTHS = {"within 68 %": 1.0, "within 95 %": 1.96}
#: Distance from disk centre within which regions count.
_LIMIT = 70 * u.deg


class KeywordScores:
    """
    Keywords of all frames by each estimate, and HMI's own, as ``look`` of `evaluate`.

    R_VALUE and the length of the inversion lines are those of the whole frame.  The unsigned flux,
    the mean gradient (per Mm, since MDI's pixels are larger) and the area of the active pixels
    are those of the active regions of HMI's Map; AREA is the area of all active regions that an
    estimate shows by itself.

    Parameters
    ----------
    shared, factors : dict, optional
        The shared error of keywords, from `shared_errors` of other frames, which is added to the
        error bars, and from `spread_factors` what they are multiplied by.

    Attributes
    ----------
    values : list of dict
        For each frame, the keywords by estimate and name; "HMI" is the truth, "error" the standard
        deviation of the members.
    names : list of str
        Names of the frames.
    """

    def __init__(self, shared=None, factors=None):
        self.values, self.names = [], []
        self.shared, self.factors = dict(shared or {}), dict(factors or {})

    def __call__(self, frame, baseline, result):
        """Add a frame, unless HMI was out of focus; arguments as for ``look`` of `evaluate`."""
        if frame.eclipse:
            return
        truth, known = resample_to(result.hmi_like, frame.hmi_map)
        hmi_map = sunpy.map.Map(np.where(known, truth, np.nan), result.hmi_like.meta)
        regions = metrics.active_regions(hmi_map, max_angle=_LIMIT).mask
        coarse = regions.reshape(
            regions.shape[0] // FACTOR, FACTOR, regions.shape[1] // FACTOR, FACTOR
        ).mean((1, 3))

        def measure(smap):
            return _measure(smap, regions)

        spread = metrics.with_error(measure, result)
        found = {
            "MDI as is": _measure(frame.mdi_map, coarse >= 0.5),
            "bicubic": measure(baseline),
            "sample": measure(first_member(result).hmi_like),
            "mean": measure(result.hmi_like),
            "ensemble": spread.value,
            "error": spread.error,
            "HMI": measure(hmi_map),
        }
        self.values.append(
            {name: dict(zip(_MEASURED, numbers, strict=True)) for name, numbers in found.items()}
        )
        self.names.append(frame.name)

    def errors(self, keyword, estimate):
        """
        Compute the error of an estimate in each frame, and the standard error that it claims.

        Frames in which HMI's keyword is zero, or any is not finite, are left out.

        Parameters
        ----------
        keyword : str
        estimate : str

        Returns
        -------
        truth, error, claimed : numpy.ndarray
            HMI's value, and the others in dex for R_VALUE and in percent of HMI's value otherwise.
        """
        rows = np.array(
            [[v[e][keyword] for e in ("HMI", estimate, "error")] for v in self.values]
        ).reshape(-1, 3)
        rows = rows[np.isfinite(rows).all(axis=1) & (rows[:, 0] != 0)]
        truth, value, claimed = rows.T
        shared = self.shared.get(keyword, 0.0)
        shared = shared if keyword == "R_VALUE" else shared * np.abs(value)
        claimed = np.hypot(self.factors.get(keyword, 1.0) * claimed, shared)
        scale = 1.0 if _MEASURED[keyword] == "dex" else 100 / np.abs(truth)
        return truth, (value - truth) * scale, claimed * scale

    def shared_errors(self) -> dict:
        """
        Find what the members share of the error of their mean: what their scatter does not explain.

        It is the error that, added to the scatter in quadrature, makes the errors of all frames
        likeliest (normal distributions).

        Returns
        -------
        dict of str to float
            Relative errors, in dex for R_VALUE; keywords that no frame has are left out, and
            those of `spread_factors`.
        """
        found = {}
        for keyword, unit in _MEASURED.items():
            _, error, claimed = self.errors(keyword, "ensemble")
            if not len(error) or keyword in _OF_OUTLINE:
                continue

            def unlikely(shared, error=error, claimed=claimed):
                variance = np.maximum(claimed**2 + shared**2, 1e-12)
                return float(np.sum(np.log(variance) + error**2 / variance))

            limit = 2 * float(np.abs(error).max()) + 1e-6
            tried = np.linspace(0, limit, 401)
            scale = 1.0 if unit == "dex" else 0.01
            best = tried[int(np.argmin([unlikely(shared) for shared in tried]))]
            found[keyword] = round(scale * float(best), 5)
        return found

    def spread_factors(self) -> dict:
        """
        Find by how much the errors of areas are larger than the scatter of the members.

        It is the factor, at least 1, that makes the errors of all frames likeliest.

        Returns
        -------
        dict of str to float
            By keyword; those that no frame has are left out.
        """
        found = {}
        for keyword in _OF_OUTLINE:
            _, error, claimed = self.errors(keyword, "ensemble")
            error, claimed = error[claimed > 0], claimed[claimed > 0]
            if len(error):
                found[keyword] = round(max(1.0, float(np.sqrt(np.mean((error / claimed) ** 2)))), 3)
        return found

    def table(self) -> Table:
        """
        Summarise the frames.

        Returns
        -------
        `~astropy.table.Table`
            For each keyword and estimate: number of frames; bias and scatter, the mean and the
            standard deviation of the errors; and in how many frames the error lies within 1 and
            1.96 standard errors, for estimates that have one.
        """
        rows = []
        for keyword, unit in _MEASURED.items():
            for estimate in _ESTIMATES:
                _, error, claimed = self.errors(keyword, estimate)
                many = len(error) > 1
                has_error = estimate in ("sample", "mean", "ensemble") and len(error)
                shares = [
                    np.mean(np.abs(error) <= width * claimed) if has_error else np.nan
                    for width in _WIDTHS.values()
                ]
                bias = error.mean() if len(error) else np.nan
                scatter = error.std(ddof=1) if many else np.nan
                rows.append((keyword, unit, estimate, len(error), bias, scatter, *shares))
        names = ("keyword", "unit", "estimate", "frames", "bias", "scatter", *_WIDTHS)
        table = Table(rows=rows, names=names)
        for name in names[4:]:
            values = np.asarray(table[name], float)
            table[name] = MaskedColumn(values, mask=np.isnan(values), format=".3g")
        return table

    def figure(self):
        """
        Draw the errors of each keyword against HMI's value.

        Returns
        -------
        `matplotlib.figure.Figure`
        """
        from matplotlib.figure import Figure
        from matplotlib.ticker import NullFormatter

        figure = Figure(figsize=(11, 6.4), layout="constrained")
        axes = figure.subplots(2, 3).ravel()
        styles = dict(zip(_ESTIMATES, ("v", "s", "x", "^", "o"), strict=True))
        for axis, (keyword, unit) in zip(axes, _MEASURED.items(), strict=True):
            for estimate, marker in styles.items():
                truth, error, claimed = self.errors(keyword, estimate)
                bar = claimed if estimate == "ensemble" else None
                axis.errorbar(truth, error, bar, fmt=marker, ms=5, lw=1, alpha=0.8, label=estimate)
            axis.axhline(0, color="0.6", lw=0.8, zorder=0)
            axis.set_title(keyword)
            axis.set_xlabel("HMI's value")
            axis.set_ylabel(f"error ({unit})")
            if keyword != "R_VALUE" and all(v["HMI"][keyword] > 0 for v in self.values):
                axis.set_xscale("log")
                axis.xaxis.set_minor_formatter(NullFormatter())  # they would overlap
        axes[0].legend(fontsize="small")
        return figure

    def write(self, folder, split):
        """
        Print the table, and write it (CSV) and the figure (PNG).

        Parameters
        ----------
        folder : `pathlib.Path`
        split : str
            Beginning of the files' names.
        """
        folder.mkdir(parents=True, exist_ok=True)
        table = self.table()
        print("\n".join(table.pformat(max_lines=-1, max_width=-1)))
        write_atomically(
            folder / f"{split}_keywords.csv",
            lambda name: table.write(name, format="ascii.csv", overwrite=True),
        )
        figure = self.figure()
        write_atomically(
            folder / f"{split}_keywords.png",
            lambda name: figure.savefig(name, format="png", dpi=90),
        )


def _measure(smap, regions):
    """Measure the keywords of `_MEASURED`; those of regions are NaN if there is none."""
    whole = metrics.region_keywords(smap, region="map")
    inside = metrics.region_keywords(smap, region=regions) if regions.any() else None
    lines = metrics.polarity_inversion_line(smap, max_angle=_LIMIT)
    found = metrics.active_regions(smap, max_angle=_LIMIT)
    pixel = np.radians(whole.meta["grid_pixel_deg"]) * smap.rsun_meters.to_value(u.Mm)
    gradient = flux = active = np.nan
    if inside is not None:
        flux = inside["USFLUXL"][0].to_value(u.Mx)
        gradient = inside["MEANGBL"][0].value / pixel
        active = inside["AREA_ACR"][0]
    return np.array([
        whole["R_VALUE"][0], flux, gradient, found.area.to_value(u.Mm**2), active,
        lines.length.to_value(u.Mm),
    ])  # fmt: skip
