"""Which data product a header and a file's name describe, where CONTENT and BUNIT do not tell."""

from __future__ import annotations

import re

from sunpy_superres.files import remove_suffixes

__all__ = ["check_product", "check_signs"]

#: Values of a sign from which the lack of the other means something; spots are smaller.
_MANY = 4096

#: What the segments of JSOC's series hold, other than a line-of-sight field; lower case.
_SEGMENTS = {
    "bitmap": "a bitmap of active pixels",
    "mask": "a mask",
    "dopplergram": "a Dopplergram",
    "continuum": "continuum intensity",
    "intensitygram": "continuum intensity",
    "linedepth": "the depth of the line",
    "linewidth": "the width of the line",
    "image_lev1": "a filtergram",
    "bp": "the azimuthal field Bp",
    "bt": "the meridional field Bt",
    "bx": "the horizontal field Bx",
    "by": "the horizontal field By",
    "field": "the strength of the field, without a sign",
    "inclination": "the inclination of the field",
    "azimuth": "the azimuth of the field",
    "disambig": "the disambiguation of the azimuth",
    "conf_disambig": "the confidence of the disambiguation",
    "confid_map": "the confidence of an inversion",
    "info_map": "the quality of an inversion",
    "conv_flag": "a flag of an inversion",
    "chisq": "the chi-square of an inversion",
    "vlos_mag": "the velocity of an inversion",
    "dop_width": "a line width of an inversion",
    "eta_0": "a line strength of an inversion",
    "damping": "a damping of an inversion",
    "src_continuum": "a source function of an inversion",
    "src_grad": "a source function of an inversion",
    "alpha_mag": "a filling factor",
    "mu": "the cosine of the heliocentric angle",
    "longitude": "a longitude",
    "latitude": "a latitude",
} | dict.fromkeys(
    ("field_az_err", "field_alpha_err", "field_inclination_err", "inclin_azimuth_err")
    + ("inclination_alpha_err", "azimuth_alpha_err"),
    "a covariance of an inversion",
)
#: The standard errors of segments, such as Br_err; and the Stokes parameters of six filtergrams.
_ERROR, _STOKES = re.compile(r"[a-z]+_err(or)?"), re.compile(r"[iquv][0-5]")
#: Beginnings of the names of series whose data are other observables, after "hmi." or "mdi.".
_SERIES = {
    "v": "a Dopplergram",
    "ic": "continuum intensity",
    "id": "intensity",
    "i": "intensity",
    "ld": "the depth of the line",
    "lw": "the width of the line",
    "s": "Stokes parameters",
    "lev1": "a filtergram",
    "synoptic": "a synoptic chart",
}
_SERIES_NAME = re.compile(
    r"(?:^|[^a-z0-9])(?:(?:hmi|mdi|su_[a-z0-9]+)[._](?:(?:fd|hr|vw|lo)_)?|(?:fd|hr|vw|lo)_)"
    r"([a-z]+1?)(?=[_.\[{: -]|$|[0-9])"
)
#: A file of JSOC, as exports and download tools name it; other names are the user's own business.
_FILE_OF_JSOC = re.compile(r"(?:^|[^a-z0-9])(?:hmi|mdi|cgem)[._]|_tai[._]")
#: What browsers and file managers add to the name of a second copy.
_COPY = re.compile(r"(?:[ _-]+(?:copy|\(\d+\)|\d{1,2}))+$")
#: Cards that name the segment, or the file as the archive wrote it.
_SEGMENT_CARDS, _FILE_CARDS = ("segment", "segname"), ("filename", "fileorig")
#: Cards in which programs write the segment when they make files, besides other things.
_NAME_CARDS = ("extname", "btype", "quantity", "content", "datatype")
#: Segments whose names are not used for a line-of-sight field, so that they count anywhere.
_PLAIN = frozenset(
    "bitmap dopplergram continuum intensitygram bp bt inclination azimuth disambig conf_disambig "
    "conv_flag chisq confid_map info_map vlos_mag".split()
) | {f"{name}_err" for name in "bp bt br field inclination azimuth".split()}
#: The whole record, for a message: "hmi.sharp_cea_720s:6927098:Br" or "series[...]{segment}".
_RECORD = re.compile(r"^\s*(?P<series>[\w.]+)(?::[^:]*:|.*\{)(?P<segment>\w+)\}?\s*$")


