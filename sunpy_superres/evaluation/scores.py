"""Scores of an ensemble against the truth, as sums that add up, and the calibration."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sunpy_superres.sampling.ensemble import pool_variance

__all__ = ["BANDS", "FIELD_EDGES", "Scores", "calibrate", "score"]

#: Edges, in Gauss of the ensemble mean, of the bins of the calibration.
FIELD_EDGES = np.array([0, 15, 30, 60, 100, 200, 300, 500, 800, 1200, np.inf])
#: Pixels that a bin must have to be shown, or to be calibrated by itself.
SMALLEST_BIN = 2000
#: Width, in pixels, of the pooling of the variance; of 0 to 3, the likelihood of the
#: validation regions is highest at 1.5 to 2.
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
        for low, high, pixels, variance, error in zip(
            FIELD_EDGES[:-1],
            FIELD_EDGES[1:],
            s["field_pixels"],
            s["field_sigma"],
            s["field_mean_error"],
            strict=True,
        ):
            if pixels >= SMALLEST_BIN:
                out[f"spread / skill of mean, {low:g}-{high:g} G"] = np.sqrt(variance / error)
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


def score(truth, bicubic, mean, sigma_mean, members, chi_square, scale, margin=8):
    """Scores of one ensemble, and of its mean, against the truth on the same grid."""
    n = len(members)
    sample, ensemble_mean = members[0], members.mean(0)
    sigma_sample = np.hypot(sigma_mean, sample - mean)
    # One member has no spread: what is calibrated then is a spread of 1 G.
    variance = pool_variance(members, POOLING) if n > 1 else np.ones(mean.shape, np.float32)
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
        field_sigma=binned(np.square(sigma_mean[mask])),
    )
    return scores


def calibrate(scores: Scores, smallest_bin=SMALLEST_BIN) -> dict:
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
        "mean_weight", "pooling", and "field" in Gauss with "factor", for
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
        "pooling": POOLING,
        "field": [round(float(strength / pixels), 1) for strength, pixels, *_ in rows],
        "factor": [round(float(np.sqrt(e / v)), 4) for *_, e, v in rows],
    }
