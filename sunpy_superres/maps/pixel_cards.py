"""Header cards that count pixels: rescaled for pixels of another size, or recognised."""

from __future__ import annotations

import re

import astropy.units as u
import numpy as np

from sunpy_superres.maps.cards import is_finite_number, read_number

__all__ = ["counts_pixels", "drop_other_axes", "rescale_cards"]

#: Lengths in pixels.
_LENGTHS = "r_sun crop_rad dpc_crop rsun_lf r_sun_lf a_dmax b_dmax ap_dmax bp_dmax".split()
#: Lengths in pixels or in arcsec, as the program has it that wrote them.
_RADII = "r_sun rsun radius solar_r r0 rsun_pix".split()
#: Plate scales beside CDELT, in arcsec per pixel, and pixels of the camera per pixel of the image.
_SCALES = (
    "im_scale fd_scale xscale yscale imscl_mp x_scale y_scale pixscale pixscal1 pixscal2 secpix "
    "secpix1 secpix2 platescl plate_sc dxb_img dyb_img pixlenx pixleny"
).split()
#: Places counted from 0 at the centre of the first pixel, and from 1.
_FROM_ZERO = "x0 y0 x0_lf y0_lf x0_mp y0_mp".split()
_FROM_ONE = "center_x center_y".split()
#: Places, sizes and numbers of pixels of another array: the camera's, or a step's before.
_DROPPED = set(
    "mdi_x0 mdi_y0 plate_x plate_y fndlmbxc fndlmbyc fndlmbma fndlmbmi avglmbxc avglmbyc "
    "avglmbma avglmbmi centroxc centroyc imcrpix1 imcrpix2 imcrval1 imcrval2 x_center "
    "y_center img_x0 img_y0 bl_x bl_y tr_x tr_y ccdsec datasec trimsec biassec detsec ccdsum "
    "nxsum nysum xbin ybin ccdxbin ccdybin binning xdim ydim nx ny xsize ysize imgwidth "
    "imgheig width height totvals satvals npix npix_spt nacr cmask naxis3 naxis4 rescale "
    "xcenpix ycenpix camx_min camx_max camy_min camy_max arm_ncln ars_ncln".split()
)
#: Cards of a WCS by their form: the number of an axis, and the letter of an alternate WCS.
_CRPIX = re.compile(r"crpix([12])([a-z]?)")
_CDELT = re.compile(r"cdelt([12])([a-z]?)")
_CD = re.compile(r"cd\d_[12]([a-z]?)")
_ANY_WCS = re.compile(
    r"(?:ctype|crpix|cdelt|crval|cunit|crota|cname|crder|csyer)\d([a-z]?)|(?:pc|cd|pv|ps)\d_\d+([a-z]?)"
    r"|(?:wcsname|wcsaxes|lonpole|latpole|radesys|equinox|specsys|restfrq|restwav)([a-z]?)"
)
#: The polynomials of SIP, in pixels.
_SIP = re.compile(r"(?:a|b|ap|bp)_(\d)_(\d)")
#: IRAF's map from the pixels of the original to these.
_LTV, _LTM = re.compile(r"ltv([12])"), re.compile(r"ltm[12]_[12]")
#: Distortions by tables that the file no longer holds, and WCS of columns of tables.
_TABLES = re.compile(
    r"(?:cpdis|cqdis|cperr|cqerr|d2imdis|d2imerr|dp|dq|d2im)\d.*|axiscorr|\d+c(?:rp|dl|d|dlt)\w*"
)


#: Cards of the third and further axes of a cube.
_OTHER_AXES = re.compile(
    r"(?:naxis|ctype|crpix|cdelt|crval|cunit|crota|cname|crder|csyer)[3-9][a-z]?"
    r"|(?:pc|cd)(?:[3-9]_\d|\d_[3-9])[a-z]?|(?:pv|ps)[3-9]_\d+[a-z]?"
)


def drop_other_axes(meta):
    """
    Delete the cards of all axes but the first two, in place: an image is a plane of its cube.

    Parameters
    ----------
    meta : dict
        FITS cards, lower-case names.
    """
    for name in [n for n in meta if _OTHER_AXES.fullmatch(str(n))]:
        del meta[name]
    for name in [n for n in meta if re.fullmatch("wcsaxes[a-z]?", str(n))]:
        meta[name] = 2