def check_product(meta, file_name=None):
    """
    Refuse data that DRMS_ID, the segment's name or the file's name show to be no magnetogram.

    All segments of a record of JSOC have one header: CONTENT is 'HMI observable' for a bitmap and
    for Bp, whose BUNIT is a field's too.  Br, which is close to the line-of-sight field near disk
    centre, is accepted.

    Parameters
    ----------
    meta : dict-like
        FITS cards, lower-case names.
    file_name : str, optional
        Name of the file, without its folder.  It counts if it is one of JSOC, such as
        ``hmi.sharp_cea_720s.377.20110215_020000_TAI.bitmap.fits``.

    Raises
    ------
    TypeError
        If the product is another one than a magnetogram.

    References
    ----------
    http://jsoc.stanford.edu/doc/data/hmi/sharp/sharp.htm
    """
    for place, found in _find_products(meta, file_name):
        raise TypeError(
            f"{place} says that this is {found}, not a magnetogram; give the line-of-sight "
            "magnetogram of the same time (segment 'magnetogram' of HMI and SMARP, series "
            "mdi.fd_M_96m_lev182 of MDI), or correct the name if it is wrong."
        )


def _find_products(meta, file_name):
    """Yield where another product is named, and what it is."""
    record = str(meta.get("drms_id") or "").strip()
    if record:
        parts = _RECORD.match(record)
        named = [_of_segment(parts["segment"])] if parts else []
        named.append(_of_series(record))
        yield from ((f"DRMS_ID = {record!r}", found) for found in named if found)
    for card in _SEGMENT_CARDS:
        found = _of_segment(str(meta.get(card) or "").strip())
        if found:
            yield f"{card.upper()} = {meta[card]!r}", found
    for card in _NAME_CARDS:
        name = str(meta.get(card) or "").strip().lower()
        if name in _PLAIN:
            yield f"{card.upper()} = {meta[card]!r}", _of_segment(name)
    names = [(f"{c.upper()} = {meta[c]!r}", str(meta[c])) for c in _FILE_CARDS if meta.get(c)]
    if file_name:
        names.append((f"The name of {file_name}", file_name))
    is_named = "magnetogram" in str(meta.get("content") or "").lower()
    for place, name in names:
        found = _of_file_name(name) or (None if is_named else _of_last_words(name))
        if found:
            yield place, found


def _of_segment(name):
    """Return what a segment holds, if that is no line-of-sight field; else None."""
    name = name.lower()
    if _ERROR.fullmatch(name):
        return _SEGMENTS.get(name, "a standard error")
    if _STOKES.fullmatch(name):
        return "a Stokes parameter"
    return _SEGMENTS.get(name)


def _of_series(name):
    """Return what a series holds, by its name, if that is another observable; else None."""
    match = _SERIES_NAME.search(name.lower())
    return _SERIES.get(match[1]) if match else None


def _of_file_name(name):
    """Return what a file of JSOC holds, by its name, if that is no magnetogram; else None."""
    name = _COPY.sub("", remove_suffixes(name.replace("\\", "/")).lower())
    series = _of_series(name)
    if series or not _FILE_OF_JSOC.search(name):
        return series
    parts = name.split(".")
    # "..._TAI_Br_err" is one part; its last words are the segment.
    words = re.split(r"[_-]", parts[-1])
    endings = ["_".join(words[-n:]) for n in (4, 3, 2, 1) if n < len(words)]
    # "..._TAI.Bp_cut" is what a user made of the segment.
    beginnings = ["_".join(words[:n]) for n in (4, 3, 2, 1) if n < len(words)]
    found = (_of_segment(part) for part in (*parts, *endings, *beginnings))
    return next(filter(None, found), None)


def _of_last_words(name):
    """Return what a file of any name holds, by its last words, if that is no magnetogram."""
    name = _COPY.sub("", remove_suffixes(name.replace("\\", "/")).lower()).rpartition("/")[2]
    words = re.split(r"[_.\s-]", name)
    endings = {"_".join(words[-n:]) for n in (1, 2)}
    return next((_of_segment(word) for word in sorted(endings & _PLAIN)), None)


def check_signs(values):
    """
    Refuse an image of one sign: the noise alone gives a line-of-sight field both signs.

    Parameters
    ----------
    values : numpy.ndarray
        NaN where missing.

    Raises
    ------
    TypeError
        If no value is negative, or none is positive, of 4096 or more that are not zero.
    """
    negative, positive = int((values < 0).sum()), int((values > 0).sum())
    if max(negative, positive) >= _MANY and not min(negative, positive):
        raise TypeError(
            f"All values have one sign ({negative + positive} pixels), so that this is no "
            "line-of-sight field but a bitmap, a strength, an angle or an error; give the segment "
            "'magnetogram'."
        )
