"""What a usable MDI magnetogram is, and the plain arrays that the model works on."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_superres.exceptions import SuperResWarning
from sunpy_superres.instruments import MDI
from sunpy_superres.maps.geometry import is_helioprojective, measure_foreshortening, on_disk_mask
from sunpy_superres.maps.headers import repair_header
from sunpy_superres.maps.noise import estimate_noise, noise_map, observed_interval
from sunpy_superres.maps.pointing import check_pointing, check_size, complete_header
from sunpy_superres.maps.units import LARGEST_FIELD, field_unit
from sunpy_superres.maps.value_checks import check_values

__all__ = ["Magnetogram", "check_observable", "quality_bits", "read_magnetogram"]

#: QUALITY bit of JSOC for a record without data.
_NO_DATA = 0x80000000
#: QUALITY bit that most good MDI frames carry.
_HARMLESS = 0x00000200
#: Words in CONTENT and its older relatives for other observables.
_OTHER_OBSERVABLES = ("intensity", "continuum", "doppler", "velocity", "fd_v", "fd_ic")


@dataclass(frozen=True)
class Magnetogram:
    """
    A checked MDI frame.

    Parameters
    ----------
    map : `~sunpy.map.GenericMap`
        The input, or a copy with its header repaired.
    changes : list of str
        What was repaired in the header.
    frame : numpy.ndarray
        MDI Gauss, float32, ``(ny, nx)``; 0 where ``good`` is False.
    good : numpy.ndarray of bool
        On the disk and not missing.
    on_disk : numpy.ndarray of bool
        On the disk, by the geometry.
    noise : numpy.ndarray
        Standard deviation of the noise in MDI Gauss, float32, ``(ny, nx)``.
    foreshortening : numpy.ndarray or None
        Lengths of the pixels' sides on the sky,
        `~sunpy_superres.maps.geometry.measure_foreshortening`,
        float32, ``(2, ny, nx)``; None in helioprojective coordinates, where they are 1.
    """

    map: sunpy.map.GenericMap
    frame: np.ndarray
    good: np.ndarray
    on_disk: np.ndarray
    noise: np.ndarray
    foreshortening: np.ndarray | None = None
    changes: list[str] = field(default_factory=list)

    @property
    def gain_uncertainty(self) -> float:
        """Relative uncertainty of the MDI/HMI ratio; 0 where it is known: of a simulated frame."""
        return 0.0 if _simulated(self.map.meta, MDI.name) else MDI.gain_uncertainty


def _simulated(meta, instrument) -> bool:
    """Whether a frame is one of `~sunpy_superres.simulate_mdi`."""
    return instrument in str(meta.get("siminst", "")).upper()


def check_observable(meta, instrument="MDI"):
    """
    Refuse header cards that describe anything but a line-of-sight magnetogram of an instrument.

    Parameters
    ----------
    meta : dict-like
        FITS cards, lower-case names.
    instrument : {"MDI", "HMI"}

    Raises
    ------
    TypeError
        For other observables, uncalibrated data and other instruments.

    Warns
    -----
    SuperResWarning
        If no instrument is named.
    """
    names = " ".join(
        str(meta.get(k, "")) for k in ("content", "dpc_obsr", "obs_type", "measurement", "obs_mode")
    ).lower()
    if any(word in names for word in _OTHER_OBSERVABLES):
        raise TypeError(
            f"The header describes {names.strip()!r}, not a magnetogram; "
            "use the series mdi.fd_M_96m_lev182 or another line-of-sight magnetogram."
        )
    history = " ".join(str(meta.get(k, "")) for k in ("history", "comment")).lower()
    if "not suitable for analysis" in history or "uncalibrated" in history:
        raise TypeError(
            "The header says that the data are uncalibrated (a quick-look image, not Gauss); "
            "use the calibrated magnetogram of the same time (series mdi.fd_M_96m_lev182)."
        )
    named = {k: str(meta.get(k) or "").strip() for k in ("instrume", "camera", "telescop")}
    if _simulated(meta, instrument):
        return
    both = {"MDI", "HMI"} <= {i for i in ("MDI", "HMI") for v in named.values() if i in v.upper()}
    if not both and any(instrument in v.upper() for v in named.values()):
        return
    said = ", ".join(f"{k.upper()} = {v!r}" for k, v in named.items() if v)
    if instrument == "HMI":
        if said:
            raise TypeError(f"The magnetogram is not from HMI ({said}); give one of SDO/HMI.")
        return
    if both:
        raise TypeError(
            f"The header names two instruments ({said}); mend TELESCOP, INSTRUME and CAMERA."
        )
    if "SOHO" in named["telescop"].upper() and not named["instrume"]:
        return
    if "HMI" in named["instrume"].upper():
        raise TypeError(
            "This is an HMI magnetogram, which needs no super-resolution; to try the model on "
            "it, degrade it with sunpy_superres.simulate_mdi first."
        )
    if said:
        raise TypeError(
            f"The magnetogram is not from MDI ({said}); the model knows only SOHO/MDI. "
            "If it is one, set meta['telescop'] = 'SOHO' and meta['instrume'] = 'MDI'."
        )
    warnings.warn(
        "The header names no instrument; the data are taken for SOHO/MDI.",
        SuperResWarning,
        stacklevel=4,
    )


def _check_missing_unit(smap, frame, good):
    """Without BUNIT, believe in Gauss only if the noise is what INTERVAL promises."""
    interval = observed_interval(smap.meta)
    measured = estimate_noise(frame, good)
    low, high = MDI.noise_range(interval)
    if interval not in (30, 300) or not low / 1.5 < measured < high * 1.5:
        raise ValueError(
            "The unit of the data is not known (BUNIT is missing); "
            "set meta['bunit'] = 'Gauss' if the values are Gauss."
        )
    warnings.warn(
        f"BUNIT is missing; the values are taken for Gauss, since their noise of {measured:.0f} G "
        f"is that of MDI with INTERVAL = {interval:.0f} s.",
        SuperResWarning,
        stacklevel=4,
    )


def quality_bits(meta) -> int:
    """
    QUALITY as a number; 0 where there is none, or one that cannot be read.

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


