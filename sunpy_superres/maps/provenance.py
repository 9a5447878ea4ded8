"""Where a result comes from: cards and HISTORY of its own, and of its input's record."""

from __future__ import annotations

import re
import textwrap

import numpy as np

__all__ = ["add_provenance", "fit_comments", "retire_record"]

#: Cards about the file and the record of an input, and the names under which a result keeps them.
_KEPT = {
    "date": "srindate",
    "origin": "srinorig",
    "recnum": "srinrecn",
    "drms_id": "srindrms",
    "t_rec": "srintrec",
    "filename": "srinfile",
    "extname": "srinextn",
    "source": "srinsour",
}
_KEPT_COMMENTS = {
    "srindate": "DATE of the input's file",
    "srinorig": "ORIGIN of the input",
    "srinrecn": "RECNUM of the input",
    "srindrms": "DRMS_ID of the input",
    "srintrec": "T_REC of the input",
    "srinfile": "FILENAME of the input",
    "srinextn": "EXTNAME of the input",
    "srinsour": "SOURCE of the input",
}
#: Such cards that a result does not keep.
_DROPPED = re.compile(
    "checksum|datasum|headsum|primaryk|license|requesti|extver|extlevel|inherit|hduname|hduver|"
    "creator|progver|created|outfil|inputfil|datafile|dataname|dsname|dfname0|dname0|"
    "dsds_uid|i_drec|bld_vers|codever.*|date_[sb]|runtime|iraf.*|protocol|longstrn|fitswash|software|"
    "author|trec(?:epoc|step|unit)"
)
#: Characters of a card, and of what stands before the comment without the value.
_CARD, _FRAME = 80, 13
#: Characters that a value fills at least, and that a comment needs to say anything.
_VALUE, _COMMENT = 20, 8


def retire_record(meta) -> dict:
    """
    Take away the cards by which a result would pass for its input's file or record.

    The date, the origin and the number of the record, its T_REC and the name of the file stay in
    cards that begin with SRIN.

    Parameters
    ----------
    meta : dict-like
        FITS cards, lower-case names.

    Returns
    -------
    dict
        A copy.
    """
    kept = {k: v for k, v in dict(meta).items() if k not in _KEPT and not _DROPPED.fullmatch(k)}
    record = {_KEPT[k]: v for k, v in dict(meta).items() if k in _KEPT and str(v).strip()}
    return _comment(kept | record, {k: _KEPT_COMMENTS[k] for k in record})


def add_provenance(meta, cards, steps, comments=None) -> dict:
    """
    Add cards and HISTORY lines that say how a result was made.

    Characters outside ASCII are written as escapes with a backslash.  Numbers that are not finite
    are left out, since FITS has no card for them.

    Parameters
    ----------
    meta : dict-like
        FITS cards, lower-case names.
    cards : dict
        Cards to add or to replace.
    steps : list of str
        Lines to add to HISTORY.
    comments : dict, optional
        Comments of cards.

    Returns
    -------
    dict
        A copy.
    """
    meta = dict(meta) | {k: _to_ascii(v) if isinstance(v, str) else v for k, v in cards.items()}
    before = str(meta.get("history", "")).strip().splitlines()
    # A HISTORY card holds 72 characters; a longer line would be read back as two.
    lines = [
        piece for line in before + steps for piece in textwrap.wrap(_to_ascii(line), 72) or [""]
    ]
    meta["history"] = "\n".join(lines)
    meta = {k: v for k, v in meta.items() if not isinstance(v, float) or np.isfinite(v)}
    return fit_comments(_comment(meta, comments or {}))


def _comment(meta, comments):
    """Add comments of cards to those that a header has, as sunpy keeps them."""
    if not comments:
        return meta
    known = meta.get("keycomments")
    known = known if isinstance(known, dict) else {}
    return meta | {"keycomments": known | {k.upper(): v for k, v in comments.items()}}


def fit_comments(meta) -> dict:
    """
    Shorten the comments of cards to the room that the values leave, and drop those of no card.

    Parameters
    ----------
    meta : dict-like
        FITS cards, lower-case names, with the comments as sunpy has them.

    Returns
    -------
    dict
        A copy.
    """
    meta, fitting = dict(meta), {}
    for name, comment in (meta.get("keycomments") or {}).items():
        if name.lower() not in meta:
            continue
        value = meta[name.lower()]
        length = len(value.replace("'", "''")) + 2 if isinstance(value, str) else 0
        room = _CARD - _FRAME - max(_VALUE, length)
        if len(str(comment)) <= room or room >= _COMMENT:
            fitting[name] = str(comment)[:room].rstrip()
    if "keycomments" in meta:
        meta["keycomments"] = fitting
    return meta


def _to_ascii(text):
    return text.encode("ascii", "backslashreplace").decode()
