"""Which data product a header and a file's name describe, where CONTENT and BUNIT do not tell."""

from __future__ import annotations

import re

from sunpy_superres.files import remove_suffixes

__all__ = ["PRODUCT_CARDS", "check_product"]

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
    "bphi": "the azimuthal field",
    "btheta": "the meridional field",
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
    "mrdailysynframe": "a synoptic chart",
    "mldailysynframe": "a synoptic chart",
    "mharp": "bitmaps of active regions",
    "marmask": "a mask of active regions",
}
_SERIES_NAME = re.compile(
    r"(?:^|[^a-z0-9])(?:(?:hmi|mdi|su_[a-z0-9]+)[._](?:(?:fd|hr|vw|lo)_)?|(?:fd|hr|vw|lo)_)"
    r"([a-z]+1?)(?=[_.\[{: -]|$|[0-9])"
)
#: A file of JSOC, as exports and download tools name it; other names are the user's own business.
_FILE_OF_JSOC = re.compile(r"(?:^|[^a-z0-9])(?:hmi|mdi|cgem)[._]|_tai[._]")
#: One that is JSOC's for certain: series with its cadence, time in TAI, and often the segment.
_EXPORT = re.compile(
    r"(?:.*[^a-z0-9])?(?P<series>(?:hmi|mdi|cgem|su_[a-z0-9]+)[._]"
    r"(?:(?:fd|hr|vw|lo)_[a-z]+|[a-z]\w*_\d+[smhd])[\w.]*?)[._]"
    r"(?:\d{8}|\d{4}[._-]\d\d[._-]\d\d)[_t][\d:._]*_tai(?:[._](?:\d+[._])*(?P<segment>.*))?|"
    r"(?P<old>(?:fd|hr|vw|lo)_[a-z]+_\d+[smhd]_\d+d)\.\d{4}\.\d{4}.*"
)
#: What browsers and file managers add to the name of a second copy.
_COPY = re.compile(r"(?:[ _-]+(?:copy|\(\d+\)|\d{1,2}))+$", re.IGNORECASE)
#: Cards that name the segment, or the file as the archive wrote it.
_SEGMENT_CARDS, _FILE_CARDS = ("segment", "segname"), ("filename", "fileorig")
#: Cards in which programs write the segment when they make files, besides other things.
_NAME_CARDS = ("extname", "hduname", "btype", "quantity", "content", "datatype", "title")
_SERIES_CARDS = ("series", "seriesna", "dsname")
#: Cards that `check_product` reads; lower case.
PRODUCT_CARDS = tuple(
    dict.fromkeys(
        ("drms_id", "dpc_obsr", *_SERIES_CARDS, *_SEGMENT_CARDS, *_NAME_CARDS, *_FILE_CARDS)
    )
)
#: Segments whose names are not used for a line-of-sight field, so that they count anywhere.
_PLAIN = frozenset(
    "bitmap dopplergram continuum intensitygram bp bt bx bphi btheta inclination azimuth disambig "
    "conf_disambig conv_flag chisq confid_map info_map vlos_mag field_alpha_err".split()
) | {f"{name}_err" for name in "bp bt br field inclination azimuth".split()}
#: Other ways to say so, and words for the field that is wanted, of which others may be parts.
_OTHER_FIELD = re.compile(
    r"(?<![a-z])(?:horizontal|transversal|transverse|azimuthal|meridional|total|unsigned|absolute)"
    r"_(?:magnetic_)?(?:field(?!_of)|component|flux|strength)|(?<![a-z])field_strength"
)
_LINE_OF_SIGHT = re.compile(
    r"(?<!vector)(?<!vector.)magnetogram|(?<![a-z])b?los(?![a-z])|line.?of.?sight|longitudinal"
)
#: Words before a segment that only took part in making what the text is about.
_NOT_ITSELF = {"no", "not", "without", "with", "by", "from"}
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
        Name of the file, without its folder.  Where the cards say that it is a magnetogram, it
        counts if it is certainly one of JSOC, such as
        ``hmi.sharp_cea_720s.377.20110215_020000_TAI.bitmap.fits``; else any word of it does.

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
    texts = {card: str(meta[card]).strip() for card in PRODUCT_CARDS if meta.get(card)}
    is_named = _names_magnetogram(texts)
    for card, text in texts.items():
        if card == "drms_id":
            found = _of_segment(_split_record(text)[1]) or _of_series(text)
        elif card in _SERIES_CARDS:
            found = _of_series(text)
        elif card in _SEGMENT_CARDS:
            found = _of_segment(text)
        elif card in _NAME_CARDS:
            found = _of_name(text) or (None if is_named else _of_words(text) or _of_series(text))
        elif card in _FILE_CARDS:
            found = _of_any_name(text, is_named)
        else:
            found = None
        if found:
            yield f"{card.upper()} = {text!r}", found
    if file_name:
        found = _of_any_name(file_name, is_named)
        if found:
            yield f"The name of {file_name}", found


