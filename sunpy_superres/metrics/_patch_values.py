"""Values of the keywords of SHARP and SMARP in one patch, as JSOC's programs compute them."""

from __future__ import annotations

import warnings
from collections import defaultdict

import astropy.units as u
import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma
from scipy import ndimage

from sunpy_superres.instruments import HMI, MDI
from sunpy_superres.maps.geometry import is_helioprojective, to_heliographic
from sunpy_superres.metrics._patch import pixel_of_plane

__all__ = ["measure_patch"]

#: |B| in Gauss above which a pixel is marked for R.
_R_LEVEL = 150.0
#: Arcsec between the pixels that count for R, the full width of its Gaussian in such pixels, and
#: the pixels after which the Gaussian is cut off.
_R_STEP, _R_WIDTH, _R_REACH = 2.0, 10.0, 20
#: |B| in Gauss above which a pixel is active, unless a bitmap says which are.
_ACTIVE = 200.0


def measure_patch(patch, values, known):
    """
    Measure all keywords of a patch.

    Parameters
    ----------
    patch : `~sunpy_superres.metrics._patch.Patch`
    values : numpy.ndarray
        Gauss, on the patch's own grid, ``(ny, nx)``.
    known : numpy.ndarray of bool
        Pixels whose value is known.

    Returns
    -------
    dict of str to float
        By JSOC's names; NaN if no pixel of the region is known.
    """
    seen = known & np.isfinite(patch.grid.mu)
    if not seen[patch.mask].any():
        return defaultdict(lambda: np.nan)
    mask = patch.outline(values, seen)
    active = patch.active
    if active is None:
        active = np.abs(values) > _ACTIVE
        # Itself and three neighbours of the nine pixels; single pixels are noise.
        active &= ndimage.uniform_filter(active.astype(np.float32), 3) > 0.4
    active = active & mask
    # JSOC's R counts what a patch holds beyond the limb.
    rows = _sums_on_plane(patch, values, known if patch.box else seen, mask)
    rows |= _sums_in_image(patch, values, mask, active)
    return rows | _places(patch, values, mask, active)


def _sums_on_plane(patch, values, known, mask):
    """Measure what JSOC computes on the equal-area grid."""
    smap = patch.grid.map
    values, known, mask = (patch.on_plane(array) for array in (values, known, mask))
    mask = mask & known
    length = np.radians(pixel_of_plane(patch.grid)) * smap.rsun_meters.to_value(u.cm)
    arcsec = np.degrees(np.arctan(length / smap.dsun.to_value(u.cm))) * 3600
    return {
        "R_VALUE": _schrijver_r(values, known if patch.box else mask, arcsec),
        "USFLUXL": np.abs(values[mask]).sum(dtype=np.float64) * length**2,
        "MEANGBL": _mean_gradient(values, known, mask),
        "CMASKL": mask.sum(),
    }


