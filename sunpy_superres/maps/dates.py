"""Times in header cards, in the forms of the FITS standard, of SolarSoft and of JSOC."""

from __future__ import annotations

import contextlib
import re
import warnings
from datetime import date, timedelta

import astropy.units as u
from astropy.time import Time
from sunpy.time import parse_time

from sunpy_superres.maps.cards import Assumption, is_finite_number, is_missing, read_number
from sunpy_superres.maps.interval import observed_interval

__all__ = ["compare_dates", "find_contradictions", "parse_moment", "read_moment", "repair_dates"]

#: Time scales of astropy by the names that headers give them.
_SCALES = dict.fromkeys(("Z", "UTC", "UT", "UT1", "GMT"), "utc") | {
    "TAI": "tai",
    "IAT": "tai",
    "TT": "tt",
    "TDT": "tt",
    "ET": "tt",
    "TDB": "tdb",
    "TCG": "tcg",
    "TCB": "tcb",
    "GPS": "gps",
}
#: Seconds by which GPS time is behind TAI.
_GPS = 19
_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_MONTH = rf"(?P<name>(?:{'|'.join(_MONTHS)})[A-Z]*)\.?"
_YEAR = r"(?P<year>\d{4}|\d{2})"
#: Forms of a day.  Three numbers with slashes are those of old FITS files, the day first, unless
#: that gives no date.
_DAYS = [
    re.compile(form)
    for form in (
        r"(?P<year>\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})",
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
        r"(?P<year>\d{4})[-:](?P<count>\d{3})",
        rf"(?P<day>\d{{1,2}})[-/. ]*{_MONTH}[-/., ]*{_YEAR}",
        rf"{_MONTH}[-/. ]*(?P<day>\d{{1,2}})(?:[-/. ]|, *){_YEAR}",
        rf"(?P<year>\d{{4}})[-/. ]*{_MONTH}[-/. ]*(?P<day>\d{{1,2}})",
        rf"(?P<day>\d{{1,2}})/(?P<month>\d{{1,2}})/{_YEAR}",
        r"(?P<year>\d{2})/(?P<month>\d{1,2})/(?P<day>\d{1,2})",
        r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})",
    )
]
_CLOCK = re.compile(r"(\d{1,2}):?(\d{2})(?::?(\d{2}(?:\.\d*)?))?")
_WHOLE = re.compile(
    r"(?:(?:MON|TUE|WED|THU|FRI|SAT|SUN)[A-Z]*,? +)?"
    r"(?P<day>.*?\d)"
    r"(?:(?:T|[_ ,]+)(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:\.\d*)?)?|(?<=[T_])\d{4,6}(?:\.\d*)?))?"
    r"(?:[_ ]*(?P<scale>[A-Z][A-Z0-9]{0,2}))?(?P<offset>[+-]\d{2}:?\d{2})?"
)
#: As C prints it: the year follows the clock.
_YEAR_LAST = re.compile(r"(.*[A-Z]{3} +\d{1,2}) +(\d{1,2}:\d{2}:\d{2}) +(\d{4})")
#: What sunpy reads as it stands, in UTC.
_PLAIN = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d*)?)?Z?")
_MIDNIGHT = re.compile(r".*T00:00(:00(\.0*)?)?Z?")
#: Years that an observation may have; JSOC writes -4712 where it knows none.
_YEARS = (1900, 2200)
#: Years of two digits are 1950 to 1999 and 2000 to 2027: those between are no years.
_TWO_DIGITS = (27, 50)
#: Seconds that the times of one frame may lie apart, without its INTERVAL.
_APART = 600.0
#: Cards with the time of an observation, and those that are kept beside DATE-OBS.
_STATED = "date-obs date_obs dateobs date-beg t_obs t_rec date-avg date-end reftime".split()
_KEPT = "date_obs dateobs date-beg date-avg date-end t_obs t_rec".split()
#: Those that sunpy reads beside DATE-OBS.
_READ = ("date-beg", "date-avg", "date-end")


def _split(text):
    """Split a text into day, clock (or None) and scale (or None), as ISO 8601 has them."""
    text = " ".join(text.strip().strip("'\"").upper().split())
    text = _YEAR_LAST.sub(r"\1 \3 \2", text)
    whole = _WHOLE.fullmatch(text)
    forms = [form.fullmatch(whole["day"].strip()) for form in _DAYS] if whole else []
    day = next(filter(None, (_read_day(form.groupdict()) for form in forms if form)), None)
    if day is None:
        return None
    scale = whole["scale"]
    if scale is not None and scale not in _SCALES:
        return None
    return day, _read_clock(whole["clock"]), scale, whole["offset"]