def _of_any_name(name, is_named):
    """Return what a file holds; where cards name a magnetogram, by a name of JSOC's own only."""
    if is_named:
        return _of_export(name)
    return _of_file_name(name) or _of_own_name(name)


def _names_magnetogram(texts):
    """Return whether cards say that this is a line-of-sight magnetogram."""
    if any(_LINE_OF_SIGHT.search(texts.get(card, "").lower()) for card in ("content", "dpc_obsr")):
        return True
    series, segment = _split_record(texts.get("drms_id", ""))
    segments = [segment, *(texts.get(card, "") for card in _SEGMENT_CARDS)]
    if "magnetogram" in (name.lower() for name in segments):
        return True
    return any(_is_of_field(name) for name in (series, texts.get("series", "")))


def _split_record(text):
    """Split DRMS_ID into series and segment; the latter is empty if it is not given."""
    parts = _RECORD.match(text)
    return (parts["series"], parts["segment"]) if parts else (text, "")


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


def _is_of_field(name):
    """Return whether a series is one of line-of-sight magnetograms, such as hmi.M_720s."""
    match = _SERIES_NAME.search(name.lower())
    return bool(match) and match[1] == "m"


def _of_name(text):
    """Return what a card names as a segment, and nothing else than a unit behind it."""
    name = re.split(r"[\[(]", text.lower())[0].strip()
    return _of_segment(name) if name in _PLAIN or name == "by" else None


def _clean_name(name):
    """Return a file's name without folder, suffixes and the marks of a copy."""
    return _COPY.sub("", remove_suffixes(name.replace("\\", "/")))


def _of_export(name):
    """Return what a file holds whose name JSOC wrote, if that is no magnetogram; else None."""
    match = _EXPORT.fullmatch(_clean_name(name).lower())
    series = match and (match["series"] or match["old"])
    if not match or _is_of_field(series):
        return None
    words = re.split(r"[_.-]", match["segment"] or "")
    found = (_of_segment("_".join(words[:n])) for n in (4, 3, 2, 1))
    return _of_series(series) or next(filter(None, found), None)


def _of_file_name(name):
    """Return what a file of JSOC holds, by its name, if that is no magnetogram; else None."""
    name = _clean_name(name).lower()
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


def _of_own_name(name):
    """Return what a file holds whose name a user gave, if that is no magnetogram; else None."""
    name = _clean_name(name)
    words = _split_words(name)
    ends = [segment for end, segment in _find_segments(words) if end == len(words)]
    return _of_segment(ends[0]) if ends else _of_words(name)


def _split_words(text):
    """Split a text into words in lower case, without numbers: "AR11158Bp_v2" is ar, bp and v."""
    text = re.sub(r"(?<=[A-Za-z0-9])(?=[A-Z][a-z])", "_", text).lower()
    words = (word.strip("0123456789") for word in re.split(r"[^a-z0-9]+", text))
    return [word.removesuffix("s") if len(word) > 5 else word for word in words if word]


def _find_segments(words):
    """Yield each segment that words name, after the number of words up to its end."""
    for start in range(len(words)):
        if start and words[start - 1] in _NOT_ITSELF:
            continue
        for n in (3, 2, 1):
            name = "_".join(words[start : start + n])
            if name in _PLAIN:
                yield min(start + n, len(words)), name


def _of_words(text):
    """Return what a text is about, by any of its words, if that is no magnetogram; else None."""
    words = _split_words(text)
    if _LINE_OF_SIGHT.search(" ".join(words)):
        return None
    for _, segment in _find_segments(words):
        return _of_segment(segment)
    phrase = _OTHER_FIELD.search("_".join(words))
    return phrase and f"the {phrase[0].replace('_', ' ')}"
