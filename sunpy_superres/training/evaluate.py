"""
Measure a model on HMI regions degraded to MDI, and on real pairs.

``python -m sunpy_superres.training.evaluate DATA`` prints the table of the model card.
DATA is a folder with a MANIFEST.json, as the project's data folder has.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import sunpy.map
from astropy.io import fits
from scipy import ndimage, optimize

from sunpy_superres.hub import load_model
from sunpy_superres.instruments import FACTOR, HMI, MDI, simulate_mdi
from sunpy_superres.super_resolution import super_resolve

__all__ = [
    "SPLITS",
    "Scores",
    "calibrate",
    "evaluate_pairs",
    "evaluate_regions",
    "main",
    "native_frame",
    "registered_origin",
]

#: Regions held out; the same everywhere in the project.
SPLITS = {"test": (1449, 13171, 13561, 1455, 71), "validation": (1425, 13866)}
#: Edges, in Gauss of the ensemble mean, of the bins of the calibration.
FIELD_EDGES = np.array([0, 15, 30, 60, 100, 200, 300, 500, 800, 1200, np.inf])
#: Edges, in arcsec, of the bands of the power ratio.
BANDS = np.array([1.2, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0])


@dataclass
class Scores:
    """
    Sums over pixels, from which all scores follow; scores of many maps add up.

    Parameters
    ----------
    sums : dict of str to float or numpy.ndarray
    """

    sums: dict = field(default_factory=dict)

    def add(self, **values):
        """Add to the sums."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + np.asarray(value, dtype=np.float64)

    def merge(self, other):
        """Add the sums of other scores."""
        self.add(**other.sums)

    def table(self) -> dict:
        """The scores by name."""
        s = self.sums
        out = {"pixels": int(s["pixels"])}
        for name in ("bicubic", "mean", "sample"):
            out[f"RMSE {name} (G)"] = np.sqrt(s[f"error_{name}"] / s["pixels"])
        out["RMSE mean / bicubic"] = np.sqrt(s["error_mean"] / s["error_bicubic"])
        for name in ("bicubic", "mean", "sample"):
            covariance = s[f"cross_{name}"] / s["pixels"] - (
                s[f"sum_{name}"] * s["sum_truth"] / s["pixels"] ** 2
            )
            variance = s[f"square_{name}"] / s["pixels"] - (s[f"sum_{name}"] / s["pixels"]) ** 2
            truth = s["square_truth"] / s["pixels"] - (s["sum_truth"] / s["pixels"]) ** 2
            out[f"correlation {name}"] = covariance / np.sqrt(variance * truth)
        for name in ("bicubic", "mean", "sample"):
            out[f"gradient ratio {name}"] = s[f"gradient_{name}"] / s["gradient_truth"]
            out[f"unsigned flux ratio {name}"] = s[f"unsigned_{name}"] / s["unsigned_truth"]
        for low, high, ratio, flat in zip(
            BANDS[:-1],
            BANDS[1:],
            s["power_sample"] / s["power_truth"],
            s["power_bicubic"] / s["power_truth"],
            strict=True,
        ):
            out[f'power ratio {low:g}-{high:g}" sample (bicubic)'] = f"{ratio:.3f} ({flat:.3f})"
        out["spread / skill of mean"] = np.sqrt(s["variance_mean"] / s["error_mean"])
        for k in (1, 2):
            out[f"within {k} sigma, mean"] = s[f"within{k}_mean"] / s["pixels"]
            out[f"within {k} sigma, sample"] = s[f"within{k}_sample"] / s["pixels"]
        out["reduced chi-square"] = s["chi_square"] / s["maps"]
        return out


def _gradient(image):
    return np.nansum(np.hypot(*np.gradient(image)))


def _power(image, scale, mask):
    """Power in the bands; a Hann window, missing pixels as zero."""
    window = np.outer(*(np.hanning(n) for n in image.shape))
    power = np.abs(np.fft.fft2(np.where(mask, image, 0.0) * window)) ** 2
    fy, fx = (np.fft.fftfreq(n, scale) for n in image.shape)
    frequency = np.hypot(fy[:, None], fx)
    return np.array(
        [
            power[(frequency > 1 / high) & (frequency <= 1 / low)].sum()
            for low, high in zip(BANDS[:-1], BANDS[1:], strict=True)
        ]
    )


