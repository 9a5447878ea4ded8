"""Cards that state the roll of a frame."""

import warnings

import numpy as np
import pytest
import sunpy.map

from sunpy_superres import SuperResWarning
from sunpy_superres.maps.headers import repair_header
from sunpy_superres.maps.magnetogram import read_magnetogram
from sunpy_superres.maps.roll import ROLL_CARDS

SHAPE = (40, 48)


@pytest.fixture
def place(mdi_header, bipole):
    """``place(**cards)``: arcsec of the first pixel on the sky, and the warnings."""

    def find(**cards):
        header = mdi_header(SHAPE, corner=(540, 500), **cards)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            smap = read_magnetogram(sunpy.map.Map(bipole(SHAPE), header)).map
        said = [str(w.message) for w in caught if issubclass(w.category, SuperResWarning)]
        angles = np.array(smap.wcs.pixel_to_world_values(0, 0)) * 3600
        return (angles + 180 * 3600) % (360 * 3600) - 180 * 3600, said

    return find


@pytest.mark.parametrize("card", ROLL_CARDS)
@pytest.mark.parametrize(
    "value", [180.0, 180, -180.0, "180.0", "'180.0'", " 180 ", "1.8D2", "180 deg"]
)
def test_half_a_turn_in_any_card(place, card, value):
    known, _ = place(crota2=180.0)
    found, said = place(crota2=None, **{card: value})
    assert found == pytest.approx(known, abs=1e-6)
    assert said == []


@pytest.mark.parametrize(
    ("card", "crota2"), [("crot", 7.0), ("crota", 7.0), ("crota1", 7.0), ("p_angle", -7.0),
                         ("solar_p0", -7.0), ("solar_p", -7.0)],
)  # fmt: skip
def test_a_position_angle_turns_the_other_way(place, card, crota2):
    found, said = place(crota2=None, **{card: 7.0})
    assert found == pytest.approx(place(crota2=crota2)[0], abs=1e-6)
    assert said == []


@pytest.mark.parametrize("card", ["sc_roll", "angle"])
def test_a_card_whose_sign_is_not_certain_is_said(place, card):
    found, said = place(crota2=None, **{card: 7.0})
    assert found == pytest.approx(place(crota2=-7.0)[0], abs=1e-6)
    assert len(said) == 1
    assert f"from {card.upper()}; the sign of SolarSoft is assumed" in said[0]


def test_nearly_half_a_turn(place):
    found, said = place(crota2=None, sc_roll=179.9, crot="")
    # The sign is not known, but makes no difference beyond the tolerance.
    assert found == pytest.approx(place(crota2=-179.9)[0], abs=1e-6)
    assert said == []


MATRIX = {"crota2": None, "pc1_1": 1.0, "pc1_2": 0.0, "pc2_1": 0.0, "pc2_2": 1.0}


@pytest.mark.parametrize(
    "cards",
    [
        {"crota2": 0.0, "sc_roll": 180.0},
        {"crota2": 0.0, "crot": "180.0"},
        {"crota2": 0.0, "crota1": 180.0},
        {"crota2": 0.0, "solar_p": -179.999},
        {"crota2": 180.0, "p_angle": 0.0},
        {"crota2": 180.0, "sc_roll": 0},
        {"crota2": 3.1, "solar_p0": 3.1},
        {"crota2": None, "crot": 180.0, "p_angle": 0.0},
        MATRIX | {"crota": 180.0},
        MATRIX | {"crota2": 180.0},
    ],
)
def test_cards_that_contradict_each_other_are_said(place, cards):
    _, said = place(**cards)
    assert len(said) == 1
    assert "contradicts" in said[0]
    assert "is used" in said[0]


@pytest.mark.parametrize(
    "cards",
    [
        {"crota2": 0.0, "crota1": 0.0, "solar_p": 0.0},
        {"crota2": 180.0, "solar_p0": -179.999994991, "p_angle": 180.0, "crota1": 0.0},
        {"crota2": 180.0, "crota1": 0.0, "solar_p": 0.0},  # what nobody filled in
        {"crota2": 3.1, "solar_p0": -3.1, "sc_roll": 3.1},
        {"crota2": 180.08, "sc_roll": 180.0},
        {"crota2": 0.0, "solar_p0": "nan"},
        {"crota2": None, "pc1_1": -1.0, "pc1_2": 0.0, "pc2_1": 0.0, "pc2_2": -1.0, "crot": 180.0},
    ],
)
def test_cards_that_agree_say_nothing(place, cards):
    assert place(**cards)[1] == []


def test_the_roll_of_the_camera_is_not_that_of_a_heliographic_map(mdi_header):
    header = mdi_header(ctype1="CRLN-CEA", ctype2="CRLT-CEA", crota2=None, sc_roll=180.0)
    assert repair_header(header) == (header, [])


def test_an_unknown_roll_is_assumed_aloud(place):
    found, said = place(crota2="nan")
    assert found == pytest.approx(place(crota2=0.0)[0])
    assert said == ["CROTA2: not known, no roll is assumed; set the card if that is wrong."]
    assert place(crota2="nan", crot=180.0) == (pytest.approx(place(crota2=180.0)[0]), [])


@pytest.mark.parametrize("number", [-9999.0, -999, "-9999.0", 1e30])
def test_a_number_that_is_no_angle_states_no_roll(place, number):
    """-9999 is 81 degrees, if it is taken for an angle."""
    found, said = place(crota2=number)
    assert found == pytest.approx(place(crota2=0.0)[0], abs=1e-6)
    assert said == ["CROTA2: not known, no roll is assumed; set the card if that is wrong."]
    found, said = place(crota2=number, crot=180.0, sc_roll=number)
    assert found == pytest.approx(place(crota2=180.0)[0], abs=1e-6)
    assert said == []


def test_a_zero_beside_another_roll_is_a_placeholder(place):
    for zero in ("crota1", "crot", "sc_roll"):
        found, _ = place(**{"crota2": None, zero: 0.0, "p_angle": 180.0})
        assert found == pytest.approx(place(crota2=180.0)[0], abs=1e-6), zero


def test_two_negative_sides_are_the_half_turn_of_the_spacecraft(place):
    turned, _ = place(crota2=180.0)
    found, said = place(crota2=None, cdelt1=-1.9860081672668457, cdelt2=-1.9860081672668457,
                        sc_roll=180.0)  # fmt: skip
    assert found == pytest.approx(turned, abs=1e-6)
    assert "CDELT1 and CDELT2 are the half turn of SC_ROLL" in said[0]


def test_the_oldest_form_of_the_matrix_is_read(place):
    old = {"pc001001": -1.0, "pc001002": 0.0, "pc002001": 0.0, "pc002002": -1.0}
    found, said = place(crota2=None, **old)
    assert found == pytest.approx(place(crota2=180.0)[0], abs=1e-6)
    assert said == []
    # The names of today count more.
    assert place(crota2=None, **old, pc1_1=1.0, pc2_2=1.0)[0] == pytest.approx(place(crota2=0.0)[0])
