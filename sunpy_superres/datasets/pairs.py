"""Pairs of MDI and HMI Maps: matched in time, put on one grid, registered, and packed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import astropy.units as u
import numpy as np
import sunpy.map
import torch
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from sunpy_superres.datasets.order import check_order
from sunpy_superres.datasets.pair_arrays import read_pair
from sunpy_superres.datasets.registration import register_grid
from sunpy_superres.files import write_tensors
from sunpy_superres.instruments import FACTOR, MDI
from sunpy_superres.instruments.forward import blurred_mean, observe
from sunpy_superres.maps.fields import warn_of_values
from sunpy_superres.maps.geometry import plate_scale
from sunpy_superres.maps.magnetogram import read_magnetogram
from sunpy_superres.maps.metadata import observation_time, rebin_meta
from sunpy_superres.maps.reading import read_map
from sunpy_superres.maps.regridding import resample_to
from sunpy_superres.torch_state import own_torch_state
from sunpy_superres.warning import warn_user

__all__ = [
    "AlignedPair",
    "PairRecord",
    "align_files",
    "align_pair",
    "match_pairs",
    "save_pairs",
]


@dataclass(frozen=True)
class PairRecord:
    """
    How a pair was made.

    Parameters
    ----------
    mdi_time, hmi_time : str
        Times of the observations, UTC.
    shift : tuple of float
        How far HMI lay from MDI by their headers, in the middle of the frame, in MDI pixels along
        rows and columns; the registration has removed it.
    deformation : tuple of float
        The rotation, scale and shear that it has removed: change of row and of column per row,
        then per column.
    correlation : float
        Correlation of the MDI frame with HMI observed through MDI, after the registration.
    """

    mdi_time: str
    hmi_time: str
    shift: tuple[float, float]
    deformation: tuple[float, float, float, float]
    correlation: float


@dataclass(frozen=True)
class AlignedPair:
    """
    An MDI frame, and HMI's field on a grid four times finer.

    Parameters
    ----------
    frame, good, noise : numpy.ndarray
        See `~sunpy_superres.maps.magnetogram.Magnetogram`; ``(ny, nx)``.
    target : numpy.ndarray
        HMI Gauss, ``(4 ny, 4 nx)``; NaN where HMI has no data.
    record : PairRecord
    """

    frame: np.ndarray
    good: np.ndarray
    noise: np.ndarray
    target: np.ndarray
    record: PairRecord


def match_pairs(mdi_maps, hmi_maps, largest_gap=6 * u.min):
    """
    Match each MDI Map with the HMI Map that is nearest in time.

    Parameters
    ----------
    mdi_maps, hmi_maps : sequence of `~sunpy.map.GenericMap`
    largest_gap : `~astropy.units.Quantity`
        MDI Maps without an HMI Map within this time are left out.

    Returns
    -------
    list of tuple
        ``(mdi_map, hmi_map)``.
    """
    times = [observation_time(smap) for smap in hmi_maps]
    pairs = []
    for mdi_map in mdi_maps:
        when = observation_time(mdi_map)
        gaps = [abs((time - when).to_value(u.s)) for time in times]
        if gaps and min(gaps) <= largest_gap.to_value(u.s):
            pairs.append((mdi_map, hmi_maps[int(np.argmin(gaps))]))
    return pairs


#: Fine pixel, from 0, under the middle of MDI's first; and matrix and origin, for `_fine_grid`, of
#: the grid that MDI's header gives.
_FIRST = (FACTOR - 1) / 2
_REGULAR = (FACTOR * np.eye(2), np.full(2, _FIRST))


def _fine_grid(mdi_map, matrix=_REGULAR[0], origin=_REGULAR[1]):
    """
    Make an empty Map with `FACTOR` times the pixels along each side.

    Its fine pixel under the frame's pixel ``i`` (row, column) has the coordinates that the
    frame's header gives for the fine pixel ``origin + matrix @ i``.
    """
    shape = tuple(FACTOR * n for n in mdi_map.data.shape)
    meta = rebin_meta(mdi_map.meta, shape, FACTOR)
    matrix = np.asarray(matrix)[::-1, ::-1] / FACTOR
    origin = np.asarray(origin)[::-1]
    reference = np.array([meta["crpix1"], meta["crpix2"]]) - 1
    reference = _FIRST + np.linalg.solve(matrix, reference - origin)
    meta["crpix1"], meta["crpix2"] = (float(r) for r in reference + 1)
    step = mdi_map.scale
    scale = np.array([step.axis1.value, step.axis2.value]) / FACTOR
    linear = np.diag(scale) @ mdi_map.rotation_matrix @ matrix
    meta = {k: v for k, v in meta.items() if not k.startswith(("crota", "cd1_", "cd2_"))}
    meta["cdelt1"], meta["cdelt2"] = (float(s) for s in scale)
    for row, column in np.ndindex(2, 2):
        meta[f"pc{row + 1}_{column + 1}"] = float(linear[row, column] / scale[row])
    return sunpy.map.Map(np.broadcast_to(np.float32(0), shape), meta)


def _observe_through_mdi(field, known, scale):
    """Return HMI's field as MDI reads it, and where MDI's pixel and blur see known pixels."""
    known_part = torch.from_numpy(known.astype(np.float32))[None, None]
    values = torch.from_numpy(np.where(known, field, 0).astype(np.float32))[None, None]
    visible_fraction = blurred_mean(known_part, MDI, scale)
    reading = observe(values, MDI, scale, visible_fraction)[0, 0].numpy()
    return reading, visible_fraction[0, 0].numpy() > 0.9


def _average_around_each(field, known, scale):
    """Average HMI's field as MDI does, around the lower left corner of each fine pixel."""

    def mean(values):
        values = ndimage.gaussian_filter(values, MDI.blur_sigma(scale), mode="nearest")
        return ndimage.uniform_filter(values, FACTOR, mode="nearest")

    return mean(np.where(known, field, 0.0)) / np.maximum(mean(known.astype(float)), 0.05)


