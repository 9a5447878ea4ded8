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
    The properties of a magnetograph that the model uses.

    Parameters
    ----------
    name : str
        Name of the instrument in header cards.
    plate_scale : float
        Arcsec per pixel.
    plate_scales : tuple of float
        Limits, in arcsec per pixel, between which a frame counts as one at full resolution.
    series : str
        JSOC series of the calibrated full-disk magnetograms.
    blur_fwhm : float
        Full width at half maximum, in arcsec, of the Gaussian that turns HMI's image into
        this instrument's, before the average over its pixel.
    gain : float
        Ratio of the instrument's reading to HMI's in strong field.
    weak_excess : float
        Fraction by which that ratio is larger in weak field.
    weak_scale : float
        HMI Gauss over which the excess falls off (Gaussian).
    gain_uncertainty : float
        Relative standard deviation of that ratio from one frame to another.  It enters the
        uncertainty of a result.
    tolerance : float
        Relative misfit within one frame.  A field that is observed back through the instrument
        may differ from the frame by this fraction of the reading before the consistency step
        corrects it.  It is smaller than ``gain_uncertainty``, because an error that all pixels
        of a frame share is no misfit within the frame.
    saturation : float
        Reading in Gauss above which the instrument falls short of the field.
    largest_reading : float
        Gauss.  The networks were trained on readings up to about this value, and larger
        readings are replaced by it.
    noise : tuple of tuple
        Usual noise, one entry ``(interval, smallest, largest)`` for each integration time: the card
        INTERVAL in seconds, or None for any other, and the range of the noise in Gauss.
    least_noise : float
        Noise in Gauss that is assumed where less is measured.
    largest_noise : float
        Noise in Gauss up to which the embedded model was trained.
    """

    name: str
    plate_scale: float
    plate_scales: tuple[float, float] = (0.0, math.inf)
    series: str = ""
    blur_fwhm: float = 0.0
    gain: float = 1.0
    weak_excess: float = 0.0
    weak_scale: float = 400.0
    gain_uncertainty: float = 0.0
    tolerance: float = 0.0
    saturation: float = math.inf
    largest_reading: float = math.inf
    noise: tuple[tuple[float | None, float, float], ...] = ()
    least_noise: float = 0.0
    largest_noise: float = math.inf

    def is_full_resolution(self, plate_scale) -> bool:
        """Whether a plate scale, in arcsec per pixel, is that of a frame at full resolution."""
        smallest, largest = self.plate_scales
        return smallest < plate_scale < largest

    def noise_range(self, interval=None) -> tuple[float, float]:
        """Return the smallest and largest usual noise, in Gauss, for an INTERVAL in seconds."""
        for seconds, low, high in self.noise:
            if seconds is not None and interval is not None and abs(seconds - interval) < 1:
                return low, high
        return next((low, high) for seconds, low, high in self.noise if seconds is None)

    def blur_sigma(self, plate_scale) -> float:
        """Return the standard deviation of the blur in pixels of ``plate_scale`` arcsec."""
        return self.blur_fwhm / _FWHM_PER_SIGMA / plate_scale


#: SOHO/MDI, full-disk mode.  Ratio to HMI: 1.40 (Liu et al. 2012), higher in weak field.
#: Saturation: Liu et al. (2007).  Blur: HMI frames resemble MDI frames most when they are blurred
#: by 3.3", which includes MDI's own pixel (about 1.35", in quadrature); with the average over the
#: pixel computed separately, 2.8-3.0" fits the real pairs best.  Noise: measured on full disks.
#: Uncertainty of the ratio: published means are 1.40 and 1.43 (Liu et al. 2012, 2025), the two
#: real pairs have 1.30 and 1.37 in strong field, 5.5 per cent rms about the first.  Largest
#: reading: the instruments drawn for the training saturate at up to 4500 G, and MDI hardly reads
#: more.
MDI = Instrument(
    name="MDI",
    plate_scale=1.98,
    plate_scales=(1.287, 3.069),
    series="mdi.fd_M_96m_lev182",
    blur_fwhm=3.0,
    gain=1.40,
    weak_excess=0.08,
    weak_scale=400.0,
    gain_uncertainty=0.05,
    tolerance=0.03,
    saturation=3500.0,
    largest_reading=5000.0,
    noise=((30.0, 20.0, 28.0), (300.0, 9.0, 16.0), (None, 9.0, 28.0)),
    least_noise=9.0,
    largest_noise=45.0,
)

#: SDO/HMI, 720 s line of sight.
HMI = Instrument(
    name="HMI",
    plate_scale=0.5043,
    plate_scales=(0.3, 0.8),
    series="hmi.M_720s",
    noise=((None, 6.0, 10.0),),
)