def _schrijver_r(values, known, arcsec):
    """
    Compute the logarithm of Schrijver's R as JSOC does.

    Every fourth pixel (for HMI) is taken, not the mean of 4 x 4, and of its ``|B|`` the whole
    Gauss: JSOC's program takes the absolute value of an integer.
    """
    step = max(1, round(_R_STEP / arcsec))
    rows, columns = (n // step * step for n in values.shape)
    values, known = (array[:rows:step, :columns:step] for array in (values, known))
    if not values.size:
        return np.nan
    close = [
        ndimage.maximum_filter(known & (sign * values > _R_LEVEL), 3, mode="constant")
        for sign in (1, -1)
    ]
    line = (close[0] & close[1]).astype(np.float64)
    sigma = _R_WIDTH * gaussian_fwhm_to_sigma
    weight = ndimage.gaussian_filter(line, sigma, mode="constant", truncate=_R_REACH / sigma)
    total = (weight * np.floor(np.abs(values)))[known].sum()
    return np.log10(total) if total >= 1 else 0.0


def _mean_gradient(values, known, mask):
    """Average the size of the gradient, by central differences, over the pixels of a mask."""
    inside = np.zeros_like(mask)
    centre = (slice(1, -1), slice(1, -1))
    around = known[:-2, 1:-1] & known[2:, 1:-1] & known[1:-1, :-2] & known[1:-1, 2:]
    inside[centre] = mask[centre] & around
    if not inside.any():
        return np.nan
    along_x = values[1:-1, 2:] - values[1:-1, :-2]
    along_y = values[2:, 1:-1] - values[:-2, 1:-1]
    return np.hypot(along_x, along_y)[inside[centre]].mean(dtype=np.float64) / 2


def _sums_in_image(patch, values, mask, active):
    """Sum over pixels of the image plane, and over the sphere."""
    grid, smap = patch.grid, patch.grid.map
    disk = np.pi * (smap.rsun_obs.to_value(u.arcsec) / _image_scale(grid)) ** 2  # in pixels
    hemisphere = 2 * np.pi * smap.rsun_meters.to_value(u.Mm) ** 2
    if is_helioprojective(smap):
        weight = np.ones(grid.shape, np.float32)
    else:
        weight = _share_of_disk(grid) * disk
    out = {}
    for part, which in (("", mask), ("_ACR", active)):
        pixels = weight[which].sum(dtype=np.float64)
        out["NACR" if part else "NPIX"] = pixels
        out[f"SIZE{part}"] = 1e6 * pixels / disk
        out[f"AREA{part}"] = 1e6 * grid.area[which].sum(dtype=np.float64) / hemisphere
    field, weight = values[mask].astype(float), weight[mask].astype(float)
    flux = field * weight
    out["MPOS_TOT"], out["MNEG_TOT"] = flux[flux > 0].sum(), -flux[flux < 0].sum()
    out["MTOT"] = out["MPOS_TOT"] + out["MNEG_TOT"]
    out["MNET"] = out["MPOS_TOT"] - out["MNEG_TOT"]
    return out | _moments(field, weight)


def _image_scale(grid):
    """Arcsec per pixel of the image plane: of a heliographic Map, those of its instrument."""
    if not is_helioprojective(grid.map):
        for instrument in (HMI, MDI):
            if instrument.is_full_resolution(grid.scale):
                return instrument.plate_scale
    return grid.scale


def _share_of_disk(grid):
    """Share of the solar disk, as it is seen, that each pixel of a heliographic Map covers."""
    smap = grid.map
    distance = (smap.dsun / smap.rsun_meters).to_value(u.one)
    # Disk centre is nearer than the limb by a radius, so that it looks larger, by 0.9 percent.
    nearer = distance**2 / (distance**2 + 1 - 2 * distance * grid.mu)
    projected = grid.area * grid.emission_cosine * nearer
    return projected / (np.pi * smap.rsun_meters.to_value(u.Mm) ** 2)


def _moments(field, weight):
    names = ("MMEAN", "MSTDEV", "MSKEW", "MKURT")
    if not weight.sum():
        return dict.fromkeys(names, np.nan)
    mean = np.average(field, weights=weight)
    second, third, fourth = (np.average((field - mean) ** n, weights=weight) for n in (2, 3, 4))
    if not second:
        return dict(zip(names, (mean, 0.0, np.nan, np.nan), strict=True))
    shape = (third / second**1.5, fourth / second**2 - 3)
    return dict(zip(names, (mean, np.sqrt(second), *shape), strict=True))


def _places(patch, values, mask, active):
    """Find the extent of the region, and its centres of flux."""
    smap, out = patch.grid.map, {}
    names = [f"{axis}_{end}" for end in ("MIN", "MAX") for axis in ("LAT", "LON")]
    out |= dict.fromkeys(names, np.nan)
    if mask.any():
        rows, columns = np.nonzero(mask)
        longitude, latitude = to_heliographic(patch.grid.positions[:, rows, columns], smap)
        for axis, angle in (("LAT", latitude), ("LON", longitude)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                out[f"{axis}_MIN"] = np.nanmin(angle.value)
                out[f"{axis}_MAX"] = np.nanmax(angle.value)
    rows, columns = np.nonzero(active)
    flux = values[rows, columns].astype(float) * patch.grid.area[rows, columns]
    vectors = patch.grid.positions[:, rows, columns]
    for end, weight in (
        ("_FWT", np.abs(flux)), ("FWTPO", flux.clip(0)), ("FWTNE", (-flux).clip(0)),
    ):  # fmt: skip
        centre = np.nansum(vectors * weight, axis=1)
        longitude, latitude = to_heliographic(centre, smap)
        seen = weight.any()
        out[f"LAT{end}"] = latitude.value if seen else np.nan
        out[f"LON{end}"] = longitude.value if seen else np.nan
    return out | _edges(smap, out)


def _edges(smap, extent):
    """Find the edges of a patch: those of a heliographic Map, else the extent of the region."""
    if is_helioprojective(smap):
        return {f"{name[:3]}DT{name[4:]}": extent[name] for name in extent if name[3:4] == "_"
                and name[4:] in ("MIN", "MAX")}  # fmt: skip
    out, origin = {}, smap.carrington_longitude.to_value(u.deg)
    if smap.coordinate_system.axis1.upper().startswith("HG"):
        origin = smap.heliographic_longitude.to_value(u.deg)
    values, references = smap.wcs.wcs.crval, smap.wcs.wcs.crpix
    sides = [abs((scale * u.pix).to_value(u.deg)) for scale in smap.scale]
    for axis, name in enumerate(("LON", "LAT")):
        number = smap.data.shape[1 - axis]
        unit = u.Unit(smap.wcs.wcs.cunit[axis]).to(u.deg)
        middle = values[axis] * unit + ((number + 1) / 2 - references[axis]) * sides[axis]
        if name == "LON":
            middle = (middle - origin + 180) % 360 - 180
        for end, sign in (("MIN", -1), ("MAX", 1)):
            out[f"{name}DT{end}"] = middle + sign * number * sides[axis] / 2
    return out
