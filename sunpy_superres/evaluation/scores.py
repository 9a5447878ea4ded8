"""Scores of an ensemble against the truth, as sums that add up."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sunpy_superres.metrics.image import sum_gradients
from sunpy_superres.metrics.spectrum import sum_band_powers
from sunpy_superres.sampling.ensemble import member_variance, pool_variance

__all__ = ["BANDS", "FIELD_EDGES", "POOLING", "SMALLEST_BIN", "Scores", "score"]

#: Edges, in Gauss of the ensemble mean, of the bins of the calibration.
FIELD_EDGES = np.array([0, 15, 30, 60, 100, 200, 300, 500, 800, 1200, np.inf])
#: A bin with fewer pixels is not shown, and is calibrated together with its neighbour.
SMALLEST_BIN = 2000
#: Width, in pixels, of the Gaussian that pools the variance.  Of widths from 0 to 3, those of 1.5
#: to 2 give the validation regions the highest likelihood.
POOLING = 1.5
#: Edges, in arcsec, of the bands of the power ratio.
BANDS = np.array([1.2, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0])


@dataclass
class Scores:
    """
    Sums over pixels, from which all scores follow; scores of many maps add up.

    Parameters
    ----------
    sums : dict of str to float or numpy.ndarray
    frames : list of str
        Names of the frames, where they are known.
    """

    sums: dict = field(default_factory=dict)
    frames: list = field(default_factory=list)

    def add(self, **values):
        """Add to the sums."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + np.asarray(value, dtype=np.float64)

    def merge(self, other):
        """Add the sums of other scores, and the names of their frames."""
        self.add(**other.sums)
        self.frames.extend(other.frames)

    def table(self) -> dict:
        """Compute the scores, by name."""
        s, maps = self.sums, ("bicubic", "mean", "sample")
        pixels = s["pixels"]
        out = {"pixels": int(pixels)}
        for name in maps:
            out[f"RMSE {name} (G)"] = np.sqrt(s[f"error_{name}"] / pixels)
        out["RMSE mean / bicubic"] = np.sqrt(s["error_mean"] / s["error_bicubic"])
        means = {name: s[f"sum_{name}"] / pixels for name in (*maps, "truth")}
        variances = {name: s[f"square_{name}"] / pixels - means[name] ** 2 for name in means}
        for name in maps:
            covariance = s[f"cross_{name}"] / pixels - means[name] * means["truth"]
            out[f"correlation {name}"] = covariance / np.sqrt(variances[name] * variances["truth"])
        for name in maps:
            out[f"gradient ratio {name}"] = s[f"gradient_{name}"] / s["gradient_truth"]
            out[f"unsigned flux ratio {name}"] = s[f"unsigned_{name}"] / s["unsigned_truth"]
        for name in maps:
            ratios = s[f"power_{name}"] / s["power_truth"]
            for low, high, ratio in zip(BANDS[:-1], BANDS[1:], ratios, strict=True):
                out[f'power ratio {name}, {low:g}-{high:g}"'] = ratio
        out["spread / skill of mean"] = np.sqrt(s["variance_mean"] / s["error_mean"])
        for k in (1, 2):
            for name in ("mean", "sample"):
                out[f"within {k} sigma, {name}"] = s[f"within{k}_{name}"] / pixels
        bins = (s["field_pixels"], s["field_sigma"], s["field_mean_error"])
        for low, high, number, variance, error in zip(
            FIELD_EDGES[:-1], FIELD_EDGES[1:], *bins, strict=True
        ):
            if number >= SMALLEST_BIN:
                out[f"spread / skill of mean, {low:g}-{high:g} G"] = np.sqrt(variance / error)
        out["reduced chi-square"] = s["chi_square"] / s["maps"]
        return {name: value if name == "pixels" else float(value) for name, value in out.items()}


def score(truth, bicubic, mean, sigma_mean, members, chi_square, scale, margin=8):
    """
    Score an ensemble and its mean against the truth on the same grid.

    Parameters
    ----------
    truth, bicubic, mean, sigma_mean : numpy.ndarray
        Gauss, ``(ny, nx)``; NaN where missing.
    members : numpy.ndarray
        Gauss, ``(n, ny, nx)``.
    chi_square : float
        Reduced chi-square between the frame and the ensemble observed through the instrument.
    scale : float
        Arcsec per pixel.
    margin : int
        Width of the edges that do not count, in pixels.

    Returns
    -------
    Scores
    """
    n = len(members)
    sample, ensemble_mean = members[0], members.mean(0)
    sigma_sample = np.hypot(sigma_mean, sample - mean)
    # One member has no spread; then a spread of 1 G is calibrated.
    variance = np.ones(mean.shape, np.float32)
    if n > 1:
        variance = pool_variance(member_variance(members), POOLING)
    known = np.zeros(truth.shape, bool)
    known[margin:-margin, margin:-margin] = True
    known &= np.isfinite(truth) & np.isfinite(mean) & np.isfinite(bicubic)
    fields = {"bicubic": bicubic, "mean": mean, "sample": sample, "truth": truth}
    fields = {name: np.where(known, values, 0.0) for name, values in fields.items()}
    gradients = sum_gradients(fields.values(), known)
    powers = sum_band_powers(fields.values(), known, scale, BANDS)
    scores, true = Scores(), truth[known]
    for (name, values), gradient, power in zip(fields.items(), gradients, powers, strict=True):
        inside = values[known]
        scores.add(
            **{
                f"sum_{name}": inside.sum(),
                f"square_{name}": np.square(inside).sum(),
                f"cross_{name}": (inside * true).sum(),
                f"error_{name}": np.square(inside - true).sum(),
                f"unsigned_{name}": np.abs(inside).sum(),
                f"gradient_{name}": gradient,
                f"power_{name}": power,
            }
        )
    for name, sigma in (("mean", sigma_mean), ("sample", sigma_sample)):
        error = np.abs(fields[name][known] - true)
        scores.add(**{f"within{k}_{name}": (error <= k * sigma[known]).sum() for k in (1, 2)})
    strength, bins = np.abs(mean[known]), len(FIELD_EDGES) - 1
    bin_of_pixel = np.digitize(strength, FIELD_EDGES) - 1

    def sum_by_bin(values):
        return np.bincount(bin_of_pixel, values, bins)

    error, ensemble_error = mean[known] - true, ensemble_mean[known] - true
    scores.add(
        pixels=known.sum(),
        maps=1,
        members=n,
        variance_mean=np.square(sigma_mean[known]).sum(),
        chi_square=chi_square,
        field_strength=sum_by_bin(strength),
        field_pixels=sum_by_bin(np.ones(strength.size)),
        field_mean_error=sum_by_bin(error**2),
        field_ensemble_error=sum_by_bin(ensemble_error**2),
        field_cross_error=sum_by_bin(error * ensemble_error),
        field_variance=sum_by_bin(variance[known]),
        field_sigma=sum_by_bin(np.square(sigma_mean[known])),
    )
    return scores