def _check_quality(smap):
    bits = quality_bits(smap.meta)
    if bits & _NO_DATA:
        raise ValueError(f"QUALITY = {bits:#010x} marks a record without data; use another frame.")
    if bits & ~_HARMLESS:
        warnings.warn(
            f"QUALITY = {bits:#010x} marks a problem with the frame; look at the result with care.",
            SuperResWarning,
            stacklevel=4,
        )


def _values(smap, unit):
    """The data in Gauss, float32, in memory."""
    data = np.asarray(smap.data)
    if data.dtype.kind not in "iuf":
        raise TypeError(
            f"The data are of type {data.dtype}, not real numbers; give the field as a float."
        )
    if smap.mask is not None and np.shape(smap.mask) != data.shape:
        raise ValueError(
            f"The mask has shape {np.shape(smap.mask)}, the data {data.shape}; "
            "make the Map anew with a mask of its shape."
        )
    with np.errstate(over="ignore"):  # what is too large counts as missing
        values = data.astype(np.float32)
        return values if unit is None else values * np.float32(unit.to(u.G))


def read_magnetogram(mdi_map) -> Magnetogram:
    """
    Check a Map and take from it what the model needs.

    Parameters
    ----------
    mdi_map : `~sunpy.map.GenericMap`
        MDI line-of-sight magnetogram, full disk or cut-out, in Gauss or Mx/cm^2;
        helioprojective or heliographic (CEA); in-memory or dask data.

    Returns
    -------
    Magnetogram

    Raises
    ------
    TypeError
        If it is not a Map, or not an MDI line-of-sight magnetogram.
    ValueError
        If unit, geometry, plate scale or size cannot be right, or no pixel is usable.

    Warns
    -----
    SuperResWarning
        For QUALITY bits, an unusual plate scale or noise, or many missing pixels.
    """
    if not isinstance(mdi_map, sunpy.map.GenericMap):
        raise TypeError(
            f"super_resolve needs a sunpy Map, not {type(mdi_map).__name__}; "
            "make one with sunpy.map.Map(file)."
        )
    meta, changes = repair_header(mdi_map.meta)
    if changes:
        mdi_map = sunpy.map.Map(mdi_map.data, meta, mask=mdi_map.mask)
    check_observable(mdi_map.meta)
    check_size(mdi_map)
    mdi_map, assumed = complete_header(mdi_map)
    changes += assumed
    check_pointing(mdi_map)
    unit = field_unit(mdi_map)
    _check_quality(mdi_map)
    values = _values(mdi_map, unit)
    on_disk = on_disk_mask(mdi_map)
    good = on_disk & np.isfinite(values) & (np.abs(values) < LARGEST_FIELD)
    if mdi_map.mask is not None:
        good &= ~np.asarray(mdi_map.mask, bool)
    if not good.any():
        raise ValueError(
            "No pixel is both on the solar disk and finite; check the WCS and the data."
        )
    check_values(values, good)
    missing = 1 - good.sum() / max(1, on_disk.sum())
    if missing > 0.05:
        warnings.warn(
            f"{missing:.0%} of the disk is missing; the result is NaN there.",
            SuperResWarning,
            stacklevel=3,
        )
    frame = np.where(good, values, np.float32(0))
    if unit is None:
        _check_missing_unit(mdi_map, frame, good)
    noise = noise_map(mdi_map, frame, good)
    foreshortening = None
    if not is_helioprojective(mdi_map):
        y, x = np.indices(frame.shape)
        foreshortening = measure_foreshortening(mdi_map, x, y).astype(np.float32)
    return Magnetogram(mdi_map, frame, good, on_disk, noise, foreshortening, changes)
