"""The front door: an MDI Map in, an HMI-like Map and its uncertainty Map out."""

from __future__ import annotations

import secrets
import textwrap
from typing import NamedTuple

import astropy.units as u
import ndcube
import numpy as np
import sunpy.map
from astropy.wcs import WCS

from sunpy_superres.exceptions import ModelError
from sunpy_superres.instruments import FACTOR, MDI
from sunpy_superres.maps.geometry import on_disk_mask, plate_scale
from sunpy_superres.maps.magnetogram import read_magnetogram
from sunpy_superres.maps.metadata import rebin_meta, refresh_statistics
from sunpy_superres.models.loading import load_model
from sunpy_superres.sampling.ensemble import ESTIMATES, summarise
from sunpy_superres.version import __version__

__all__ = ["SuperResolution", "SuperResolutionSamples", "check_options", "super_resolve"]


class SuperResolution(NamedTuple):
    """
    Result of `super_resolve`.

    Parameters
    ----------
    hmi_like : `~sunpy.map.GenericMap`
        Line-of-sight field in Gauss on HMI's scale.
    uncertainty : `~sunpy.map.GenericMap`
        Its standard error in Gauss, that of the ratio between the instruments included.
    """

    hmi_like: sunpy.map.GenericMap
    uncertainty: sunpy.map.GenericMap


class SuperResolutionSamples(NamedTuple):
    """
    Result of `super_resolve` with ``return_samples=True``.

    Parameters
    ----------
    hmi_like, uncertainty : `~sunpy.map.GenericMap`
        As `SuperResolution`.
    samples : `~ndcube.NDCube`
        The ensemble, in Gauss, ``(n_samples, ny, nx)``.
    """

    hmi_like: sunpy.map.GenericMap
    uncertainty: sunpy.map.GenericMap
    samples: ndcube.NDCube


def super_resolve(
    mdi_map,
    *,
    model="default",
    estimate="sample",
    n_samples=8,
    num_steps=None,
    seed=None,
    target_wcs=None,
    device=None,
    dtype=None,
    tile_size=None,
    batch_size=None,
    progress=True,
    return_samples=False,
):
    """
    HMI-like magnetogram, and its uncertainty, from an MDI one.

    Parameters
    ----------
    mdi_map : `~sunpy.map.GenericMap`
        MDI line-of-sight magnetogram: full disk or any cut-out of at least 16 x 16
        pixels, rolled or not, in Gauss or Mx/cm^2.  It is not changed.
    model : str, path-like or Model
        "default" (embedded), a folder, or ``"owner/name@revision"`` on the Hub.
    estimate : {"sample", "mean", "median"}
        "sample" is one draw, with the small-scale structure that HMI would show: right
        for flux, areas and spectra.  "mean" and "median" have the lowest error per
        pixel and are smoother.
    n_samples : int
        Members of the ensemble; with 1 the uncertainty is the regression's own.  A
        deterministic model has one.
    num_steps : int, optional
        Steps of the solver; the model's own number by default.
    seed : int, optional
        Same seed, model and machine give the same bytes.  Drawn, and written to the
        header, by default.
    target_wcs : `~astropy.wcs.WCS`, optional
        Put the result on this grid (resampled by adaptive anti-aliasing, which keeps
        the mean field and so the flux); the ensemble is resampled before its spread
        is taken.
    device, dtype : str, optional
        Of torch; a GPU if there is one, and "bfloat16" where it is fast.
    tile_size : int, optional
        MDI pixels along a side of a tile; changes memory and speed, not the result.
    batch_size : int, optional
        Members computed at once.
    progress : bool
        Show progress bars, of the sampling and of a download.
    return_samples : bool
        Also return the ensemble.

    Returns
    -------
    SuperResolution or SuperResolutionSamples
        Maps in Gauss with 4 times the pixels of the input and the same sky; NaN off
        the disk and where the input is missing.  ``hmi_like, uncertainty = ...``

    Raises
    ------
    TypeError
        If the input is not a Map or not an MDI magnetogram.
    ValueError
        If its unit or geometry cannot be right, or an option is out of range.
    ModelError
        If the model cannot be loaded.

    References
    ----------
    Ramunno et al. (2025), Astronomy & Astrophysics 698, A140.

    Examples
    --------
    >>> from sunpy_superres import super_resolve
    >>> from sunpy_superres.maps.examples import example_mdi_map
    >>> hmi_like, uncertainty = super_resolve(
    ...     example_mdi_map(), n_samples=2, num_steps=2, seed=1, progress=False)
    >>> hmi_like.data.shape
    (512, 512)
    """
    magnetogram = read_magnetogram(mdi_map)
    check_options(estimate, n_samples, num_steps, tile_size, batch_size, seed)
    if target_wcs is not None:
        target_wcs = _checked_target(target_wcs, magnetogram.map)
    if seed is None:
        seed = secrets.randbits(31)
    from sunpy_superres.sampling.inference import draw_ensemble

    loaded = load_model(model, progress=progress)
    if not loaded.network.stochastic:
        n_samples = num_steps = 1
    num_steps = num_steps or loaded.config["sampler"]["num_steps"]
    shape = tuple(FACTOR * n for n in magnetogram.frame.shape)
    meta = rebin_meta(magnetogram.map.meta, shape, FACTOR)
    # A Map of nothing: sunpy's reading of the new header, without the memory.
    grid = sunpy.map.Map(np.broadcast_to(np.float32(0), shape), meta)
    on_disk = on_disk_mask(grid)
    scale = float(np.mean(plate_scale(grid).to_value(u.arcsec / u.pix)))
    ensemble = draw_ensemble(
        loaded,
        magnetogram,
        on_disk,
        instrument=MDI,
        plate_scale=scale,
        n_samples=n_samples,
        num_steps=num_steps,
        seed=int(seed),
        device=device,
        dtype=dtype,
        tile_size=tile_size,
        batch_size=batch_size,
        progress=progress,
    )
    missing = np.kron(magnetogram.on_disk & ~magnetogram.good, np.ones((FACTOR, FACTOR), bool))
    visible = on_disk & ~missing
    stack = ensemble.images
    if not np.isfinite(stack[:, visible]).all():
        raise ModelError(
            f"The model {loaded.name} gives values that are not finite for this frame; "
            "try dtype='float32', or check the largest fields of the frame."
        )
    stack[:, ~visible] = np.nan
    meta = _with_provenance(
        meta, magnetogram, loaded, ensemble, estimate, n_samples, num_steps, seed, target_wcs
    )
    if target_wcs is not None:
        meta, stack, on_disk = _on_grid(target_wcs, meta, grid, stack)
    members, regression, predicted = stack[:-2], stack[-2], stack[-1]
    field, uncertainty = summarise(
        members,
        estimate,
        loaded.config["calibration"],
        regression,
        predicted,
        gain_uncertainty=magnetogram.gain_uncertainty,
    )
    maps = [
        _as_map(field, meta, "HMI-like magnetogram super-resolved from MDI", on_disk),
        _as_map(uncertainty, meta, "Standard error of HMI-like magnetogram", on_disk),
    ]
    if not return_samples:
        return SuperResolution(*maps)
    return SuperResolutionSamples(*maps, _as_cube(members, maps[0]))


