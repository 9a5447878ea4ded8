"""The roll of a frame: the cards that state it, and whether they agree."""

from __future__ import annotations

import numpy as np

from sunpy_superres.maps.cards import (
    MATRIX,
    Assumption,
    is_fill_number,
    is_finite_number,
    is_missing,
    read_number,
)

__all__ = ["ROLL_CARDS", "compare_rolls", "repair_roll"]

#: Cards that state the roll beside CROTA2, in the order in which they are believed, and their sign
#: relative to CROTA2.  A position angle counts from north to east, CROTA2 turns the other way, and
#: SolarSoft (``get_fits_roll``) reads SC_ROLL and ANGLE as position angles.
_SIGNS = {
    "crota1": 1,
    "crot": 1,
    "crota": 1,
    "sc_roll": -1,
    "solar_p0": -1,
    "p_angle": -1,
    "solar_p": -1,
    "angle": -1,
    **dict.fromkeys(("roll", "rollang", "roll_ang", "rollangl"), -1),
}
ROLL_CARDS = tuple(_SIGNS)
#: Cards whose sign differs between programs.
_EITHER_SIGN = ("sc_roll", "angle", "roll", "rollang", "roll_ang", "rollangl")
#: Cards that are 0 where nothing was written into them: FITS gives CROTA1 no meaning.
_PLACEHOLDERS = ("crota1", "solar_p", "roll", "rollang", "roll_ang", "rollangl")
#: Degrees by which CROTA2 may differ from the matrix, and other cards from the roll.
_TOLERANCE, _LOOSE_TOLERANCE = 0.1, 1.0


def repair_roll(meta, *, unknown=False) -> list[str]:
    """
    Set CROTA2 from the card that states the roll, if neither it nor a matrix does, in place.

    Parameters
    ----------
    meta : dict
        FITS cards, lower-case names.
    unknown : bool
        CROTA2 was there, but said that nothing is known.

    Returns
    -------
    list of str
        A sentence if CROTA2 was set, or if nothing states a roll that is unknown.
    """
    heliographic = str(meta.get("ctype1", "")).strip().upper()[:2] in ("HG", "CR")
    if heliographic or any(name in meta for name in ("crota2", *MATRIX)):
        return []
    stated = ((name, _read_angle(meta.get(name))) for name in ROLL_CARDS)
    stated = [(name, angle) for name, angle in stated if angle is not None]
    # A 0 beside another card's roll is a placeholder.
    turned = [(name, angle) for name, angle in stated if _apart(angle, 0) > _TOLERANCE]
    name, angle = next(iter(turned or stated), (None, None))
    if name is None:
        return [Assumption("CROTA2: not known, no roll is assumed")] if unknown else []
    if not angle:
        return []
    roll = _SIGNS[name] * angle
    if _is_flipped(meta) and _apart(roll, 180) < _LOOSE_TOLERANCE:
        return [
            Assumption(f"CROTA2: not set, CDELT1 and CDELT2 are the half turn of {name.upper()}")
        ]
    meta["crota2"] = roll
    said = f"CROTA2: {roll:.3f} deg from {name.upper()}"
    if name in _EITHER_SIGN and _apart(roll, -roll) > _LOOSE_TOLERANCE:
        return [Assumption(f"{said}; the sign of SolarSoft is assumed")]
    return [said]


def _is_flipped(meta):
    """Return whether both CDELT are negative, which is half a turn."""
    sides = [read_number(meta.get(card)) for card in ("cdelt1", "cdelt2")]
    return all(side is not None and side < 0 for side in sides)


def compare_rolls(meta, roll, *, flipped=False) -> list[str]:
    """
    Compare the roll that is used with each card that states one.

    Parameters
    ----------
    meta : dict-like
    roll : float
        Degrees, as the matrix has it.
    flipped : bool
        Both CDELT are negative, half a turn that CROTA2 does not count.

    Returns
    -------
    list of str
        A sentence for each card that contradicts it.
    """
    stated = _read_angle(meta.get("crota2"))
    notes, own = [], roll + 180 if flipped else roll
    if stated is not None and _apart(own, stated) > _TOLERANCE:
        notes.append(
            f"CROTA2 = {stated} contradicts the matrix PCi_j or CDi_j, a roll of "
            f"{(own + 180) % 360 - 180:.2f} deg, which is used; delete the wrong one."
        )
    for name, sign in _SIGNS.items():
        stated = _read_angle(meta.get(name))
        if stated is None or (not stated and name in _PLACEHOLDERS):
            continue
        signs = (1, -1) if name in _EITHER_SIGN else (sign,)
        if min(_apart(r, s * stated) for r in (own, roll) for s in signs) > _LOOSE_TOLERANCE:
            notes.append(
                f"{name.upper()} = {stated} contradicts the roll of "
                f"{(own + 180) % 360 - 180:.2f} deg of CROTA2 or PCi_j, which is used; "
                "delete the wrong one."
            )
    return notes


def _read_angle(value):
    """Read an angle in degrees, also from a text; None if the card states none."""
    if is_missing(value) or is_fill_number("crota2", value):
        return None
    number = read_number(value)
    return number if is_finite_number(number) else None


def _apart(first, second):
    """Angle between two directions in degrees."""
    return float(abs((np.float64(first) - second + 180) % 360 - 180))