def _observe_on_grid(source, hmi_map, matrix, origin, scale):
    """Return HMI on a fine grid, where it is known, MDI's reading of it, and where that is sure."""
    field, known = resample_to(_fine_grid(source, matrix, origin), hmi_map)
    return field, known, *_observe_through_mdi(field, known, scale)


def _find_grid(magnetogram, hmi_map, scale):
    """Find the matrix and the origin, for `_fine_grid`, with which HMI agrees with the frame."""
    matrix, origin = _REGULAR
    # Twice, since after a large shift other pixels of HMI lie on the frame.
    for _ in range(2):
        _, _, reading, sure = _observe_on_grid(magnetogram.map, hmi_map, matrix, origin, scale)
        used = sure & magnetogram.good
        if used.sum() < 256:
            raise ValueError(
                "The Maps have fewer than 256 MDI pixels in common; give Maps of the same field."
            )
        found, _, _ = phase_cross_correlation(
            np.where(used, magnetogram.frame, 0),
            np.where(used, reading, 0),
            upsample_factor=50,
            normalization=None,
        )
        origin = origin - FACTOR * found
    field, known, _, sure = _observe_on_grid(magnetogram.map, hmi_map, matrix, origin, scale)
    # The average over an even number of pixels lies on a corner, half a pixel from a centre.
    matrix, start = register_grid(
        magnetogram.frame,
        sure & magnetogram.good,
        _average_around_each(field, known, scale),
        matrix,
        _REGULAR[1] + 0.5,
    )
    return matrix, origin + (start - 0.5 - _REGULAR[1])