def check_options(estimate, n_samples, num_steps=None, tile_size=None, batch_size=None, seed=None):
    """
    Refuse options of `super_resolve` that cannot be.

    Parameters
    ----------
    estimate, n_samples, num_steps, tile_size, batch_size, seed
        As there.

    Raises
    ------
    ValueError
        If one is out of range.
    """
    if estimate not in ESTIMATES:
        raise ValueError(f"estimate must be one of {', '.join(ESTIMATES)}; not {estimate!r}.")
    for name, value, smallest in (
        ("n_samples", n_samples, 1),
        ("num_steps", num_steps, 1),
        ("tile_size", tile_size, 16),
        ("batch_size", batch_size, 1),
    ):
        if value is None and name != "n_samples":
            continue
        if not isinstance(value, int | np.integer) or value < smallest:
            raise ValueError(f"{name} must be an integer of at least {smallest}, not {value!r}.")
    if seed is not None and not (isinstance(seed, int | np.integer) and 0 <= seed < 2**63):
        raise ValueError(f"seed must be an integer from 0 to 2**63 - 1, not {seed!r}.")


def _with_provenance(
    meta, magnetogram, model, ensemble, estimate, n_samples, num_steps, seed, target_wcs
):
    """Cards and HISTORY that say how the map was made."""
    meta = dict(meta)
    source = magnetogram.map.meta
    meta["bunit"] = "Gauss"
    meta.update(
        srvers=__version__,
        srmodel=model.name,
        srrev=model.revision,
        srsha256=model.sha256,
        srsteps=int(num_steps),
        srseed=int(seed),
        srnsamp=int(n_samples),
        srestim=estimate,
        srgain=float(model.config["model"]["gain"]),
        srgainu=magnetogram.gain_uncertainty,
        srnoise=float(np.median(magnetogram.noise[magnetogram.good])),
        srchisq=round(float(ensemble.chi_square), 4),
    )
    steps = [
        f"sunpy_superres {__version__}: HMI-like field from "
        f"{source.get('content') or 'an MDI magnetogram'}, "
        f"{source.get('t_obs') or source.get('date-obs') or 'time unknown'}",
        f"{model.config['architecture']}, model {model.name} revision {model.revision}, "
        f"{num_steps} steps, seed {seed}, {n_samples} samples, estimate {estimate}",
        "field on HMI's scale (MDI's factor removed); not an HMI observation",
        *(f"input header repaired: {change}" for change in magnetogram.changes),
    ]
    if target_wcs is not None:
        steps.append(
            f"resampled to another grid (reproject, adaptive); observed {source.get('date-obs')}"
        )
    before = str(meta.get("history", "")).strip().splitlines()
    # A HISTORY card holds 72 characters; longer lines would come back broken.
    lines = [piece for line in before + steps for piece in textwrap.wrap(_ascii(line), 72) or [""]]
    meta["history"] = "\n".join(lines)
    meta["srmodel"] = _ascii(model.name)
    # What a FITS card cannot hold would be lost, or stop the saving of the result.
    return {k: v for k, v in meta.items() if not isinstance(v, float) or np.isfinite(v)}


