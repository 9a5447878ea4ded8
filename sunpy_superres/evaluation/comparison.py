"""Several models on the same frames: one table, and the paper's figure."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import replace

import numpy as np
from astropy.table import MaskedColumn, Table

from sunpy_superres import metrics
from sunpy_superres.evaluation.evaluate import ECLIPSE, evaluate, regions_trained_on
from sunpy_superres.evaluation.figures import Gathered, first_member
from sunpy_superres.evaluation.timing import benchmark_frame, count_work
from sunpy_superres.files import write_atomically
from sunpy_superres.instruments import FACTOR
from sunpy_superres.maps.fields import mark_missing
from sunpy_superres.maps.plotting import find_clipped
from sunpy_superres.maps.regridding import resample_to
from sunpy_superres.models.loading import load_model
from sunpy_superres.super_resolution import super_resolve

__all__ = ["Comparison", "compare_models", "seconds_of_full_disk", "work_of_full_disk"]

#: MDI pixels on the disk of a 1024 x 1024 frame.
_DISK_PIXELS = 7.6e5
#: Beginnings of the rows taken from the scores pooled over pixels, and from the means over frames.
_SCORES = ("RMSE", "correlation", "gradient ratio", "unsigned flux ratio", "power ratio", "within")
_MEANS = ("PSNR", "SSIM", "active-region area, relative error", "resolved scale", "CRPS")
#: HMI pixels along a side of a panel of the figure, and the field in Gauss that is white.
_SIDE, _WHITE = 160, 800.0


def work_of_full_disk(model, n_samples=1) -> float:
    """
    Count the floating-point operations of the networks for one full disk.

    torch counts them on a small frame, and they are scaled by the pixels; the margins of tiles are
    left out.

    Parameters
    ----------
    model : Model
    n_samples : int
        Number of draws; a deterministic network makes one.
    """
    network = model.network
    n_samples, num_steps = network.limit_sampling(n_samples, model.config["sampler"]["num_steps"])
    prepare, draw = count_work(network, num_steps)
    return (prepare + n_samples * draw) * _DISK_PIXELS


def seconds_of_full_disk(model, side=256) -> float:
    """
    Time one draw of a full disk on this machine, from Map to Maps.

    A smaller frame is timed, and its time scaled by the pixels; the margins of tiles are left out.

    Parameters
    ----------
    model : Model
    side : int
        MDI pixels of the frame that is timed.
    """
    options = {"model": model, "n_samples": 1, "seed": 0, "progress": False}
    super_resolve(benchmark_frame(32), **options)  # to warm up
    frame = benchmark_frame(side)
    started = time.perf_counter()
    super_resolve(frame, **options)
    return (time.perf_counter() - started) * _DISK_PIXELS / frame.data.size


class _Look:
    """Gathers comparisons, and the maps from which the figure is made."""

    def __init__(self):
        self.gathered = Gathered()
        self.samples, self.truths = [], []
        self.eclipse = None

    def __call__(self, frame, baseline, result):
        if frame.eclipse:
            self.eclipse = self.eclipse or _Look()
            self.eclipse(replace(frame, eclipse=False), baseline, result)
            return
        self.gathered(frame, baseline, result)
        self.samples.append(first_member(result).hmi_like)
        self.truths.append((frame, baseline))


class Comparison:
    """
    Result of `compare_models`.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A row for each score, a column for the baseline and for each model; masked where a score
        does not apply.
    looks : dict of str to _Look
        Comparisons and maps of each model, by its name.
    split : str
        Beginning of the files' names.
    eclipse : `~astropy.table.Table`, optional
        The same table of the frames with the bits of an eclipse, which count nowhere else; the
        name of its first column names them.
    """

    def __init__(self, table, looks, split, eclipse=None):
        self.table, self._looks, self._split, self.eclipse = table, looks, split, eclipse

    @property
    def regions(self):
        """Names of the regions of the frames, in their order."""
        truths = next(iter(self._looks.values())).truths
        return list(dict.fromkeys(frame.region for frame, _ in truths))

    @property
    def n_frames(self):
        """Number of the frames that count in the table."""
        return len(next(iter(self._looks.values())).truths)

    def figure(self):
        """
        Draw the input, HMI, and one draw of each model, where the field is strongest.

        Returns
        -------
        `matplotlib.figure.Figure`
        """
        from matplotlib.figure import Figure

        looks = list(self._looks.values())
        truths = looks[0].truths
        strength = [np.nansum(np.abs(frame.hmi_map.data) > 200) for frame, _ in truths]
        chosen = int(np.argmax(strength))
        frame, baseline = truths[chosen]
        # The HMI Map of a real pair has a grid of its own.
        hmi, known = resample_to(looks[0].samples[chosen], frame.hmi_map)
        hmi = np.where(known, hmi, np.nan)
        rows, columns = _strongest(hmi, _SIDE)
        coarse = tuple(slice(s.start // FACTOR, s.stop // FACTOR) for s in (rows, columns))
        truth = "truth (simulated)" if self._split == "example" else "HMI"
        panels = {"MDI": mark_missing(frame.mdi_map)[coarse], truth: hmi[rows, columns]}
        panels["bicubic"] = baseline.data[rows, columns]
        for name, look in self._looks.items():
            panels[name] = look.samples[chosen].data[rows, columns]
        across = min(4, len(panels))
        down = -(-len(panels) // across)
        figure = Figure(figsize=(3.1 * across + 0.8, 3.3 * down), layout="constrained")
        axes = np.atleast_1d(figure.subplots(down, across)).ravel()
        extent = (0, (columns.stop - columns.start) / 2, 0, (rows.stop - rows.start) / 2)
        for axis, (name, values) in zip(axes, panels.items(), strict=False):
            shown = axis.imshow(
                values, cmap="gray", vmin=-_WHITE, vmax=_WHITE, origin="lower", extent=extent,
                interpolation="nearest",
            )  # fmt: skip
            axis.set_title(name)
            axis.set_xlabel("arcsec")
            axis.set_ylabel("arcsec")
        for axis in axes[len(panels) :]:
            axis.set_axis_off()
        values = np.concatenate([values.ravel() for values in panels.values()])
        extend = find_clipped(values, -_WHITE, _WHITE)
        figure.colorbar(
            shown, ax=list(axes), label="line-of-sight field (G)", shrink=0.7, extend=extend
        )
        return figure

    def write(self, folder):
        """
        Write the table, that of an eclipse's frames if there are any (CSV), and the figure (PNG).

        Parameters
        ----------
        folder : `pathlib.Path`
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in (("comparison", self.table), ("eclipse_comparison", self.eclipse)):
            if table is not None:
                write_atomically(
                    folder / f"{self._split}_{name}.csv",
                    lambda path, table=table: table.write(path, format="ascii.csv", overwrite=True),
                )
        figure = self.figure()
        write_atomically(
            folder / f"{self._split}_comparison.png",
            lambda name: figure.savefig(name, format="png", dpi=110),
        )


