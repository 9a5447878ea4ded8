"""INTERVAL, the time over which a frame of MDI was taken, in the forms that headers have."""

from __future__ import annotations

import re

from sunpy_superres.maps.cards import is_missing

__all__ = ["observed_interval"]

_NUMBER = r"(?P<number>\d+(?:\.\d*)?(?:[ed][+-]?\d+)?|\.\d+)"
#: Words for the units, and their seconds.
_UNITS = (
    (r"s|secs?|seconds?", 1.0),
    (r"m|mins?|minutes?", 60.0),
    (r"h|hrs?|hours?", 3600.0),
)
#: A number with its unit, bare or in brackets, and a time such as 00:05:00.
_FORMS = [
    (re.compile(rf"(?i){_NUMBER}[\s_-]*[(\[]?\s*(?:{words})\.?\s*[)\]]?"), seconds)
    for words, seconds in _UNITS
]
_CLOCK = re.compile(r"(\d+):(\d{2}):(\d{2}(?:\.\d*)?)")
#: MDI takes 30 s for a magnetogram; a smaller number without a unit is one of minutes.
_SHORTEST = 20.0


def observed_interval(meta) -> float | None:
    """
    Read INTERVAL in seconds.

    Parameters
    ----------
    meta : dict-like
        FITS cards, lower-case names; the comment of INTERVAL, in "keycomments", may name the unit.

    Returns
    -------
    float or None
        Such as 300.0 for 300, "300 s", "5 min", "00:05:00", and 5 (a number below 20 is one of
        minutes, unless the header says seconds).  None if the header does not give it.
    """
    value = meta.get("interval")
    if isinstance(value, bool) or is_missing(value):
        return None
    text = str(value).strip().strip("'\"").strip()
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, seconds = map(float, clock.groups())
        return 3600 * hours + 60 * minutes + seconds or None
    for form, seconds in _FORMS:
        found = form.fullmatch(text)
        if found:
            return seconds * _as_number(found) or None
    found = re.fullmatch(rf"(?i){_NUMBER}", text)
    if not found:
        return None
    number = _as_number(found)
    seconds = _unit_of_comment(meta)
    if seconds is None:
        seconds = 60.0 if number < _SHORTEST else 1.0
    return seconds * number or None


def _as_number(found):
    return float(found["number"].lower().replace("d", "e"))


def _unit_of_comment(meta):
    """Return the seconds of the unit that the comment of INTERVAL names; None if it names none."""
    comments = meta.get("keycomments") or {}
    comment = next((c for name, c in comments.items() if str(name).upper() == "INTERVAL"), "")
    brackets = re.search(r"[\[(]\s*([a-zA-Z]+)\.?\s*[\])]", str(comment))
    words = [brackets[1]] if brackets else re.findall(r"[a-zA-Z]{3,}", str(comment))
    named = {
        seconds
        for words_of_unit, seconds in _UNITS
        for word in words
        if re.fullmatch(rf"(?i){words_of_unit}", word)
    }
    return named.pop() if len(named) == 1 else None