@own_torch_state()
def align_pair(mdi_map, hmi_map, *, largest_gap=6 * u.min, largest_shift=4.0, correlation=0.8):
    """
    Register HMI's field on the grid of an MDI Map, four times finer.

    HMI is reprojected to the grid and observed through MDI, and its shift against the frame is
    found by cross-correlation.  Then `~sunpy_superres.datasets.registration.register_grid` finds
    by which rotation and scale the headers differ.  With corrected coordinates HMI is reprojected
    anew, so that the result was interpolated only once.

    Parameters
    ----------
    mdi_map, hmi_map : `~sunpy.map.GenericMap`
        Line-of-sight magnetograms.
    largest_gap : `~astropy.units.Quantity`
        Longest time between the observations.
    largest_shift : float
        Largest shift that is accepted, in MDI pixels, in the middle of the frame.
    correlation : float
        Least correlation of the frame with HMI observed through MDI.

    Returns
    -------
    AlignedPair

    Raises
    ------
    TypeError
        If ``mdi_map`` is not an MDI magnetogram, or ``hmi_map`` not one of a magnetic field; if
        one is no Map, they are swapped, or both are MDI's.
    ValueError
        If the two are too far apart in time or on the sky, or do not show the same field.
    """
    check_order(mdi_map, hmi_map)
    times = [observation_time(mdi_map), observation_time(hmi_map)]
    gap = abs((times[1] - times[0]).to(u.min))
    if gap > largest_gap:
        raise ValueError(
            f"The observations are {gap.value:.1f} min apart, more than {largest_gap}; "
            "give Maps of the same time, or a larger largest_gap."
        )
    magnetogram = read_magnetogram(mdi_map)
    warn_of_values(hmi_map)
    source = magnetogram.map
    scale = float(np.mean(plate_scale(_fine_grid(source)).to_value(u.arcsec / u.pix)))
    matrix, origin = _find_grid(magnetogram, hmi_map, scale)
    middle = (np.array(source.data.shape) - 1) / 2
    moved = (origin + matrix @ middle - _REGULAR[1]) / FACTOR - middle
    if np.abs(moved).max() > largest_shift:
        raise ValueError(
            f"HMI is {moved[0]:+.1f}, {moved[1]:+.1f} MDI pixels off, which is more than "
            f"{largest_shift}; check the coordinates of both Maps, or give a larger largest_shift."
        )
    field, known, reading, covered = _observe_on_grid(source, hmi_map, matrix, origin, scale)
    used = covered & magnetogram.good
    together = float(np.corrcoef(magnetogram.frame[used], reading[used])[0, 1])
    if not together >= correlation:
        raise ValueError(
            f"HMI observed through MDI has a correlation of {together:.2f} with the frame, less "
            f"than {correlation}: these are not the same field, or the Sun has changed in between."
        )
    deformation = matrix / FACTOR - np.eye(2)
    record = PairRecord(
        *(time.isot for time in times),
        shift=tuple(float(s) for s in moved.round(3)),
        deformation=tuple(float(d) for d in deformation.T.ravel().round(5)),
        correlation=round(together, 4),
    )
    target = np.where(known, field, np.nan).astype(np.float32)
    return AlignedPair(
        magnetogram.frame, magnetogram.good & covered, magnetogram.noise, target, record
    )


def _read_usable(names, instrument):
    """Yield the Maps of the files that can be read and have a time, and warn of the others."""
    for name in names:
        try:
            smap = read_map(name, instrument)
            observation_time(smap)
        except (OSError, TypeError, ValueError, LookupError) as error:
            warn_user(f"{name} is left out: {error}")
            continue
        yield smap


def align_files(mdi_files, hmi_files, *, largest_gap=6 * u.min):
    """
    Match FITS files in time, and register each pair.

    Parameters
    ----------
    mdi_files, hmi_files : sequence of path-like
    largest_gap : `~astropy.units.Quantity`
        Largest time between the two observations of a pair.

    Yields
    ------
    time : `~astropy.time.Time`
        Time of the MDI observation.
    pair : AlignedPair, TypeError or ValueError
        The error of `align_pair` if it refuses the pair.

    Warns
    -----
    SuperResWarning
        For each file that cannot be read, or whose header has no time; the others are matched.
    """
    mdi_maps = list(_read_usable(mdi_files, "MDI"))
    hmi_maps = list(_read_usable(hmi_files, "HMI"))
    for mdi_map, hmi_map in match_pairs(mdi_maps, hmi_maps, largest_gap):
        try:
            pair = align_pair(mdi_map, hmi_map, largest_gap=largest_gap)
        except (TypeError, ValueError) as error:
            pair = error
        yield observation_time(mdi_map), pair


def save_pairs(pairs, path):
    """
    Write pairs, with their records, into one safetensors file.

    Parameters
    ----------
    pairs : sequence of AlignedPair
        Their fields and noise are in Gauss, or have a unit.  Where ``frame`` holds no number, or a
        fill value, the pixel is not good.
    path : path-like

    Raises
    ------
    TypeError
        If an array of a pair is masked, since ``good`` says what is missing; if it holds no real
        numbers, or its unit is not one of a magnetic field.
    ValueError
        If the shapes do not belong together, ``good`` holds more than True and False, or the noise
        of a good pixel is not positive.

    Warns
    -----
    SuperResWarning
        If good pixels of a frame, or pixels of a target, hold what look like numbers written for
        missing data.
    """
    tensors, index = {}, []
    for number, pair in enumerate(pairs):
        for name, values in read_pair(pair, number).items():
            tensors[f"{name}{number:04d}"] = values
        index.append(asdict(pair.record))
    write_tensors(path, tensors, {"pairs": json.dumps(index)})
