"""Scores of any system's result against HMI, beside those of bicubic interpolation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import sunpy.map
import torch
from astropy.table import MaskedColumn, Table

from sunpy_superres import metrics
from sunpy_superres.evaluation.evaluate import interpolated_map
from sunpy_superres.evaluation.truth import register_hmi
from sunpy_superres.instruments.forward import blurred_mean
from sunpy_superres.maps.fields import known_pixels, to_gauss
from sunpy_superres.maps.geometry import on_disk_mask
from sunpy_superres.maps.magnetogram import read_magnetogram
from sunpy_superres.maps.reading import read_map
from sunpy_superres.maps.regridding import resample_to, same_grid
from sunpy_superres.metrics.probabilistic import Errors
from sunpy_superres.sampling.consistency import reduced_chi_square
from sunpy_superres.sampling.observation import Observation
from sunpy_superres.torch_state import own_torch_state
from sunpy_superres.version import __version__

__all__ = ["check_consistency", "compare_files", "compare_result"]

#: Share of the light of an MDI pixel that must come from known pixels of a result.
_SEEN = 0.99
#: Rows that `metrics.compare` does not have.
_RATIO, _CHI_SQUARE = "RMSE / bicubic's", "reduced chi-square with MDI's frame"


@own_torch_state()
def check_consistency(smap, mdi_map) -> float:
    """
    Observe a field through MDI, and compare it with the frame.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        Line-of-sight field in HMI Gauss, on any grid.
    mdi_map : `~sunpy.map.GenericMap`
        The frame that it was made from.

    Returns
    -------
    float
        Reduced chi-square, `~sunpy_superres.sampling.consistency.reduced_chi_square`, over the
        pixels of the frame that see known pixels of the field only: about 1 if they agree, 0 if the
        field repeats the frame's noise.

    Raises
    ------
    TypeError, ValueError
        If the frame is not a usable MDI magnetogram, or the two have no pixel in common.
    """
    observation = Observation.from_magnetogram(read_magnetogram(mdi_map))
    grid = observation.grid
    values, known = resample_to(grid.map, smap)
    field = torch.zeros(observation.disk.shape)
    seen = 1 - observation.disk.float()
    ny, nx = values.shape
    inside = known & grid.on_disk
    field[0, 0, :ny, :nx] = torch.from_numpy(np.where(inside, values, 0).astype(np.float32))
    seen[0, 0, :ny, :nx] += torch.from_numpy(inside.astype(np.float32))
    sure = blurred_mean(seen, observation.instrument, observation.plate_scale) > _SEEN
    good = observation.good * sure
    if not good.any():
        raise ValueError(
            "The result and the MDI frame have no known pixel in common; check their coordinates."
        )
    return float(reduced_chi_square(field, replace(observation, good=good)))


def compare_result(result, hmi_map, *, mdi_map=None, uncertainty=None, model="default"):
    """
    Score a result against HMI, as `~sunpy_superres.metrics.compare` does, on the result's own grid.

    Parameters
    ----------
    result : `~sunpy.map.GenericMap`
        Line-of-sight field in HMI Gauss, on any grid.
    hmi_map : `~sunpy.map.GenericMap`
        What HMI observed of the same field at the same time.
    mdi_map : `~sunpy.map.GenericMap`, optional
        The frame that the result was made from.  It adds a column for bicubic interpolation of the
        frame, on the same pixels, and rows for the RMSE over bicubic's and for the agreement with
        the frame, `check_consistency`.
    uncertainty : `~sunpy.map.GenericMap`, optional
        Standard error of the result, on its grid; adds coverage and spread / skill.
    model : str, path-like or Model
        Model whose ratio of MDI to HMI calibrates the bicubic interpolation.

    Returns
    -------
    `~astropy.table.Table`
        Columns of `~sunpy_superres.metrics.compare`, and ``bicubic`` after ``value`` if there is a
        frame; masked where a row has no value for it.

    Raises
    ------
    TypeError, ValueError
        As `~sunpy_superres.metrics.compare` does, and if the frame is not a usable MDI
        magnetogram or has no pixel in common with the result.

    Examples
    --------
    >>> from sunpy_superres.evaluation.result_files import compare_result
    >>> from sunpy_superres.maps.examples import example_hmi_map
    >>> table = compare_result(example_hmi_map(), example_hmi_map())
    >>> str(table["metric"][1]), float(table["value"][1])
    ('RMSE', 0.0)
    """
    if uncertainty is not None and not same_grid(result, uncertainty):
        raise ValueError(
            "The uncertainty has another grid than the result; give the one that belongs to it."
        )
    columns = [("value", result, uncertainty)]
    region = known_pixels(result, to_gauss(result))
    if mdi_map is not None:
        values, known = resample_to(result, interpolated_map(mdi_map, model))
        region &= known & np.isfinite(values)
        if not region.any():
            raise ValueError(
                "The result and the MDI frame have no known pixel in common; check their "
                "coordinates."
            )
        values = np.where(region, values, np.nan)
        baseline = sunpy.map.Map(values, dict(result.meta, bunit="Gauss"))
        columns.append(("bicubic", baseline, None))
    tables = {
        name: metrics.compare(smap, hmi_map, uncertainty=sigma, region=region)
        for name, smap, sigma in columns
    }
    rows = [dict(zip(row.colnames, row, strict=True)) for row in tables["value"]]
    _, known = resample_to(result, hmi_map)
    pixels = int((region & known & on_disk_mask(result)).sum())
    rows.insert(0, {"metric": "pixels", "value": pixels, "reference": np.nan})
    if uncertainty is not None:
        errors = Errors(result, uncertainty, hmi_map, region)
        ratio = np.sqrt(np.square(errors.sigma).mean() / np.square(errors.error).mean())
        rows.append({"metric": "spread / skill", "value": float(ratio), "reference": 1.0})
    bicubic = {}
    if mdi_map is not None:
        bicubic = {row["metric"]: row["value"] for row in tables["bicubic"]} | {"pixels": pixels}
        (rmse,) = (row["value"] for row in rows if row["metric"] == "RMSE")
        rows.append({"metric": _RATIO, "value": rmse / bicubic["RMSE"], "reference": np.nan})
        bicubic[_RATIO] = 1.0
        chi_squares = [check_consistency(smap, mdi_map) for _, smap, _ in columns]
        rows.append({"metric": _CHI_SQUARE, "value": chi_squares[0], "reference": 1.0})
        bicubic[_CHI_SQUARE] = chi_squares[1]
    return _tabulate(rows, bicubic)


def _tabulate(rows, bicubic):
    """Make the table of rows, with the column of the baseline if there is one."""
    table = Table({"metric": [row["metric"] for row in rows]})
    values = {"value": [row["value"] for row in rows]}
    if bicubic:
        values["bicubic"] = [bicubic.get(row["metric"], np.nan) for row in rows]
    values["reference"] = [row["reference"] for row in rows]
    for name, column in values.items():
        table[name] = MaskedColumn(column, dtype=float, mask=np.isnan(column), format=".6g")
    value, reference = (np.array(values[name], float) for name in ("value", "reference"))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(reference == 0, np.nan, (value - reference) / np.abs(reference))
    table["relative_error"] = MaskedColumn(error, mask=np.isnan(error), format=".3g")
    table["unit"] = [row.get("unit", "") for row in rows]
    return table


def compare_files(
    result, hmi, *, mdi=None, uncertainty=None, register=False, model="default"
) -> Table:
    """
    Score a FITS file of any system against HMI's.

    Parameters
    ----------
    result, hmi : path-like
        Line-of-sight magnetograms: the system's, on any grid and in HMI Gauss, and HMI's.
    mdi : path-like, optional
        The frame that the result was made from; see `compare_result`.
    uncertainty : path-like, optional
        Standard error of the result.
    register : bool
        Remove the difference between the pointing of MDI and HMI first, as ``evaluate --split
        pairs`` does; needs ``mdi``, on whose coordinates the result then must lie.
    model : str
        See `compare_result`.

    Returns
    -------
    `~astropy.table.Table`
        That of `compare_result`; its ``meta`` names the files and the version of the package.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    TypeError, ValueError
        If a file is not a magnetogram, the result is on no grid that HMI sees, or ``register`` is
        asked for without ``mdi``.
    """
    if register and mdi is None:
        raise ValueError("To register HMI, the MDI frame is needed; name it by --mdi.")
    names = {"result": result, "hmi": hmi, "mdi": mdi, "uncertainty": uncertainty}
    names = {name: str(path) for name, path in names.items() if path is not None}
    maps = {
        name: read_map(path, {"hmi": "HMI", "mdi": "MDI"}.get(name)) for name, path in names.items()
    }
    hmi_map = register_hmi(maps["mdi"], maps["hmi"]) if register else maps["hmi"]
    table = compare_result(
        maps["result"], hmi_map, mdi_map=maps.get("mdi"), uncertainty=maps.get("uncertainty"),
        model=model,
    )  # fmt: skip
    files = {name: Path(path).name for name, path in names.items()}
    table.meta = {**files, "registered": bool(register), "sunpy_superres": __version__}
    return table
