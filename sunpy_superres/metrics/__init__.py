"""
Metrics of magnetograms: Maps in, Quantities out.

A metric of two Maps converts both to Gauss, and brings the second to the grid of the first with
`reproject <https://reproject.readthedocs.io>`__ if it has another one.  Pixels that are missing or
off the disk in either do not count.
"""

from sunpy_superres.metrics.comparison import compare
from sunpy_superres.metrics.error_bars import Measurement, with_error
from sunpy_superres.metrics.image import correlation, gradient_ratio, mae, psnr, rmse, ssim
from sunpy_superres.metrics.inversion_line import PolarityInversionLine, polarity_inversion_line
from sunpy_superres.metrics.keywords import region_keywords
from sunpy_superres.metrics.perceptual import fid, frechet_distance, lpips
from sunpy_superres.metrics.physics import (
    flux_centre_shift,
    net_flux,
    signed_flux,
    unsigned_flux,
    wasserstein_distance,
)
from sunpy_superres.metrics.plots import plot_reliability, plot_spectra
from sunpy_superres.metrics.probabilistic import (
    coverage,
    crps,
    pit,
    rank_histogram,
    reliability,
    spread_skill,
)
from sunpy_superres.metrics.regions import (
    ActiveRegions,
    Bipole,
    active_regions,
    bipole,
    dice,
    jaccard,
)
from sunpy_superres.metrics.scales import split_scales
from sunpy_superres.metrics.spectrum import (
    Spectrum,
    coherence,
    power_ratio,
    power_spectrum,
    resolved_scale,
)

__all__ = [
    "ActiveRegions",
    "Bipole",
    "Measurement",
    "PolarityInversionLine",
    "Spectrum",
    "active_regions",
    "bipole",
    "coherence",
    "compare",
    "correlation",
    "coverage",
    "crps",
    "dice",
    "fid",
    "flux_centre_shift",
    "frechet_distance",
    "gradient_ratio",
    "jaccard",
    "lpips",
    "mae",
    "net_flux",
    "pit",
    "plot_reliability",
    "plot_spectra",
    "polarity_inversion_line",
    "power_ratio",
    "power_spectrum",
    "psnr",
    "rank_histogram",
    "region_keywords",
    "reliability",
    "resolved_scale",
    "rmse",
    "signed_flux",
    "split_scales",
    "spread_skill",
    "ssim",
    "unsigned_flux",
    "wasserstein_distance",
    "with_error",
]
