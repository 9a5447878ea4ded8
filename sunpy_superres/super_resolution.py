"""Super-resolve an MDI Map: an HMI-like Map and the Map of its uncertainty come out."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.nddata import block_replicate

from sunpy_superres.exceptions import ModelError
from sunpy_superres.instruments import FACTOR
from sunpy_superres.maps.lazy import compute_data
from sunpy_superres.maps.magnetogram import read_magnetogram
from sunpy_superres.maps.members import EnsembleCube, as_cube, members_of_cube
from sunpy_superres.maps.metadata import refresh_statistics
from sunpy_superres.maps.provenance import add_provenance, fit_comments, retire_record
from sunpy_superres.maps.resampling import check_resampling
from sunpy_superres.maps.result_map import set_plot_settings
from sunpy_superres.maps.target import TargetGrid
from sunpy_superres.models.loading import load_model
from sunpy_superres.sampling.ensemble import check_estimate
from sunpy_superres.sampling.options import SamplingOptions
from sunpy_superres.sampling.sun_noise import LIFETIME
from sunpy_superres.torch_state import own_torch_state
from sunpy_superres.version import __version__

__all__ = ["SuperResolution", "SuperResolutionSamples", "super_resolve"]

#: Comments of the cards that say how a result was made, of at most 47 characters.
_COMMENTS = {
    "creator": "program that made this result",
    "srvers": "version of sunpy_superres",
    "srlevel": "level of the MDI frame",
    "srlevby": "what says so: header, noise or option",
    "srlevfac": "factor from that level to 1.8.2",
    "srmodel": "model",
    "srrev": "revision of the model",
    "srsha256": "SHA-256 of its weights",
    "srsteps": "steps of the solver",
    "srseed": "seed of the ensemble",
    "srnsamp": "members of the ensemble",
    "srnoiset": "what the noise is tied to",
    "srlife": "[day] lifetime of the noise on the Sun",
    "srestim": "what the ensemble was reduced to",
    "srgain": "MDI/HMI ratio that the model divides by",
    "srgainu": "relative uncertainty of that ratio",
    "srnoise": "[Gauss] median noise of the input",
    "srchisq": "reduced chi-square against MDI, mean of members",
    "srdevice": "device of torch that it was computed on",
    "srdtype": "number format of the network",
}


class SuperResolution(NamedTuple):
    """
    Result of `super_resolve`.

    Parameters
    ----------
    hmi_like : `~sunpy.map.GenericMap`
        Line-of-sight field in Gauss on HMI's scale.
    uncertainty : `~sunpy.map.GenericMap`
        Standard error of that field in Gauss.  It includes the uncertainty of the ratio between
        the instruments.
    """

    hmi_like: sunpy.map.GenericMap
    uncertainty: sunpy.map.GenericMap


class SuperResolutionSamples(NamedTuple):
    """
    Result of `super_resolve` with ``return_samples=True``.

    Parameters
    ----------
    hmi_like, uncertainty : `~sunpy.map.GenericMap`
        As in `SuperResolution`.
    samples : EnsembleCube
        The ensemble, in Gauss, ``(n_samples, ny, nx)``; the first axis is called "member".

    Examples
    --------
    >>> from sunpy_superres import metrics, super_resolve
    >>> from sunpy_superres.data import example_mdi_map
    >>> result = super_resolve(example_mdi_map(), n_samples=3, num_steps=1, seed=1,
    ...                        progress=False, return_samples=True)
    >>> result.members[1].data.shape
    (512, 512)
    >>> flux = result.measure(metrics.unsigned_flux)
    >>> flux.value.unit, flux.members.shape
    (Unit("Mx"), (3,))
    """

    hmi_like: sunpy.map.GenericMap
    uncertainty: sunpy.map.GenericMap
    samples: EnsembleCube

    @property
    def members(self):
        """The members as Maps (`~sunpy_superres.maps.members.Members`), each made on demand."""
        return members_of_cube(self.samples)

    def measure(self, function):
        """
        Measure something on each member: its value, and its error.

        This is `~sunpy_superres.metrics.with_error` of this result.

        Parameters
        ----------
        function : callable
            Called as ``function(smap)`` with each member; it returns a number, a Quantity or an
            array.

        Returns
        -------
        `~sunpy_superres.metrics.Measurement`

        Raises
        ------
        TypeError
            If the function returns no number.
        ValueError
            If there are fewer than two members, or the function returns values of different
            shapes or units.
        """
        # The metrics take a second to load, and most results are not measured.
        from sunpy_superres.metrics.error_bars import with_error

        return with_error(function, self)


def super_resolve(
    mdi_map,
    *,
    model="default",
    estimate="sample",
    n_samples=8,
    num_steps=None,
    seed=None,
    noise="sun",
    lifetime=LIFETIME,
    level=None,
    target_wcs=None,
    resampling="auto",
    device=None,
    dtype=None,
    tile_size=None,
    batch_size=None,
    progress=True,
    return_samples=False,
):
    """
    Make an HMI-like magnetogram, and a map of its uncertainty, from an MDI one.

    Parameters
    ----------
    mdi_map : `~sunpy.map.GenericMap`
        MDI line-of-sight magnetogram: full disk or any cut-out of at least 16 x 16
        pixels, rolled or not, in Gauss or Mx/cm^2.  It is not changed.
    model : str, path-like or Model
        "default" (embedded), a folder, or ``"owner/name@revision"`` on the Hub.
    estimate : {"sample", "mean", "median"}
        "sample", the default, is one draw, with the small-scale structure that HMI would show:
        right for flux, areas and spectra.  "mean" and "median" have the lowest error per pixel and
        are smoother.
    n_samples : int
        Members of the ensemble.  With 1, the network predicts the uncertainty itself.  The
        ensemble of a deterministic model always has one member.  The memory does not grow with
        this number, unless ``estimate`` is "median" or ``return_samples`` is True, which hold all
        members: 64 MiB each for a full disk.
    num_steps : int, optional
        Steps of the solver, each with one evaluation of the denoiser; the model's own number by
        default, which is 1 for the embedded model.
    seed : int, optional
        The same seed, model and machine give the same bytes.  By default a seed is drawn.  The
        header records it.
    noise : {"sun", "array"}
        What the noise that a draw begins with is tied to.  "sun", the default, ties it to the
        surface, which rotates: two frames of the same Sun, a cut-out and its full disk show the
        same structure for the same seed.  "array" ties it to the pixels; so does "sun" where the
        header lacks the observer.  The card SRNOISET says which it was.
    lifetime : `~astropy.units.Quantity` or None
        Time over which the noise on the Sun is renewed; None for never.
    level : {None, "1.8.2", "1.8"}
        Level of calibration of the frame.  By default the header says it, or, where it does not,
        the noise.  The model is for level 1.8.2; "1.8" (as processed before October 2007) is
        multiplied by 1.65 and its uncertainty added.  The cards SRLEVEL and SRLEVBY say which it
        was and by what.
    target_wcs : `~astropy.wcs.WCS`, `~astropy.io.fits.Header` or dict-like, optional
        Put the result on this grid.  The ensemble is resampled before its spread is taken.  A grid
        of another time is taken at the time of the input, whose DATE-OBS and T_OBS the result
        keeps: the Sun's rotation between is not undone.  Within
        `sunpy.coordinates.propagate_with_solar_surface` the result is turned to the time of the
        grid, which is then its DATE-OBS; the time of the observation is in the card SRTOBS.
    resampling : {"auto", "interpolation", "adaptive"}
        How it is put there.  "auto" interpolates with quintic splines, which keep the power down
        to 2.4 pixels, and averages where the pixels of ``target_wcs`` are larger; "interpolation"
        never averages; "adaptive" is `reproject.reproject_adaptive`, which smooths.
    device, dtype : str, optional
        Device and number format of torch.  By default a GPU if there is one, and "bfloat16" where
        it is fast.
    tile_size : int, optional
        MDI pixels along a side of a tile, at least 16.  It changes memory and speed, and the
        result by no more than rounding.
    batch_size : int, optional
        Members computed at once.
    progress : bool
        Show progress bars for the sampling and for a download.
    return_samples : bool
        Also return the ensemble; the result then has ``members``, a list of Maps, and
        ``measure(function)``, which gives any number its error.

    Returns
    -------
    SuperResolution or SuperResolutionSamples
        Maps in Gauss with 4 times the pixels of the input along each side and the same sky; NaN
        off the disk and where the input is missing.  ``hmi_like, uncertainty = ...`` unpacks them.
        The uncertainty belongs to the map beside it: that of one draw holds the spread of the
        ensemble and the draw's own distance from the ensemble's mean, so it is larger than that
        of the mean.

    Raises
    ------
    TypeError
        If the input is not a Map or not an MDI line-of-sight magnetogram, or ``target_wcs`` is
        neither a WCS nor a header.
    ValueError
        If the input's unit or geometry is impossible, its level is an older one or no pixel of it
        is usable, an option is out of range, the device or the number format is not available, or
        ``target_wcs`` is no grid on the Sun with a shape or has no pixel of the disk in common
        with the input.
    ModelError
        If the model fails to load, or gives values that are not finite.

    Warns
    -----
    SuperResWarning
        If the result needs care: QUALITY marks a problem, a card had to be assumed, cards
        contradict each other, the plate scale, the noise or the values are unusual, the unit or the
        instrument is missing, or more than 5 % of the disk is missing; or if ``target_wcs`` is of
        another time, and the Sun's rotation is not undone.

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
    magnetogram = read_magnetogram(compute_data(mdi_map), level)
    check_estimate(estimate)
    check_resampling(resampling)
    options = SamplingOptions(
        n_samples, num_steps, seed, noise, lifetime, device, dtype, tile_size, batch_size, progress
    )
    if not magnetogram.is_placed:
        options = replace(options, noise="array")
    target = None
    if target_wcs is not None:
        target = TargetGrid.read(target_wcs, magnetogram.map, resampling)
    loaded = load_model(model, progress=progress)
    options = options.for_model(loaded)
    observation, visible = _observe(magnetogram)
    grid = observation.grid
    meta, on_disk, resample = grid.map.meta, grid.on_disk, None
    if target is not None:
        meta, on_disk = target.replace_cards(meta)
        resample = target.prepare(visible, grid.map.wcs, on_disk)
    keep = return_samples or estimate == "median"
    ensemble = _draw(observation, visible, loaded, options, keep, resample)
    meta = _describe(meta, magnetogram, loaded, options, estimate, ensemble.chi_square)
    field, uncertainty = ensemble.summarise(
        estimate, loaded.config["calibration"], gain_uncertainty=magnetogram.gain_uncertainty
    )
    members = ensemble.members
    if resample is not None:
        field, uncertainty = resample.embed(field), resample.embed(uncertainty)
        members = resample.embed(members) if return_samples else None
    maps = [
        _as_map(field, meta, "HMI-like magnetogram super-resolved from MDI", on_disk),
        _as_map(uncertainty, meta, "Standard error of HMI-like magnetogram", on_disk),
    ]
    if not return_samples:
        return SuperResolution(*maps)
    return SuperResolutionSamples(*maps, as_cube(members, maps[0]))