def _score(truth, bicubic, mean, sigma_mean, members, chi_square, scale, margin=8) -> Scores:
    """Scores of one ensemble, and of its mean, against the truth on the same grid."""
    n = len(members)
    sample, ensemble_mean = members[0], members.mean(0)
    sigma_sample = np.hypot(sigma_mean, sample - mean)
    variance = members.var(0, ddof=1)
    inner = np.zeros(truth.shape, bool)
    inner[margin:-margin, margin:-margin] = True
    mask = inner & np.isfinite(truth) & np.isfinite(mean) & np.isfinite(bicubic)
    scores = Scores()
    fields = {"bicubic": bicubic, "mean": mean, "sample": sample, "truth": truth}
    for name, values in fields.items():
        inside = values[mask]
        scores.add(
            **{
                f"sum_{name}": inside.sum(),
                f"square_{name}": np.square(inside).sum(),
                f"cross_{name}": (inside * truth[mask]).sum(),
                f"error_{name}": np.square(inside - truth[mask]).sum(),
                f"unsigned_{name}": np.abs(inside).sum(),
                f"gradient_{name}": _gradient(np.where(mask, values, np.nan)),
                f"power_{name}": _power(values, scale, mask),
            }
        )
    for name, values, sigma in (("mean", mean, sigma_mean), ("sample", sample, sigma_sample)):
        off = np.abs(values - truth)[mask]
        scores.add(**{f"within{k}_{name}": (off <= k * sigma[mask]).sum() for k in (1, 2)})
    which = np.digitize(np.abs(mean[mask]), FIELD_EDGES) - 1
    bins = len(FIELD_EDGES) - 1

    def binned(values):
        return np.bincount(which, values, bins)

    off, off_ensemble = (mean - truth)[mask], (ensemble_mean - truth)[mask]
    scores.add(
        pixels=mask.sum(),
        maps=1,
        members=n,
        variance_mean=np.square(sigma_mean[mask]).sum(),
        chi_square=chi_square,
        field_strength=binned(np.abs(mean[mask])),
        field_pixels=binned(np.ones(which.size)),
        field_mean_error=binned(off**2),
        field_ensemble_error=binned(off_ensemble**2),
        field_cross_error=binned(off * off_ensemble),
        field_variance=binned(variance[mask]),
    )
    return scores


def _bicubic(mdi_map, network):
    """The baseline: calibrated bicubic interpolation."""
    import torch

    frame = np.nan_to_num(np.asarray(mdi_map.data, np.float32))
    with torch.inference_mode():
        return network.interpolated(torch.from_numpy(frame)[None, None])[0, 0].numpy()


def _records(data, split):
    for record in json.loads((Path(data) / "MANIFEST.json").read_text()):
        if record.get("harpnum") in SPLITS[split] and "los" in str(record.get("kind")):
            yield record


def evaluate_regions(
    data,
    split="test",
    model="default",
    *,
    n_samples=8,
    num_steps=None,
    noise=12.0,
    seed=0,
    progress=True,
):
    """
    Scores on HMI regions seen through `~sunpy_superres.simulate_mdi`.

    Parameters
    ----------
    data : path-like
        Folder with MANIFEST.json.
    split : {"test", "validation"}
    model, n_samples, num_steps, seed, progress
        As in `~sunpy_superres.super_resolve`.
    noise : float
        Of the simulated frames, in MDI Gauss.

    Returns
    -------
    dict of str to Scores
        One for each region, and "all".
    """
    loaded = load_model(model)
    regions, everything = {}, Scores()
    for number, record in enumerate(_records(data, split)):
        hmi_map = sunpy.map.Map(Path(data) / record["file"])
        mdi_map = simulate_mdi(hmi_map, seed=seed + number, noise=noise)
        result = super_resolve(
            mdi_map,
            model=loaded,
            estimate="mean",
            n_samples=n_samples,
            num_steps=num_steps,
            seed=seed + number,
            progress=progress,
            return_samples=True,
        )
        ny, nx = result.hmi_like.data.shape
        truth = np.asarray(hmi_map.data, np.float64)[:ny, :nx]
        scores = _score(
            truth,
            _bicubic(mdi_map, loaded.network),
            result.hmi_like.data,
            result.uncertainty.data,
            result.samples.data,
            result.hmi_like.meta["srchisq"],
            scale=HMI.plate_scale,
        )
        regions.setdefault(f"HARP {record['harpnum']}", Scores()).merge(scores)
        everything.merge(scores)
    return {**regions, "all": everything}