def _strongest(field, side):
    """Find the slices of the window, on whole MDI pixels, with the largest unsigned field."""
    down, across = (min(side, n // FACTOR * FACTOR) for n in field.shape)
    total = np.pad(np.nan_to_num(np.abs(field)).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = total[down:, across:] - total[:-down, across:]
    inside = (inside - total[down:, :-across] + total[:-down, :-across])[::FACTOR, ::FACTOR]
    y, x = (FACTOR * int(i) for i in np.unravel_index(inside.argmax(), inside.shape))
    return slice(y, y + down), slice(x, x + across)


def compare_models(data, models, split="test", *, n_samples=8, progress=True, **options):
    """
    Score several models, and calibrated bicubic interpolation, on the same frames.

    Regions that one of the models was trained on are left out.

    Parameters
    ----------
    data : path-like
        Folder of HMI magnetograms.
    models : sequence of str, path-like or Model
        In the table, a model has the name of its folder.
    split, n_samples, progress
        As in `~sunpy_superres.evaluation.evaluate.evaluate`.
    **options
        Other arguments of that function, such as ``noise=24 * u.G``.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If two models have the same name.
    """
    loaded = [load_model(model) for model in models]
    names = [model.name for model in loaded]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"Two models are named {twice!r}; rename the folder of one.")
    # All models are scored on the same frames.
    exclude = set().union(*map(regions_trained_on, loaded))
    looks, columns, eclipse = {}, {}, {}
    for model in loaded:
        look = _Look()
        scores = evaluate(
            data, split, model, n_samples=n_samples, progress=progress, look=look,
            exclude=exclude, **options,
        )  # fmt: skip
        looks[model.name] = look
        _add_columns(columns, model.name, scores["all"], look)
        columns[model.name] |= {
            "parameters (M)": sum(p.numel() for p in model.network.parameters()) / 1e6,
            "TFLOP, one draw of a full disk": work_of_full_disk(model) / 1e12,
            "seconds, one draw of a full disk": seconds_of_full_disk(model),
        }
        if ECLIPSE in scores:
            _add_columns(eclipse, model.name, scores[ECLIPSE], look.eclipse)
            first = f"eclipse: {', '.join(scores[ECLIPSE].frames)}"
    tables = [_tabulate(columns), _tabulate(eclipse, first) if eclipse else None]
    return Comparison(tables[0], looks, split, tables[1])


def _add_columns(columns, name, scores, look):
    """Add the column of a model, and that of the baseline before the first model's."""
    if not columns:
        columns["bicubic"] = _column(scores, look, "bicubic")
    columns[name] = _column(scores, look, "sample")
    columns[name]["RMSE of the mean"] = scores.table()["RMSE mean (G)"]


def _tabulate(columns, first="score"):
    """Make a table of dictionaries, one for each column; masked where one lacks a row."""
    labels = list(dict.fromkeys(label for column in columns.values() for label in column))
    table = Table({first: labels})
    for name, column in columns.items():
        values = [column.get(label, np.nan) for label in labels]
        table[name] = MaskedColumn(values, mask=np.isnan(values), format=".4g")
    return table


def _column(scores, look, kind):
    """Collect the scores of the baseline or of one draw."""
    column, table = {}, scores.table()
    for label, value in table.items():
        if label.startswith(_SCORES) and kind in label and "/" not in label:
            column[re.sub(f" {kind},|,? {kind}", "", label)] = value
    for row in look.gathered.summary():
        if row["metric"].startswith(_MEANS) and row[kind] is not np.ma.masked:
            unit = f" ({row['unit']})" if row["unit"] else ""
            column[row["metric"] + unit] = row[kind]
    maps = [baseline for _, baseline in look.truths] if kind == "bicubic" else look.samples
    truths = [frame.hmi_map for frame, _ in look.truths]
    with contextlib.suppress(ValueError):  # the Maps have too few pixels
        column["Frechet distance"] = metrics.frechet_distance(maps, truths)
    if kind == "sample" and scores.sums["members"] > scores.sums["maps"]:
        column["spread / skill"] = table["spread / skill of mean"]
    return column
