"""MDI and HMI as data, and the forward operator from one to the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["FACTOR", "HMI", "MDI", "Instrument"]

#: HMI-like pixels along one side of an MDI pixel.
FACTOR = 4

_FWHM_PER_SIGMA = math.sqrt(8 * math.log(2))


@dataclass(frozen=True)
class Instrument:
    """
    A magnetograph, as far as the model needs to know it.

    Parameters
    ----------
    name : str
    plate_scale : float
        Arcsec per pixel.
    blur_fwhm : float
        Full width at half maximum, in arcsec, of the Gaussian that turns HMI's image into
        this instrument's, before the average over its pixel.
    gain : float
        Its reading over HMI's in strong field.
    weak_excess : float
        Fraction by which that ratio is larger in weak field.
    weak_scale : float
        HMI Gauss over which the excess falls off (Gaussian).
    gain_uncertainty : float
        Relative standard deviation of that ratio from one frame to another.
    tolerance : float
        Relative misfit within a frame that a field observed back may have.
    saturation : float
        Reading in Gauss above which it stays behind the field.
    largest_reading : float
        Reading in Gauss that stands for all larger ones in the networks.
    noise : dict
        INTERVAL in seconds to the range of the noise in Gauss; None for any.
    """

    name: str
    plate_scale: float
    blur_fwhm: float = 0.0
    gain: float = 1.0
    weak_excess: float = 0.0
    weak_scale: float = 400.0
    gain_uncertainty: float = 0.0
    tolerance: float = 0.0
    saturation: float = math.inf
    largest_reading: float = math.inf
    noise: tuple[tuple[float | None, float, float], ...] = ()

    def noise_range(self, interval=None) -> tuple[float, float]:
        """Smallest and largest usual noise, in Gauss, for an integration time in seconds."""
        for seconds, low, high in self.noise:
            if seconds is not None and interval is not None and abs(seconds - interval) < 1:
                return low, high
        return next((low, high) for seconds, low, high in self.noise if seconds is None)

    def blur_sigma(self, plate_scale) -> float:
        """Standard deviation of the blur in pixels of ``plate_scale`` arcsec."""
        return self.blur_fwhm / _FWHM_PER_SIGMA / plate_scale


#: SOHO/MDI, full-disk mode.  Ratio to HMI: Liu et al. (2012), 1.40; higher in weak
#: field.  Saturation: Liu et al. (2007).  Blur: pairs of frames are matched by 3.3", which
#: holds MDI's own pixel (about 1.35" of it, in quadrature); the best fit beside the average
#: over the pixel is 2.8-3.0" on the real pairs.  Noise: measured on full disks.  Uncertainty of
#: the ratio: published means are 1.40 and 1.43 (Liu et al. 2012, 2025), the two real pairs have
#: 1.30 and 1.37 in strong field, 5.5 per cent rms about the first.
MDI = Instrument(
    name="MDI",
    plate_scale=1.98,
    blur_fwhm=3.0,
    gain=1.40,
    weak_excess=0.08,
    weak_scale=400.0,
    gain_uncertainty=0.05,
    tolerance=0.03,
    saturation=3500.0,
    largest_reading=5000.0,
    noise=((30.0, 20.0, 28.0), (300.0, 9.0, 16.0), (None, 9.0, 28.0)),
)

#: SDO/HMI, 720 s line of sight.
HMI = Instrument(name="HMI", plate_scale=0.5043, noise=((None, 6.0, 10.0),))
