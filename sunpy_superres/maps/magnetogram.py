"""A checked MDI magnetogram, and the plain arrays that the model works on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import sunpy.map

from sunpy_superres.instruments import MDI
from sunpy_superres.maps.fields import convert_to_gauss, known_pixels
from sunpy_superres.maps.geometry import (
    heliocentric_mu,
    is_helioprojective,
    measure_foreshortening,
    on_disk_mask,
)
from sunpy_superres.maps.headers import list_assumptions, repair_map
from sunpy_superres.maps.interval import observed_interval
from sunpy_superres.maps.levels import Level, check_level, find_level, is_simulated
from sunpy_superres.maps.missing import describe_repeated
from sunpy_superres.maps.noise import estimate_noise, is_usual_noise, noise_map
from sunpy_superres.maps.pointing import check_pointing, check_size, complete_header
from sunpy_superres.maps.products import check_product
from sunpy_superres.maps.refusals import check_has_keywords, check_is_frame, check_is_map
from sunpy_superres.maps.resampled import check_resampling
from sunpy_superres.maps.units import field_unit
from sunpy_superres.maps.value_checks import check_values
from sunpy_superres.warning import warn_user

__all__ = ["Magnetogram", "check_observable", "quality_bits", "read_magnetogram"]

#: QUALITY bit of JSOC for a record without data.
_NO_DATA = 0x80000000
#: QUALITY bit that most good MDI frames carry.
_HARMLESS = 0x00000200
#: Words for other observables in CONTENT and in the cards of older headers.
_OTHER_OBSERVABLES = (
    "intensity", "continuum", "doppler", "velocity", "fd_v", "fd_ic", "line depth", "linedepth",
    "depth", "line width", "linewidth", "stokes", "filtergram", "inclination", "azimuth",
    "disambig", "bitmap",
)  # fmt: skip
#: Gauss; a simulated frame with less noise tells too little of whether it was resampled.
_SIMULATED_NOISE = 6.0
#: Share of the disk that is missing above which the user is warned.
_MUCH_MISSING = 0.05


@dataclass(frozen=True)
class Magnetogram:
    """
    A checked MDI frame.

    Parameters
    ----------
    map : `~sunpy.map.GenericMap`
        The input, or a copy with its header repaired.
    frame : numpy.ndarray
        MDI Gauss, float32, ``(ny, nx)``; 0 where ``good`` is False.
    good : numpy.ndarray of bool
        On the disk and observed.
    on_disk : numpy.ndarray of bool
        On the disk, by the geometry.
    noise : numpy.ndarray
        Standard deviation of the noise in MDI Gauss, float32, ``(ny, nx)``.
    foreshortening : numpy.ndarray or None
        Lengths of the pixels' sides on the sky,
        `~sunpy_superres.maps.geometry.measure_foreshortening`,
        float32, ``(2, ny, nx)``; None in helioprojective coordinates, where they are 1.
    changes : list of str
        What was repaired in the header or written into it, a sentence each.
    is_placed : bool
        Whether the header itself says where on the Sun the frame is, so that nothing was assumed.
    remarks : list of str
        What the result's HISTORY says of the frame: that it looks resampled.
    level : Level
        Its level of calibration; ``frame`` is of level 1.8.2 already.
    """

    map: sunpy.map.GenericMap
    frame: np.ndarray
    good: np.ndarray
    on_disk: np.ndarray
    noise: np.ndarray
    foreshortening: np.ndarray | None = None
    changes: list[str] = field(default_factory=list)
    is_placed: bool = True
    remarks: list[str] = field(default_factory=list)
    level: Level = Level("1.8.2", "header")

    @property
    def gain_uncertainty(self) -> float:
        """Relative uncertainty of the MDI/HMI ratio; 0 for a simulated frame."""
        if is_simulated(self.map.meta, MDI.name):
            return 0.0
        return float(np.hypot(MDI.gain_uncertainty, self.level.uncertainty))


def _has_noise(meta) -> bool:
    """Return whether a frame has as much noise as MDI; simulated ones may have less."""
    return not is_simulated(meta, MDI.name) or float(meta.get("simnoise") or 0) >= _SIMULATED_NOISE


def check_observable(meta, instrument=None, file_name=None) -> list[str]:
    """
    Refuse header cards of anything but a line-of-sight magnetogram of MDI or HMI.

    Parameters
    ----------
    meta : dict-like
        FITS cards, lower-case names.
    instrument : {"MDI", "HMI"}, optional
        Refuse the other instrument too.
    file_name : str, optional
        Name of the file, for `~sunpy_superres.maps.products.check_product`.

    Returns
    -------
    list of str
        A note if MDI is asked for and the header names no instrument.

    Raises
    ------
    TypeError
        For other observables, uncalibrated data and other instruments.
    ValueError
        If ``instrument`` is unknown.
    """
    if instrument not in (None, "MDI", "HMI"):
        raise ValueError(f"instrument must be 'MDI', 'HMI' or None, not {instrument!r}.")
    names = " ".join(
        str(meta.get(k, "")) for k in ("content", "dpc_obsr", "obs_type", "measurement", "obs_mode")
    ).lower()
    if any(word in names for word in _OTHER_OBSERVABLES):
        raise TypeError(
            f"The header describes {names.strip()!r}, not a magnetogram; "
            f"use the series {MDI.series} or another line-of-sight magnetogram."
        )
    check_product(meta, file_name)
    history = " ".join(str(meta.get(k, "")) for k in ("history", "comment")).lower()
    if "not suitable for analysis" in history or "uncalibrated" in history:
        raise TypeError(
            "The header says that the data are uncalibrated (a quick-look image, not Gauss); "
            f"use the calibrated magnetogram of the same time (series {MDI.series})."
        )
    if is_simulated(meta, instrument or "MDI"):
        return []
    cards = {k: str(meta.get(k) or "").strip() for k in ("instrume", "camera", "telescop")}
    written = ", ".join(f"{k.upper()} = {v!r}" for k, v in cards.items() if v)
    named = {i for i in ("MDI", "HMI") if any(i in v.upper() for v in cards.values())}
    if len(named) == 1 and instrument in (None, *named):
        return []
    if instrument == "HMI":
        if written:
            raise TypeError(f"The magnetogram is not from HMI ({written}); give one of SDO/HMI.")
        return []
    if len(named) == 2:
        raise TypeError(
            f"The header names two instruments ({written}); correct TELESCOP, INSTRUME and CAMERA."
        )
    if "SOHO" in cards["telescop"].upper() and not cards["instrume"]:
        return []
    if named == {"HMI"}:
        raise TypeError(
            "This is an HMI magnetogram, which needs no super-resolution; to try the model on "
            "it, degrade it with sunpy_superres.simulate_mdi first."
        )
    if written and instrument is None:
        raise TypeError(
            f"The magnetogram is from neither MDI nor HMI ({written}); if that is wrong, correct "
            "TELESCOP and INSTRUME in the file."
        )
    if written:
        raise TypeError(
            f"The magnetogram is not from MDI ({written}); the model knows only SOHO/MDI. "
            "If it is one, set meta['telescop'] = 'SOHO' and meta['instrume'] = 'MDI'."
        )
    if instrument is None:
        return []
    return ["The header names no instrument; the data are taken for SOHO/MDI."]


def _check_missing_unit(smap, frame, good) -> list[str]:
    """Refuse values without BUNIT, unless their noise is that of Gauss for the INTERVAL."""
    interval = observed_interval(smap.meta)
    measured = estimate_noise(frame, good)
    known = interval in [seconds for seconds, *_ in MDI.noise if seconds is not None]
    if not known or not is_usual_noise(measured, interval):
        raise ValueError(
            "The unit of the data is not known (BUNIT is missing); "
            "set meta['bunit'] = 'Gauss' if the values are Gauss."
        )
    return [
        f"BUNIT is missing; the values are taken for Gauss, since their noise of {measured:.0f} G "
        f"is that of MDI with INTERVAL = {interval:.0f} s."
    ]


def quality_bits(meta) -> int:
    """
    Read QUALITY as a number; 0 if it is missing or no number.

    Parameters
    ----------
    meta : dict-like
        FITS cards; old headers write it in hexadecimal, with or without 0x.
    """
    quality = meta.get("quality") or 0
    try:
        if isinstance(quality, str):
            text = quality.strip().lower()
            quality = int(text, 16 if text.startswith("0x") or len(text) == 8 else 10)
        return int(quality) & 0xFFFFFFFF
    except (ValueError, TypeError, OverflowError):  # text, or a card without a value
        return 0


def _check_quality(smap) -> list[str]:
    """Refuse a record without data, and flag other bits of QUALITY."""
    bits = quality_bits(smap.meta)
    if bits & _NO_DATA:
        raise ValueError(f"QUALITY = {bits:#010x} marks a record without data; use another frame.")
    if not bits & ~_HARMLESS:
        return []
    return [f"QUALITY = {bits:#010x} marks a problem with the frame; look at the result with care."]


def _check_data(smap):
    """Refuse data that are no real numbers, and a mask of another shape."""
    data = smap.data
    if data.dtype.kind not in "iuf":
        raise TypeError(
            f"The data are of type {data.dtype}, not real numbers; give the field as a float."
        )
    if smap.mask is not None and np.shape(smap.mask) != data.shape:
        raise ValueError(
            f"The mask has shape {np.shape(smap.mask)}, the data {data.shape}; "
            "make a new Map with a mask of the data's shape."
        )


def read_magnetogram(mdi_map, level=None) -> Magnetogram:
    """
    Check a Map and take from it what the model needs.

    Parameters
    ----------
    mdi_map : `~sunpy.map.GenericMap`
        MDI line-of-sight magnetogram, full disk or cut-out, in Gauss or Mx/cm^2;
        helioprojective or heliographic (CEA); in-memory or dask data.
    level : {None, "1.8.2", "1.8"}
        Level of calibration; by default by the header, or by the noise where it does not tell.

    Returns
    -------
    Magnetogram

    Raises
    ------
    TypeError
        If it is not a Map of real numbers, or not an MDI line-of-sight magnetogram.
    ValueError
        If no MDI frame has its unit, geometry, plate scale or size, the time is missing, QUALITY
        marks a record without data, the mask has another shape, no pixel is good, the level is
        unknown, or the header says an older one than 1.8.2 and ``level`` does not.

    Warns
    -----
    SuperResWarning
        For the noise of an older level, header cards that are missing or contradict each other,
        QUALITY bits, unusual values, plate scale or noise, many missing pixels, and frames that
        look resampled.
    """
    check_level(level)
    notes = []
    try:
        return _read(mdi_map, level, notes)
    finally:  # also before an error, which the notes may explain
        warn_user(*notes)


def _read(mdi_map, level, notes) -> Magnetogram:
    """Do the work of `read_magnetogram`, and add the notes of all checks to a list."""
    check_is_map(mdi_map)
    check_has_keywords(mdi_map.meta)
    check_is_frame(mdi_map.meta, mdi_map.data.shape[-1])
    mdi_map, changes = repair_map(mdi_map)
    notes += list_assumptions(changes)
    notes += check_observable(mdi_map.meta, "MDI")
    check_size(mdi_map)
    mdi_map, assumed = complete_header(mdi_map)
    notes += [f"{text}; set the cards if that is wrong." for text in assumed]
    notes += check_pointing(mdi_map)
    unit = field_unit(mdi_map)
    notes += _check_quality(mdi_map)
    _check_data(mdi_map)
    values = convert_to_gauss(mdi_map.data, unit)
    on_disk = on_disk_mask(mdi_map)
    good = on_disk & known_pixels(mdi_map, values)
    if not good.any():
        raise ValueError(
            "No pixel is both on the solar disk and finite; check the WCS and the data."
        )
    if unit is None:
        notes += _check_missing_unit(mdi_map, np.where(good, values, np.float32(0)), good)
    notes += describe_repeated(values, good) if _has_noise(mdi_map.meta) else []
    mu = heliocentric_mu(mdi_map)[good]
    level, doubts = find_level(mdi_map.meta, values, good, level, mu)
    notes += doubts
    if level.factor != 1:
        values = values * np.float32(level.factor)
    notes += check_values(values, good)
    missing = 1 - good.sum() / max(1, on_disk.sum())
    if missing > _MUCH_MISSING:
        notes.append(f"{missing:.0%} of the disk is missing; the result is NaN there.")
    frame = np.where(good, values, np.float32(0))
    noise, unusual = noise_map(mdi_map, frame, good)
    notes += [] if doubts else unusual
    resampled = []
    if is_helioprojective(mdi_map):  # a heliographic frame always is
        resampled = check_resampling(frame, good, noise) if _has_noise(mdi_map.meta) else []
    notes += resampled
    foreshortening = None
    if not is_helioprojective(mdi_map):
        y, x = np.indices(frame.shape)
        foreshortening = measure_foreshortening(mdi_map, x, y).astype(np.float32)
    changes += assumed
    return Magnetogram(
        mdi_map,
        frame,
        good,
        on_disk,
        noise,
        foreshortening,
        changes,
        is_placed=not assumed,
        remarks=resampled,
        level=level,
    )
