"""Polarity inversion lines with strong gradients."""

from __future__ import annotations

from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.nddata import block_reduce
from astropy.stats import gaussian_sigma_to_fwhm
from scipy import ndimage

from sunpy_superres.maps.geometry import sphere_vectors
from sunpy_superres.maps.units import quantity_in
from sunpy_superres.metrics._docstrings import fill_docstring
from sunpy_superres.metrics._fields import Field
from sunpy_superres.metrics.physics import MX

__all__ = ["PolarityInversionLine", "polarity_inversion_line"]


@dataclass(frozen=True)
class PolarityInversionLine:
    """
    Strong-gradient polarity inversion lines; see `polarity_inversion_line`.

    Parameters
    ----------
    mask : numpy.ndarray of bool
        Pixels with strong field of both polarities close by, ``(ny, nx)``.
    length : `~astropy.units.Quantity`
        Length on the sphere, in Mm, of the zero line of the smoothed field inside the mask.
    r_value : `~astropy.units.Quantity`
        Unsigned flux near the line, Schrijver's R, Mx.
    lines : list of numpy.ndarray
        The pieces of the line: pixel coordinates ``(n, 2)``, x before y.
    """

    mask: np.ndarray
    length: u.Quantity
    r_value: u.Quantity
    lines: list


@fill_docstring
def polarity_inversion_line(
    smap,
    *,
    threshold=150 * u.G,
    reach=1.5 * u.Mm,
    width=15 * u.Mm,
    smoothing=1.5 * u.Mm,
    max_angle=70 * u.deg,
    region=None,
):
    """
    Find polarity inversion lines between strong fields, and the flux along them.

    The method is Schrijver's (2007): the pixels above the threshold of either polarity are
    widened by ``reach``; a strong-gradient inversion line lies where the two overlap; R is the
    unsigned flux, weighted by that overlap after it was smoothed with a Gaussian of ``width``.
    Schrijver widens by 3 x 3 pixels of MDI; here a distance takes their place, the same in all
    directions and for any plate scale.  On MDI's pixels both agree.

    Parameters
    ----------
    {field}
    threshold : `~astropy.units.Quantity`
        Gauss.
    reach : `~astropy.units.Quantity`
        Length by which the polarities are widened on all sides, from the edges of their pixels;
        1.5 Mm is a pixel of MDI.
    width : `~astropy.units.Quantity`
        Full width at half maximum of the Gaussian of R.
    smoothing : `~astropy.units.Quantity`
        Full width at half maximum of the Gaussian that smooths the field before the line is
        drawn; a narrower one makes the line longer, like a coast line.
    max_angle : `~astropy.units.Quantity`, optional
        Leave out pixels farther from disk centre than this angle: near the limb the line-of-sight
        field of one polarity changes sign by projection alone.
    {region}

    Returns
    -------
    PolarityInversionLine

    Raises
    ------
    {field_errors}

    References
    ----------
    Schrijver (2007), Astrophysical Journal Letters 655, L117.
    """
    return trace_inversion_line(Field(smap, region), threshold, reach, width, smoothing, max_angle)


def trace_inversion_line(
    field,
    threshold=150 * u.G,
    reach=1.5 * u.Mm,
    width=15 * u.Mm,
    smoothing=1.5 * u.Mm,
    max_angle=70 * u.deg,
):
    """Find the inversion lines of a `Field`; see `polarity_inversion_line`."""
    level = quantity_in("threshold", threshold, u.G)
    pixel = field.grid.pixel_length
    # Distances are between pixel centres, half a pixel inside the edges that `reach` starts from.
    around = quantity_in("reach", reach, u.Mm) / pixel + 0.5
    spread = quantity_in("width", width, u.Mm) / gaussian_sigma_to_fwhm / pixel
    blur = quantity_in("smoothing", smoothing, u.Mm) / gaussian_sigma_to_fwhm / pixel
    inside = field.within(max_angle)
    strong = [inside & (sign * field.values > level) for sign in (1, -1)]
    positive, negative = (ndimage.maximum_filter(s, 2 * int(around) + 1) for s in strong)
    candidates = positive & negative & inside
    mask = np.zeros_like(candidates)
    r_value, length, lines = 0.0, 0.0, []
    for box, own in _groups(candidates, int(np.ceil(3 * spread)) + 1):
        for polarity in strong:
            own &= ndimage.distance_transform_edt(~polarity[box]) <= around
        mask[box] |= own
        if not own.any():
            continue
        weight = ndimage.gaussian_filter(
            own.astype(np.float32), spread, mode="constant", truncate=3
        )
        # The Gaussian has unit integral, like Schrijver's.
        flux = np.abs(field.values[box]) * field.grid.area[box] * inside[box]
        r_value += float((flux * weight).sum(dtype=np.float64))
        # Widened, so that a line along a diagonal does not fall to pieces in a narrow strip.
        strip = ndimage.maximum_filter(own, 3) & inside[box]
        for line in _zero_lines(field.values[box], strip, blur):
            line += [box[1].start, box[0].start]
            steps = np.diff(sphere_vectors(field.grid.map, *line.T), axis=1)
            length += float(np.linalg.norm(steps, axis=0).sum())
            lines.append(line)
    radius = field.grid.map.rsun_meters.to(u.Mm)
    return PolarityInversionLine(mask, length * radius, r_value * MX * u.Mx, lines)


def _groups(mask, margin):
    """
    Split a mask into parts that lie far from one another; yield the box and the part in it.

    This saves time, since inversion lines are few and the disk is large.
    """
    padded = np.pad(mask, [(0, -n % margin) for n in mask.shape])
    groups, _ = ndimage.label(block_reduce(padded, margin, np.any), np.ones((3, 3)))
    for label, cells in enumerate(ndimage.find_objects(groups), start=1):
        box = tuple(
            slice(max(0, (s.start - 1) * margin), min(n, (s.stop + 1) * margin))
            for s, n in zip(cells, mask.shape, strict=True)
        )
        rows, columns = (np.arange(s.start, s.stop) // margin for s in box)
        yield box, mask[box] & (groups[np.ix_(rows, columns)] == label)


def _zero_lines(values, mask, blur):
    """Trace the lines of zero field inside a mask, x before y."""
    from skimage.measure import find_contours

    if min(values.shape) < 2:
        return []
    smooth = ndimage.gaussian_filter(values, blur) if blur else values
    return [line[:, ::-1].copy() for line in find_contours(smooth, 0.0, mask=mask)]