def _linear_interpolation(size, period, phase):
    """Matrix that interpolates nodes ``period`` pixels apart to ``size`` pixels; first node."""
    position = (np.arange(size) - phase) / period
    first = np.floor(position[0])
    node = np.floor(position - first).astype(int)
    fraction = position - first - node
    matrix = np.zeros((size, node[-1] + 2))
    matrix[np.arange(size), node] = 1 - fraction
    matrix[np.arange(size), node + 1] += fraction
    return matrix, phase + first * period


def _native_axis(image):
    """Period and phase, in rows, of the grid that ``image`` was linearly interpolated from."""

    def misfit(parameters, image=image):
        matrix, _ = _linear_interpolation(len(image), *parameters)
        basis, _ = np.linalg.qr(matrix)
        return np.sqrt(np.mean((image - basis @ (basis.T @ image)) ** 2))

    coarse = image[:, ::4]
    start = min(
        (
            (period, phase)
            for period in np.arange(2.69, 2.76, 0.004)
            for phase in np.arange(0, period, period / 10)
        ),
        key=lambda parameters: misfit(parameters, coarse),
    )
    found = optimize.minimize(
        misfit, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-6}
    )
    return found.x, found.fun


def native_frame(image):
    """
    The MDI pixels behind a frame that was bilinearly interpolated to HMI's grid.

    Bilinear interpolation is piecewise linear: its kinks show where the pixels were,
    and least squares give back what they held.

    Parameters
    ----------
    image : numpy.ndarray
        ``(ny, nx)`` on the finer grid.

    Returns
    -------
    frame : numpy.ndarray
        On MDI's own pixels.
    period, origin : numpy.ndarray
        Along rows and columns: fine pixels for each MDI pixel, and the fine position of
        MDI pixel 0.
    misfit : float
        Root mean square, in the image's unit, of what the frame does not explain.
    """
    matrices, period, origin, misfits = [], [], [], []
    for axis in (image, image.T):
        (step, phase), misfit = _native_axis(axis)
        matrix, first = _linear_interpolation(len(axis), step, phase)
        matrices.append(np.linalg.pinv(matrix, rcond=1e-2))
        period.append(step)
        origin.append(first)
        misfits.append(misfit)
    frame = matrices[0] @ image @ matrices[1].T
    return frame, np.array(period), np.array(origin), max(misfits)


def registered_origin(hmi, frame, period, origin):
    """
    Origin of the MDI frame on HMI's grid at which HMI, observed by MDI, fits it best.

    The shift of highest correlation between the frame and HMI blurred and averaged over
    MDI's pixel, to a hundredth of a pixel.

    Parameters
    ----------
    hmi, frame : numpy.ndarray
    period, origin : numpy.ndarray
        From `native_frame`.

    Returns
    -------
    numpy.ndarray
        Along rows and columns.
    """
    edge = 6
    inner = [np.arange(edge, n - edge) for n in frame.shape]
    image = ndimage.gaussian_filter(hmi, MDI.blur_sigma(MDI.plate_scale / period.mean()))
    image = ndimage.uniform_filter(image, int(round(period.mean())))
    seen = frame[np.ix_(*inner)].ravel()

    def mismatch(shift):
        where = [
            i * step + first + moved
            for i, step, first, moved in zip(inner, period, origin, shift, strict=True)
        ]
        there = ndimage.map_coordinates(image, np.meshgrid(*where, indexing="ij"), order=1)
        return -np.corrcoef(there.ravel(), seen)[0, 1]

    steps = np.arange(-8.0, 8.5, 1.0)
    start = min(((y, x) for y in steps for x in steps), key=mismatch)
    simplex = np.add(start, [[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]])
    found = optimize.minimize(
        mismatch,
        start,
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 1e-2, "fatol": 1e-7},
    )
    return origin + found.x


def _pair_header(shape):
    return {
        "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec",
        "cdelt1": MDI.plate_scale, "cdelt2": MDI.plate_scale, "crval1": 0.0, "crval2": 0.0,
        "crpix1": (shape[1] + 1) / 2, "crpix2": (shape[0] + 1) / 2,
        "date-obs": "2010-08-30T17:36:00", "dsun_obs": 1.496e11, "hgln_obs": 0.0,
        "hglt_obs": 0.0, "rsun_ref": 6.96e8, "bunit": "Gauss", "camera": "MDI",
        "telescop": "SOHO", "interval": 300.0,
    }  # fmt: skip


