"""Tables and plots of an evaluation, made with `sunpy_superres.metrics`."""

from __future__ import annotations

from dataclasses import replace

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.table import MaskedColumn, QTable, Table

from sunpy_superres import metrics
from sunpy_superres.files import write_atomically
from sunpy_superres.super_resolution import SuperResolution

__all__ = ["Gathered", "first_member"]

#: Edges of the rings of the power ratio, the same for all frames, so that their mean has a meaning.
_SCALES = np.geomspace(1.2, 60, 25) * u.arcsec
#: Beginnings of the rows of `metrics.compare` whose values are averaged; of the others, such as
#: fluxes, the relative errors are.
_AVERAGED = (
    "RMSE", "MAE", "PSNR", "SSIM", "correlation", "gradient", "Wasserstein", "flux centre",
    "active regions, ", "power", "resolved", "coverage", "error", "CRPS", "spread",
)  # fmt: skip


def first_member(result):
    """Return the first member as a Map, with the uncertainty that belongs to it."""
    mean = result.hmi_like
    member = sunpy.map.Map(result.samples.data[0], mean.meta)
    sigma = np.hypot(result.uncertainty.data, member.data - mean.data)
    return SuperResolution(member, sunpy.map.Map(sigma, mean.meta))


def _mean_of_each(lists):
    """Average the finite values of each list; mask a list without any."""
    finite = [[v for v in values if np.isfinite(v)] for values in lists]
    return MaskedColumn(
        [np.mean(values) if values else np.nan for values in finite],
        mask=[not values for values in finite],
    )


class Gathered:
    """
    Comparisons, spectra and reliabilities of all frames, as ``look`` of `evaluate`.

    They are those of the bicubic baseline, which has neither an uncertainty nor an ensemble, and
    of the mean and one draw of a model.

    Attributes
    ----------
    names : list of str
        Names of the frames.
    eclipse : Gathered or None
        Those of the frames with the bits of an eclipse, which count nowhere else.
    """

    def __init__(self):
        self.eclipse = None
        self.tables = {"bicubic": [], "mean": [], "sample": []}
        self.ratios = {"bicubic": [], "mean": [], "sample": []}
        self.reliabilities = {"mean": [], "sample": []}
        self.names = []

    def __call__(self, frame, baseline, result):
        """Add a frame; the arguments are those of ``look`` of `evaluate`."""
        if frame.eclipse:
            self.eclipse = self.eclipse or Gathered()
            self.eclipse(replace(frame, eclipse=False), baseline, result)
            return
        maps = {"bicubic": (baseline, None), "mean": result[:2], "sample": first_member(result)}
        for name, (smap, uncertainty) in maps.items():
            # The one draw of a deterministic network is no ensemble.
            several = uncertainty is not None and len(result.samples.data) > 1
            samples = result.samples if several else None
            self.tables[name].append(
                metrics.compare(smap, frame.hmi_map, uncertainty=uncertainty, samples=samples)
            )
            self.ratios[name].append(metrics.power_ratio(smap, frame.hmi_map, bins=_SCALES))
            if uncertainty is not None:
                self.reliabilities[name].append(
                    metrics.reliability(smap, uncertainty, frame.hmi_map)
                )
        self.names.append(frame.name)

    def summary(self) -> Table:
        """
        Average the comparisons over the frames.

        For scores, ratios and distances, the table has the mean value; for fluxes, areas and
        lengths, the mean absolute relative error in percent.  Masked where no frame has a value.
        """
        labels = {}
        for name, tables in self.tables.items():
            for table in tables:
                for row in table:
                    plain = row["metric"].startswith(_AVERAGED)
                    value = row["value"] if plain else 100 * abs(row["relative_error"])
                    label = row["metric"] if plain else f"{row['metric']}, relative error"
                    unit = row["unit"] if plain else "%"
                    labels.setdefault((label, unit), {}).setdefault(name, []).append(value)
        table = Table({"metric": [label for label, _ in labels]})
        for name in self.tables:
            table[name] = _mean_of_each(v.get(name, []) for v in labels.values())
            table[name].info.format = ".4g"
        table["unit"] = [unit for _, unit in labels]
        return table

    def mean_ratio(self, name):
        """Average the power ratio over all frames: the geometric mean, ring by ring."""
        ratios = self.ratios[name]
        finest = max(r.scale.value.min() for r in ratios)
        coarsest = min(r.scale.value.max() for r in ratios)
        scales = np.geomspace(coarsest, finest, 40) * u.arcsec
        logs = [np.log(np.maximum(r.at(scales).value, 1e-6)) for r in ratios]
        return metrics.Spectrum(
            scales, np.exp(np.mean(logs, axis=0)) * u.one, np.ones(len(scales), int), "power ratio"
        )

    def pooled_reliability(self, name):
        """Pool the reliability over all frames: means of the squares, weighted by pixels."""
        rows = {}
        for table in self.reliabilities[name]:
            for row in table:
                pixels = row["pixels"]
                entry = rows.setdefault(float(row["low"].value), np.zeros(5))
                squares = [row[column].value ** 2 for column in ("uncertainty", "error")]
                shares = [row[f"within_{k}_sigma"] for k in (1, 2)]
                entry += pixels * np.array([1, *squares, *shares])
        lows = sorted(rows)
        sums = np.array([rows[low] for low in lows])
        return QTable(
            {
                "low": lows * u.G,
                "pixels": sums[:, 0].astype(int),
                "uncertainty": np.sqrt(sums[:, 1] / sums[:, 0]) * u.G,
                "error": np.sqrt(sums[:, 2] / sums[:, 0]) * u.G,
                "within_1_sigma": sums[:, 3] / sums[:, 0],
                "within_2_sigma": sums[:, 4] / sums[:, 0],
            }
        )

    def write(self, folder, split):
        """
        Print the tables of a split, and write their summary (CSV) and the plots (PNG).

        Frames of an eclipse have a summary of their own, whose first column names them.

        Parameters
        ----------
        folder : `pathlib.Path`
        split : str
            Beginning of the files' names.
        """
        from matplotlib.figure import Figure

        folder.mkdir(parents=True, exist_ok=True)
        summary = self.summary()
        print("\n".join(summary.pformat(max_lines=-1, max_width=-1)))
        write_atomically(
            folder / f"{split}_metrics.csv",
            lambda name: summary.write(name, format="ascii.csv", overwrite=True),
        )
        if self.eclipse is not None:
            eclipse = self.eclipse.summary()
            eclipse.rename_column("metric", f"eclipse: {', '.join(self.eclipse.names)}")
            print("\n".join(eclipse.pformat(max_lines=-1, max_width=-1)))
            write_atomically(
                folder / f"{split}_eclipse_metrics.csv",
                lambda name: eclipse.write(name, format="ascii.csv", overwrite=True),
            )
        for kind, tables in self.reliabilities.items():
            if tables:
                pooled = self.pooled_reliability(kind)
                print("\n".join([f"reliability of {kind}", *pooled.pformat(max_width=-1)]))
        figure = Figure(figsize=(11, 4.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        metrics.plot_spectra({name: self.mean_ratio(name) for name in self.ratios}, left)
        left.set_ylim(3e-3, 5)
        left.axhspan(0.8, 1.25, color="0.92", zorder=-1)
        left.set_title(f"power over HMI's ({split}, {len(self.names)} frames)")
        metrics.plot_reliability(
            {name: self.pooled_reliability(name) for name in self.reliabilities}, right
        )
        right.set_title("error against uncertainty, by |B|")
        write_atomically(
            folder / f"{split}_metrics.png", lambda name: figure.savefig(name, format="png")
        )