def counts_pixels(name) -> bool:
    """
    Return whether a card places, or counts, the pixels of one grid, beside its main WCS.

    Such a card has no meaning on another grid; those of an alternate WCS are among them.

    Parameters
    ----------
    name : str
        Lower-case name of a card.
    """
    if name in {*_LENGTHS, *_RADII, *_SCALES, *_FROM_ZERO, *_FROM_ONE, *_DROPPED}:
        return True
    wcs = _ANY_WCS.fullmatch(name)
    forms = (_SIP, _LTV, _LTM, _TABLES)
    return bool(wcs and any(wcs.groups())) or any(form.fullmatch(name) for form in forms)


def rescale_cards(meta, factor):
    """
    Change the cards that count pixels to pixels ``factor`` times smaller, in place.

    Pixel edges coincide: CRPIX' = (CRPIX - 0.5) factor + 0.5, for each WCS of the header.  Cards
    about another array are deleted.

    Parameters
    ----------
    meta : dict
        FITS cards, lower-case names, with the CRPIX of the main WCS.
    factor : float
        4 from MDI to HMI pixels, 1/4 back.
    """
    for name in [n for n in meta if n in _DROPPED or _TABLES.fullmatch(n)]:
        del meta[name]
    drop_other_axes(meta)
    radii = [name for name in _RADII if _is_in_pixels(name, meta)]
    _write_defaults(meta)
    for name in list(meta):
        if _CRPIX.fullmatch(name) or _LTV.fullmatch(name) or name in _FROM_ONE:
            _change(meta, name, lambda value: (value - 0.5) * factor + 0.5)
        elif _CDELT.fullmatch(name) or _CD.fullmatch(name) or name in _SCALES:
            _change(meta, name, lambda value: value / factor)
        elif name in _FROM_ZERO:
            _change(meta, name, lambda value: (value + 0.5) * factor - 0.5)
        elif name in radii or _LTM.fullmatch(name) or (name in _LENGTHS and name not in _RADII):
            _change(meta, name, lambda value: value * factor)
        elif found := _SIP.fullmatch(name):
            power = 1 - int(found[1]) - int(found[2])
            _change(meta, name, lambda value, power=power: value * float(factor) ** power)


def _change(meta, name, function):
    """Replace a card by a function of its number; a card that is no number stays as it is."""
    number = read_number(meta[name])
    if is_finite_number(number):
        meta[name] = function(number)


def _write_defaults(meta):
    """Write the cards of an alternate WCS, and of IRAF's map, that count where they are missing."""
    letters = {
        letter for n in meta if (w := _ANY_WCS.fullmatch(n)) for letter in w.groups() if letter
    }
    for letter in letters:
        has_cd = any((cd := _CD.fullmatch(name)) and cd[1] == letter for name in meta)
        for axis in "12":
            meta.setdefault(f"crpix{axis}{letter}", 0.0)
            if not has_cd:
                meta.setdefault(f"cdelt{axis}{letter}", 1.0)
    if any(_LTV.fullmatch(name) or _LTM.fullmatch(name) for name in meta):
        for axis in "12":
            meta.setdefault(f"ltv{axis}", 0.0)
            meta.setdefault(f"ltm{axis}_{axis}", 1.0)


def _is_in_pixels(name, meta):
    """Return whether a radius is given in pixels, by the Sun's radius in arcsec and the scale."""
    value, scale = read_number(meta.get(name)), read_number(meta.get("cdelt1"))
    if not is_finite_number(value) or value <= 0:
        return False
    arcsec = read_number(meta.get("rsun_obs"))
    distance = read_number(meta.get("dsun_obs"))
    if not is_finite_number(arcsec) and is_finite_number(distance) and distance > 1e10:
        arcsec = np.degrees(6.96e8 / distance) * 3600
    if not is_finite_number(arcsec) or not is_finite_number(scale) or not scale:
        return name == "r_sun" or value < 900
    try:
        unit = u.Unit(str(meta.get("cunit1") or "arcsec"))
        scale = abs((scale * unit).to_value(u.arcsec))
    except (u.UnitsError, ValueError):
        return name == "r_sun"
    in_pixels, in_arcsec = (abs(np.log(value / size)) for size in (arcsec / scale, arcsec))
    return in_pixels < in_arcsec
