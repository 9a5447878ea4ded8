"""The level of calibration of an MDI frame, by its header or by its noise."""

from __future__ import annotations

import re
from dataclasses import dataclass

import astropy.units as u
import numpy as np

from sunpy_superres.instruments import MDI
from sunpy_superres.maps.cards import read_number
from sunpy_superres.maps.dates import read_moment
from sunpy_superres.maps.interval import observed_interval
from sunpy_superres.maps.noise import estimate_noise

__all__ = ["LEVELS", "Level", "check_level", "find_level", "is_simulated"]

#: Levels that can be used: the one that the model is for, and the one that can be scaled to it.
LEVELS = ("1.8.2", "1.8")
#: Level 1.8.2 over level 1.8.  The recalibration multiplied the field by 1.6 to 1.7, depending on
#: the place on the disk (Tran et al. 2005, Ulrich et al. 2009); this is the middle, and the
#: relative uncertainty is half of the range.
_FACTOR, _FACTOR_UNCERTAINTY = 1.65, 0.03
#: When the field of level 1.8 was multiplied for the first time (by Tran et al.'s factors; files of
#: this recalibration, here level 1.8.1, are near level 1.8.2 and differ over the disk), and when
#: level 1.8.2 began.
_RECALIBRATED, _BEGINNING = "2007-10-15", "2008-12-01"
#: BLDVER18 of level 1.8.2; its sign differs between archives.
_BUILD = 60102
#: A level as people write it: 1.8.2, 1.80, 18, 182, 1, Lev 1.8, L1.8; its digits are caught.
_LEVEL = r"(\d)(?:[._,]?(\d))?(?:[._,]?(\d))?"
#: Names of NOTE1, NOTE and NOTES.
_NOTES = r"notes?_?\d*"
#: A level that the text of any card names: "lev1.8", "Level 1.8", "lev1_8", "lev18".
_NAMED = re.compile(
    r"(?i)(?<![a-z])(?<!noise )(?<!confidence )lev(?:el)?[\s._:=-]*(1)[._]?(\d)(?:[._]?(\d))?"
    r"(?![\d.]*\d|\s*G)"
)
#: How cards name a level: a NOTE with "Lev 1.8.2", a card LEVEL, in DSNAME and DATASET
#: "level:lev1.8,", and names of series and files, "lev18".  A frame of level 1.8.2 still names in
#: DSNAME the 1.8 that it was made from, and SRC_ADJ its folder, so the order counts.  HISTORY and
#: COMMENT name levels of anything, and SOURCE that of the input.
_STATED = (
    (
        re.compile(_NOTES),
        re.compile(
            r"(?i)(?<!noise )(?<!confidence )\b(?:lev(?:el)?[\s._:=-]*|l)(1)\.(\d)(?:\.(\d))?"
            r"(?![\d.]*\d|\s*G)"
        ),
    ),
    (re.compile(_NOTES), re.compile(r"(?i)\blev_?(1)(\d)(\d)?(?!\d)")),
    (
        re.compile(r"(?:(?:proc|prod|data|calib|cal|mdi)_?)?(?:lev(?:el|l)?|lvl?)(?:_?num)?"),
        re.compile(
            r"(?i)^[\s'\"]*(?:mdi\s+)?(?:lev(?:el)?|lvl|l|v)?[\s.:=_'\"-]*(?:0(?=\d\.))?"
            + _LEVEL
            + r"0*(?![\d.]*\d)"
        ),
    ),
    (re.compile(r"dsname|dataset"), re.compile(r"(?i)(?:\blevel:|/)lev" + _LEVEL + r"(?!\d)")),
    (
        re.compile(r"drms_id|srindrms|filename|srinfile"),
        re.compile(r"(?i)(?<![a-z])lev_?(1)\.?(\d)(?:\.?(\d))?(?!\d)"),
    ),
    (re.compile(r"src_adj\d*"), re.compile(r"(?i)/lev(1)\.?(\d)(?:\.?(\d))?_adj\b")),
    (re.compile(r"(?!(?:history|comment|source|keycomments|notes?_?\d*|sr.*)$).*"), _NAMED),
)
#: Cards of records of JSOC, whose magnetograms of MDI are all of level 1.8.2.
_DRMS = ("recnum", "srinrecn", "drms_id", "srindrms", "trecepoc", "sinrhotb", "wcsname")
#: The noise of level 1.8 is between these multiples of the smallest one of level 1.8.2, near disk
#: centre; the second grows toward the limb by (1 - mu) times the number for its interval.
_NOISE, _TOWARD_LIMB = (0.45, 0.8), {30.0: 1.4, 300.0: 0.3}
#: Share of the pixels of a frame that are farther from disk centre than where it is measured: the
#: noise of a whole disk is taken where it is small.
_INNER = 0.75