def _read_day(found):
    """Write a day as yyyy-mm-dd; None if there is no such day, or its year is no observation's."""
    year = int(found["year"])
    if len(found["year"]) == 2:
        if _TWO_DIGITS[0] < year < _TWO_DIGITS[1]:
            return None
        year += 1900 if year >= _TWO_DIGITS[1] else 2000
    if not _YEARS[0] <= year <= _YEARS[1]:
        return None
    month = int(found.get("month") or 1)
    if found.get("name"):
        month = _MONTHS.index(found["name"][:3]) + 1
    try:
        day = date(year, month, int(found.get("day") or 1))
        return (day + timedelta(days=int(found.get("count") or 1) - 1)).isoformat()
    except ValueError:
        return None


def _read_clock(text):
    """Write a clock as hh:mm:ss; None if there is none."""
    found = _CLOCK.fullmatch(text.strip()) if isinstance(text, str) else None
    return found and f"{int(found[1]):02d}:{found[2]}:{found[3] or '00'}"


def read_moment(text, system="UTC") -> Time | None:
    """
    Read a text as a time.

    Parameters
    ----------
    text : object
        In a form of FITS, old or new (28/10/03), of SolarSoft (28-Oct-2003 11:00:00.000), or of
        JSOC (2003.10.28_11:00:00_TAI).  A day without a clock is its midnight.
    system : str
        Time scale of a text that does not name its own, as TIMESYS has it.

    Returns
    -------
    `~astropy.time.Time` or None
        In UTC; None if it is no time, or in no year from 1900 to 2200.
    """
    parts = _split(text) if isinstance(text, str) else None
    if parts is None:
        return None
    day, clock, scale, offset = parts
    moment = _to_utc(f"{day}T{clock or '00:00:00'}", scale or system)
    if moment is None or not offset:
        return moment
    hours, minutes = int(offset[1:3]), int(offset[-2:])
    return moment - (1 if offset[0] == "+" else -1) * (hours + minutes / 60) * u.hour


def _to_utc(value, system, **options):
    """Make a time in UTC of a text or number on a time scale; None where there is no such time."""
    scale = _SCALES.get(system, "utc")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # for a second 60 that is no leap second
        try:
            moment = parse_time(value, scale=scale.replace("gps", "tai"), **options)
            return (moment + _GPS * u.s).utc if scale == "gps" else moment.utc
        except Exception:  # sunpy and astropy raise many kinds
            return None


def parse_moment(text, system="UTC") -> str | None:
    """Read a text as a time, see `read_moment`; return it in UTC as FITS has it, or None."""
    moment = read_moment(text, system)
    return None if moment is None else moment.isot


def _has_clock(text):
    parts = _split(text) if isinstance(text, str) else None
    return bool(parts and parts[1])


def repair_dates(meta) -> list[str]:
    """
    Set DATE-OBS to a time in UTC that sunpy reads, if any card gives one, in place.

    Parameters
    ----------
    meta : dict
        FITS cards, lower-case names.

    Returns
    -------
    list of str
        A sentence for each change.
    """
    changes = _leave_out_missing(meta)
    system = str(meta.get("timesys") or "UTC").strip().upper()
    if system not in _SCALES:
        changes.append(Assumption(f"TIMESYS: {system} is not known; UTC is assumed"))
        meta["timesys"] = system = "UTC"
    if not meta.get("date-obs") and _PLAIN.fullmatch(str(meta.get("date_obs", ""))):
        meta["date-obs"] = meta["date_obs"]
        changes.append("DATE-OBS: from DATE_OBS")
    changes += _repair_observed(meta, system)
    changes += _repair_others(meta, system)
    if _SCALES[system] != "utc":
        meta["timesys"] = "UTC"
        for name in ("time-obs", "time_obs"):  # now a part of DATE-OBS
            meta.pop(name, None)
        changes.append(f"TIMESYS: dates in {system} converted to UTC")
    return changes


def _leave_out_missing(meta):
    """Delete the cards that sunpy reads as texts, where they say that nothing is known."""
    empty = [name for name in (*_READ, "timesys") if name in meta and is_missing(meta[name])]
    return [f"{name.upper()}: {meta.pop(name)!r} is no value, left out" for name in empty]


def _repair_observed(meta, system):
    """Repair DATE-OBS itself."""
    own = meta.get("date-obs")
    plain = isinstance(own, str) and _PLAIN.fullmatch(own) and parse_moment(own)
    if plain and not (_MIDNIGHT.fullmatch(own) and _clock_beside(meta)):
        if _SCALES[system] != "utc" and not own.endswith("Z"):
            meta["date-obs"] = parse_moment(own, system)
        return []
    found = next(((m, source) for source, m in _candidates(meta, system) if m is not None), None)
    if found is None:
        return []
    moment, source = found
    meta["date-obs"] = moment.isot
    said = f"DATE-OBS: {moment.isot} from {source}"
    day = read_moment(own, system)
    if source.endswith(" alone"):
        return [Assumption(f"{said.removesuffix(' alone')}, a day alone; midnight is assumed")]
    if day is not None and abs((moment - day).to_value(u.day)) > 2:
        return [Assumption(f"{said}; DATE-OBS was {own}, and {source} is assumed to be right")]
    return [said]