def _ascii(text):
    """Text as FITS can hold it: a letter it lacks as a backslash and its number."""
    return text.encode("ascii", "backslashreplace").decode()


def _as_map(data, meta, content, expected):
    meta = dict(meta, content=content)
    refresh_statistics(meta, data, expected)
    return sunpy.map.Map(data, meta)


#: Cards of the old grid and its observer, which a target WCS replaces.
_GRID_CARDS = (
    "crpix1 crpix2 crval1 crval2 cdelt1 cdelt2 ctype1 ctype2 cunit1 cunit2 crota crota1 crota2 "
    "pc1_1 pc1_2 pc2_1 pc2_2 cd1_1 cd1_2 cd2_1 cd2_2 r_sun x0 y0 crop_rad radius xcen ycen "
    "crln_obs crlt_obs hgln_obs hglt_obs dsun_obs rsun_obs rsun_ref lonpole latpole wcsname "
    "obs_l0 obs_b0 obs_dist obs_r0 solar_r solar_b0 solar_p0 p_angle car_rot "
    "im_scale fd_scale xscale yscale imscl_mp"
).split()


def _checked_target(target_wcs, source):
    """A copy of the target WCS, with observer and time of the source where it has none."""
    if not isinstance(target_wcs, WCS):
        raise ValueError(
            f"target_wcs must be an astropy WCS, not {type(target_wcs).__name__}; "
            "take the .wcs of a Map."
        )
    if target_wcs.array_shape is None or target_wcs.naxis != 2:
        raise ValueError(
            "target_wcs has no array_shape of two axes; set target_wcs.array_shape = (ny, nx)."
        )
    if not target_wcs.has_celestial:
        raise ValueError(
            "target_wcs has no celestial axes; its CTYPEs must be a longitude and a latitude."
        )
    if min(target_wcs.array_shape) < 1 or not np.isfinite(target_wcs.pixel_scale_matrix).all():
        raise ValueError(
            "target_wcs has no pixels, or no finite plate scale; set its array_shape, CDELT and PC."
        )
    if {name[:2] for name in target_wcs.wcs.ctype} not in ({"HP"}, {"HG"}, {"CR"}):
        raise ValueError(
            f"The axes of target_wcs are {' and '.join(target_wcs.wcs.ctype)}; they must be "
            "helioprojective (HPLN, HPLT) or heliographic (HGLN, HGLT or CRLN, CRLT)."
        )
    target = target_wcs.deepcopy()
    target.array_shape = target_wcs.array_shape
    known = source.wcs.wcs
    if target.wcs.aux.dsun_obs is None:
        for name in ("rsun_ref", "dsun_obs", "crln_obs", "hgln_obs", "hglt_obs"):
            setattr(target.wcs.aux, name, getattr(known.aux, name))
    if not target.wcs.dateobs:
        target.wcs.dateobs = known.dateobs
    return target


def _on_grid(target_wcs, meta, grid, stack):
    """Metadata, images and the disk on another grid."""
    from reproject import reproject_adaptive, reproject_interp

    shape = target_wcs.array_shape
    known = np.isfinite(stack[0])
    there = reproject_interp(
        (known.astype(np.float32), grid.wcs),
        target_wcs,
        shape,
        order="nearest-neighbor",
        return_footprint=False,
    )
    header = {k.lower(): v for k, v in target_wcs.to_header().items()}
    meta = {k: v for k, v in meta.items() if k not in _GRID_CARDS} | header
    meta["naxis1"], meta["naxis2"] = shape[1], shape[0]
    on_disk = on_disk_mask(sunpy.map.Map(np.broadcast_to(np.float32(0), shape), meta))
    visible = on_disk & (there == 1)
    if not visible.any():
        raise ValueError(
            "target_wcs and the magnetogram have no pixel of the disk in common; "
            "check CRVAL, CRPIX, CDELT and the observer of target_wcs."
        )
    images = np.empty((len(stack), *shape), np.float32)
    for image, out in zip(stack, images, strict=True):
        # What is missing does not count; how far it reaches is set by ``visible``.
        out[:] = reproject_adaptive(
            (image, grid.wcs),
            target_wcs,
            shape,
            return_footprint=False,
            bad_value_mode="ignore",
            boundary_mode="ignore",
        )
        out[~visible] = np.nan
    return meta, images, on_disk


def _as_cube(members, reference):
    """The ensemble as a cube whose first axis counts the members."""
    header = reference.wcs.to_header()
    header["WCSAXES"] = 3
    header["CTYPE3"], header["CUNIT3"] = "SAMPLE", ""
    header["CRPIX3"], header["CRVAL3"], header["CDELT3"] = 1.0, 0.0, 1.0
    wcs = WCS(header, naxis=3)
    wcs.array_shape = members.shape
    return ndcube.NDCube(members, wcs=wcs, unit=u.G, meta=dict(reference.meta))