@dataclass(frozen=True)
class Level:
    """
    The level of calibration of a frame.

    Parameters
    ----------
    name : str
        "1.8.2", "1.8", or "simulated".
    source : {"header", "noise", "option"}
        What says so.
    factor : float
        By which the frame is multiplied to be of level 1.8.2.
    uncertainty : float
        Relative uncertainty of that factor.
    """

    name: str
    source: str
    factor: float = 1.0
    uncertainty: float = 0.0

    def describe(self) -> str:
        """Say it in a line of HISTORY."""
        by = {"header": "by its header", "noise": "by its noise", "option": "as the user says"}
        text = f"input of level {self.name}, {by[self.source]}"
        if self.factor != 1:
            text += f"; multiplied by {self.factor} ({self.uncertainty:.0%}) to be of level 1.8.2"
        return text


def is_simulated(meta, instrument=MDI.name) -> bool:
    """Return whether `~sunpy_superres.simulate_mdi` made a frame."""
    return instrument in str(meta.get("siminst", "")).upper()


def check_level(level):
    """
    Check the option ``level``.

    Raises
    ------
    ValueError
        If it is neither None nor one of `LEVELS`.
    """
    if level is not None and level not in LEVELS:
        raise ValueError(
            f"level must be {' or '.join(map(repr, LEVELS))}, or None to read it from the header "
            f"and the noise, not {level!r}."
        )


def _read_text(meta, names):
    """Return the texts of cards, as one in lower case."""
    return " ".join(str(meta.get(name, "")) for name in names).lower()