@own_torch_state()
def _observe(magnetogram):
    """Make the observation, and the mask of the fine pixels that it shows: on the disk and good."""
    # torch takes a second to load, so it is imported only after the input has been checked.
    from sunpy_superres.sampling.observation import Observation

    observation = Observation.from_magnetogram(magnetogram)
    missing = block_replicate(magnetogram.on_disk & ~magnetogram.good, FACTOR, conserve_sum=False)
    return observation, observation.grid.on_disk & ~missing


@own_torch_state()
def _draw(observation, visible, model, options, keep, resample):
    """Draw an ensemble, NaN where the observation shows nothing, on the grid of the result."""
    from sunpy_superres.sampling.drawing import draw_ensemble
    from sunpy_superres.sampling.schedule import SolverSettings

    def finish(image):
        if not np.isfinite(image).all(where=visible):
            raise ModelError(
                f"The model {model.name} gives values that are not finite for this frame; "
                "try dtype='float32', or check the largest fields of the frame."
            )
        image = np.where(visible, image, np.float32(np.nan))
        return image if resample is None else resample(image)

    solver = SolverSettings.from_dict(model.config["sampler"])
    shape = observation.grid.shape
    return draw_ensemble(
        model.network, observation, shape, options, solver, keep=keep, finish=finish
    )