def _clock_beside(meta):
    """Read a clock other than midnight from TIME-OBS, TIME_OBS or TIME; None without one."""
    for name in ("time-obs", "time_obs", "time"):
        text = str(meta.get(name) or "").strip().strip("'\"").upper()
        clock = _read_clock(re.sub(r"[_ ]*(UTC?|Z|GMT)$", "", text)) if ":" in text else None
        if clock and float(clock.replace(":", "")):
            return clock
    return None


def _candidates(meta, system):
    """Yield the source and the time of each card, or pair of cards, that gives the observation."""
    clock = _clock_beside(meta)
    for name in _STATED:
        text = meta.get(name)
        parts = _split(text) if isinstance(text, str) else None
        day_only = parts and (not parts[1] or (name == "date-obs" and _MIDNIGHT.fullmatch(text)))
        if day_only and clock and name in ("date-obs", "date_obs", "dateobs"):
            moment = _to_utc(f"{parts[0]}T{clock}", parts[2] or system)
            yield f"{name.upper()} and TIME-OBS", moment
        elif parts and parts[1]:
            yield name.upper(), read_moment(text, system)
    for name in ("mjd-beg", "mjd-obs", "mjd-avg"):
        number = read_number(meta.get(name))
        if _is_mjd(number) and number % 1:
            yield name.upper(), _to_utc(number, system, format="mjd")
    day, milliseconds = read_number(meta.get("mjd")), read_number(meta.get("time"))
    if _is_mjd(day) and milliseconds is not None and 0 <= milliseconds < 8.65e7:
        moment = _to_utc(day, system, format="mjd")
        yield "MJD and TIME", moment + milliseconds * u.ms
    for name in _STATED:
        yield f"{name.upper()} alone", read_moment(meta.get(name), system)
    number = read_number(meta.get("mjd-obs"))
    yield "MJD-OBS alone", _to_utc(number, system, format="mjd") if _is_mjd(number) else None


def _is_mjd(number):
    return is_finite_number(number) and 15000 < number < 100000


def _repair_others(meta, system):
    """Write the other dates as sunpy reads them, and leave out those that it cannot read."""
    changes = []
    for name in _KEPT:
        text = meta.get(name)
        if name in _READ and name in meta and not isinstance(text, str):
            # A datetime; a number is no time.
            moment = _to_utc(text, system)
            text = meta[name] = str(text if moment is None else moment.isot)
            if moment is not None:
                continue
        if not isinstance(text, str):
            continue
        parts, moment = _split(text), read_moment(text, system)
        shifted = moment is not None and parts[2] is None and _SCALES[system] != "utc"
        if shifted:
            meta[name] = moment.isot
        elif name in _READ and not _is_read_by_sunpy(text):
            if moment is None:
                del meta[name]
                changes.append(f"{name.upper()}: {text!r} is no time, left out")
            else:
                meta[name] = moment.isot
                changes.append(f"{name.upper()}: {text} read as {moment.isot}")
    if _SCALES[system] != "utc":
        for name in [name for name in meta if re.fullmatch(r"mjd-(obs|beg|avg|end)", name)]:
            number = read_number(meta[name])
            if _is_mjd(number):
                meta[name] = float(_to_utc(number, system, format="mjd").mjd)
    return changes


def _is_read_by_sunpy(text):
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parse_time(text)
        return True
    return not text.strip()


def find_contradictions(meta) -> dict[str, float]:
    """
    Find the cards of the time of the observation that cannot be true beside DATE-OBS.

    Parameters
    ----------
    meta : dict-like
        Cards after `repair_dates`.

    Returns
    -------
    dict of str to float
        Seconds from DATE-OBS, by the names of cards.
    """
    known, found = read_moment(meta.get("date-obs")), {}
    if known is None:
        return found
    limit = _APART + (observed_interval(meta) or 0)
    for name in ("t_obs", "date-avg", "date-beg", "date-end", "date_obs", "dateobs"):
        text = meta.get(name)
        moment = read_moment(text)
        if moment is None:
            continue
        apart = abs((moment - known).to_value(u.s))
        if apart > (limit if _has_clock(text) else 2 * 86400):
            found[name] = apart
    return found


def compare_dates(meta) -> list[str]:
    """
    Compare DATE-OBS with the other cards that give the time of the observation.

    Parameters
    ----------
    meta : dict-like
        Cards after `repair_dates`.

    Returns
    -------
    list of str
        A sentence for the first that contradicts it.
    """
    name, apart = next(iter(find_contradictions(meta).items()), (None, 0.0))
    if name is None:
        return []
    used = "DATE-AVG places the frame" if name == "date-avg" else "DATE-OBS is used"
    return [
        f"{name.upper()} = {meta[name]} and DATE-OBS = {meta['date-obs']} lie "
        f"{apart / 60:.0f} minutes apart; {used}. Delete the wrong one."
    ]