def _as_text(value):
    """Write a card's value; 1.7999999523162842, single precision, is 1.8."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _stated_level(meta):
    """Return the level that a card names, such as "1.8"; None if none does."""
    for names, levels in _STATED:
        found = [
            digits
            for name, value in meta.items()
            if names.fullmatch(str(name).lower())
            for digits in levels.findall(_as_text(value))
        ]
        if found:
            # A note may name the level that a frame was made from, too.
            return max(".".join(digits).rstrip(".0") or "0" for digits in found)
    return None


def _read_header(meta):
    """Return the level by the header; None if it does not tell."""
    record = _read_text(meta, ("drms_id", "srindrms", "content"))
    files = _read_text(meta, ("filename", "srinfile")).split()
    record += "".join(f" {name.rpartition('/')[2]}" for name in files)
    build = read_number(meta.get("bldver18"))
    if abs(build or 0) >= _BUILD or "lev182" in record or "smarp" in record or "tarpnum" in meta:
        return "1.8.2"
    notes = _read_text(meta, [k for k in meta if str(k).lower().startswith(("note", "src_adj"))])
    if "ulrich" in notes:
        return "1.8.2"
    level = _stated_level(meta)
    if level not in (None, "1.8"):
        return level
    made = _find_processing(meta)
    if made is None or made >= read_moment(_BEGINNING):
        return level
    return "1.8" if made < read_moment(_RECALIBRATED) else "1.8.1"


def _find_processing(meta):
    """Return the time at which an MDI frame was processed; None if the header does not tell."""
    named = [str(meta.get(card) or "").upper() for card in ("instrume", "camera", "telescop")]
    if "MDI" not in " ".join(named[:2]) and (named[0].strip() or "SOHO" not in named[2]):
        return None
    if not any(card in meta for card in _DRMS):  # JSOC kept the RUNTIME of the older level
        run = read_moment(meta.get("runtime"))
        if run is not None:  # DATE is the time of the file, which may have been written anew
            return run
    observed = read_moment(meta.get("date-obs"))
    cards = ("date", "srindate")
    made = [moment for card in cards if (moment := read_moment(meta.get(card))) is not None]
    if observed is not None:  # some programs write the time of observation into DATE
        made = [moment for moment in made if not _is_time_of(observed, moment)]
    return max(made, default=None)


def _is_time_of(observed, moment):
    """Return whether a DATE may be the time of the observation, or its day alone."""
    is_day = moment.isot[11:] == "00:00:00.000"
    return bool(abs(moment - observed) < (1 * u.day if is_day else 1 * u.hour))


def find_level(meta, values, good, level=None, mu=1.0) -> tuple[Level, list[str]]:
    """
    Find the level of a frame.

    Parameters
    ----------
    meta : dict-like
        FITS cards, lower-case names.
    values : numpy.ndarray
        MDI Gauss as they are in the file, ``(ny, nx)``.
    good : numpy.ndarray of bool
        Pixels that are on the disk and observed.
    level : {None, "1.8.2", "1.8"}
        What the user says; it counts more than the header.
    mu : float or numpy.ndarray
        Cosine of the heliocentric angle of the pixels; the noise grows toward the limb.

    Returns
    -------
    level : Level
    notes : list of str
        Sentences if the user contradicts the header or the noise, a simulated frame names an older
        level, or the noise is that of one.

    Raises
    ------
    ValueError
        If the header says another level than 1.8.2, and the user says none.
    """
    stated, notes = _read_header(meta), []
    if is_simulated(meta):
        if level == "1.8" or stated in ("1.8", "1.8.1"):
            notes.append(
                f"SIMINST = {meta['siminst']!r} says that the frame is simulated, of level 1.8.2, "
                f"and {'the user' if level else 'the header'} says level {level or stated}; the "
                "first counts. Delete SIMINST if MDI observed the frame."
            )
        return Level("simulated", "header"), notes
    interval = observed_interval(meta)
    measured = estimate_noise(np.where(good, values, np.float32(0)), good)
    doubtful = _doubtful_noise(interval, float(np.nanquantile(mu, _INNER)))
    if level is not None:
        if stated not in (None, level):
            notes.append(f"The header says level {stated}; the frame is taken for level {level}.")
        if level == "1.8" and interval and measured > doubtful[1]:
            notes.append(
                f"The noise of {measured:.1f} G is that of level 1.8.2 with INTERVAL = "
                f"{interval:.0f} s: if the frame was recalibrated (from 15 October 2007 on), it "
                "must not be scaled again; give level='1.8.2' then."
            )
        scaled = (_FACTOR, _FACTOR_UNCERTAINTY) if level == "1.8" else (1.0, 0.0)
        return Level(level, "option", *scaled), notes
    if stated == "1.8.2":
        return Level(stated, "header"), []
    if stated is not None:
        raise ValueError(_refuse(stated))
    doubt = _doubt_header(meta)
    if doubtful[0] < measured < doubtful[1]:
        known = f" with INTERVAL = {interval:.0f} s" if interval else ""
        doubt = (
            f"The header does not tell the level{'' if interval else ', nor INTERVAL'}, and the "
            f"noise of {measured:.1f} G is that of level 1.8 (before October 2007){known}, whose "
            f"field is {_FACTOR} times weaker than that of level 1.8.2, or that of "
            + ("a frame that was smoothed" if interval else "level 1.8.2 averaged over 300 s")
        )
    if doubt:
        notes.append(
            f"{doubt}. It is taken for level 1.8.2; give level='1.8' to have it scaled, or "
            "level='1.8.2' if that is right."
        )
    return Level("1.8.2", "noise"), notes


def _doubtful_noise(interval, mu):
    """Return the range of the noise of level 1.8, in Gauss; between intervals, interpolated."""
    intervals, smallest = zip(*((s, low) for s, low, _ in MDI.noise if s), strict=True)
    growth = [1 + _TOWARD_LIMB[s] * (1 - mu) for s in intervals]
    lowest = [_NOISE[0] * low for low in smallest]
    highest = [_NOISE[1] * low * more for low, more in zip(smallest, growth, strict=True)]
    if interval is None:  # it may be any of them
        return min(lowest), max(highest)
    low, high = (
        float(np.exp(np.interp(np.log(interval), np.log(intervals), np.log(ends))))
        for ends in (lowest, highest)
    )
    return low, high


def _doubt_header(meta):
    """Return what in a header is usual in files of level 1.8; None if nothing is."""
    build = read_number(meta.get("bldver18"))
    texts = (str(meta.get(card, "")) for card in ("history", "comment"))
    named = {".".join(digits).rstrip(".0") for text in texts for digits in _NAMED.findall(text)}
    if str(meta.get("caltbls", "")).strip().upper() == "NONE":
        mark = "CALTBLS = NONE"
    elif build:
        mark = f"BLDVER18 = {build:.0f} (not {_BUILD})"
    elif "1.8" in named and "1.8.2" not in named:
        mark = "The name of level 1.8 in HISTORY or COMMENT"
    else:
        return None
    return (
        f"{mark} is usual in files of MDI's level 1.8 (before October 2007), whose field is "
        f"{_FACTOR} times weaker than that of level 1.8.2, and nothing else in the header tells "
        "the level"
    )


def _refuse(stated):
    """Write the sentence that refuses a level."""
    advice = f"fetch the frame of the series {MDI.series}"
    if stated == "1.8":
        return (
            f"The header says level 1.8, as processed before October 2007, whose field is "
            f"{_FACTOR} times weaker than that of level 1.8.2; {advice}, or give level='1.8' "
            "(--level 1.8) to have it scaled."
        )
    if stated == "1.8.1":
        return (
            "The header says level 1.8.1, as processed from October 2007 to December 2008, which "
            f"was recalibrated by other factors than level 1.8.2; {advice}, or give level='1.8.2' "
            "(--level 1.8.2) to take it as it is."
        )
    return (
        f"The header says level {stated}; the model is for level 1.8.2: {advice}, or give "
        "level='1.8.2' (--level 1.8.2) if the header is wrong."
    )