def _describe(meta, magnetogram, model, options, estimate, chi_square):
    """Add the cards and the HISTORY that say how the result was made."""
    from sunpy_superres.sampling.drawing import describe_device

    source = magnetogram.map.meta
    device, dtype = describe_device(options.device, options.dtype)
    cards = {
        "bunit": "Gauss",
        "creator": f"sunpy_superres {__version__}",
        "srvers": __version__,
        "srmodel": model.name,
        "srrev": model.revision,
        "srsha256": model.sha256,
        "srsteps": options.num_steps,
        "srseed": options.seed,
        "srnsamp": options.n_samples,
        "srnoiset": options.noise,
        "srestim": estimate,
        "srgain": float(model.config["model"]["gain"]),
        "srgainu": magnetogram.gain_uncertainty,
        "srlevel": magnetogram.level.name,
        "srlevby": magnetogram.level.source,
        "srlevfac": magnetogram.level.factor,
        "srnoise": float(np.median(magnetogram.noise[magnetogram.good])),
        "srchisq": round(float(chi_square), 4),
        "srdevice": device,
        "srdtype": dtype,
    }
    steps = [
        *(f"input header repaired: {change}" for change in magnetogram.changes),
        f"sunpy_superres {__version__}: HMI-like field from "
        f"{source.get('content') or 'an MDI magnetogram'}, "
        f"{source.get('t_obs') or source.get('date-obs') or 'time unknown'}",
        f"{model.config['architecture']}, model {model.name} revision {model.revision}, "
        f"{options.num_steps} steps, seed {options.seed}, {options.n_samples} samples, "
        f"estimate {estimate}",
        "field on HMI's scale (MDI's factor removed); not an HMI observation",
        magnetogram.level.describe(),
        *magnetogram.remarks,
    ]
    if options.noise == "sun" and options.lifetime is not None:
        cards["srlife"] = options.lifetime.to_value(u.day)
    return add_provenance(retire_record(meta), cards, steps, _COMMENTS)


def _as_map(data, meta, content, expected):
    meta = fit_comments(dict(meta, content=content))
    refresh_statistics(meta, data, expected)
    smap = sunpy.map.Map(data, meta)
    set_plot_settings(smap)
    return smap