def evaluate_pairs(data, model="default", *, n_samples=8, num_steps=None, seed=0, progress=True):
    """
    Scores on the real MDI/HMI pairs of the data folder.

    The source had interpolated MDI bilinearly onto HMI's grid; the MDI pixels are
    recovered (`native_frame`), super-resolved, and compared with HMI on HMI's grid after
    a sub-pixel registration of the two observations.

    Parameters
    ----------
    data : path-like
    model, n_samples, num_steps, seed, progress
        As in `~sunpy_superres.super_resolve`.

    Returns
    -------
    dict of str to Scores
    """
    folder = Path(data) / "pairs"
    loaded = load_model(model)
    table, everything = {}, Scores()
    for mdi_path in sorted(folder.glob("mdi_*.fits")):
        stamp = mdi_path.name.split("_")[1]
        hmi = fits.getdata(next(folder.glob(f"hmi*{stamp}*.fits"))).astype(float)
        mdi = fits.getdata(mdi_path).astype(float)
        frame, period, origin, _ = native_frame(mdi)
        scale = MDI.plate_scale / period.mean()
        registered = registered_origin(hmi, frame, period, origin)
        mdi_map = sunpy.map.Map(frame, _pair_header(frame.shape))
        result = super_resolve(
            mdi_map,
            model=loaded,
            estimate="mean",
            n_samples=n_samples,
            num_steps=num_steps,
            seed=seed,
            progress=progress,
            return_samples=True,
        )
        # Where the pixels of HMI's grid lie on ours.
        where = [
            FACTOR * ((np.arange(n) - first) / step + 0.5) - 0.5
            for n, first, step in zip(hmi.shape, registered, period, strict=True)
        ]
        where = np.meshgrid(*where, indexing="ij")

        def on_hmi_grid(image, where=where):
            return ndimage.map_coordinates(image, where, order=1, mode="nearest")

        scores = _score(
            hmi,
            on_hmi_grid(_bicubic(mdi_map, loaded.network)),
            on_hmi_grid(result.hmi_like.data),
            on_hmi_grid(result.uncertainty.data),
            np.stack([on_hmi_grid(member) for member in result.samples.data]),
            result.hmi_like.meta["srchisq"],
            scale,
        )
        shift = registered - origin
        table[f"{mdi_path.stem} (shift {shift[0]:+.2f}, {shift[1]:+.2f} px)"] = scores
        everything.merge(scores)
    return {**table, "all": everything}


def calibrate(scores: Scores, smallest_bin=2000) -> dict:
    """
    What makes the mean best, and the uncertainty as large as the error.

    Parameters
    ----------
    scores : Scores
        Of validation regions, made with a model whose "mean_weight" is 1, so that the
        mean is the regression's.
    smallest_bin : int
        Bins of field strength with fewer pixels are joined with their lower neighbour.

    Returns
    -------
    dict
        "mean_weight", and "field" in Gauss with "factor", for
        `~sunpy_superres.sampling.ensemble.summarise`.
    """
    s = scores.sums
    own, other, cross = (s[f"field_{name}_error"] for name in ("mean", "ensemble", "cross"))
    # The weight w of least error of (1 - w) ensemble + w regression.
    apart = (own + other - 2 * cross).sum()
    weight = float(np.clip((other - cross).sum() / apart, 0, 1)) if apart > 0 else 1.0
    error = (1 - weight) ** 2 * other + 2 * weight * (1 - weight) * cross + weight**2 * own
    n = s["members"] / s["maps"]
    spread = s["field_variance"] * (1 + (1 - weight) ** 2 / n)
    rows = []
    for row in zip(s["field_strength"], s["field_pixels"], error, spread, strict=True):
        if rows and (row[1] < smallest_bin or rows[-1][1] < smallest_bin):
            rows[-1] = tuple(a + b for a, b in zip(rows[-1], row, strict=True))
        elif row[1]:
            rows.append(row)
    return {
        "mean_weight": round(weight, 3),
        "field": [round(float(strength / pixels), 1) for strength, pixels, *_ in rows],
        "factor": [round(float(np.sqrt(e / v)), 4) for *_, e, v in rows],
    }


def main(arguments=None):
    """Command line: a table of scores, as text or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--model", default="default")
    parser.add_argument("--split", default="test", choices=[*SPLITS, "pairs"])
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--noise", type=float, default=12.0)
    options = parser.parse_args(arguments)
    common = {"n_samples": options.samples, "num_steps": options.steps}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if options.split == "pairs":
            scores = evaluate_pairs(options.data, options.model, **common)
        else:
            scores = evaluate_regions(
                options.data, options.split, options.model, noise=options.noise, **common
            )
    for name, entry in scores.items():
        print(f"== {name}")
        for label, value in entry.table().items():
            text = value if isinstance(value, str | int) else f"{float(value):.4f}"
            print(f"{label:44} {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
